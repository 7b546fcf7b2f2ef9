import { spawnSync } from 'node:child_process';
import {
  allPids,
  argvOf,
  isDenied,
  isGone,
  lacksProc,
  ownerOf,
  PROC,
  type Proc,
  shownOf,
} from '../machine/proc.ts';
import { HOOK_MARK } from '../model/environment.ts';

/** One process: its command line and its environment, word by word. */
type Words = readonly string[];

/**
 * Those of these runs of which a process is left on this machine: a launcher (or the tmux that starts one), known by the path in its
 * command line, or whatever carries the run's mark, but for a hook. null = that can't be told. To be asked after tmux has listed
 * its panes: what is started in between is then seen here. It reads all of the caller's processes, so it is for the rare case.
 */
export function runsWithProcesses(ids: readonly string[], proc: Proc = PROC): ReadonlySet<string> | null {
  const all = lacksProc(proc) ? byPs() : byProc(proc);
  if (all === null) return null;
  return new Set(ids.filter((run) => all.some((words) => isOf(run, words))));
}

function isOf(run: string, words: Words): boolean {
  if (words.some((word) => word.endsWith(`/${run}/launch`))) return true;
  return words.includes(`MC_RUN_ID=${run}`) && !words.some((word) => word.startsWith(`${HOOK_MARK}=`));
}

/** The caller's own processes, itself left out. null = there is no /proc to be believed, or it shows no other process's environment. */
function byProc(proc: Proc): Words[] | null {
  const pids = allPids(proc);
  if (!pids.includes(process.pid)) return null;
  const found: Words[] = [];
  let [shown, hidden] = [0, 0];
  try {
    for (const pid of pids) {
      if (pid === process.pid || ownerOf(pid, proc) !== process.getuid?.()) continue;
      const environment = environmentOf(pid, proc);
      // One that hides its environment (it is not dumpable, as an ssh-agent is) is none of ours; its command is told all the same.
      if (environment === 'hidden') hidden += 1;
      else if (environment.length > 0) shown += 1;
      found.push([...(argvOf(pid, proc) ?? []), ...(environment === 'hidden' ? [] : environment)]);
    }
  } catch {
    return null;
  }
  return shown > 0 || hidden === 0 ? found : null;
}

/** None where the process has gone meanwhile, or has none: a zombie, a thread of the kernel. */
function environmentOf(pid: number, proc: Proc): Words | 'hidden' {
  try {
    return shownOf(pid, proc)
      .environ.split('\0')
      .filter((word) => word !== '');
  } catch (error) {
    if (isDenied(error)) return 'hidden';
    if (isGone(error)) return [];
    throw error;
  }
}

/** `-E` shows the environment behind the command; both are words with spaces between. */
function byPs(): Words[] | null {
  const ps = spawnSync('/bin/ps', ['-xwwE', '-o', 'command='], { encoding: 'utf8', timeout: 5000 });
  if (ps.error !== undefined || ps.status !== 0) return null;
  return ps.stdout.split('\n').map((line) => line.split(' '));
}
