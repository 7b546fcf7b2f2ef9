import type { Depth, PlainTick } from '../main.ts';
import type { ExitCode } from '../model/errors.ts';
import { explainError } from '../report/errors.ts';
import { makeContext } from './context.ts';
import { runTick } from './dispatch.ts';

/** `dispatch` and `reconcile` as a scheduler calls them, without the command-line parser. */
export async function plainTick(
  tick: PlainTick,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: ExitCode; readonly depth: Depth }> {
  try {
    const { code, result } = await runTick(makeContext(tick, env), tick);
    if (result === null) return { code, depth: 0 };
    return { code, depth: result.world.runtimes.length > 0 ? 2 : 1 };
  } catch (error) {
    return { code: explainError(error, env), depth: 0 };
  }
}
