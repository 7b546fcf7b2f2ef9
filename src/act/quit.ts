import type { Outcome, QuitStep } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { asSeen } from './nudge.ts';
import { cas, type Hands, outcome } from './outcome.ts';

/** Asks the client of a settled ticket to quit, where both are still as they were seen. Its row ends when the next tick finds it dead. */
export async function quit(
  step: QuitStep,
  world: World,
  { board, outside, tick_id, clock }: Hands,
): Promise<Outcome> {
  const { guard, ticket: id } = step;
  const { run, version } = step.runtime;
  const [row, ticket] = [await board.runtime(run), await board.ticket(id)];
  const stands =
    row?.ended_at_ms === null &&
    row.version === version &&
    ticket?.version === guard.version &&
    ticket.status === guard.status &&
    ticket.owner === guard.owner;
  if (!stands) return cas(step, run, null, 'lost');
  const done = await outside.quit(step, asSeen(row, world));
  if (done.outcome === 'gone') return outcome(step, run, 'done', null, null);
  if (done.outcome === 'did_not_quit')
    await board.log({
      ...{ at_ms: clock(), ticket_id: id, run_id: run, actor: `tick:${tick_id}` },
      ...{ kind: 'warning', because: 'did_not_quit', text: done.why },
    });
  return outcome(step, run, 'declined', null, done.why);
}
