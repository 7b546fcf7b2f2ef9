import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baseRefs, type GitResult, git, isShallow } from './git.ts';
import { once, type Shared } from './turn.ts';

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

interface Base {
  readonly oid: string;
  readonly tree: string;
}

const FAILED: Whereabouts = { ok: false, because: 'git_failed', commits: 0 };

/**
 * Whether every commit of `tip` is also somewhere else: in the base (merged, or its changes are there by a rebase or a
 * squash), in one of `also`, or on a branch of a remote. Anything that cannot be told counts as not merged. Writes nothing to the
 * repository: the objects that the question needs go into a directory of their own. `shared`: what of it several ask alike.
 */
export async function whereElse(
  cwd: string,
  common: string,
  {
    tip,
    base,
    remote,
    also = [],
  }: {
    readonly tip: string;
    readonly base: string;
    readonly remote: string;
    readonly also?: readonly string[];
  },
  shared: Shared = new Map(),
): Promise<Whereabouts> {
  const ask = (...args: string[]): Promise<GitResult> => git(cwd, args);
  const bases = await basesOf(ask, baseRefs({ remote, base }), shared);
  if (bases === null) return FAILED;
  if (bases.length === 0) return { ok: false, because: 'base_missing', commits: 0 };
  const known = [...bases.map(({ oid }) => oid), ...also];
  const alone = await countOf(ask, tip, ['--remotes', ...known]);
  if (alone === null) return FAILED;
  if (alone === 0) {
    const merged = await countOf(ask, tip, known);
    return merged === null ? FAILED : { ok: true, because: merged === 0 ? 'merged' : 'pushed' };
  }
  for (const one of bases)
    if (await sameChanges(cwd, common, { tip, base: one }, shared)) return { ok: true, because: 'squashed' };
  const because = (await isCutOff(cwd, common, { tip, bases })) ? 'shallow' : 'unmerged';
  return { ok: false, because, commits: alone };
}

/** In a shallow clone what the base has of it may lie beyond the cut, and the commits beyond the fork are no count of its own. */
async function isCutOff(
  cwd: string,
  common: string,
  { tip, bases }: { readonly tip: string; readonly bases: readonly Base[] },
): Promise<boolean> {
  if (!isShallow(common)) return false;
  for (const { oid } of bases) if ((await git(cwd, ['merge-base', oid, tip])).ok) return false;
  return true;
}

/** Each once, however many names it has. null = it can't be told. */
async function basesOf(
  ask: (...args: string[]) => Promise<GitResult>,
  refs: readonly string[],
  shared: Shared,
): Promise<readonly Base[] | null> {
  const format = '--format=%(objectname) %(tree) %(refname)';
  const found = await once(shared, `bases ${refs.join(' ')}`, () =>
    ask('for-each-ref', format, '--', ...refs),
  );
  if (!found.ok) return null;
  const lines = found.stdout.split('\n').map((line) => line.split(' '));
  const bases = lines.flatMap(([oid = '', tree = '', ref = '']) =>
    refs.includes(ref) && tree !== '' ? [{ oid, tree }] : [],
  );
  return bases.filter(({ oid }, n) => bases.findIndex((one) => one.oid === oid) === n);
}

async function countOf(
  ask: (...args: string[]) => Promise<GitResult>,
  tip: string,
  not: readonly string[],
): Promise<number | null> {
  const { ok, stdout } = await ask('rev-list', '--count', tip, '--not', ...not);
  return ok && /^\d+$/.test(stdout) ? Number(stdout) : null;
}

/** Whether the base has the changes under other names: commit by commit, all in one commit, or in any shape at all. */
async function sameChanges(
  cwd: string,
  common: string,
  { tip, base }: { readonly tip: string; readonly base: Base },
  shared: Shared,
): Promise<boolean> {
  // `+` or `-` and the commit. Of a merge `git cherry` says nothing, and so nothing of what was done in it.
  const each = await git(cwd, ['cherry', base.oid, tip]);
  const lines = each.stdout === '' ? [] : each.stdout.split('\n');
  if (each.ok && lines.length > 0 && lines.every((line) => line.startsWith('-'))) {
    const merges = await git(cwd, ['rev-list', '--count', '--merges', `${base.oid}..${tip}`]);
    if (merges.stdout === '0') return true;
  }
  const fork = await git(cwd, ['merge-base', base.oid, tip]);
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
      const squashed = await ask('cherry', base.oid, one.stdout);
      if (squashed.ok && squashed.stdout.startsWith('- ')) return true;
    }
    // A driver for merges is a program that the repository names.
    if ((await programsOf(cwd, shared)).some((name) => name.startsWith('merge.'))) return false;
    // Merged once more it would change nothing. An older git does not know the question, and fails.
    const merged = await ask('merge-tree', '--write-tree', base.oid, tip);
    return merged.ok && merged.stdout === base.tree;
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

/** The settings that name a program for files: content filters, and drivers for merges. One that can't be told of stands for all. */
export async function programsOf(cwd: string, shared: Shared): Promise<readonly string[]> {
  const names = '^(filter\\..*\\.(clean|smudge|process)|merge\\..*\\.driver)$';
  const ask = () => git(cwd, ['config', '--includes', '--name-only', '-z', '--get-regexp', names]);
  const asked = await once(shared, 'programs', async () => {
    const found = await ask();
    // It fails where there is none.
    return found.ok || found.stdout !== '' || !/config: ended with 1$/.test(found.error)
      ? found
      : { ...found, ok: true };
  });
  return asked.ok ? asked.stdout.split('\0').filter((name) => name !== '') : ['filter.?', 'merge.?'];
}
