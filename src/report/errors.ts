import { EXIT, type ExitCode, UserError } from '../model/errors.ts';

/** Says an error and gives its exit code: plain lines for what the user can mend, and the word "bug" for the rest. */
export function explainError(error: unknown, env: NodeJS.ProcessEnv): ExitCode {
  if (error instanceof UserError) {
    process.stderr.write(`mc-pickup: ${error.message}\n`);
    return error.exit;
  }
  const text = error instanceof Error ? (env.MC_PICKUP_DEBUG ? error.stack : error.message) : String(error);
  process.stderr.write(`mc-pickup: a bug: ${text}\n(set MC_PICKUP_DEBUG=1 for the stack)\n`);
  return EXIT.bug;
}
