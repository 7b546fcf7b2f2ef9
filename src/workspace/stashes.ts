/* Changes that an agent has put on the repository's stash, and not taken up again: `git status` is clean, and no branch has them. */
import { join } from 'node:path';
import { lookAtName } from '../machine/foreign.ts';
import { git } from './git.ts';
import { madeIn } from './head.ts';

export interface Stash {
  /** As git calls it: `stash@{0}`. */
  readonly name: string;
  /** Git's word on where it was made. */
  readonly says: string;
}

/** Whether a stash was made on this branch, by git's own word; null = on a detached HEAD. */
export function isStashedOn(says: string, branch: string | null): boolean {
  const on = branch ?? '(no branch)';
  return [`WIP on ${on}: `, `On ${on}: `].some((head) => says.startsWith(head));
}

/** Those that were made on one of these branches, or in this worktree on a commit that was made there. A repository has one stash for all
 *  its worktrees. Reads only, and asks git only where there are any. */
export async function stashesOf(
  { cwd, common, own }: { readonly cwd: string; readonly common: string; readonly own: string | null },
  branches: readonly (string | null)[],
): Promise<readonly Stash[]> {
  if (['logs/refs/stash', 'reftable'].every((name) => lookAtName(join(common, name)) === null)) return [];
  const listed = await git(cwd, ['stash', 'list', '-z', '--format=%gd%x1f%P%x1f%gs']);
  const made = own === null ? null : await madeIn(own);
  return listed.stdout.split('\0').flatMap((line) => {
    const [name = '', parents = '', says = ''] = line.split(/\u001f/);
    const [at = ''] = parents.split(' ');
    const isOurs = branches.some((one) => one !== null && isStashedOn(says, one));
    return isOurs || (isStashedOn(says, null) && made?.has(at) === true) ? [{ name, says }] : [];
  });
}

/** `stash@{0}: WIP on main: 0123456 subject`. */
export function stashWords({ name, says }: Stash): string {
  return `${name}: ${says}`;
}
