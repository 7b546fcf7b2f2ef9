import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { PROC, type Proc } from './identity.ts';

/** Where a process stands among the others, by one look at its `stat`. */
export interface Standing {
  readonly pid: number;
  readonly start: string;
  readonly state: string;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** 0 = it has no terminal. */
  readonly tty: number;
  /** The process group in the foreground of that terminal. */
  readonly tpgid: number;
}

export interface Members {
  readonly members: readonly Standing[];
  /** In the session of the run, and its environment can't be read: it may be a member. */
  readonly unreadable: readonly Standing[];
}

/** Behind the name: state, parent, group, session, terminal, its foreground group, and 13 fields further on the start. */
const STAT = /^ ([A-Za-z]) (\d+) (-?\d+) (-?\d+) (-?\d+) (-?\d+)(?: -?\d+){13} (\d+)(?: |\n|$)/;

/** null = there is no such process, or it can't be read. */
export function standingOf(pid: number, proc: Proc = PROC): Standing | null {
  try {
    const text = readFileSync(`${proc.root}/${pid}/stat`, 'utf8');
    const found = STAT.exec(text.slice(text.lastIndexOf(')') + 1));
    const [, state, ppid, pgrp, session, tty, tpgid, start] = found ?? [];
    if (state === undefined || start === undefined) return null;
    const [parent = 0, group = 0, sid = 0, terminal = 0, front = 0] = [ppid, pgrp, session, tty, tpgid].map(
      Number,
    );
    return { pid, start, state, ppid: parent, pgrp: group, session: sid, tty: terminal, tpgid: front };
  } catch {
    return null;
  }
}

/** Every process that can be seen. */
export function allPids(proc: Proc = PROC): number[] {
  if (process.platform === 'darwin' && proc === PROC) {
    const ps = spawnSync('/bin/ps', ['-axo', 'pid='], { encoding: 'utf8', timeout: 5000 });
    return (ps.stdout ?? '')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 1);
  }
  try {
    return readdirSync(proc.root)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** The run, and the state dir of it, that an environment names (as `latin1`, since it may be no text); null = none. */
export function runIn(environ: string): { readonly run: string; readonly state: string } | null {
  const all = environ.split('\0');
  const of = (name: string): string =>
    all.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  const run = of('MC_RUN_ID');
  return run === '' ? null : { run, state: of('MC_PICKUP_STATE_DIR') };
}

/** A path as it stands in an environment that was read as `latin1`. */
export function asBytes(path: string): string {
  return Buffer.from(path).toString('latin1');
}

/** Living processes of a run: those with its id in their environment, and those in the session that its pane was started as
 *  (the kernel gives that number to nobody else while one of them lives). Not this process. Linux only. */
export function membersOf(
  { mark, session }: { readonly mark: string; readonly session?: number | null },
  proc: Proc = PROC,
): Members {
  if (mark === '' || (process.platform === 'darwin' && proc === PROC)) return { members: [], unreadable: [] };
  const members: Standing[] = [];
  const unreadable: Standing[] = [];
  for (const pid of allPids(proc)) {
    if (pid <= 1 || pid === process.pid) continue;
    const standing = standingOf(pid, proc);
    if (standing === null || standing.state === 'Z' || standing.state === 'X') continue;
    const inSession = session != null && standing.session === session;
    try {
      const named = runIn(readFileSync(`${proc.root}/${pid}/environ`, 'latin1'));
      if (inSession || named?.run === mark) members.push(standing);
    } catch {
      // Another user's process is none of the run's, unless it stands in its session; or it is gone by now.
      if (inSession && standingOf(pid, proc)?.start === standing.start) unreadable.push(standing);
    }
  }
  return { members, unreadable };
}
