import { withBoard, withReader } from '../board/open.ts';
import type { Board, ForeignTicket } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { actorOf, type Context } from '../context.ts';
import type * as tasks from '../import/index.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { showing } from '../report/showing.ts';
import { forgeOf, type ImportOptions, textOf } from './import-from.ts';
import { type Change, changeOf, type Left } from './import-update.ts';
import { labelsOf, nameOf } from './names.ts';
import { defaultProject } from './ticket.ts';

/** One write: short, so that a tick beside it does not wait. What is there when a later one fails, the next import finds. */
const BATCH = 100;
const BATCH_BYTES = 1024 * 1024;
const MOST_SHOWN = 50;

interface Plan {
  readonly add: readonly (ForeignTicket & { readonly where: string })[];
  readonly change: readonly Change[];
  readonly left: readonly Left[];
  /** On the board already, and nothing to do. */
  readonly there: number;
  readonly bad: readonly tasks.Bad[];
}

/** Brings tasks of other tools onto the board, each source once. */
export async function importTickets(
  context: Context,
  file: string | undefined,
  o: ImportOptions,
): Promise<ExitCode> {
  const me = actorOf(context);
  const filter = {
    only: o.only.map((one) => nameOf('--only', one)),
    labels: labelsOf(o.label),
  };
  const late = await import('../import/index.ts');
  const reading = await read(context, late, file, o, filter);
  for (const warning of reading.warnings) context.out.warn(warning);
  const dry = o.dryRun === true;
  return (dry ? withReader<ExitCode> : withBoard<ExitCode>)(context, async (board) => {
    const plan = await planOf(context, board, late, reading, o);
    if (plan.bad.length > 0 && !o.skipBad) throw refusal(plan.bad, reading);
    const ids = dry ? new Map<string, string>() : await add(board, plan.add, me);
    const { updated, left } = dry ? { updated: plan.change, left: plan.left } : await change(board, plan, me);
    warnUnknown(context, plan.add);
    show(context, { ...plan, updated, left, ids, dry, reading });
    return EXIT.ok;
  });
}

async function read(
  context: Context,
  late: typeof tasks,
  file: string | undefined,
  o: ImportOptions,
  filter: tasks.Filter,
): Promise<tasks.Reading> {
  const forge = o.from === 'github' || o.repo !== undefined;
  const tried = forge
    ? await showing(context, `asking for the issues of ${o.repo ?? ''}`, () =>
        late.readForge(forgeOf(context.env, file, o, filter.only), filter),
      )
    : await late.readFile(textOf(file, o), filter);
  if (tried.ok) return tried.value;
  throw new UserError(tried.exit, tried.why);
}

/** What is to be done, from one look at the board. */
async function planOf(
  context: Context,
  board: Board,
  late: typeof tasks,
  reading: tasks.Reading,
  o: ImportOptions,
): Promise<Plan> {
  const own = await board.boardId();
  const known = await board.bySource(late.asked(reading, reading.space));
  const there = new Map(known.map((ticket) => [late.sourceOf(ticket, own), ticket]));
  const { rows, bad } = late.placed(reading, reading.space, new Set(there.keys()));
  const fresh = rows.filter(({ ticket }) => !there.has(ticket.source));
  const old = rows.flatMap((row) => {
    const ticket = there.get(row.ticket.source);
    return ticket === undefined ? [] : [{ row, ticket }];
  });
  const changes = o.update ? old.map(({ row, ticket }) => changeOf(row, ticket)) : [];
  const change_ = changes.flatMap((one) => (one !== null && 'change' in one ? one : []));
  const left = changes.flatMap((one) => (one !== null && 'because' in one ? one : []));
  const more = projectFor(context, fresh, o);
  return {
    add: fresh.map((row) => ({ ...newTicket(row, more, o, context), where: row.where })),
    change: change_,
    left,
    there: old.length - change_.length - left.length,
    bad: [...reading.bad, ...bad],
  };
}

/** Asked for only where a task names none. */
function projectFor(context: Context, rows: readonly tasks.Row[], o: ImportOptions): string {
  if (o.project !== undefined) return nameOf('--project', o.project);
  if (rows.every(({ project }) => project !== null)) return '';
  return defaultProject(loadPolicy(context.places.config, context.env).policy, context);
}

function newTicket(
  row: tasks.Placed,
  project: string,
  { trust }: ImportOptions,
  context: Context,
): ForeignTicket {
  const now_ms = Date.now();
  return {
    ...row.ticket,
    project: row.project ?? project,
    author: row.author ?? `import:${actorOf(context)}`,
    // A file can say that it is to be trusted: that is for the person to say who brings it.
    trusted: trust === true && (row.trusted ?? true),
    depends_on: row.depends_on,
    created_at_ms: row.created_at_ms ?? now_ms,
    updated_at_ms: row.updated_at_ms ?? row.created_at_ms ?? now_ms,
  };
}

/** In batches, each all or nothing. Their order puts a ticket after what it depends on, so that any first part is whole. */
async function add(board: Board, all: Plan['add'], actor: string): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (let from = 0; from < all.length; ) {
    let bytes = 0;
    const batch: ForeignTicket[] = [];
    for (; from < all.length && batch.length < BATCH && bytes < BATCH_BYTES; from++) {
      const { where: _, ...ticket } = all[from] as Plan['add'][number];
      bytes += ticket.body.length;
      batch.push(ticket);
    }
    for (const { source, id } of await board.importTickets(batch, { actor, now_ms: Date.now() }))
      ids.set(source, id);
  }
  return ids;
}

async function change(
  board: Board,
  { change: all, left }: Plan,
  actor: string,
): Promise<{ readonly updated: readonly Change[]; readonly left: readonly Left[] }> {
  const updated: Change[] = [];
  const lost: Left[] = [];
  for (const one of all) {
    const { ticket, change: edit } = one;
    const won = await board.edit(
      { ticket: ticket.id, version: ticket.version, change: edit },
      { actor, now_ms: Date.now() },
    );
    if (won === 'won') updated.push(one);
    else lost.push({ ticket, because: 'changed_meanwhile' });
  }
  return { updated, left: [...left, ...lost] };
}

/** Everything that is wrong at once: who mends a file wants to do it in one go. */
function refusal(bad: readonly tasks.Bad[], { rows, skipped }: tasks.Reading): UserError {
  const lines = bad.slice(0, MOST_SHOWN).map(({ where, why }) => `  ${oneLine(where, 100)}: ${why}`);
  const more = bad.length > MOST_SHOWN ? [`  and ${bad.length - MOST_SHOWN} more`] : [];
  const of = Math.max(bad.length, rows.length + skipped.length);
  return new UserError(
    EXIT.usage,
    [
      `${bad.length} of ${of} can't be imported, so nothing was (--skip-bad imports the others):`,
      ...lines,
      ...more,
    ].join('\n'),
  );
}

/** Tickets that no tick will launch as things stand come in all the same. */
function warnUnknown({ out, places, env }: Context, all: Plan['add']): void {
  const { policy } = loadPolicy(places.config, env);
  if (policy.broken.length > 0) return;
  const count = (
    names: readonly (string | null)[],
    known: ReadonlyMap<string, unknown>,
    what: string,
  ): void => {
    for (const name of new Set(names))
      if (name !== null && !known.has(name))
        out.warn(
          `no ${what} "${name}" in ${places.config}: ${names.filter((one) => one === name).length} tickets will be skipped`,
        );
  };
  count(
    all.map(({ project }) => project),
    policy.projects,
    'project',
  );
  count(
    all.map(({ agent }) => agent),
    policy.agents,
    'agent profile',
  );
}

interface Shown extends Pick<Plan, 'add' | 'there' | 'bad'> {
  readonly updated: readonly Change[];
  readonly left: readonly Left[];
  readonly ids: ReadonlyMap<string, string>;
  readonly dry: boolean;
  readonly reading: tasks.Reading;
}

function show({ json, out }: Context, shown: Shown): void {
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
