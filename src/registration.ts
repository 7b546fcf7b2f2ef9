import { register } from './commands/register.ts';
import { makeContext } from './context.ts';
import { bePrivate } from './machine/umask.ts';
import { explainError } from './report/errors.ts';
import type { Depth } from './tick/words.ts';

/** `register` in the very words of a launcher, without the command-line parser: each launch waits for it, so it is a bundle of
 *  its own that has no more than it takes. The launcher in `bin/` knows the words. Sets `process.exitCode`; never throws. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Depth> {
  bePrivate();
  const [, stateDir = '', , config = '', , run = '', pid = ''] = argv;
  try {
    process.exitCode = await register(makeContext({ stateDir, config }, env), run, pid);
  } catch (error) {
    process.exitCode = explainError(error, env);
  }
  return 1;
}
