/*
 * A project may be a folder of its repository: its agents and hooks start there. The worktree is the whole repository all the same, and
 * what is looked at, reviewed and pushed is the whole branch.
 */
import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from '../model/policy.ts';
import { git } from './git.ts';

/** Where in a worktree the agents of a project start, without links; null = there is no such folder, or it leads out of the worktree. */
export function startIn(worktree: string, { path }: Pick<Project, 'path'>): string | null {
  if (path === null) return worktree;
  try {
    const [top, folder] = [realpathSync.native(worktree), realpathSync.native(join(worktree, path))];
    const inside = folder.startsWith(`${top}/`) && !folder.startsWith(`${top}/.git/`);
    return inside && statSync(folder).isDirectory() ? folder : null;
  } catch {
    return null;
  }
}

/** Checks the folder of a project out where a sparse checkout, which the new worktree has from the person's, leaves it out: who named it wants it. */
export async function showFolder(
  worktree: string,
  project: Pick<Project, 'path' | 'checkout_timeout_seconds'>,
): Promise<void> {
  const { path } = project;
  if (path === null || startIn(worktree, project) !== null) return;
  const set = await git(worktree, ['config', '--type=bool', '--get-regexp', '^core\\.sparsecheckout']);
  if (!/^core\.sparsecheckout true$/m.test(set.stdout)) return;
  const isByPatterns = /^core\.sparsecheckoutcone false$/m.test(set.stdout);
  await git(worktree, ['sparse-checkout', 'add', isByPatterns ? `/${path}/` : path], {
    timeout_ms: project.checkout_timeout_seconds * 1000,
    hooks: true,
  });
}

/** Why a commit has no such folder as the project names, links within the tree followed; null = it has, or none is named. */
export async function folderFault(
  repo: string,
  { commit, called }: { readonly commit: string; readonly called: string },
  { path }: Pick<Project, 'path'>,
): Promise<string | null> {
  if (path === null) return null;
  const input = `${commit}:${path}\n`;
  const found = await git(repo, ['cat-file', '--batch-check', '--follow-symlinks'], { input });
  if (!found.ok) return found.error;
  if (/^[0-9a-f]+ tree \d+$/.test(found.stdout)) return null;
  const what = found.stdout.startsWith('symlink ')
    ? 'is a link that leads out of the repository'
    : / missing$/.test(found.stdout)
      ? 'does not exist'
      : 'is no folder';
  return `${path} ${what} in ${called}`;
}
