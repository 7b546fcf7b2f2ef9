import { makeContext } from '../context.ts';
import type { ExitCode } from '../model/errors.ts';
import { explainError } from '../report/errors.ts';
import { tick } from './index.ts';
import type { TickResult } from './save.ts';
import type { Depth, PlainTick } from './words.ts';

/** `dispatch` and `reconcile` as a scheduler calls them, without the command-line parser. `cut`: something that followed the tick took too
 *  long, and may still be at it. */
export async function plainTick(
  plain: PlainTick,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: ExitCode; readonly depth: Depth; readonly cut: boolean }> {
  try {
    const { code, result, cut } = await tick(makeContext(plain, env), plain);
    return { code, depth: result === null ? 0 : depthOf(result), cut };
  } catch (error) {
    return { code: explainError(error, env), depth: 0, cut: false };
  }
}

/** The compiled code that is kept is that of a tick as nearly all are: with agents, and nothing to do. What is done once in the life of
 *  a run would be read by each tick after it. */
function depthOf({ world, plan }: TickResult): Depth {
  const quiet = plan.reconcile.length === 0 && plan.dispatch.length === 0;
  const known = world.runtimes.every(({ program }) => program === null);
  return world.runtimes.length > 0 && quiet && known ? 2 : 1;
}
