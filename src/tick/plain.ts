import { runTick } from '../commands/dispatch.ts';
import { makeContext } from '../context.ts';
import type { Depth, PlainTick } from '../main.ts';
import type { ExitCode } from '../model/errors.ts';
import { explainError } from '../report/errors.ts';
import type { TickResult } from './index.ts';

/** `dispatch` and `reconcile` as a scheduler calls them, without the command-line parser. */
export async function plainTick(
  tick: PlainTick,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: ExitCode; readonly depth: Depth }> {
  try {
    const { code, result } = await runTick(makeContext(tick, env), tick);
    if (result === null) return { code, depth: 0 };
    return { code, depth: depthOf(result) };
  } catch (error) {
    return { code: explainError(error, env), depth: 0 };
  }
}

/** The compiled code that is kept is that of a tick as nearly all are: with agents, and nothing to do. What is done once in the life of
 *  a run would be read by each tick after it. */
function depthOf({ world, plan }: TickResult): Depth {
  const quiet = plan.reconcile.length === 0 && plan.dispatch.length === 0;
  const known = world.runtimes.every(({ program }) => program === null);
  return world.runtimes.length > 0 && quiet && known ? 2 : 1;
}
