import type { Depth, PlainTick, Registration } from '../main.ts';
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

/** `register` as a launcher calls it, without the command-line parser. */
export async function plainRegistration(
  { run, pid, ...places }: Registration,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  try {
    return await (await import('./register.ts')).register(makeContext(places, env), run, pid);
  } catch (error) {
    return explainError(error, env);
  }
}
