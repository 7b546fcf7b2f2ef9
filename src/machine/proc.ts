/*
 * The one reader of what the kernel shows of processes: /proc or, where there is none (macOS), `ps`. It reads, and decides nothing.
 * `process.ts` says whether a process lives and which one it is; `runs/` and `caller.ts` say whose it is. Three rules hold for every read:
 *   - A name of a process may hold any byte, so that all of `stat` counts from its last `)`.
 *   - What has gone is told from what may not be looked at: only the first one proves anything (`isGone`).
 *   - The main thread of a process (its leader) may end while others work: a zombie that is alive. What the process works with is then
 *     shown at one of those threads (`shownAt`).
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { codeOf } from '../model/errors.ts';
import { attempt } from '../model/json.ts';

/** Where /proc is; tests put another one in its place. */
export interface Proc {
  readonly root: string;
  /** Whether the kernel knows this number, shown under `root` or not; absent = what is not shown there is not there. */
  readonly exists?: (pid: number) => boolean;
}

export const PROC: Proc = { root: '/proc', exists };

/** Whether this system has no /proc, and no other one was put in its place. */
export function lacksProc(proc: Proc): boolean {
  return process.platform === 'darwin' && proc === PROC;
}

/** Whether the kernel knows this number. One that we may not signal is there all the same. */
export function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/** Where a process stands among the others. */
export interface Stat {
  readonly state: string;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** 0 = it has no terminal. */
  readonly tty: number;
  /** The process group in the foreground of that terminal. */
  readonly tpgid: number;
  /** It goes on with the program of its parent: it has executed none since it was forked. */
  readonly forked: boolean;
  readonly threads: number;
  /** Its start time, in ticks of the kernel's clock. */
  readonly start: string;
}

/** Reads the text of /proc/PID/stat; null = it is none. Read the file as UTF-8, which costs Node one system call: any other encoding
 *  costs five. */
export function parseStat(text: string): Stat | null {
  const end = text.lastIndexOf(')');
  const found = end < 0 ? null : STAT.exec(text.slice(end + 1));
  if (found === null) return null;
  // By their numbers: to walk through an array makes an object for each step, and there may be hundreds of processes.
  const { 1: state = '', 2: ppid, 3: pgrp, 4: session, 5: tty, 6: tpgid } = found;
  const { 7: flags, 8: threads, 9: start = '' } = found;
  return {
    state,
    ppid: Number(ppid),
    pgrp: Number(pgrp),
    session: Number(session),
    tty: Number(tty),
    tpgid: Number(tpgid),
    forked: (Number(flags) & FORKNOEXEC) !== 0,
    threads: Number(threads),
    start,
  };
}

/** Behind the name: state, parent, group, session, terminal, its foreground group, flags; field 20 of all: threads; field 22: start. */
const STAT =
  /^ ([A-Za-z]) (\d+) (-?\d+) (-?\d+) (-?\d+) (-?\d+) (-?\d+)(?: -?\d+){10} (-?\d+) -?\d+ (\d+)(?: |\n|$)/;
/** Of the kernel's flags (`PF_FORKNOEXEC`). */
const FORKNOEXEC = 0x40;
const TICKS_PER_S = 100;

/** Where a process or a thread (`PID/task/TID`) stands. Throws what /proc answers, and where the answer is malformed. */
export function statOf(process: number | string, proc: Proc = PROC): Stat {
  const stat = parseStat(readFileSync(`${proc.root}/${process}/stat`, 'utf8'));
  if (stat === null) throw new Error('malformed stat');
  return stat;
}

/** For how long a process with this start time has been there; null = it can't be told. */
export function ageOf(start: string, proc: Proc = PROC): number | null {
  const up_s = Number.parseFloat(procText('uptime', proc) ?? '');
  return Number.isFinite(up_s) ? Math.max(0, Math.round((up_s - Number(start) / TICKS_PER_S) * 1000)) : null;
}

/** Whether that state is the end of a process, or of a thread. */
export function isEnd(state: string): boolean {
  return state === 'Z' || state === 'X';
}

/** A thread of a process, the leader aside, that has not ended; null = there is none. Throws what can't be read. */
export function livingThread(
  pid: number,
  proc: Proc = PROC,
): { readonly tid: string; readonly state: string } | null {
  const unlessGone = <T>(read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  };
  for (const tid of unlessGone(() => readdirSync(`${proc.root}/${pid}/task`)) ?? []) {
    if (tid === String(pid)) continue;
    const stat = unlessGone(() => statOf(`${pid}/task/${tid}`, proc));
    if (stat !== null && !isEnd(stat.state)) return { tid, state: stat.state };
  }
  return null;
}

/** Where /proc shows what a process works with: at its leader (`PID`) or, once that has ended alone, at a thread that lives
 *  (`PID/task/TID`). Of what can't be read, at its leader. */
export function shownAt(pid: number, proc: Proc = PROC): string {
  const stat = attempt(() => statOf(pid, proc));
  const thread = stat !== null && isEnd(stat.state) ? attempt(() => livingThread(pid, proc)) : null;
  return thread === null ? String(pid) : `${pid}/task/${thread.tid}`;
}

/** The environment that a process was started with (as `latin1`, since it may be no text), and where /proc shows the rest of what it
 *  works with: at its leader (`PID`) or, once that has ended alone, at a thread that lives (`PID/task/TID`). Throws what can't be
 *  read. */
export function shownOf(pid: number, proc: Proc = PROC): { readonly at: string; readonly environ: string } {
  try {
    const environ = readFileSync(`${proc.root}/${pid}/environ`, 'latin1');
    if (environ !== '') return { at: String(pid), environ };
  } catch (error) {
    // So says a newer kernel of one that has ended; an older one shows nothing.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
  const thread = livingThread(pid, proc);
  if (thread === null) return { at: String(pid), environ: '' };
  const at = `${pid}/task/${thread.tid}`;
  return { at, environ: readFileSync(`${proc.root}/${at}/environ`, 'latin1') };
}

/** The run that an environment names, and the state dir of that run; null = none. `state`: only a run of this state dir counts. */
export function runIn(
  environ: string,
  state?: string,
): { readonly run: string; readonly state: string } | null {
  const all = environ.split('\0');
  const of = (name: string): string =>
    all.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const found = { run: of('MC_RUN_ID'), state: of('MC_PICKUP_STATE_DIR') };
  const counts = state === undefined || found.state === Buffer.from(state).toString('latin1');
  return found.run !== '' && counts ? found : null;
}

/** Whether a process was started with `NAME=value` in its environment; false where that can't be seen (no /proc, another's). */
export function startedWith(pid: number, variable: string, proc: Proc = PROC): boolean {
  return attempt(() => shownOf(pid, proc).environ.split('\0').includes(variable)) === true;
}

/** The command line that a process was started with; null = it can't be seen. */
export function argvOf(pid: number, proc: Proc = PROC): readonly string[] | null {
  const text = procText(`${pid}/cmdline`, proc);
  // A leader that has ended shows none.
  return (text === '' ? procText(`${shownAt(pid, proc)}/cmdline`, proc) : text)?.split('\0') ?? null;
}

/** Every process that can be seen; none where they can't be listed. */
export function allPids(proc: Proc = PROC): number[] {
  if (lacksProc(proc)) {
    const ps = spawnSync('/bin/ps', ['-axo', 'pid='], { encoding: 'utf8', timeout: 5000 });
    return (ps.stdout ?? '')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 1);
  }
  return procNames('.', proc)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The user that a process belongs to; null = it has gone. Throws what can't be looked at. */
export function ownerOf(pid: number, proc: Proc = PROC): number | null {
  return statSync(`${proc.root}/${pid}`, { throwIfNoEntry: false })?.uid ?? null;
}

/** The text of a file below /proc, such as `12/comm`, `self/limits` or `uptime`; null = there is none, or it can't be read. */
export function procText(path: string, proc: Proc = PROC): string | null {
  return attempt(() => readFileSync(`${proc.root}/${path}`, 'utf8'));
}

/** The names in a directory below /proc, such as `12/fd`; none where it can't be listed. */
export function procNames(path: string, proc: Proc = PROC): readonly string[] {
  return attempt(() => readdirSync(`${proc.root}/${path}`)) ?? [];
}

/** Where a link below /proc leads, such as `12/exe` or `12/fd/0`; null = there is none, or it can't be read. */
export function procLink(path: string, proc: Proc = PROC): string | null {
  return attempt(() => readlinkSync(`${proc.root}/${path}`));
}

/** `device:inode` of what such a link leads to, by whatever name that goes here; null = it can't be told. */
export function procId(path: string, proc: Proc = PROC): string | null {
  return fileId(`${proc.root}/${path}`);
}

/** `device:inode` of a file; null = there is none, or it can't be looked at. */
export function fileId(path: string): string | null {
  const stat = attempt(() => statSync(path));
  return stat === null ? null : `${stat.dev}:${stat.ino}`;
}

/** Whether a link below /proc is there and may not be read. */
export function isHidden(path: string, proc: Proc = PROC): boolean {
  try {
    readlinkSync(`${proc.root}/${path}`);
    return false;
  } catch (error) {
    return !isGone(error);
  }
}

/** Whether a descriptor of a process is a terminal. */
export function isTerminal(pid: number, fd: number, proc: Proc = PROC): boolean {
  return /^\/dev\/(pts\/|tty)/.test(procLink(`${shownAt(pid, proc)}/fd/${fd}`, proc) ?? '');
}

/** Whether this failure to look says that there is no such process, or nothing of that name in it. */
export function isGone(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH';
}

/** Whether this failure to look says that we may not. */
export function isDenied(error: unknown): boolean {
  return codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM';
}
