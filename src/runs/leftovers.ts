import {
  ageOf,
  allPids,
  isEnd,
  lacksProc,
  PROC,
  type Proc,
  procText,
  runIn,
  shownAt,
  shownOf,
} from '../machine/proc.ts';
import { type Standing, standingOf } from '../machine/process.ts';
import { attempt } from '../model/json.ts';
import type { LeftoverFacts } from '../model/leftover.ts';
import type { Runtime } from '../model/runtime.ts';
import { lookAtProgram, programName } from './program.ts';

/** A process that a run has left, as it can be found again. Only a person ends it. */
export interface Leftover extends LeftoverFacts {
  /** Its start time, as the kernel counts it: with the pid it is this very process. */
  readonly start: string;
}

/** What runs of this state dir that have ended left behind, the oldest first. `ended`: the row of that run, where the board knows it
 *  and it has ended. Not what this very process was started by. Linux only. */
export async function leftoversOf(
  state: string,
  ended: (run: string) => Promise<Runtime | null>,
  proc: Proc = PROC,
): Promise<Leftover[]> {
  const rows = new Map<string, Runtime | null>();
  const found: Leftover[] = [];
  for (const [standing, run] of marked(state, proc)) {
    const row = rows.get(run) ?? (rows.has(run) ? null : await ended(run));
    rows.set(run, row);
    if (row !== null) found.push(described(standing, run, row, proc));
  }
  return found.sort((a, b) => Number(a.start) - Number(b.start));
}

/** The row of a run, if it is over: for `leftoversOf`. */
export function endedRow(
  board: { runtimeByMark(mark: string): Promise<Runtime | null> },
  ticket?: string,
): (run: string) => Promise<Runtime | null> {
  return async (run) => {
    const row = await board.runtimeByMark(run);
    const mine = ticket === undefined || row?.ticket_id === ticket;
    return mine && row !== null && row.ended_at_ms !== null ? row : null;
  };
}

/** Whether it is still that process, and of that run. */
export function isStillLeft({ pid, start, run }: Leftover, state: string, proc: Proc = PROC): boolean {
  const now = standingOf(pid, proc);
  return now?.start === start && !isEnd(now.state) && runOf(pid, state, proc) === run;
}

/** Living processes of runs of this state dir. */
function marked(state: string, proc: Proc): (readonly [Standing, string])[] {
  if (lacksProc(proc)) return [];
  const callers = ancestors(proc);
  return allPids(proc).flatMap((pid) => {
    if (pid <= 1 || callers.has(pid)) return [];
    const run = runOf(pid, state, proc);
    const standing = run === null ? null : standingOf(pid, proc);
    if (run === null || standing === null || isEnd(standing.state)) return [];
    return [[standing, run] as const];
  });
}

/** null = it is of no run, another user's, or gone. */
function runOf(pid: number, state: string, proc: Proc): string | null {
  return attempt(() => runIn(shownOf(pid, proc).environ, state))?.run ?? null;
}

/** This process and all that it was started by: a person may sit in a shell that a run has left. */
function ancestors(proc: Proc): ReadonlySet<number> {
  const found = new Set<number>();
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 1 && !found.has(pid); ) {
    found.add(pid);
    pid = standingOf(pid, proc)?.ppid;
  }
  return found;
}

function described({ pid, start }: Standing, run: string, row: Runtime, proc: Proc): Leftover {
  const program = lookAtProgram(pid, proc);
  return {
    ...{ pid, start, run, ticket: row.ticket_id },
    program: program === null ? (lineOf(`${pid}/comm`, proc) ?? '?') : programName(program),
    age_ms: ageOf(start, proc),
    rss_bytes: memoryOf(pid, proc),
  };
}

function memoryOf(pid: number, proc: Proc): number | null {
  const kb = /^VmRSS:\s*(\d+) kB$/m.exec(procText(`${shownAt(pid, proc)}/status`, proc) ?? '')?.[1];
  return kb === undefined ? null : Number(kb) * 1024;
}

function lineOf(path: string, proc: Proc): string | null {
  return procText(path, proc)?.split('\n')[0] ?? null;
}
