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
import { failpoint } from '../failpoint.ts';
import {
  identify,
  identityIn,
  judge,
  type ObserverIdentity,
  type ProcessIdentity,
  type ProcessLook,
} from '../model/identity.ts';
import type { HookSpec } from '../model/policy.ts';
import { killGroup } from '../spawn.ts';
import { gated, letThrough } from './gate.ts';
import { gitDir } from './own.ts';

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
  readonly processes: Processes;
}): Promise<{ ok: boolean; error: string | null }> {
  const { spec, cwd, logFile, env, processes } = hook;
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
  const note = noteOf(cwd);
  try {
    // One that nobody could find again would run beside the next.
    if (note === null)
      return { ok: false, error: `git can't tell its git dir of ${cwd}, so it was not started` };
    return await runLogged(file, args, {
      ...{ cwd, env, log, timeout_ms },
      started: (pid) => {
        failpoint('prepare-hook-waits');
        const { me, lookAt } = processes;
        const identity = identify(pid, me, lookAt(pid));
        if (identity === null) throw new Error(`process ${pid} can't be told apart, so it was not let on`);
        const text = JSON.stringify({ ...identity, until_ms: Date.now() + timeout_ms });
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

/** This machine's processes: who looks, and one look. */
export interface Processes {
  readonly me: ObserverIdentity;
  readonly lookAt: (pid: number) => ProcessLook;
}

/** A hook outlives the tick that was killed while it ran, and with that tick went its time limit. What it still does
 *  in this worktree must not be done twice at once: says which process to wait for, or null. One that is past its
 *  limit is ended, as its own tick would have done. What can't be told counts as running. `acts` false = a dry run:
 *  nothing is ended or removed. */
export async function hookLeft(
  worktree: string,
  { me, lookAt }: Processes,
  acts = true,
): Promise<string | null> {
  const file = noteOf(worktree);
  if (file === null)
    return `git can't tell its git dir of ${worktree}: whether a hook runs there is not known`;
  const note = readNote(file);
  if (note === null) return null;
  const { verdict, because } = judge(note, me, lookAt(note.pid));
  const late = Date.now() > note.until_ms;
  // A container that was started anew has another namespace, and took its hooks with it: no reason to wait for ever.
  if (verdict === 'dead' || (/^other_(time_)?namespace$/.test(because) && late)) {
    if (acts) rmSync(file, { force: true });
    return null;
  }
  if (acts && verdict === 'alive' && late) killGroup(note.pid);
  const runs = verdict === 'alive' ? 'still runs' : 'may still run';
  return `a hook of an earlier attempt ${runs} in ${worktree} (process ${note.pid}, ${because})`;
}

/** null = there is none, or its writer was killed with it half written: then the hook was never let on. */
function readNote(file: string): (ProcessIdentity & { readonly until_ms: number }) | null {
  if (!existsSync(file)) return null;
  const text = readFileSync(file, 'utf8');
  try {
    const note = JSON.parse(text) as Record<string, unknown>;
    const identity = identityIn(note);
    return identity === null ? null : { ...identity, until_ms: Number(note.until_ms) };
  } catch {
    return null;
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
  const { execa } = await import('execa'); // only where there is a hook: to load it takes as long as git's whole part
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
    try {
      room -= writeSync(o.log, part.subarray(0, room));
    } catch {
      // A disk that is full is no fault of the hook, which may yet come through.
      room = 0;
    }
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
export function hookPending(worktree: string): boolean {
  const marker = markerOf(worktree);
  return marker === null || !existsSync(marker);
}

/** Notes that `after_create` ran to its end. */
export function hookDone(worktree: string): void {
  const marker = markerOf(worktree);
  if (marker !== null) writeFileSync(marker, '', { mode: 0o600 });
}

function noteOf(worktree: string): string | null {
  const marker = markerOf(worktree);
  return marker === null ? null : join(dirname(marker), 'mc-pickup-hook.json');
}

/** In the worktree's own git dir: it is never committed, and it goes when the worktree goes. */
function markerOf(worktree: string): string | null {
  const own = gitDir(worktree);
  return own === null ? null : join(own, MARKER);
}
