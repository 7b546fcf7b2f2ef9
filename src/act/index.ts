import { failpoint } from '../machine/failpoint.ts';
import type { Outcome, Plan, Step } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { heal } from './heal.ts';
import { guarded, type Hands } from './outcome.ts';

/**
 * Carries a plan out, step by step, each under its guard. Losing a race is an outcome; one step's failure never
 * stops the rest.
 */
export async function act(plan: Plan, world: World, hands: Hands): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of plan.reconcile) {
    if (step.kind === 'quit') continue;
    failpoint('heal-before');
    outcomes.push(await attempt(step, world, hands));
    failpoint('heal-done');
  }
  // Side by side: each may have to wait for its client to end.
  const quits = plan.reconcile.filter(({ kind }) => kind === 'quit');
  outcomes.push(...(await Promise.all(quits.map((step) => attempt(step, world, hands)))));
  // Loaded only now: a tick without launches needs none of it.
  if (plan.dispatch.length > 0)
    outcomes.push(...(await (await import('./launch/index.ts')).dispatch(plan, world, hands)));
  if (world.runtimes.some(mayHaveUsed)) await hands.outside.recordUsage(world);
  return outcomes;
}

/** Observed time after its last sign of life in which a client's record may still be written to. */
const RECORD_LAGS_MS = 120_000;

/** Whether this runtime's record may tell of new use: something happened in it of late, or it has ended. */
export function mayHaveUsed({ row, judgement, seen }: World['runtimes'][number]): boolean {
  if (row.kind === '' || row.kind === 'command' || row.ticket_id === null) return false;
  return seen.fresh > 0 || row.silent_ms < RECORD_LAGS_MS || judgement?.verdict === 'dead';
}

async function attempt(step: Step, world: World, hands: Hands): Promise<Outcome> {
  return guarded(step, () => heal(step, world, hands));
}
