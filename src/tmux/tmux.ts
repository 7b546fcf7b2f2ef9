import type { RunResult } from '../machine/spawn.ts';
import { run, TOO_LONG } from '../machine/spawn.ts';

/** Our own tmux server: never the user's. */
export interface Tmux {
  readonly socket: string;
  /** Where the server's identity is recorded. */
  readonly serverFile: string;
  readonly binary: string;
}

export const TIMEOUT_MS = 5000;
const ENV_NAMES = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TERM', 'USER', 'SHELL', 'TZ', 'XDG_RUNTIME_DIR'];
/** What the names of a session and of marks may hold. */
export const NAME = /^[A-Za-z0-9_-]+$/;
export const PANE = /^%\d+$/;
export const NOT_INSTALLED =
  'tmux is not installed or not on PATH: install it, for example apt-get install tmux';

/** One tmux invocation on our socket, in a clean environment. */
export function command(tmux: Tmux, words: readonly string[], input?: string): Promise<RunResult> {
  return run(tmux.binary, onSocket(tmux, words), {
    timeoutMs: TIMEOUT_MS,
    env: cleanEnv(),
    ...(input === undefined ? {} : { input }),
  });
}

export function onSocket(tmux: Tmux, words: readonly string[]): string[] {
  // Without -u, and without a UTF-8 locale (cron has none), each letter that is not ASCII comes as `_`: titles of clients, for one.
  return ['-S', tmux.socket, '-f', '/dev/null', '-u', ...words];
}

export function cleanEnv(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const name of ENV_NAMES) if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}

/** What went wrong in one invocation, in words; null = nothing. */
export function failureOf(answer: RunResult): string | null {
  // What a loader says whose library is missing is told below.
  if (answer.error === 'ENOENT' || (answer.code === 127 && answer.stderr === '')) return NOT_INSTALLED;
  if (answer.error === 'timeout') return `tmux did not answer within ${TIMEOUT_MS / 1000} s`;
  if (answer.error !== null) return `tmux: ${answer.error}`;
  if (answer.code === 0) return null;
  return `tmux: ${answer.stderr.trim().slice(0, 500) || `exit ${answer.code ?? answer.signal}`}`;
}

/** What keeps tmux from starting a server or reaching one, so that nothing it was asked for has begun; null = nothing, or it can't be told.
 *  Where the server that it has started can't make its socket, tmux itself ends with 0. */
export function refusalOf(answer: RunResult): string | null {
  const failure = failureOf(answer);
  // It could not even be run.
  const unrun = [126, 127].includes(answer.code ?? 0) || ![null, 'timeout', TOO_LONG].includes(answer.error);
  if (unrun) return failure;
  const said = answer.stdout === '' ? /^error (creating|connecting to) .*\)$/m.exec(answer.stderr) : null;
  return said === null ? null : `tmux: ${said[0]}`;
}

/** Runs `then` in ONE tmux command if the format holds for the pane. For this folder only. */
export async function guarded<T extends string>(
  tmux: Tmux,
  pane: string,
  condition: string,
  then: string,
  done: T,
  otherwise = '',
): Promise<T | 'refused' | { readonly error: string }> {
  const refuse = `display-message -p refused${otherwise}`;
  const answer = await command(tmux, ['if-shell', '-F', '-t', pane, condition, then, refuse]);
  const failure = failureOf(answer);
  if (failure !== null)
    return /can't find (pane|session|window)/.test(failure) ? 'refused' : { error: failure };
  return answer.stdout.includes('refused') ? 'refused' : done;
}

/** Words for a person's terminal: `tmux ...`. The session is an id such as `$3`, or a name. Read-only lets nothing
 *  through but the keys that detach. */
export function attachArgs(tmux: Tmux, session: string, readOnly = false): string[] {
  const target = session.startsWith('$') ? session : `=${session}:`;
  const words = ['-S', tmux.socket, '-f', '/dev/null', 'attach-session', '-t', target];
  return readOnly ? [...words, '-r'] : words;
}
