import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { lookAt, PROC, type Proc, shownOf } from '../machine/process.ts';

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
    // A zombie of which another thread works is none.
    const look = state === 'Z' || state === 'X' ? lookAt(pid, proc) : null;
    const lives = look?.kind === 'present' ? look.state : state;
    return { pid, start, state: lives, ppid: parent, pgrp: group, session: sid, tty: terminal, tpgid: front };
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

/** One process, and the run that its environment names; null = none, undefined = it can't be read. */
export interface Seen {
  readonly standing: Standing;
  readonly run: string | null | undefined;
}

/** One pass over all living processes but this one. Linux only. */
export function lookAtAll(proc: Proc = PROC): readonly Seen[] {
  if (process.platform === 'darwin' && proc === PROC) return [];
  return allPids(proc).flatMap((pid): Seen[] => {
    const standing = pid <= 1 || pid === process.pid ? null : standingOf(pid, proc);
    if (standing === null) return [];
    if (standing.state === 'Z' || standing.state === 'X') return [];
    try {
      const run = runIn(shownOf(pid, proc).environ)?.run ?? null;
      return [{ standing, run }];
    } catch {
      return standingOf(pid, proc)?.start === standing.start ? [{ standing, run: undefined }] : [];
    }
  });
}

/** Living processes of a run: those with its id in their environment, and those in the session that its pane was started as
 *  (the kernel gives that number to nobody else while one of them lives). Another user's process, which can't be read, is none of
 *  the run's, unless it stands in that session. */
export function membersOf(
  { mark, session }: { readonly mark: string; readonly session?: number | null },
  all: readonly Seen[] = lookAtAll(),
): Members {
  const mine = (one: Seen): boolean =>
    (mark !== '' && one.run === mark) || (session != null && one.standing.session === session);
  const its = all.filter(mine);
  return {
    members: its.filter(({ run }) => run !== undefined).map(({ standing }) => standing),
    unreadable: its.filter(({ run }) => run === undefined).map(({ standing }) => standing),
  };
}
