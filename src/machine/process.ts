/*
 * Who a process is, and whether it lives: rules 2 and 3 of "What holds" in README.md. What the kernel shows is read by `proc.ts`.
 */

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configError } from '../model/errors.ts';
import { fnv1a, uniqueName } from '../model/hash.ts';
import type { ObserverIdentity, ProcessLook } from '../model/identity.ts';
import { attempt } from '../model/json.ts';
import { textAt } from './foreign.ts';
import {
  isEnd,
  isGone,
  lacksProc,
  livingThread,
  PROC,
  type Proc,
  parseStat,
  procLink,
  procText,
  type Stat,
  statOf,
} from './proc.ts';

const PS_ENV = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Who is looking: this boot, this pid namespace, and whether /proc can be believed right now. */
export function lookAtSelf(hostId: string, proc: Proc = PROC): ObserverIdentity {
  if (lacksProc(proc)) {
    const boot = spawnSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], {
      encoding: 'utf8',
      timeout: 5000,
    });
    const boot_id = boot.status === 0 ? boot.stdout.trim() || null : null;
    const self_readable = lookAt(process.pid).kind === 'present';
    return { host_id: hostId, boot_id, pid_ns: null, time_ns: null, self_readable };
  }
  const { boot_id, pid_ns, time_ns } = unchanging(proc);
  const stat = procText('self/stat', proc);
  // A /proc of another pid namespace has us under another number, and under each of our numbers somebody else.
  const ours = proc !== PROC || Number.parseInt(stat ?? '', 10) === process.pid;
  const self_readable = stat !== null && parseStat(stat) !== null && ours;
  return { host_id: hostId, boot_id, pid_ns, time_ns, self_readable };
}

/** What stays as it is while this process lives. */
interface Unchanging {
  readonly boot_id: string | null;
  readonly pid_ns: string | null;
  readonly time_ns: string | null;
}

let mine: Unchanging | undefined;

function unchanging(proc: Proc): Unchanging {
  if (proc === PROC && mine !== undefined) return mine;
  const boot_id = procText('sys/kernel/random/boot_id', proc)?.trim();
  const [pid_ns, time_ns] = [procLink('self/ns/pid', proc), procLink('self/ns/time', proc)];
  const seen = { boot_id: boot_id || null, pid_ns, time_ns };
  // What could not be read is no knowledge.
  if (proc === PROC && seen.boot_id !== null && seen.pid_ns !== null) mine = seen;
  return seen;
}

/** One look at one pid. Only the kernel's own "no such process" counts as gone. */
export function lookAt(pid: number, proc: Proc = PROC): ProcessLook {
  if (!Number.isSafeInteger(pid) || pid <= 0) return { kind: 'unreadable', error: `not a pid: ${pid}` };
  if (lacksProc(proc)) return lookByPs(pid);
  try {
    const { state, start, ppid } = livingStat(pid, proc);
    return { kind: 'present', state, start, ppid };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!isGone(error)) return { kind: 'unreadable', error: code ?? message };
    // Where it is mounted with hidepid, /proc says the same of a process that it does not show to us.
    return proc.exists?.(pid) === true ? { kind: 'unreadable', error: 'hidden' } : { kind: 'gone' };
  }
}

/** A process, and where it stands among the others. */
export interface Standing extends Stat {
  readonly pid: number;
}

/** Where a process stands; its state is that of a thread that lives, where the leader has ended alone. null = there is no such
 *  process, or it can't be read. */
export function standingOf(pid: number, proc: Proc = PROC): Standing | null {
  return attempt(() => ({ pid, ...livingStat(pid, proc) }));
}

/** How often the threads are listed while they come and go. */
const ROUNDS = 3;

/** Where the leader has ended: is there a thread that lives? One may have started another, or become the leader by exec, between two
 *  looks; so the leader is read once more before its end is believed. Throws what /proc answers. */
function livingStat(pid: number, proc: Proc): Stat {
  let stat = statOf(pid, proc);
  for (let round = 0; round < ROUNDS && isEnd(stat.state); round++) {
    const thread = livingThread(pid, proc);
    if (thread !== null) return { ...stat, state: thread.state };
    stat = statOf(pid, proc);
    if (stat.threads <= 1) break;
  }
  return stat; // what is left of one that has ended are threads that a debugger has not let go
}

/** This host's id, or null before `ensureHostId` was ever called. Copied to another machine, the file makes
 *  another id there. */
export function hostId(stateDir: string): string | null {
  const own = textAt(join(stateDir, 'host-id'))?.trim();
  if (!own) return null;
  const machine = attempt(() => readFileSync('/etc/machine-id', 'utf8')) ?? '';
  return `h-${fnv1a(`${own}:${machine}`)}`;
}

/** This host's id; its file is made when it is missing. Two callers at once agree on one. */
export function ensureHostId(stateDir: string): string {
  const known = hostId(stateDir);
  if (known !== null) return known;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const file = join(stateDir, 'host-id');
  const text = `${process.getBuiltinModule('node:crypto').randomUUID()}\n`;
  // By no pid: two containers on one state dir may have the same.
  const temp = `${file}.tmp${uniqueName()}`;
  try {
    writeFileSync(temp, text, { mode: 0o600, flag: 'wx', flush: true });
    // Whole or not at all: an empty one, left by a full disk, would stop every tick from then on.
    linkOrWrite(temp, file, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temp, { force: true });
  }
  // What can't be read is said as it is: to remove it would orphan every run.
  if (textAt(file)?.trim() === '') throw configError(`${file} is empty: remove it and run again`);
  const made = hostId(stateDir);
  if (made === null) throw new Error(`${file} can't be read`);
  return made;
}

/** Where a file system has no hard links the file is written in its place. */
function linkOrWrite(temp: string, file: string, text: string): void {
  try {
    linkSync(temp, file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
    writeFileSync(file, text, { mode: 0o600, flag: 'wx', flush: true });
  }
}

/** What `ps` is asked where there is no /proc. Each word has a `-o` of its own: to the `ps` of macOS and the BSDs all that follows the first `=`
 *  is the heading of one column (`parsefmt` in FreeBSD's bin/ps/keyword.c). */
export const PS_WORDS = ['-o', 'lstart=', '-o', 'stat=', '-o', 'ppid=', '-p'] as const;

function lookByPs(pid: number): ProcessLook {
  return lookFrom(
    spawnSync('/bin/ps', [...PS_WORDS, String(pid)], { encoding: 'utf8', env: PS_ENV, timeout: 5000 }),
  );
}

/** What an answer to `PS_WORDS` tells of the process. It ends with 1 and says nothing where there is none. */
export function lookFrom(
  ps: Pick<SpawnSyncReturns<string>, 'status' | 'stdout' | 'stderr' | 'error'>,
): ProcessLook {
  if (ps.error) return { kind: 'unreadable', error: ps.error.message };
  const line = ps.stdout.trim();
  if (line === '' && ps.status === 1 && ps.stderr.trim() === '') return { kind: 'gone' };
  const match = /^(\S.*\d{4})\s+([A-Za-z?])\S*\s+(\d+)$/.exec(line);
  const [, start, state, ppid] = match ?? [];
  if (start === undefined || state === undefined)
    return { kind: 'unreadable', error: `ps: ${ps.stderr.trim() || line.slice(0, 100)}` };
  return { kind: 'present', state, start: start.trim(), ppid: Number(ppid) };
}
