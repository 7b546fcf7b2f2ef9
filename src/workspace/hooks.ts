import { randomBytes } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import {
  inDir,
  inMadeDir,
  isPlainFile,
  type OpenFile,
  openLog,
  removeIn,
  textAt,
  writeFileAt,
  writeIn,
} from '../machine/foreign.ts';
import { endOf, killGroup } from '../machine/spawn.ts';
import { HOOK_MARK } from '../model/environment.ts';
import { messageOf } from '../model/errors.ts';
import { fnv1a } from '../model/hash.ts';
import {
  identify,
  identityIn,
  judge,
  type ObserverIdentity,
  type ProcessIdentity,
  type ProcessLook,
} from '../model/identity.ts';
import type { HookSpec } from '../model/policy.ts';
import { gated, letThrough } from './gate.ts';
import { ownGitDir } from './own.ts';

const MAX_LOG_BYTES = 1024 * 1024;
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
  if (ownGitDir(cwd) === null)
    return { ok: false, error: `git can't tell its git dir of ${cwd}, so it was not started` };
  let log: OpenFile;
  try {
    const folder = dirname(logFile);
    inMadeDir(dirname(folder), basename(folder), () => null);
    log = openLog(logFile);
  } catch (error) {
    return { ok: false, error: `can't write ${logFile}: ${String(error)}` };
  }
  const timeout_ms = spec.timeout_seconds * 1000;
  const { notes } = processes;
  const note = noteOf(cwd);
  const nonce = randomBytes(16).toString('hex');
  try {
    return await runLogged(file, args, {
      ...{ cwd, env: { ...env, [HOOK_MARK]: nonce }, log, timeout_ms },
      started: (pid) => {
        failpoint('prepare-hook-waits');
        const { me, lookAt } = processes;
        const identity = identify(pid, me, lookAt(pid));
        if (identity === null) throw new Error(`process ${pid} can't be told apart, so it was not let on`);
        const text = JSON.stringify({ ...identity, worktree: cwd, nonce, until_ms: Date.now() + timeout_ms });
        // One that nobody could find again would run beside the next.
        inMadeDir(dirname(notes), basename(notes), (dir) => writeIn(dir, note, text));
        failpoint('prepare-hook-known');
      },
    });
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  } finally {
    closeSync(log.fd);
    removeNote(notes, note);
  }
}

/** This machine's processes: who looks, one look, and where it is noted which hooks run. */
export interface Processes {
  readonly me: ObserverIdentity;
  readonly lookAt: (pid: number) => ProcessLook;
  /** Whether a process was started with this variable in its environment; false where that can't be seen. */
  readonly startedWith: (pid: number, variable: string) => boolean;
  /** A directory of our own, which agents are not told of. */
  readonly notes: string;
}

/** A hook outlives the tick that was killed while it ran, and with that tick went its time limit. What it still does
 *  in this worktree must not be done twice at once: says which process to wait for, or null. One that is past its
 *  limit is ended, as its own tick would have done. What can't be told counts as running. `acts` false = a dry run:
 *  nothing is ended or removed. */
export async function hookLeft(
  worktree: string,
  { me, lookAt, startedWith, notes }: Processes,
  acts = true,
): Promise<string | null> {
  if (ownGitDir(worktree) === null)
    return `git can't tell its git dir of ${worktree}: whether a hook runs there is not known`;
  const name = noteOf(worktree);
  const note = readNote(join(notes, name), worktree);
  if (note === null) return hookOfBefore(worktree, { me, lookAt });
  const { verdict, because } = judge(note, me, lookAt(note.pid));
  const late = Date.now() > note.until_ms;
  // A container that was started anew has another namespace, and took its hooks with it: no reason to wait for ever.
  if (verdict === 'dead' || (/^other_(time_)?namespace$/.test(because) && late)) {
    if (acts) removeNote(notes, name);
    return null;
  }
  // A note is only a file: what is ended must know the word that we gave to what we started.
  if (acts && verdict === 'alive' && late && startedWith(note.pid, `${HOOK_MARK}=${note.nonce}`)) {
    if (judge(note, me, lookAt(note.pid)).verdict === 'alive') killGroup(note.pid);
  }
  return running(worktree, note.pid, verdict, because);
}

/** 0.1 noted a hook in the worktree's git dir, where an agent can write: it may be waited for, within its own limit, and is never
 *  ended. */
function hookOfBefore(worktree: string, { me, lookAt }: Pick<Processes, 'me' | 'lookAt'>): string | null {
  const own = ownGitDir(worktree);
  const note = own === null ? null : readNote(join(own, 'mc-pickup-hook.json'), null);
  if (note === null || Date.now() > note.until_ms) return null;
  const { verdict, because } = judge(note, me, lookAt(note.pid));
  return verdict === 'dead' ? null : running(worktree, note.pid, verdict, because);
}

function running(worktree: string, pid: number, verdict: string, because: string): string {
  const runs = verdict === 'alive' ? 'still runs' : 'may still run';
  return `a hook of an earlier attempt ${runs} in ${worktree} (process ${pid}, ${because})`;
}

interface Note extends ProcessIdentity {
  readonly until_ms: number;
  /** '' = none was noted. */
  readonly nonce: string;
}

/** null = there is none for this worktree, or its writer was killed with it half written: then the hook was never let on. */
function readNote(file: string, worktree: string | null): Note | null {
  try {
    const note = JSON.parse(textAt(file, { most: 64 * 1024 }) ?? '') as Record<string, unknown>;
    const identity = identityIn(note);
    if (identity === null || (worktree !== null && note.worktree !== worktree)) return null;
    const nonce = typeof note.nonce === 'string' ? note.nonce : '';
    return { ...identity, until_ms: Number(note.until_ms), nonce };
  } catch {
    return null;
  }
}

function noteOf(worktree: string): string {
  return `${fnv1a(worktree)}.json`;
}

function removeNote(notes: string, name: string): void {
  inDir(dirname(notes), basename(notes), (dir) => removeIn(dir, name));
}

async function runLogged(
  file: string,
  args: readonly string[],
  o: {
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    readonly log: OpenFile;
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
  let room = MAX_LOG_BYTES - o.log.size;
  child.all.on('data', (part: Buffer) => {
    if (room <= 0) return;
    try {
      room -= writeSync(o.log.fd, part.subarray(0, room));
    } catch {
      // A disk that is full is no fault of the hook, which may yet come through.
      room = 0;
    }
  });
  if (child.pid === undefined) return { ok: false, error: (await child).shortMessage ?? 'failed to start' };
  const { code, signal, error } = await endOf(child.nodeChildProcess, o.timeout_ms);
  room = 0; // the log is closed, whoever still prints
  child.all.destroy();
  if (error === 'timeout') return { ok: false, error: `no end within ${o.timeout_ms / 1000} s, killed` };
  if (code === 0) return { ok: true, error: null };
  if (code !== null) return { ok: false, error: `exit code ${code}${EXITS.get(code) ?? ''}` };
  return { ok: false, error: error ?? `killed by ${signal}` };
}

/** Whether `after_create` has never run to its end in this worktree. */
export function hookPending(worktree: string): boolean {
  const marker = markerOf(worktree);
  return marker === null || !isPlainFile(marker);
}

/** Notes that `after_create` ran to its end. */
export function hookDone(worktree: string): void {
  const marker = markerOf(worktree);
  if (marker !== null) writeFileAt(marker, '');
}

/** In the worktree's own git dir: it is never committed, and it goes when the worktree goes. */
function markerOf(worktree: string): string | null {
  const own = ownGitDir(worktree);
  return own === null ? null : join(own, MARKER);
}
