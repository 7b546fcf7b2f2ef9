import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { textAt } from '../foreign.ts';
import { EXIT, UserError } from '../model/errors.ts';
import { fnv1a, uniqueName } from '../model/hash.ts';
import type { ObserverIdentity, ProcessLook } from '../model/identity.ts';

/** Where /proc is; tests put another one in its place. */
export interface Proc {
  readonly root: string;
}

export const PROC: Proc = { root: '/proc' };

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
    return { host_id: hostId, boot_id, pid_ns: null, self_readable: lookAt(process.pid).kind === 'present' };
  }
  const { boot_id, pid_ns } = unchanging(proc);
  const stat = attempt(() => readFileSync(`${proc.root}/self/stat`, 'utf8'));
  const self_readable = stat !== null && parseStat(stat) !== null;
  return { host_id: hostId, boot_id, pid_ns, self_readable };
}

/** What stays as it is while this process lives. */
interface Unchanging {
  readonly boot_id: string | null;
  readonly pid_ns: string | null;
}

let mine: Unchanging | undefined;

function unchanging(proc: Proc): Unchanging {
  if (proc === PROC && mine !== undefined) return mine;
  const boot_id = attempt(() => readFileSync(`${proc.root}/sys/kernel/random/boot_id`, 'utf8').trim());
  const seen = { boot_id: boot_id || null, pid_ns: attempt(() => readlinkSync(`${proc.root}/self/ns/pid`)) };
  // What could not be read is no knowledge.
  if (proc === PROC && seen.boot_id !== null && seen.pid_ns !== null) mine = seen;
  return seen;
}

/** One look at one pid. Only the kernel's own "no such process" counts as gone. */
export function lookAt(pid: number, proc: Proc = PROC): ProcessLook {
  if (!Number.isSafeInteger(pid) || pid <= 0) return { kind: 'unreadable', error: `not a pid: ${pid}` };
  if (MAC && proc === PROC) return lookByPs(pid);
  try {
    const stat = parseStat(readFileSync(`${proc.root}/${pid}/stat`, 'utf8'));
    if (stat === null) return { kind: 'unreadable', error: 'malformed stat' };
    return { kind: 'present', state: stat.state, start: stat.start, ppid: stat.ppid };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return { kind: 'gone' };
    return { kind: 'unreadable', error: code ?? String(error) };
  }
}

/** When a process was started, in the words of the kernel; null = there is none. */
export function startOf(pid: number): string | null {
  const look = lookAt(pid);
  return look.kind === 'present' && look.state !== 'Z' ? look.start : null;
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
