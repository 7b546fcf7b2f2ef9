import type { Board, Cas } from '../board/port/index.ts';
import { messageOf } from '../model/errors.ts';
import type { Outcome, Step, StepResult } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { TicketStatus } from '../model/ticket.ts';
import type { Outside } from './outside.ts';

/** What a plan is carried out with. */
export interface Hands {
  readonly board: Board;
  readonly policy: Policy;
  readonly tick_id: string;
  readonly clock: () => number;
  readonly outside: Outside;
}

/** The outcome of one guarded write: zero rows changed means that somebody else acted first. */
export function cas(step: Step, run: string | null, after: TicketStatus | null, won: Cas): Outcome {
  return won === 'won'
    ? outcome(step, run, 'done', after, null)
    : outcome(step, run, 'lost_race', null, null);
}

export function outcome(
  step: Step,
  run: string | null,
  result: StepResult,
  after: TicketStatus | null,
  error: string | null,
): Outcome {
  return { step, run, result, after, error };
}

/** The outcome of work that may throw: one step's failure stops no other. */
export async function guarded<T>(step: Step, work: () => Promise<T>): Promise<T | Outcome> {
  try {
    return await work();
  } catch (error) {
    return outcome(step, null, 'failed', null, messageOf(error));
  }
}
