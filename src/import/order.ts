import { asSeen, formsOf } from '../model/name.ts';
import { oneLine } from '../model/text.ts';
import type { Bad, Reading, Row } from './row.ts';

/** A row whose dependencies are known by their sources. */
export interface Placed extends Row {
  readonly depends_on: readonly string[];
}

/** Every source that the board must be asked for: of the rows, and of what they may depend on elsewhere. */
export function asked({ rows }: Pick<Reading, 'rows'>, space: string | null): string[] {
  const all = rows.flatMap(({ ticket, needs }) => [
    ticket.source,
    ...needs.flatMap((one) => elsewhere(one, space)),
  ]);
  // On the board it has the form that its file had.
  return [...new Set(all.flatMap(formsOf))];
}

/**
 * Binds `depends_on` to rows and to tickets that are on the board, and puts each row after what it depends on. What is
 * done already is waited for by nobody. A row that depends on nothing that is known, on a bad row or on itself is bad.
 */
export function placed(
  { rows, skipped, bad }: Pick<Reading, 'rows' | 'skipped' | 'bad'>,
  space: string | null,
  there: ReadonlySet<string>,
): { readonly rows: readonly Placed[]; readonly bad: readonly Bad[] } {
  const wrong: Bad[] = [];
  let left = rows;
  for (;;) {
    const known = namesOf(left);
    const done = new Set(
      skipped.flatMap(({ id, number, because }) =>
        because === 'done' ? [id === null ? null : asSeen(id), `#${number}`] : [],
      ),
    );
    const before = wrong.length;
    const bound = left.flatMap((row): Placed[] => {
      const lost: string[] = [];
      const depends_on = row.needs.flatMap((need) => {
        const own = known.get(asSeen(need));
        if (own !== undefined) return [own];
        if (done.has(asSeen(need))) return [];
        const other = elsewhere(need, space).find((source) => there.has(asSeen(source)));
        if (other === undefined) lost.push(need);
        return other ?? [];
      });
      if (lost.length === 0) return [{ ...row, depends_on: [...new Set(depends_on)] }];
      const hint = bad.length + wrong.length > 0 ? ', or is bad itself' : '';
      wrong.push({
        where: row.where,
        why: `depends on ${oneLine(lost.join(', '), 100)}, which is neither in the file nor on the board${hint}`,
      });
      return [];
    });
    // What depends on a row that has just gone goes with it.
    if (wrong.length === before) {
      const { rows: ordered, circle } = sorted(bound);
      if (circle === null) return { rows: ordered, bad: wrong };
      const names = circle.map(({ id, ticket }) => id ?? ticket.source);
      for (const { where } of circle)
        wrong.push({ where, why: `waits for itself: ${oneLine([...names, names[0]].join(' -> '), 200)}` });
      left = bound.filter((row) => !circle.includes(row));
    } else left = bound;
  }
}

/** What a row may be called by another one of its file, in one form of its letters. An id of the file comes before a number in it. */
function namesOf(rows: readonly Row[]): ReadonlyMap<string, string> {
  return new Map([
    ...rows.map(({ number, ticket }) => [`#${number}`, ticket.source] as const),
    ...rows.map(({ ticket }) => [asSeen(ticket.source), ticket.source] as const),
    ...rows.flatMap(({ id, ticket }) => (id === null ? [] : [[asSeen(id), ticket.source] as const])),
  ]);
}

function elsewhere(need: string, space: string | null): string[] {
  return space === null ? [need] : [`${space}:${need}`, need];
}

/** Depth first, with a stack of its own: a chain may be as long as the file. */
function sorted(rows: readonly Placed[]): { readonly rows: Placed[]; readonly circle: Placed[] | null } {
  const bySource = new Map(rows.map((row) => [row.ticket.source, row]));
  const out: Placed[] = [];
  const state = new Map<Placed, 'open' | 'out'>();
  for (const first of rows) {
    if (state.has(first)) continue;
    const stack: { readonly row: Placed; next: number }[] = [{ row: first, next: 0 }];
    state.set(first, 'open');
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const source = top.row.depends_on[top.next++];
      if (source === undefined) {
        state.set(top.row, 'out');
        out.push(top.row);
        stack.pop();
        continue;
      }
      const on = bySource.get(source);
      if (on === undefined || state.get(on) === 'out') continue;
      if (state.get(on) === 'open') {
        const path = stack.map(({ row }) => row);
        return { rows: out, circle: path.slice(path.indexOf(on)) };
      }
      state.set(on, 'open');
      stack.push({ row: on, next: 0 });
    }
  }
  return { rows: out, circle: null };
}
