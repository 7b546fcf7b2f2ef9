import { ticketOrFail, withBoard } from '../board/open.ts';
import { byNow, type Context } from '../context.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import type { ExitCode } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { judgeRow } from '../runs/sighting.ts';
import { fateOf, settleDependants } from './dependants.ts';
import { statusOf } from './names.ts';
import { moveAsSeen, shown, won } from './ticket.ts';

/** A person's move. To `todo` it also trusts the ticket and clears its attempts. */
export async function move(
  context: Context,
  id: string,
  word: string,
  o: { readonly why: string; readonly dependants?: string },
): Promise<ExitCode> {
  const to = statusOf(word);
  const fate = fateOf(o.dependants, to);
  return withBoard(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    const live = await board.liveRuntime(ticket.id);
    // The run of an agent that has died already is not to be retried beside the person who takes its ticket.
    const takes = to === 'in_progress' && live !== null && verdictHere(live, context) === 'dead';
    const moved = { to, why: o.why, trusted: true, takes };
    const by = byNow(context);
    // Whoever reads who waits for it types the same once more.
    if (fate === null || ticket.status !== to) won(await moveAsSeen(board, ticket, moved, by), ticket);
    if (to === 'cancelled' || to === 'blocked')
      await settleDependants(board, { id: ticket.id, to, fate }, context, by);
    if (live !== null && (to === 'todo' || to === 'needs_input'))
      context.out.warn(stillThere(ticket.id, live, context));
    return shown(context, opened, ticket.id);
  });
}

/** What the live row of a ticket that is moved back means, by what its process is. */
function stillThere(id: string, row: Runtime, context: Context): string {
  const since = new Date(row.claimed_at_ms).toISOString();
  if (row.phase === 'launching')
    return `${id} is being launched since ${since} (run ${row.id}); given up after the launch deadline if no agent registers`;
  const verdict = verdictHere(row, context);
  if (verdict === 'dead')
    return `the agent of ${id} has died (run ${row.id}): the next tick ends its run, then the ticket is free`;
  if (verdict === 'alive')
    return `the agent of ${id} is still there (run ${row.id}): the next tick puts the ticket back to in_progress while it lives; "mc-pickup stop ${id}" ends it`;
  return `whether the agent of ${id} lives can't be told from here (run ${row.id}, ${verdict}): the ticket is not claimed until it can`;
}

function verdictHere(row: Runtime, { places }: Context): string {
  return judgeRow(row, lookAtSelf(hostId(places.state) ?? ''))?.verdict ?? 'unknown';
}
