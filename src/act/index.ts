import { failpoint } from '../machine/failpoint.ts';
import { messageOf } from '../model/errors.ts';
import type { Outcome, Plan, Step } from '../model/plan.ts';
import type { World } from '../model/world.ts';
import { heal } from './heal.ts';
import { type Hands, outcome } from './outcome.ts';
import type { Claimed } from './outside.ts';

/**
 * Carries a plan out, step by step, each under its guard. Losing a race is an outcome; one step's failure never
 * stops the rest. Claims are made in the order of the plan; what follows a claim (worktree, hooks, tmux) runs
 * side by side.
 */
export async function act(plan: Plan, world: World, hands: Hands): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of plan.reconcile) {
    failpoint('heal-before');
    outcomes.push(await attempt(step, world, hands));
    failpoint('heal-done');
  }
  if (plan.dispatch.length > 0) outcomes.push(...(await dispatch(plan, world, hands)));
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

async function dispatch(plan: Plan, world: World, hands: Hands): Promise<Outcome[]> {
  // Loaded only now: a tick without launches needs none of it.
  const { claim, launch } = await import('./launch/index.ts');
  const settle = (one: Claimed): Promise<Outcome> => guarded(one.step, () => launch(one, world, hands));
  await hands.outside.expect(plan.dispatch.filter(({ kind }) => kind === 'launch').length);
  const begun: (Outcome | Promise<Outcome>)[] = [];
  for (const step of plan.dispatch) {
    if (step.kind !== 'launch') continue;
    const one = await guarded(step, async () => {
      const error = await hands.outside.unlaunchable(step);
      if (error !== null) return outcome(step, null, 'failed', null, error);
      return claim(step, world, hands);
    });
    if ('result' in one) {
      begun.push(one);
      continue;
    }
    begun.push(settle(one));
    // What the launches before have asked git for may have come.
    await new Promise((go) => setImmediate(go));
  }
  return Promise.all(begun);
}

async function attempt(step: Step, world: World, hands: Hands): Promise<Outcome> {
  return guarded(step, () => heal(step, world, hands));
}

async function guarded<T>(step: Step, work: () => Promise<T>): Promise<T | Outcome> {
  try {
    return await work();
  } catch (error) {
    return outcome(step, null, 'failed', null, messageOf(error));
  }
}
