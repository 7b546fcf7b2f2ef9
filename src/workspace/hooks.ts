import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import type { HookSpec } from '../model/policy.ts';
import { git, killGroup } from './git.ts';

const MAX_LOG_BYTES = 1024 * 1024;
/** How long a daemon that inherited the pipes may hold us after the hook itself has ended. */
const DRAIN_MS = 200;
/** Its presence in a worktree's own git dir says that `after_create` ran to its end. */
export const MARKER = 'mc-pickup-after-create-done';

/** Runs a hook by its argv, without a shell. Its output goes to a private log, up to 1 MiB; when the time is up its
 *  whole process group is killed. Never throws. */
export async function runHook(hook: {
  readonly spec: HookSpec;
  readonly cwd: string;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<{ ok: boolean; error: string | null }> {
  const { spec, cwd, logFile, env } = hook;
  const [file = '', ...args] = spec.argv;
  let log: number;
  try {
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
    log = openSync(logFile, 'a', 0o600);
    fchmodSync(log, 0o600);
  } catch (error) {
    return { ok: false, error: `can't write ${logFile}: ${String(error)}` };
  }
  try {
    return await runLogged(file, args, { cwd, env, log, timeout_ms: spec.timeout_seconds * 1000 });
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  } finally {
    closeSync(log);
  }
}

async function runLogged(
  file: string,
  args: readonly string[],
  o: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly log: number;
    readonly timeout_ms: number;
  },
): Promise<{ ok: boolean; error: string | null }> {
  const child = execa(file, [...args], {
    cwd: o.cwd,
    env: o.env,
    extendEnv: false,
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
    detached: true,
  });
  let room = MAX_LOG_BYTES - fstatSync(o.log).size;
  let open = true;
  child.all.on('data', (part: Buffer) => {
    if (!open || room <= 0) return;
    room -= writeSync(o.log, part.subarray(0, room));
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child.pid);
  }, o.timeout_ms);
  let drain: NodeJS.Timeout | undefined;
  const exited = new Promise<void>((go) => {
    child.nodeChildProcess.once('exit', () => {
      drain = setTimeout(go, DRAIN_MS);
    });
  });
  const ended = await Promise.race([child, exited.then(() => null)]);
  clearTimeout(timer);
  clearTimeout(drain);
  open = false;
  child.all.destroy();
  if (late) return { ok: false, error: `no end within ${o.timeout_ms / 1000} s, killed` };
  const { exitCode: code, signalCode } = child.nodeChildProcess;
  if (code === 0) return { ok: true, error: null };
  if (code !== null && code > 0) return { ok: false, error: `exit code ${code}` };
  if (signalCode !== null) return { ok: false, error: `killed by ${signalCode}` };
  return { ok: false, error: ended === null ? 'failed' : (ended.shortMessage ?? 'failed to start') };
}

/** Whether `after_create` has never run to its end in this worktree. */
export async function hookPending(worktree: string): Promise<boolean> {
  const marker = await markerOf(worktree);
  return marker === null || !existsSync(marker);
}

/** Notes that `after_create` ran to its end. */
export async function hookDone(worktree: string): Promise<void> {
  const marker = await markerOf(worktree);
  if (marker !== null) writeFileSync(marker, '', { mode: 0o600 });
}

/** In the worktree's own git dir: it is never committed, and it goes when the worktree goes. */
async function markerOf(worktree: string): Promise<string | null> {
  const done = await git(worktree, ['rev-parse', '--absolute-git-dir']);
  return done.ok ? join(done.stdout, MARKER) : null;
}
