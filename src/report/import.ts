import type { Plan } from '../import/onto.ts';
import type { Bad, Reading } from '../import/row.ts';
import type { Change, Left } from '../import/update.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Out } from './out.ts';

const MOST_SHOWN = 50;

/** Everything that is wrong at once: who mends a file wants to do it in one go. */
export function refusal(bad: readonly Bad[], { rows, skipped }: Reading): string {
  const lines = bad.slice(0, MOST_SHOWN).map(({ where, why }) => `  ${oneLine(where, 100)}: ${why}`);
  const more = bad.length > MOST_SHOWN ? [`  and ${bad.length - MOST_SHOWN} more`] : [];
  const of = Math.max(bad.length, rows.length + skipped.length);
  return [
    `${bad.length} of ${of} can't be imported, so nothing was (--skip-bad imports the others):`,
    ...lines,
    ...more,
  ].join('\n');
}

export interface Imported extends Pick<Plan, 'add' | 'there' | 'bad'> {
  readonly updated: readonly Change[];
  readonly left: readonly Left[];
  readonly ids: ReadonlyMap<string, string>;
  readonly dry: boolean;
  readonly reading: Reading;
}

/** What came in, what was left, and why. */
export function printImported(
  { json, out }: { readonly json: boolean; readonly out: Out },
  shown: Imported,
): void {
  const { add: added, updated, left, there, bad, ids, dry, reading } = shown;
  if (json) {
    const named = ({ id, source, title }: Ticket) => ({ id, source, title });
    out.json({
      dry_run: dry,
      format: reading.format,
      added: added.map(({ source, title, status, project, where }) => ({
        ...{ id: ids.get(source) ?? null, source, title, status, project, where },
      })),
      updated: updated.map(({ ticket, change: edit }) => ({ ...named(ticket), changed: changed(edit) })),
      left: left.map(({ ticket, because }) => ({ ...named(ticket), because })),
      there,
      skipped: reading.skipped.map(({ where, title, because }) => ({ where, title, because })),
      bad,
    });
    return;
  }
  const line = (what: string, id: string, title: string, more: string): void =>
    out.line(
      `${what.padEnd(8)} ${oneLine(id, 20).padEnd(8)} ${oneLine(title, 44).padEnd(44)} ${oneLine(more, 60)}`,
    );
  for (const { source, title, where } of added) line('add', ids.get(source) ?? '-', title, where);
  for (const { ticket, change: edit } of updated)
    line('update', ticket.id, ticket.title, changed(edit).join(', '));
  for (const { ticket, because } of left) line('leave', ticket.id, ticket.title, because);
  for (const { where, why } of bad) out.warn(`left out: ${oneLine(where, 100)}: ${why}`);
  const skipped = (because: string): number =>
    reading.skipped.filter((one) => one.because === because).length;
  const counts: [number, string][] = [
    [added.length, dry ? 'to add' : 'added'],
    [updated.length, dry ? 'to update' : 'updated'],
    [left.length, 'left as they are'],
    [there, 'there already'],
    [skipped('done'), 'done'],
    [skipped('no_task'), 'not work'],
    [skipped('other_label'), 'without the label'],
    [bad.length, 'bad'],
  ];
  const parts = counts.filter(([n], at) => n > 0 || at === 0).map(([n, what]) => `${n} ${what}`);
  out.line(`${parts.join(', ')}${dry ? ' (nothing was written)' : ''}`);
  const trust = added.some((one) => !one.trusted && one.status === 'todo');
  if (trust) out.line('They wait until a person moves them to todo, or a rule trusts their author.');
}

function changed(edit: Change['change']): string[] {
  return Object.keys(edit).filter((name) => name !== 'trusted');
}
