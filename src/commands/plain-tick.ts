import type { PlainTick } from '../main.ts';
import type { ExitCode } from '../model/errors.ts';
import { explainError } from '../report/errors.ts';
import { makeContext } from './context.ts';
import { dispatch } from './dispatch.ts';

/** `dispatch` and `reconcile` as a scheduler calls them, without the command-line parser. */
export async function plainTick(tick: PlainTick, env: NodeJS.ProcessEnv): Promise<ExitCode> {
  try {
    return await dispatch(makeContext(tick, env), tick);
  } catch (error) {
    return explainError(error, env);
  }
}
