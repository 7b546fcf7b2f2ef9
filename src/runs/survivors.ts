import {
  ageOf,
  argvOf,
  isEnd,
  isHidden,
  isTerminal,
  PROC,
  type Proc,
  procLink,
  shownAt,
} from '../machine/proc.ts';
import { type Standing, standingOf } from '../machine/process.ts';
import type { Judgement, ObserverIdentity, ProcessIdentity } from '../model/identity.ts';
import type { Runtime } from '../model/runtime.ts';
import { lookAtAll, membersOf, type Seen } from './members.ts';
import { type Client, lookAtProgram, type Program, readsCommands, whoseProgram } from './program.ts';
import { isPlain } from './shell-text.ts';

export interface Survived {
  readonly judgement: Judgement;
  /** The process that the client lives on in. */
  readonly survivor: ProcessIdentity | null;
}

/** A run, as far as its processes are found by it. */
export type RunOf = Pick<Runtime, 'mark' | 'pid' | 'pid_start' | 'worktree'>;

/**
 * Whether the client of a run whose recorded process is dead lives on in another process of that run: then the run is alive.
 * What else is left of the run is no agent. A member that can't be read may be the client: then nothing is known. One pass over
 * the processes serves every run that is asked for.
 */
export function survivors(
  me: ObserverIdentity,
  proc: Proc = PROC,
): (row: RunOf, dead: Judgement, client: Client) => Survived {
  let look: Look | undefined;
  return (row, dead, client) => {
    look ??= lookOnce(proc);
    return survivorOf({ row, dead, client }, me, look, proc);
  };
}

interface Look {
  readonly all: readonly Seen[];
  /** Those that name no run, and where they work. */
  readonly unmarked: readonly { readonly standing: Standing; readonly cwd: string }[];
}

function lookOnce(proc: Proc): Look {
  const all = lookAtAll(proc);
  const unmarked = all.flatMap(({ standing, run }) => {
    const cwd = run === null ? cwdOf(standing.pid, proc) : null;
    return cwd === null ? [] : [{ standing, cwd }];
  });
  return { all, unmarked };
}

function survivorOf(
  { row, dead, client }: { readonly row: RunOf; readonly dead: Judgement; readonly client: Client },
  me: ObserverIdentity,
  { all, unmarked }: Look,
  proc: Proc,
): Survived {
  const none = { judgement: dead, survivor: null };
  if (dead.because === 'rebooted' || me.boot_id === null) return none;
  // A number that was given to another process belongs to no session of ours any more.
  const session = /^(pid_reused|not_of_run)$/.test(dead.because) ? null : row.pid;
  const { members, unreadable } = membersOf({ mark: row.mark, session }, all);
  const found: Standing[] = [];
  let unknown = unreadable.length > 0;
  let forked = false;
  for (const one of members) {
    if (one.pid === row.pid && one.start === row.pid_start) continue;
    const program = lookAtProgram(one.pid, proc);
    const now = standingOf(one.pid, proc);
    // It has ended meanwhile.
    if (now?.start !== one.start || isEnd(now.state)) continue;
    // Not so where it is about to become another program.
    if (program === null) unknown ||= isHidden(`${shownAt(one.pid, proc)}/exe`, proc);
    else {
      const whose = whoseProgram(program, client);
      const leads = (whose === 'wrapped' && isInFront(one, proc)) || isTold(one, row, proc);
      if (whose !== 'own' && (!leads || isTool(program))) continue;
      if (isJustForked(now, proc)) forked = true;
      else found.push(one);
    }
  }
  const first = found.sort((a, b) => rank(a, row, proc) - rank(b, row, proc) || since(a) - since(b))[0];
  if (first !== undefined) {
    const { host_id, boot_id, pid_ns, time_ns } = me;
    const survivor = { ...{ host_id, boot_id, pid_ns, time_ns }, pid: first.pid, pid_start: first.start };
    return { judgement: { verdict: 'alive', because: 'client_lives_on' }, survivor };
  }
  if (forked) return { judgement: { verdict: 'unknown', because: 'just_forked' }, survivor: null };
  if (unmarked.some((one) => isUnmarked(one, row, client, proc)))
    return { judgement: { verdict: 'unknown', because: 'client_unmarked' }, survivor: null };
  return unknown ? { judgement: { verdict: 'unknown', because: 'proc_unreadable' }, survivor: null } : none;
}

/** So long at most a process is between its fork and the program that it is to execute. */
const FORK_MS = 2000;

/** It may be about to become another program, and shows that of its parent until then. */
function isJustForked({ forked, start }: Standing, proc: Proc): boolean {
  return forked && (ageOf(start, proc) ?? 0) < FORK_MS;
}

/** What works in the worktree comes first, and then what was started first. */
function rank({ pid }: Standing, { worktree }: RunOf, proc: Proc): number {
  return isBelow(cwdOf(pid, proc), worktree) ? 0 : 1;
}

function cwdOf(pid: number, proc: Proc): string | null {
  return procLink(`${shownAt(pid, proc)}/cwd`, proc);
}

function isBelow(cwd: string | null, worktree: string | null): boolean {
  return worktree !== null && (cwd === worktree || cwd?.startsWith(`${worktree}/`) === true);
}

/** The client's own program, begun since the run in its worktree, which nothing says to be of this run or of another: a wrapper may have started it
 *  with an environment and a session of its own (`env -i setsid`, `systemd-run`), or a person has. Either way a second one beside it would be wrong. */
function isUnmarked(
  { standing, cwd }: Look['unmarked'][number],
  row: RunOf,
  client: Client,
  proc: Proc,
): boolean {
  if (!isBelow(cwd, row.worktree) || since(standing) < Number(row.pid_start)) return false;
  const program = lookAtProgram(standing.pid, proc);
  return program !== null && whoseProgram(program, client) === 'own';
}

function since({ start }: Standing): number {
  return Number(start);
}

/** What a wrapper script runs in front of itself reads or writes its terminal. What it starts in the background a shell gives
 *  /dev/null to read, and a client gives its tools pipes. */
function isInFront({ pid }: Standing, proc: Proc): boolean {
  const isSilent = procLink(`${shownAt(pid, proc)}/fd/0`, proc) === '/dev/null';
  return !isSilent && (isTerminal(pid, 0, proc) || isTerminal(pid, 1, proc));
}

/** Whether it was given the prompt of the run: by its file, as an argument or to read. A tool is not. */
function isTold({ pid }: Standing, { mark }: RunOf, proc: Proc): boolean {
  if (mark === '') return false;
  const file = `/runs/${mark}/prompt.md`;
  return (
    procLink(`${shownAt(pid, proc)}/fd/0`, proc)?.endsWith(file) === true ||
    argvOf(pid, proc)?.some((word) => !/\s/.test(word) && word.endsWith(file)) === true
  );
}

/** A script names the tools that it runs in front of itself as well (`sleep 60`), and one that was killed leaves them there. */
function isTool(program: Program): boolean {
  return isPlain([program.exe]) || readsCommands(program);
}
