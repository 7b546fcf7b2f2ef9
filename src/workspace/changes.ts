/* What a checkout holds that is nowhere else. What could hide a change from git is looked for by itself. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { lookAtName, namesAt } from '../machine/foreign.ts';
import { git, ON_DISK } from './git.ts';
import { wanted } from './ignored.ts';
import { type Ask, few, MANY, no, type Stays } from './kept.ts';
import { programsOf } from './merged.ts';
import { gitDir } from './own.ts';
import { KEPT_REFS } from './submodules.ts';
import type { Shared } from './turn.ts';

/** What is there, if nothing of it is unsaved. */
export interface Clean {
  readonly tip: string;
  /** null = a detached HEAD. */
  readonly branch: string | null;
  /** What git ignores, and goes with it. */
  readonly ignored: readonly string[];
}

/** Looks for what is not committed. `worktrees`: those inside of it, by their names, which are judged by themselves. */
export async function lookForChanges(
  dir: string,
  {
    ask,
    main,
    worktrees,
    placed = new Set(),
    shared,
  }: {
    readonly ask: Ask;
    /** Has the same files that git ignores, if they are only copies. */
    readonly main: string | null;
    readonly worktrees: readonly string[];
    /** What it was given, and has as it was given. */
    readonly placed?: ReadonlySet<string>;
    readonly shared: Shared;
  },
): Promise<Clean | Stays> {
  const filtered = await filteredFiles(dir, ask, shared);
  if (filtered !== null) return filtered;
  const status = await ask(
    ...['status', '--porcelain=v2', '--branch', '-z', '--untracked-files=all', '--ignored=matching'],
    // What is in a submodule is judged by itself: git would start a program of its own for it.
    ...['--ignore-submodules=dirty', '--no-renames'],
  );
  if (!status.ok) return no('git_failed', status.error);
  const lines = status.stdout.split('\0').filter((one) => one !== '');
  const [tip = '', head = ''] = ['oid', 'head'].map(
    (key) => lines.find((one) => one.startsWith(`# branch.${key} `))?.slice(`# branch.${key} `.length) ?? '',
  );
  const given = [...placed].flatMap((path) => [`? ${path}`, `! ${path}`]);
  const apart = new Set([...worktrees.map((name) => `? ${name}/`), ...given]);
  const entries = lines.filter((one) => !one.startsWith('#') && !apart.has(one));
  const unsaved = entries.filter((one) => !one.startsWith('!'));
  if (unsaved.length > 0) {
    const what = unsaved.some((one) => one.startsWith('?')) ? 'changed or untracked' : 'changed';
    const files =
      unsaved.length === 1 ? `a ${what} file that is` : `${unsaved.length} ${what} files that are`;
    return no('unsaved', `${files} not committed`);
  }
  const ignored = entries.map((one) => one.slice(2));
  const precious = wanted(dir, ignored, main).filter((path) => !placed.has(path));
  if (precious.length > 0) return no('ignored_files', `ignored by git, and perhaps wanted: ${few(precious)}`);
  const hidden = await hiddenChanges(dir, ask);
  if (hidden !== null) return hidden;
  return { tip, branch: head === '(detached)' ? null : head, ignored };
}

/** A filter decides what of a file is a change, and is a program that the repository names: asked before anything runs it. */
async function filteredFiles(dir: string, ask: Ask, shared: Shared): Promise<Stays | null> {
  if (!(await programsOf(dir, shared)).some((name) => name.startsWith('filter.'))) return null;
  const filtered = await ask('ls-files', '-z', '--', '.', ':(exclude,attr:!filter)');
  if (!filtered.ok) return no('git_failed', filtered.error);
  const paths = filtered.stdout.split('\0').filter((one) => one !== '');
  return paths.length === 0
    ? null
    : no('hidden_changes', `content filters stand between git and ${few(paths)}: a change may not show`);
}

/** What git does not show as changed, since it was told not to look. */
async function hiddenChanges(dir: string, ask: Ask): Promise<Stays | null> {
  const files = await ask('ls-files', '-v', '-s', '-z');
  if (!files.ok) return no('git_failed', files.error);
  for (const line of files.stdout.split('\0')) {
    const [, tag = '', mode = '', path = ''] = /^(\S) (\d+) \S+ \d\t([\s\S]*)$/.exec(line) ?? [];
    if (tag === '') continue;
    const there = lstatSync(join(dir, path), { throwIfNoEntry: false });
    // A submodule that was never checked out is an empty directory; one that was is judged by itself.
    if (mode === '160000' && there?.isDirectory() && isFilled(join(dir, path)))
      return no('submodule', `${path} has files, and is a submodule that is not checked out`);
    // Told to be taken for unchanged (lower case), or not to be looked at (S): a change in it is not shown.
    if (there !== undefined && mode !== '160000' && /^[a-zS]$/.test(tag))
      return no('hidden_changes', `${path} is marked as unchanged: git does not look at it`);
  }
  return null;
}

function isFilled(path: string): boolean {
  return namesAt(path, 1).length > 0 && gitDir(path) === null;
}

/** Why a repository that is no worktree of ours may not go; null = all of it is on its remotes. */
export async function ownWork(dir: string, { isModule = false } = {}): Promise<string | null> {
  const isBare = lookAtName(join(dir, '.git')) === null;
  // Its files are here, whatever is configured: those of a worktree that was set aside are at another place than before.
  const env = { GIT_WORK_TREE: dir };
  const ask: Ask = (...args) =>
    git(dir, [...ON_DISK, ...args], {
      timeout_ms: 120_000,
      ...MANY,
      ...(isBare && !isModule ? {} : { env }),
    });
  // What was left behind in a submodule goes with it, unlike the log of the worktree itself.
  const all = isModule ? ['--all', '--reflog'] : ['--all'];
  const elsewhere = isModule ? ['--remotes', `--glob=${KEPT_REFS}`] : ['--remotes'];
  const alone = await ask('rev-list', '--count', ...all, '--not', ...elsewhere);
  if (!alone.ok) return 'git can not tell what it has';
  if (alone.stdout !== '0')
    return `it has ${alone.stdout === '1' ? 'a commit' : `${alone.stdout} commits`} that no remote has`;
  // A bare one has no files.
  if (isBare) return null;
  const changes = await lookForChanges(dir, { ask, main: null, worktrees: [], shared: new Map() });
  return 'ok' in changes ? changes.says : null;
}
