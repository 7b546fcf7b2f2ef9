import { agentScope } from '../model/hold.ts';
import type { NudgeStep, Outcome } from '../model/plan.ts';
import type { Runtime } from '../model/runtime.ts';
import type { World } from '../model/world.ts';
import { cas, type Hands, outcome } from './outcome.ts';

/** One continuation prompt to an agent whose turn ended without a report. It is counted before it is sent, unless it
 *  goes on where the API of its model had cut it off. */
export async function nudge(step: NudgeStep, world: World, hands: Hands): Promise<Outcome> {
  const { board, outside } = hands;
  const run = step.runtime.run;
  const by = { actor: `tick:${hands.tick_id}`, now_ms: hands.clock() };
  const won = await board.nudge(step, by);
  if (won === 'lost') return cas(step, run, null, won);
  const agent = world.runtimes.find(({ row }) => row.id === run)?.row.agent;
  if (step.tries === true && agent !== undefined)
    outside.tries(agentScope(agent), { ticket: step.ticket, turn: step.turn });
  const [now, ticket] = [await board.runtime(run), await board.ticket(step.ticket)];
  if (now === null || ticket === null) return outcome(step, run, 'declined', null, null);
  const sent = await outside.nudge(step, ticket, asSeen(now, world));
  if (sent.outcome === 'delivered') return outcome(step, run, 'done', 'in_progress', null);
  const why = 'why' in sent ? sent.why : 'nobody has acknowledged it';
  return outcome(step, run, 'declined', 'in_progress', why);
}

/** The row as this tick saw it: the board has that only when the tick is over. */
export function asSeen(row: Runtime, { runtimes }: World): Runtime {
  const seen = runtimes.find((one) => one.row.id === row.id)?.seen;
  if (seen === undefined) return row;
  const { activity, question, turn, client_session, level, level_ms, cursor } = seen;
  return { ...row, activity, question, turn, client_session, level, level_ms, events_cursor: cursor };
}
