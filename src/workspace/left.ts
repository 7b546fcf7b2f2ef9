import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from '../model/policy.ts';
import type { Ticket } from '../model/ticket.ts';
import type { HeldUp } from '../model/world.ts';
import { beingMade } from './adding.ts';
import { hookLeft, type Processes } from './hook-left.ts';
import { ownerOf } from './lock.ts';
import { busyElsewhere } from './make.ts';
import { ownGitDir } from './own.ts';
import { commonOfRepo } from './prepared.ts';
import { rootOf } from './root.ts';

/**
 * What keeps a ticket's workspace from being had just now, by no fault of the ticket; null = nothing. What an earlier launch, whose tick
 * was killed, still does there; or its branch is checked out elsewhere. Asked before the ticket is claimed, since nothing can be launched
 * beside it. Never throws: what is wrong with the workspace itself is told by the launch. `acts` false = a dry run, which ends and
 * removes nothing.
 */
export async function leftAtWork(
  {
    project,
    ticket,
    root,
    state,
  }: {
    readonly project: Project;
    readonly ticket: Pick<Ticket, 'id' | 'created_at_ms'>;
    readonly root: string;
    /** The state dir that asks. */
    readonly state?: string;
  },
  processes: Processes,
  acts: boolean,
): Promise<HeldUp | null> {
  const stillMade = (what: string | null): HeldUp | null =>
    what === null ? null : { because: 'still_being_made', what };
  try {
    const target = join(rootOf(project, root).root, ticket.id);
    const common = await commonOfRepo(project.repo);
    if (typeof common === 'string' && beingMade(common, ticket.id))
      return stillMade(`git worktree add is still making ${target}`);
    // One that its repository has lost is joined to it by the launch.
    if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory() === true)
      return ownGitDir(target) === null ? null : stillMade(await hookLeft(target, processes, acts));
    if (typeof common !== 'string') return null;
    const me = state === undefined ? null : ownerOf(state);
    const what = await busyElsewhere({ project, ticket: { ...ticket, title: '' }, common, target, me });
    return what === null ? null : { because: 'branch_elsewhere', what };
  } catch {
    return null;
  }
}
