import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from '../model/policy.ts';
import type { Ticket } from '../model/ticket.ts';
import type { HeldUp } from '../model/world.ts';
import { beingMade } from './adding.ts';
import { hookLeft, type Processes } from './hook-left.ts';
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
  }: {
    readonly project: Project;
    readonly ticket: Pick<Ticket, 'id' | 'created_at_ms'>;
    readonly root: string;
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
    if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory() === true && ownGitDir(target) !== null)
      return stillMade(await hookLeft(target, processes, acts));
    if (typeof common !== 'string') return null;
    const what = await busyElsewhere({ project, ticket: { ...ticket, title: '' }, common, target, me: null });
    return what === null ? null : { because: 'branch_elsewhere', what };
  } catch {
    return null;
  }
}
