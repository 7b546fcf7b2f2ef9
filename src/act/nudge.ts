import type { Outcome, Step } from '../model/plan.ts';
import type { Runtime } from '../model/runtime.ts';
import type { World } from '../model/world.ts';
import { kindOf } from '../observe.ts';
import { adapterOf } from '../runtime/agents/index.ts';
import { deliver } from './deliver.ts';
import { cas, type Hands, outcome } from './index.ts';

type NudgeStep = Extract<Step, { kind: 'nudge' }>;

/** One continuation prompt to an agent whose turn ended without a report. It is counted before it is sent. */
export async function nudge(step: NudgeStep, world: World, hands: Hands): Promise<Outcome> {
  const { board, places, policy } = hands;
  const run = step.runtime.run;
  const won = await board.nudge(
    ...([step.ticket, step.guard, step.runtime, step.turn, `tick:${hands.tick_id}`, hands.clock()] as const),
  );
  if (won === 'lost') return cas(step, run, null, won);
  const [now, ticket] = [await board.runtime(run), await board.ticket(step.ticket)];
  const row = now === null ? null : asSeen(now, world);
  const adapter = row === null ? null : adapterOf(kindOf(row, places, policy));
  if (row === null || ticket === null || adapter === null) return outcome(step, run, 'declined', null, null);
  const sent = await deliver(hands, { kind: 'nudge', ticket, row, adapter, text: textOf(step, row.nudges) });
  if (sent.outcome === 'delivered') return outcome(step, run, 'done', 'in_progress', null);
  const why = 'why' in sent ? sent.why : 'nobody has acknowledged it';
  return outcome(step, run, 'declined', 'in_progress', why);
}

/** The row as this tick saw it: the board has that only when the tick is over. */
function asSeen(row: Runtime, { runtimes }: World): Runtime {
  const seen = runtimes.find((one) => one.row.id === row.id)?.seen;
  if (seen === undefined) return row;
  const { activity, question, turn, client_session, level, level_ms, cursor } = seen;
  return { ...row, activity, question, turn, client_session, level, level_ms, events_cursor: cursor };
}

/** Our own fixed words first. The number makes each nudge of a run another text, so that one is not taken for another. */
function textOf({ because }: NudgeStep, n: number): string {
  const start =
    because === 'limit_over'
      ? 'The limit that stopped you is over: go on where you were.'
      : 'Your turn has ended without a report: go on where you were.';
  return [
    `${start} (reminder ${n})`,
    'If the work is complete and committed, run: mc-pickup report review --message "what you did".',
    'If you need an answer to go on, run: mc-pickup report needs-input --message "your question".',
    'If you cannot go on at all, run: mc-pickup report blocked --message "what is in the way".',
  ].join(' ');
}
