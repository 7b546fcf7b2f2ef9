import type { Board, By } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { busyError, usageError } from '../model/errors.ts';
import type { Ticket, TicketStatus } from '../model/ticket.ts';

/** What becomes of tickets that wait for one which will not be done: they wait for it no longer, or are cancelled as well. */
const FATES = ['release', 'cancel'] as const;
export type Fate = (typeof FATES)[number];

/** Those that a dependency holds. */
const WAITING: readonly TicketStatus[] = ['todo', 'blocked', 'needs_input'];
/** Those that it would hold if they came back to `todo`: an agent that dies, a review that asks for more. */
const BEGUN: readonly TicketStatus[] = ['in_progress', 'in_review'];
/** So many open tickets are looked through. */
const MOST = 10_000;
const FEW = 10;

/** `--dependants`, where it has a meaning. */
export function fateOf(word: string | undefined, to: TicketStatus): Fate | null {
  if (word === undefined) return null;
  if (to !== 'cancelled' && to !== 'blocked')
    throw usageError('--dependants goes with cancelled and blocked: nothing waits in vain for others');
  const fate = FATES.find((one) => one === word);
  if (fate === undefined) throw usageError(`--dependants: "${word}" is none of ${FATES.join(', ')}`);
  return fate;
}

/** Names the tickets that wait for one which will not be done now, or does with them what was asked for. */
export async function settleDependants(
  board: Board,
  { id, to, fate }: { readonly id: string; readonly to: TicketStatus; readonly fate: Fate | null },
  { out }: Context,
  by: By,
): Promise<void> {
  const open = await board.tickets({ status: [...WAITING, ...BEGUN], limit: MOST });
  if (open.length === MOST)
    out.warn(`only the first ${MOST} open tickets were looked through for those that wait for ${id}`);
  const all = waitFor(id, open);
  if (all.length === 0) return;
  if (fate === null) {
    const more = all.length > FEW ? ` and ${all.length - FEW} more` : '';
    const until = to === 'cancelled' ? 'will not come' : `does not come while ${id} is blocked`;
    out.warn(
      `${all
        .slice(0, FEW)
        .map(named)
        .join(
          ', ',
        )}${more} ${all.length === 1 ? 'waits' : 'wait'} for ${id}, which ${until}: mc-pickup ticket move ${id} ${to} --dependants release (they wait for it no longer) or cancel`,
    );
    return;
  }
  const lost: string[] = [];
  // Of one that is cancelled, those that wait for it are next.
  const seen = new Set([id]);
  for (const queue = [{ id, all }]; queue.length > 0; ) {
    const next = queue.shift();
    for (const one of next?.all ?? []) {
      if (seen.has(one.id)) continue;
      seen.add(one.id);
      if (fate === 'cancel' && BEGUN.includes(one.status)) {
        out.warn(`${named(one)} stays: what has begun is cancelled by its own name`);
        continue;
      }
      const done = await settle(board, one, next?.id ?? id, fate, by);
      if (done === 'lost') lost.push(one.id);
      else
        out.warn(
          fate === 'release' ? `${one.id} waits for ${id} no longer` : `${one.id} is cancelled as well`,
        );
      if (fate === 'cancel' && done === 'won') queue.push({ id: one.id, all: waitFor(one.id, open) });
    }
  }
  if (lost.length > 0)
    throw busyError(`${lost.join(', ')}: changed by somebody else at the same moment; type it again`);
}

/** What has begun does not wait yet. */
function named({ id, status }: Ticket): string {
  return BEGUN.includes(status) ? `${id} (${status})` : id;
}

/** The open tickets that depend on one. */
export async function dependantsOf(board: Board, id: string): Promise<Ticket[]> {
  return waitFor(id, await board.tickets({ status: [...WAITING, ...BEGUN], limit: MOST }));
}

function waitFor(id: string, open: readonly Ticket[]): Ticket[] {
  return open.filter(({ depends_on }) => depends_on.includes(id));
}

function settle(board: Board, { id: ticket, version, depends_on }: Ticket, of: string, fate: Fate, by: By) {
  if (fate === 'release')
    return board.edit(
      { ticket, version, change: { depends_on: depends_on.filter((one) => one !== of) } },
      by,
    );
  const why = `it waits for ${of}, which will not be done`;
  return board.move({ ticket, version, to: 'cancelled', why, trusted: true }, by);
}
