import { namesAt, removeFileAt } from '../machine/foreign.ts';
import { lookAtProcesses, type Processes } from '../machine/processes.ts';
import { type Acted, type Found, NOTHING, together } from '../model/clean.ts';
import type { Project } from '../model/policy.ts';
import { removeWorktree } from '../workspace/adding.ts';
import { isUntouched } from '../workspace/pool.ts';
import { commonOfRepo } from '../workspace/prepared.ts';
import { claimSlot, readSlot, slotDir, writeSlot } from '../workspace/slots.ts';
import { kept, proposed, stays } from './item.ts';

/** Worktrees that were made ready for a pool that is smaller now, or gone. */
export async function spareSlots(
  root: string,
  project: Project,
  looked: () => Processes,
  state: string,
): Promise<Found> {
  const found: Found[] = [];
  for (const name of namesAt(root)) {
    const n = Number(/^\.pool-(\d+)$/.exec(name)?.[1] ?? 0);
    if (n > project.pool) found.push(await spare(root, n, project, looked, state));
  }
  return together(found);
}

async function spare(
  root: string,
  n: number,
  project: Project,
  looked: () => Processes,
  state: string,
): Promise<Found> {
  const item = { group: 'worktrees', name: slotDir(root, n), ticket: null } as const;
  const common = await commonOfRepo(project.repo);
  if (typeof common !== 'string') return NOTHING;
  const why = await inTheWay(root, n, common, looked);
  if (why !== null) return kept({ ...item, because: 'unsaved', says: why });
  const says = `made ready for a pool of ${project.pool}`;
  return proposed({ ...item, kind: 'worktree', because: 'spare', says }, 'nothing: nobody had it', () =>
    remove(root, n, common, () => lookAtProcesses(state)),
  );
}

/** null = it is as it was made, and nobody is in it. */
async function inTheWay(
  root: string,
  n: number,
  common: string,
  looked: () => Processes,
): Promise<string | null> {
  const dir = slotDir(root, n);
  const state = readSlot(root, n);
  if (state === null || !(await isUntouched(dir, common, state.sha)))
    return 'a slot of the pool that is not as it was made: look at it, then run git worktree remove --force on it';
  return looked().inside(dir).length === 0 ? null : 'a process works in it, or has a file of it open';
}

async function remove(root: string, n: number, common: string, looked: () => Processes): Promise<Acted> {
  const why = await inTheWay(root, n, common, looked);
  if (why !== null) return stays('unsaved', why);
  const before = readSlot(root, n);
  const claimed = claimSlot(root, n);
  if (claimed === null || before === null) return stays('in_use', 'it was taken at the same moment');
  const gone = await removeWorktree(common, slotDir(root, n));
  // Its state tells that nobody had it.
  if (!gone.ok) writeSlot(root, n, before);
  removeFileAt(claimed);
  return gone.ok ? { result: 'done', restore: null } : { result: 'failed', error: gone.error };
}
