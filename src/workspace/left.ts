import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from '../model/policy.ts';
import { beingMade } from './adding.ts';
import { hookLeft, type Processes } from './hook-left.ts';
import { ownGitDir } from './own.ts';
import { commonOfRepo } from './prepared.ts';
import { rootOf } from './root.ts';

/**
 * What an earlier launch of this ticket, whose tick was killed, still does in its workspace; null = nothing. Asked before the ticket is
 * claimed, since nothing can be launched beside it, and none of it is the ticket's fault. Never throws: what is wrong with the
 * workspace itself is told by the launch. `acts` false = a dry run, which ends and removes nothing.
 */
export async function leftAtWork(
  { project, ticket, root }: { readonly project: Project; readonly ticket: string; readonly root: string },
  processes: Processes,
  acts: boolean,
): Promise<string | null> {
  try {
    const target = join(rootOf(project, root).root, ticket);
    const common = await commonOfRepo(project.repo);
    if (typeof common === 'string' && beingMade(common, ticket))
      return `git worktree add is still making ${target}`;
    if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory() !== true || ownGitDir(target) === null)
      return null;
    return await hookLeft(target, processes, acts);
  } catch {
    return null;
  }
}
