import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { PROC, type Proc } from '../machine/process.ts';
import { HOOK_MARK } from '../model/environment.ts';

/** One process: its command line and its environment, word by word. */
type Words = readonly string[];

/**
 * Those of these runs of which a process is left on this machine: a launcher (or the tmux that starts one), known by the path in its
 * command line, or whatever carries the run's mark, but for a hook. null = that can't be told. To be asked after tmux has listed
 * its panes: what is started in between is then seen here. It reads all of the caller's processes, so it is for the rare case.
 */
export function runsWithProcesses(ids: readonly string[], proc: Proc = PROC): ReadonlySet<string> | null {
  const all = process.platform === 'darwin' && proc === PROC ? byPs() : byProc(proc);
  if (all === null) return null;
  return new Set(ids.filter((run) => all.some((words) => isOf(run, words))));
}

function isOf(run: string, words: Words): boolean {
  if (words.some((word) => word.endsWith(`/${run}/launch`))) return true;
  return words.includes(`MC_RUN_ID=${run}`) && !words.some((word) => word.startsWith(`${HOOK_MARK}=`));
}

/** The caller's own processes, itself left out. null = there is no /proc to be believed, or it shows no other process's environment. */
function byProc({ root }: Proc): Words[] | null {
  const found: Words[] = [];
  let [self, shown, hidden] = [false, 0, 0];
  try {
    for (const pid of readdirSync(root)) {
      if (!/^\d+$/.test(pid)) continue;
      if (Number(pid) === process.pid) {
        self = true;
        continue;
      }
      const dir = `${root}/${pid}`;
      if (statSync(dir, { throwIfNoEntry: false })?.uid !== process.getuid?.()) continue;
      const command = wordsIn(`${dir}/cmdline`);
      // One that hides its environment (it is not dumpable, as an ssh-agent is) is none of ours; its command is told all the same.
      const environment = wordsIn(`${dir}/environ`);
      if (environment === 'hidden') hidden += 1;
      else if (environment.length > 0) shown += 1;
      found.push([command, environment].flatMap((words) => (words === 'hidden' ? [] : words)));
    }
  } catch {
    return null;
  }
  return self && (shown > 0 || hidden === 0) ? found : null;
}

/** None where the process has gone meanwhile, or has none: a zombie, a thread of the kernel. */
function wordsIn(file: string): Words | 'hidden' {
  try {
    return readFileSync(file, 'utf8')
      .split('\0')
      .filter((word) => word !== '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return 'hidden';
    if (code === 'ENOENT' || code === 'ESRCH') return [];
    throw error;
  }
}

/** `-E` shows the environment behind the command; both are words with spaces between. */
function byPs(): Words[] | null {
  const ps = spawnSync('/bin/ps', ['-xwwE', '-o', 'command='], { encoding: 'utf8', timeout: 5000 });
  if (ps.error !== undefined || ps.status !== 0) return null;
  return ps.stdout.split('\n').map((line) => line.split(' '));
}
