import { existsSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readObject, realOf, textOfFile, writeAtomic } from '../machine/files.ts';
import { removeFileAt } from '../machine/foreign.ts';
import { argvOf } from '../machine/proc.ts';
import { lookAt, lookAtSelf } from '../machine/process.ts';
import { run } from '../machine/spawn.ts';
import { inPrivate } from '../machine/umask.ts';
import { identify, identityIn, judge, type ObserverIdentity } from '../model/identity.ts';
import { cleanEnv, command, refusalOf, TIMEOUT_MS, type Tmux } from './tmux.ts';

const HEAL_MS = 2000;

type Recorded =
  /** `lacks`: its record is of a time when less was noted. */
  | { readonly state: 'alive'; readonly pid: number; readonly lacks: boolean }
  | { readonly state: 'dead' }
  | { readonly state: 'unknown' };

export function recordedServer(tmux: Tmux, known?: ObserverIdentity): Recorded {
  const record = readObject(tmux.serverFile);
  const { pid, start, boot_id, time_ns } = record ?? {};
  const self = known ?? lookAtSelf('');
  const { host_id, pid_ns } = self;
  const noted = identityIn({ host_id, boot_id, pid_ns, time_ns, pid, pid_start: start });
  // A record that can't be read proves nothing.
  if (noted === null) return { state: existsSync(tmux.serverFile) ? 'unknown' : 'dead' };
  const { verdict } = judge(noted, self, lookAt(noted.pid));
  if (verdict !== 'alive') return { state: verdict === 'dead' ? 'dead' : 'unknown' };
  // The record of a state dir that was copied names the server of the first one.
  const argv = argvOf(noted.pid);
  if (argv !== null && !namesSocket(argv, tmux.socket)) return { state: 'dead' };
  return { state: 'alive', pid: noted.pid, lacks: noted.time_ns === null && self.time_ns !== null };
}

export function recordServer(tmux: Tmux, pid: number): void {
  const identity = identify(pid, lookAtSelf(''), lookAt(pid));
  if (identity === null) return;
  const { pid_start: start, boot_id, time_ns } = identity;
  const text = `${JSON.stringify({ pid, start, boot_id, time_ns })}\n`;
  if (textOfFile(tmux.serverFile) === text) return;
  try {
    writeAtomic(tmux.serverFile, text);
  } catch {
    // A full disk must not turn a pane that runs into a failed launch.
  }
}

/** tmux makes its socket again on SIGUSR1, which ends most other programs: the file that names the server is no proof, so the process
 *  itself must have been started with our socket. */
export async function heal(tmux: Tmux, pid: number): Promise<boolean> {
  if (!namesSocket(argvOf(pid), tmux.socket)) return false;
  try {
    process.kill(pid, 'SIGUSR1');
  } catch {
    return false;
  }
  for (let waited = 0; waited < HEAL_MS; waited += 20) {
    if (existsSync(tmux.socket)) return true;
    await pause(20);
  }
  return existsSync(tmux.socket);
}

/** null = a system that does not tell. */
function namesSocket(argv: readonly string[] | null, socket: string): boolean {
  if (argv === null) return process.platform !== 'linux';
  const place = (path: string): string => join(realOf(dirname(path)), basename(path));
  return argv.some((word, n) => argv[n - 1] === '-S' && (word === socket || place(word) === place(socket)));
}

/** What keeps tmux from starting here; null = nothing. A server that lives is left as it is, and one that has nothing to run ends at once. */
export async function whyNoServer(tmux: Tmux): Promise<string | null> {
  return refusalOf(await inPrivate(() => command(tmux, ['start-server'])));
}

/** The same at a name beside our socket, which is taken away again. */
export async function whyNoServerBeside(tmux: Tmux): Promise<string | null> {
  const socket = join(realOf(dirname(tmux.socket)), 'tmux.try');
  const why = await whyNoServer({ ...tmux, socket });
  removeFileAt(socket);
  return why;
}

/** Puts a new server outside the scheduler's cgroup, where systemd offers that; else the caller starts it. */
export async function startInScope(tmux: Tmux): Promise<void> {
  const runtimeDir = `/run/user/${process.getuid?.() ?? 0}`;
  if (!existsSync(join(runtimeDir, 'bus'))) return;
  const dirs = (process.env.PATH ?? '').split(delimiter);
  if (!dirs.some((dir) => dir !== '' && existsSync(join(dir, 'systemd-run')))) return;
  // systemd ends a scope that has lost one process for want of memory, and all agents with it, unless it is told otherwise. Before
  // version 253 no scope takes that setting, and none is ended so.
  const scope = (...more: string[]) => [
    '--user',
    '--scope',
    '--quiet',
    '--collect',
    ...more,
    '--',
    tmux.binary,
  ];
  const server = [
    '-S',
    tmux.socket,
    '-f',
    '/dev/null',
    'start-server',
    ';',
    'set-option',
    '-g',
    'exit-empty',
    'off',
  ];
  const env = { ...cleanEnv(), XDG_RUNTIME_DIR: runtimeDir };
  for (const words of [scope('--property=OOMPolicy=continue'), scope()]) {
    // A server keeps the umask of the program that starts it, and hands it on to its panes.
    const start = () => run('systemd-run', [...words, ...server], { timeoutMs: TIMEOUT_MS, env });
    if ((await inPrivate(start)).code === 0) return;
  }
}
