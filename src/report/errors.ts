import { EXIT, type ExitCode, isDiskFault, UserError } from '../model/errors.ts';
import { clean } from '../model/text.ts';
import { calmStderr } from './out.ts';

/** What the file system says when somebody must change an owner, a permission or a path. */
const PLACES = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG']);
/** Says an error and gives its exit code: plain lines for what the user can mend, and the word "bug" for the rest. */
export function explainError(error: unknown, env: NodeJS.ProcessEnv): ExitCode {
  if (error instanceof UserError) {
    calmStderr().write(`mc-pickup: ${clean(error.message)}\n`);
    return error.exit;
  }
  const text = error instanceof Error ? (env.MC_PICKUP_DEBUG ? error.stack : error.message) : String(error);
  const missing = notWhole(error);
  if (missing !== null) {
    calmStderr().write(`mc-pickup: ${clean(missing)}\n`);
    return EXIT.config;
  }
  const place = placeOf(error);
  if (place !== null) {
    const next = place.exit === EXIT.config ? 'look at its owner, permissions and path' : 'look at the disk';
    calmStderr().write(`mc-pickup: ${clean(place.message)}: ${next}\n`);
    if (env.MC_PICKUP_DEBUG) calmStderr().write(`${clean(text ?? '')}\n`);
    return place.exit;
  }
  calmStderr().write(`mc-pickup: a bug: ${clean(text ?? '')}\n(set MC_PICKUP_DEBUG=1 for the stack)\n`);
  return EXIT.bug;
}

/** What is wrong with the installation, as the launcher says it, or of a bundle that Node has looked for; null = nothing. */
function notWhole(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'MC_PICKUP_NOT_WHOLE') return error.message;
  const [, name] = /\/(dist\/[\w-]+\.cjs)'/.exec(error.message) ?? [];
  return code === 'MODULE_NOT_FOUND' && name !== undefined
    ? `${name} is missing: install mc-pickup again, or run "npm run build" in the checkout`
    : null;
}

/** An error of the file system in words; null for anything else. A disk that is full says so of an open file, by no name. */
function placeOf(error: unknown): { readonly exit: ExitCode; readonly message: string } | null {
  if (!(error instanceof Error)) return null;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall?.startsWith('spawn')) return null;
  const message = `can't use ${path ?? 'a file'} (${error.message.split(',')[0]})`;
  if (path === undefined) return isDiskFault(error) ? { exit: EXIT.unavailable, message } : null;
  if (PLACES.has(code) || (code === 'EEXIST' && syscall === 'mkdir')) return { exit: EXIT.config, message };
  return isDiskFault(error) ? { exit: EXIT.unavailable, message } : null;
}
