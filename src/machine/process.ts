import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, UserError } from '../model/errors.ts';
import { fnv1a, uniqueName } from '../model/hash.ts';
import { hasEnded, type ObserverIdentity, type ProcessLook } from '../model/identity.ts';
import { textAt } from './foreign.ts';

/** Where /proc is; tests put another one in its place. */
export interface Proc {
  readonly root: string;
  /** Whether the kernel knows this number, shown under `root` or not; absent = what is not shown there is not there. */
  readonly exists?: (pid: number) => boolean;
}

export const PROC: Proc = { root: '/proc', exists };

const MAC = process.platform === 'darwin';
const PS_ENV = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Who is looking: this boot, this pid namespace, and whether /proc can be believed right now. */
export function lookAtSelf(hostId: string, proc: Proc = PROC): ObserverIdentity {
  if (MAC && proc === PROC) {
    const boot = spawnSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], {
      encoding: 'utf8',
      timeout: 5000,
    });
    const boot_id = boot.status === 0 ? boot.stdout.trim() || null : null;
    const self_readable = lookAt(process.pid).kind === 'present';
    return { host_id: hostId, boot_id, pid_ns: null, time_ns: null, self_readable };
  }
  const { boot_id, pid_ns, time_ns } = unchanging(proc);
  const stat = attempt(() => readFileSync(`${proc.root}/self/stat`, 'utf8'));
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
  const boot_id = attempt(() => readFileSync(`${proc.root}/sys/kernel/random/boot_id`, 'utf8').trim());
  const namespace = (name: string): string | null =>
    attempt(() => readlinkSync(`${proc.root}/self/ns/${name}`));
  const seen = { boot_id: boot_id || null, pid_ns: namespace('pid'), time_ns: namespace('time') };
  // What could not be read is no knowledge.
  if (proc === PROC && seen.boot_id !== null && seen.pid_ns !== null) mine = seen;
  return seen;
}

/** One look at one pid. Only the kernel's own "no such process" counts as gone. */
export function lookAt(pid: number, proc: Proc = PROC): ProcessLook {
  if (!Number.isSafeInteger(pid) || pid <= 0) return { kind: 'unreadable', error: `not a pid: ${pid}` };
  if (MAC && proc === PROC) return lookByPs(pid);
  try {
    const text = readFileSync(`${proc.root}/${pid}/stat`, 'utf8');
    const look = lookIn(text);
    return hasEnded(look) ? lookAtThreads(pid, text, proc) : look;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ESRCH') return { kind: 'unreadable', error: code ?? String(error) };
    // Where it is mounted with hidepid, /proc says the same of a process that it does not show to us.
    return proc.exists?.(pid) === true ? { kind: 'unreadable', error: 'hidden' } : { kind: 'gone' };
  }
}

function lookIn(text: string): ProcessLook {
  const stat = parseStat(text);
  if (stat === null) return { kind: 'unreadable', error: 'malformed stat' };
  return { kind: 'present', state: stat.state, start: stat.start, ppid: stat.ppid };
}

/** How often the threads are listed while they come and go. */
const ROUNDS = 3;

/** The leader has ended: is there a thread that lives? One may have started another, or become the leader by exec, between two
 *  looks; so the leader is read once more before its end is believed. Throws what /proc answers. */
function lookAtThreads(pid: number, first: string, proc: Proc): ProcessLook {
  let text = first;
  for (let round = 0; round < ROUNDS; round++) {
    const thread = livingThread(pid, proc);
    if (thread !== null) {
      const leader = lookIn(text);
      return leader.kind === 'present' ? { ...leader, state: thread.state } : leader;
    }
    text = readFileSync(`${proc.root}/${pid}/stat`, 'utf8');
    const look = lookIn(text);
    if (!hasEnded(look) || threadsIn(text) <= 1) return look;
  }
  return lookIn(text); // what is left of it are threads that a debugger has not let go
}

/** A thread of a process, the leader aside, that has not ended; null = there is none. Throws what can't be read. */
function livingThread(pid: number, { root }: Proc): { readonly tid: string; readonly state: string } | null {
  const there = <T>(read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ESRCH') return null;
      throw error;
    }
  };
  for (const tid of there(() => readdirSync(`${root}/${pid}/task`)) ?? []) {
    if (tid === String(pid)) continue;
    const text = there(() => readFileSync(`${root}/${pid}/task/${tid}/stat`, 'utf8'));
    if (text === null) continue;
    const look = lookIn(text);
    if (look.kind !== 'present') throw new Error('malformed stat');
    if (!hasEnded(look)) return { tid, state: look.state };
  }
  return null;
}

/** The environment of a process, and where /proc shows the rest of what it works with: at its leader or, once that has ended
 *  alone, at a thread that lives. Throws what can't be read. */
export function shownOf(pid: number, proc: Proc = PROC): { readonly at: string; readonly environ: string } {
  const leader = `${proc.root}/${pid}`;
  try {
    const environ = readFileSync(`${leader}/environ`, 'latin1');
    if (environ !== '') return { at: leader, environ };
  } catch (error) {
    // So says a newer kernel of one that has ended; an older one shows nothing.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
  const thread = livingThread(pid, proc);
  if (thread === null) return { at: leader, environ: '' };
  const at = `${leader}/task/${thread.tid}`;
  return { at, environ: readFileSync(`${at}/environ`, 'latin1') };
}

/** Whether the kernel knows this number. One that we may not signal is there all the same. */
export function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** When a process was started, in the words of the kernel; null = there is none. */
export function startOf(pid: number): string | null {
  const look = lookAt(pid);
  return look.kind === 'present' && !hasEnded(look) ? look.start : null;
}

/** Whether a process was started with `NAME=value` in its environment; false where that can't be seen (no /proc, another's). */
export function startedWith(pid: number, variable: string, proc: Proc = PROC): boolean {
  const environ = attempt(() => readFileSync(`${proc.root}/${pid}/environ`, 'latin1'));
  return environ?.split('\0').includes(variable) === true;
}

/** The command line that a process was started with; null = it can't be seen. */
export function argvOf(pid: number, proc: Proc = PROC): readonly string[] | null {
  const line = attempt(() => readFileSync(`${proc.root}/${pid}/cmdline`, 'utf8'));
  return line?.split('\0') ?? null;
}

/** Reads /proc/PID/stat. The name may hold spaces, parentheses, newlines and bytes that are no text: all counts from
 *  the last `)`. (Read as UTF-8, since Node does that in one call, and any other encoding in five.) */
export function parseStat(
  text: string,
): { readonly state: string; readonly ppid: number; readonly start: string } | null {
  const end = text.lastIndexOf(')');
  const [, state, parent, start] = (end < 0 ? null : STAT.exec(text.slice(end + 1))) ?? [];
  return state === undefined || parent === undefined || start === undefined
    ? null
    : { state, ppid: Number(parent), start };
}

/** Behind the name: the state, the parent, and 17 fields further on the start. */
const STAT = /^ ([A-Za-z]) (\d+)(?: -?\d+){17} (\d+)(?: |\n|$)/;

/** How many threads /proc/PID/stat counts; 0 = it does not say. */
function threadsIn(text: string): number {
  return Number(text.slice(text.lastIndexOf(')') + 1).split(' ')[THREADS] ?? 0);
}

/** Behind the name: field 20 of all. */
const THREADS = 18;

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
  if (textAt(file)?.trim() === '')
    throw new UserError(EXIT.config, `${file} is empty: remove it and run again`);
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

function lookByPs(pid: number): ProcessLook {
  const ps = spawnSync('/bin/ps', ['-o', 'lstart=,stat=,ppid=', '-p', String(pid)], {
    encoding: 'utf8',
    env: PS_ENV,
    timeout: 5000,
  });
  if (ps.error) return { kind: 'unreadable', error: ps.error.message };
  const line = ps.stdout.trim();
  if (line === '' && ps.status === 1 && ps.stderr.trim() === '') return { kind: 'gone' };
  const match = /^(.+\d{4})\s+([A-Za-z])\S*\s+(\d+)$/.exec(line);
  const [, start, state, ppid] = match ?? [];
  if (start === undefined || state === undefined)
    return { kind: 'unreadable', error: `ps: ${ps.stderr.trim()}` };
  return { kind: 'present', state, start: start.trim(), ppid: Number(ppid) };
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
