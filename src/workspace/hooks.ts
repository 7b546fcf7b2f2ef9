import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { failpoint } from '../failpoint.ts';
import type { HookSpec } from '../model/policy.ts';
import { gated, letThrough } from './gate.ts';
import { git, killGroup } from './git.ts';

const MAX_LOG_BYTES = 1024 * 1024;
/** How long a daemon that inherited the pipes may hold us after the hook itself has ended. */
const DRAIN_MS = 200;
/** What a shell means by them: the one that becomes the hook, or one inside it. */
const EXITS: ReadonlyMap<number, string> = new Map([
  [126, ' (a program may not be executed)'],
  [127, ' (a program was not found)'],
]);
/** Its presence in a worktree's own git dir says that `after_create` ran to its end. */
export const MARKER = 'mc-pickup-after-create-done';

/** Runs a hook by its argv, without a shell. Its output goes to a private log, up to 1 MiB; when the time is up its
 *  whole process group is killed. Never throws. */
export async function runHook(hook: {
  readonly spec: HookSpec;
  readonly cwd: string;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
  /** When a process was started; null = there is none of that pid. */
  readonly startOf: StartOf;
}): Promise<{ ok: boolean; error: string | null }> {
  const { spec, cwd, logFile, env, startOf } = hook;
  const [file = '', ...args] = spec.argv;
  let log: number;
  try {
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
    log = openSync(logFile, 'a', 0o600);
    fchmodSync(log, 0o600);
  } catch (error) {
    return { ok: false, error: `can't write ${logFile}: ${String(error)}` };
  }
  const timeout_ms = spec.timeout_seconds * 1000;
  const note = await noteOf(cwd);
  try {
    return await runLogged(file, args, {
      ...{ cwd, env, log, timeout_ms },
      started: (pid) => {
        if (note === null) return;
        failpoint('prepare-hook-waits');
        const text = JSON.stringify({ pid, start: startOf(pid), until_ms: Date.now() + timeout_ms });
        writeFileSync(note, text, { mode: 0o600 });
        failpoint('prepare-hook-known');
      },
    });
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) };
  } finally {
    closeSync(log);
    if (note !== null) rmSync(note, { force: true });
  }
}

export type StartOf = (pid: number) => string | null;

/** A hook outlives the tick that was killed while it ran, and with that tick went its time limit. What it still does
 *  in this worktree must not be done twice at once: says which process to wait for, or null. One that is past its
 *  limit is ended, as its own tick would have done. */
export async function hookLeft(worktree: string, startOf: StartOf): Promise<string | null> {
  const note = await noteOf(worktree);
  if (note === null || !existsSync(note)) return null;
  const { pid, start, until_ms } = readNote(note);
  if (start === null || startOf(pid) !== start) {
    rmSync(note, { force: true });
    return null;
  }
  if (Date.now() > until_ms) killGroup(pid);
  return `a hook of an earlier attempt still runs in ${worktree} (process ${pid})`;
}

function readNote(file: string): { pid: number; start: string | null; until_ms: number } {
  try {
    const note = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const start = typeof note.start === 'string' ? note.start : null;
    return { pid: Number(note.pid), start, until_ms: Number(note.until_ms) };
  } catch {
    return { pid: 0, start: null, until_ms: 0 };
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
    readonly started: (pid: number) => void;
  },
): Promise<{ ok: boolean; error: string | null }> {
  const [shell, words] = gated(file, args);
  const child = execa(shell, [...words], {
    cwd: o.cwd,
    env: o.env,
    extendEnv: false,
    stdin: 'pipe',
    all: true,
    buffer: false,
    reject: false,
    detached: true,
  });
  letThrough(child, o.started);
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
  if (code !== null && code > 0) return { ok: false, error: `exit code ${code}${EXITS.get(code) ?? ''}` };
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

async function noteOf(worktree: string): Promise<string | null> {
  const marker = await markerOf(worktree);
  return marker === null ? null : join(dirname(marker), 'mc-pickup-hook.json');
}

/** In the worktree's own git dir: it is never committed, and it goes when the worktree goes. */
async function markerOf(worktree: string): Promise<string | null> {
  const done = await git(worktree, ['rev-parse', '--absolute-git-dir']);
  return done.ok ? join(done.stdout, MARKER) : null;
}
