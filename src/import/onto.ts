/*
 * Tasks onto the board: what is to be done, from one look at it, and that in short writes. Beside the bundle that reads them, which
 * knows no board.
 */
import type { Board, ForeignTicket } from '../board/port/index.ts';
import { asSeen } from '../model/name.ts';
import type * as bundle from './index.ts';
import type { Placed } from './order.ts';
import type { Bad, Reading } from './row.ts';
import { type Change, changeOf, type Left } from './update.ts';

type Bundle = typeof bundle;

/** One write: short, so that a tick beside it does not wait. What is there when a later one fails, the next import finds. */
const BATCH = 100;
const BATCH_BYTES = 1024 * 1024;

/** How the tasks are to come in. */
export interface ImportWish {
  readonly update: boolean;
  /** The person who brings them vouches for them. */
  readonly trust: boolean;
  readonly actor: string;
  /** For those that name none. */
  readonly project: () => string;
}

export interface Plan {
  readonly add: readonly (ForeignTicket & { readonly where: string })[];
  readonly change: readonly Change[];
  readonly left: readonly Left[];
  /** On the board already, and nothing to do. */
  readonly there: number;
  readonly bad: readonly Bad[];
}

/** What is to be done, from one look at the board. */
export async function planOf(board: Board, late: Bundle, reading: Reading, o: ImportWish): Promise<Plan> {
  const own = await board.boardId();
  const known = await board.bySource(late.asked(reading, reading.space));
  const there = new Map(known.map((ticket) => [asSeen(late.sourceOf(ticket, own)), ticket]));
  const stored = (source: string): string => {
    const ticket = there.get(asSeen(source));
    return ticket === undefined ? source : late.sourceOf(ticket, own);
  };
  const { rows, bad } = late.placed(reading, reading.space, new Set(there.keys()));
  const fresh = rows.filter(({ ticket }) => !there.has(asSeen(ticket.source)));
  const old = rows.flatMap((row) => {
    const ticket = there.get(asSeen(row.ticket.source));
    return ticket === undefined ? [] : [{ row, ticket }];
  });
  const changes = o.update ? old.map(({ row, ticket }) => changeOf(row, ticket)) : [];
  const change_ = changes.flatMap((one) => (one !== null && 'change' in one ? one : []));
  const left = changes.flatMap((one) => (one !== null && 'because' in one ? one : []));
  // Asked for only where a task names none.
  const project = fresh.every((row) => row.project !== null) ? '' : o.project();
  return {
    add: fresh.map((row) => ({ ...newTicket(row, project, o, stored), where: row.where })),
    change: change_,
    left,
    there: old.length - change_.length - left.length,
    bad: [...reading.bad, ...bad],
  };
}

function newTicket(
  row: Placed,
  project: string,
  { trust, actor }: ImportWish,
  stored: (source: string) => string,
): ForeignTicket {
  const now_ms = Date.now();
  return {
    ...row.ticket,
    project: row.project ?? project,
    author: row.author ?? `import:${actor}`,
    // A file can say that it is to be trusted: that is for the person to say who brings it.
    trusted: trust && (row.trusted ?? true),
    depends_on: row.depends_on.map(stored),
    created_at_ms: row.created_at_ms ?? now_ms,
    updated_at_ms: row.updated_at_ms ?? row.created_at_ms ?? now_ms,
  };
}

/** In batches, each all or nothing. Their order puts a ticket after what it depends on, so that any first part is whole. */
export async function add(board: Board, all: Plan['add'], actor: string): Promise<Map<string, string>> {
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

/** Each only as it was seen: what somebody has changed meanwhile is left. */
export async function change(
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
