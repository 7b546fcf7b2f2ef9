import { realOf } from '../machine/files.ts';
import { branchKeys, isBranchOf, keyOf, shortName } from './branches.ts';
import { git, isSilence } from './git.ts';
import { askedFor, no, type Prepared, type Site } from './prepared.ts';
import { markReady } from './ready.ts';

/** The worktree that is there, with whatever is in it: if it is this repository's, this ticket's, and on a branch of it. */
export async function reuse(site: Site): Promise<Prepared> {
  const { target, common, project, ticket } = site;
  const args = [
    '--path-format=absolute',
    '--show-toplevel',
    '--git-common-dir',
    '--symbolic-full-name',
    'HEAD',
  ];
  const seen = await git(target, ['rev-parse', ...args]);
  if (!seen.ok) {
    if (isSilence(seen.error)) return no('git_silent', seen.error);
    // What is wrong with the repository itself is no word on this worktree.
    const repo = await askedFor(project.repo);
    if (typeof repo !== 'string') return repo;
  }
  const [top = '', dir = '', head = ''] = seen.stdout.split('\n');
  if (!seen.ok || realOf(top) !== realOf(target) || realOf(dir) !== common)
    return no('worktree_foreign', `${target} exists and is not a worktree of this repository: move it away`);
  const branch = shortName(head);
  const keys = await branchKeys(common);
  const key = keys.get(branch) ?? keyOf(ticket);
  if (key !== keyOf(ticket))
    return no(
      'worktree_foreign',
      `${target} was made for another ticket of that number (${key}): move it away, or run git worktree unlock and git worktree remove on it`,
    );
  if (isBranchOf(branch, site, keys)) {
    markReady(site);
    return { ok: true, worktree: target, branch, created: false, warnings: [] };
  }
  const on = head === 'HEAD' ? 'a detached HEAD' : head.replace('refs/heads/', 'branch ');
  const says = `${target} is on ${on}, not on one of ${ticket.id} (${project.branch_prefix}/${ticket.id}-...)`;
  const status = await git(target, ['status', '--porcelain', '-z']);
  return status.ok && status.stdout === ''
    ? no(
        'worktree_foreign',
        `${says}: switch it back, or run git worktree unlock and git worktree remove on it`,
      )
    : no('worktree_dirty', `${says}, and has unsaved changes: commit them and switch it back`);
}
