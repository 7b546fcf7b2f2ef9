import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baseRefs, commitOf, type GitResult, git, isShallow } from './git.ts';

/** Where else the commits of a branch are. */
export type Elsewhere = 'merged' | 'pushed' | 'squashed';

export type Whereabouts =
  | { readonly ok: true; readonly because: Elsewhere }
  /** `commits`: how many are on the branch alone. */
  | {
      readonly ok: false;
      readonly because: 'unmerged' | 'shallow' | 'base_missing' | 'git_failed';
      readonly commits: number;
    };

/**
 * Whether every commit of `tip` is also somewhere else: in the base (merged, or its changes are there by a rebase or a
 * squash), or on a branch of a remote. Anything that cannot be told counts as not merged. Writes nothing to the repository:
 * the objects that the question needs go into a directory of their own.
 */
export async function whereElse(
  cwd: string,
  common: string,
  { tip, base, remote }: { readonly tip: string; readonly base: string; readonly remote: string },
): Promise<Whereabouts> {
  const ask = (...args: string[]): Promise<GitResult> => git(cwd, args);
  const bases: string[] = [];
  for (const ref of baseRefs({ remote, base })) if ((await commitOf(cwd, ref)) !== null) bases.push(ref);
  if (bases.length === 0) return { ok: false, because: 'base_missing', commits: 0 };
  for (const ref of bases)
    if ((await ask('merge-base', '--is-ancestor', tip, ref)).ok) return { ok: true, because: 'merged' };
  const alone = await ask('rev-list', '--count', tip, '--not', '--remotes', ...bases);
  if (!alone.ok || !/^\d+$/.test(alone.stdout)) return { ok: false, because: 'git_failed', commits: 0 };
  const commits = Number(alone.stdout);
  if (commits === 0) return { ok: true, because: 'pushed' };
  for (const ref of bases)
    if (await sameChanges(cwd, common, tip, ref)) return { ok: true, because: 'squashed' };
  return {
    ok: false,
    because: (await isCutOff(cwd, common, { tip, bases })) ? 'shallow' : 'unmerged',
    commits,
  };
}

/** In a shallow clone what the base has of it may lie beyond the cut, and the commits beyond the fork are no count of its own. */
async function isCutOff(
  cwd: string,
  common: string,
  { tip, bases }: { readonly tip: string; readonly bases: readonly string[] },
): Promise<boolean> {
  if (!isShallow(common)) return false;
  for (const base of bases) if ((await git(cwd, ['merge-base', base, tip])).ok) return false;
  return true;
}

/** Whether the base has the changes under other names: commit by commit, all in one commit, or in any shape at all. */
async function sameChanges(cwd: string, common: string, tip: string, base: string): Promise<boolean> {
  const merges = await git(cwd, ['rev-list', '--count', '--merges', `${base}..${tip}`]);
  // Of a merge `git cherry` says nothing, and so nothing of what was done in it.
  if (merges.stdout === '0') {
    const each = await git(cwd, ['cherry', base, tip]);
    if (each.ok && each.stdout !== '' && !/^\+/m.test(each.stdout)) return true;
  }
  const fork = await git(cwd, ['merge-base', base, tip]);
  if (!fork.ok) return false;
  const objects = mkdtempSync(join(tmpdir(), 'mc-pickup-objects-'));
  try {
    const env = {
      ...{ GIT_OBJECT_DIRECTORY: objects, GIT_ALTERNATE_OBJECT_DIRECTORIES: join(common, 'objects') },
      ...{ GIT_AUTHOR_NAME: 'x', GIT_AUTHOR_EMAIL: 'x', GIT_COMMITTER_NAME: 'x', GIT_COMMITTER_EMAIL: 'x' },
    };
    const ask = (...args: string[]): Promise<GitResult> => git(cwd, args, { env });
    const one = await ask('commit-tree', '-m', 'x', '-p', fork.stdout, `${tip}^{tree}`);
    if (one.ok) {
      const squashed = await ask('cherry', base, one.stdout);
      if (squashed.ok && squashed.stdout.startsWith('- ')) return true;
    }
    // A driver for merges is a program that the repository names.
    const drivers = await ask('config', '--includes', '--name-only', '--get-regexp', '^merge\\..*\\.driver$');
    if (drivers.stdout !== '') return false;
    // Merged once more it would change nothing. An older git does not know the question, and fails.
    const merged = await ask('merge-tree', '--write-tree', base, tip);
    const tree = await ask('rev-parse', `${base}^{tree}`);
    return merged.ok && tree.ok && merged.stdout === tree.stdout;
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}
