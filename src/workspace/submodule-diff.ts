import { join } from 'node:path';
import { messageOf } from '../model/errors.ts';
import { git } from './git.ts';
import { gitDir } from './own.ts';
import { type Change, type Commit, commitsOf, dirt, quietOptions } from './patch.ts';
import { hasSubmodules, KEPT_REFS, submodulesOf } from './submodules.ts';

/** What a branch has changed in a submodule that is checked out. */
export interface SubmoduleDiff {
  /** In the whole. */
  readonly path: string;
  /** Where its files are. */
  readonly inside: string;
  /** null = the base has none there, or the branch. */
  readonly from: string | null;
  readonly to: string | null;
  readonly commits: readonly Commit[];
  /** Its remote has the commit that the branch names. */
  readonly on_remote: boolean;
  /** It has changes in files that it knows. */
  readonly dirty: boolean;
  readonly quiet: readonly string[];
}

export interface SubmoduleChanges {
  readonly error: string | null;
  readonly submodules: readonly SubmoduleDiff[];
  /** What is not committed in them, by its path in the whole. */
  readonly uncommitted: readonly Change[];
}

export const NO_SUBMODULES: SubmoduleChanges = { error: null, submodules: [], uncommitted: [] };

/** Looks into the submodules of a worktree, and theirs: git itself would start programs of their configuration for that. */
export async function submoduleChanges(
  worktree: string,
  quiet: readonly string[],
  [base, tip]: readonly [string, string],
): Promise<SubmoduleChanges> {
  if (!hasSubmodules(worktree)) return NO_SUBMODULES;
  const words = ['diff', '--raw', '-z', '--no-abbrev', '--no-renames', '--ignore-submodules=dirty'];
  const [raw, there] = [
    await git(worktree, [...quiet, ...words, base, tip, '--']),
    await submodulesOf(worktree, 'origin'),
  ];
  if (!raw.ok) return { ...NO_SUBMODULES, error: raw.error };
  const moved = movedIn(raw.stdout);
  const paths = new Set([
    ...moved.keys(),
    ...(typeof there === 'string' ? [] : there.map(({ path }) => path)),
  ]);
  const all: SubmoduleChanges[] = [];
  for (const path of paths)
    if (gitDir(join(worktree, path)) !== null)
      all.push(await changesIn(worktree, path, moved.get(path) ?? { from: null, to: null }));
  return {
    error: all.find(({ error }) => error !== null)?.error ?? null,
    submodules: all.flatMap(({ submodules }) => submodules),
    uncommitted: all.flatMap(({ uncommitted }) => uncommitted),
  };
}

type Moved = Pick<SubmoduleDiff, 'from' | 'to'>;

/** The submodules that git names as changed. */
function movedIn(raw: string): ReadonlyMap<string, Moved> {
  const words = raw.split('\0');
  return new Map(
    words.flatMap((word, n): [string, Moved][] => {
      const [, before, after, from = '', to = ''] = /^:(\d+) (\d+) (\S+) (\S+) [A-Z]/.exec(word) ?? [];
      if (before !== GITLINK && after !== GITLINK) return [];
      const sides = { from: before === GITLINK ? from : null, to: after === GITLINK ? to : null };
      return [[words[n + 1] ?? '', sides]];
    }),
  );
}

const GITLINK = '160000';

async function changesIn(worktree: string, path: string, { from, to }: Moved): Promise<SubmoduleChanges> {
  const inside = join(worktree, path);
  try {
    const quiet = await quietOptions(inside);
    const [log, dirty, remote] = await Promise.all([
      from === null || to === null ? null : commitsOf(inside, quiet, `${from}..${to}`),
      dirt(inside, quiet, 'HEAD'),
      to === null
        ? null
        : git(inside, ['rev-list', '--count', to, '--not', '--remotes', `--glob=${KEPT_REFS}`, '--']),
    ]);
    const range = [from ?? 'HEAD', to ?? 'HEAD'] as const;
    const below = await submoduleChanges(inside, quiet, range);
    const isDirty = dirty.changes.some(({ status }) => status !== '?');
    const one: SubmoduleDiff = {
      ...{ path, inside, from, to, quiet, dirty: isDirty, commits: log?.commits ?? [] },
      on_remote: remote === null || remote.stdout === '0',
    };
    const within = (name: string): string => `${path}/${name}`;
    return {
      error: dirty.error ?? below.error,
      submodules: [
        ...(from === null && to === null && !isDirty ? [] : [one]),
        ...below.submodules.map((nested) => ({ ...nested, path: within(nested.path) })),
      ],
      uncommitted: [
        ...dirty.changes.map((change) => ({ ...change, path: within(change.path) })),
        ...below.uncommitted.map((change) => ({ ...change, path: within(change.path) })),
      ],
    };
  } catch (error) {
    return { ...NO_SUBMODULES, error: messageOf(error) };
  }
}
