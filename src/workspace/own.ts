import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { realOf } from '../machine/files.ts';
import { at, inDirAt, isPlainDir, lookAtName, namesAt, textAt } from '../machine/foreign.ts';
import { attempt } from '../model/json.ts';

/** In the worktree's own git dir: its making ended, and somebody may have worked in it since. It holds the key of its ticket, but for
 *  one that was marked by an earlier version and is not yet used again. */
export const READY = 'mc-pickup-ready';

/** Beyond any path. */
const MOST_LINE = 64 * 1024;
/** A repository of a million branches. */
export const MOST_REFS = 128 * 1024 * 1024;

/*
 * What can be read from git's files without a process: gitrepository-layout(5) describes them. A process costs more than
 * all the rest of a launch's reading together.
 */

/** The git dir that all worktrees of a repository share, by the path of any of them or of a bare repository; null = git
 *  itself has to be asked, also whether it takes what is another user's. */
export function commonDir(repo: string): string | null {
  const own = gitDir(repo);
  if (own === null) return null;
  const common = commonOf(own);
  const whole = ['HEAD', 'objects', 'refs'].every((name) => existsSync(join(common, name)));
  return whole && [repo, join(repo, '.git'), own, common].every(isMine) ? realpathSync.native(common) : null;
}

function isMine(path: string): boolean {
  return statSync(path).uid === process.geteuid?.();
}

/** Whether its refs are plain files; false also where that can't be told. Another format is named in the configuration itself, or is in a
 *  directory of its own. */
export function hasPlainRefs(common: string): boolean {
  const config = textAt(join(common, 'config'));
  const other = config === null || /^\s*refstorage\s*=(?!\s*"?files"?\s*$)/im.test(config);
  return !other && !existsSync(join(common, 'reftable'));
}

/** What a git dir shares with others; itself where it shares nothing. */
export function commonOf(own: string): string {
  return resolve(own, lineOf(join(own, 'commondir')) || '.');
}

/** The git dir of a worktree, its own where it is not the main one; null = there is none. */
export function gitDir(worktree: string): string | null {
  const dot = join(worktree, '.git');
  if (isDirectory(dot)) return dot;
  const own = namedGitDir(worktree);
  return own !== null && isDirectory(own) ? own : null;
}

/** Where the `.git` file of a worktree says that its git dir is, whether it is there or not; null = it says nothing. */
export function namedGitDir(worktree: string): string | null {
  const [, path] = /^gitdir: ([\s\S]+)$/.exec(lineOf(join(worktree, '.git'))) ?? [];
  return path === undefined ? null : resolve(worktree, path);
}

/** The git dir of a worktree beside the main one, if the two name each other: whoever writes there writes in this worktree's own.
 *  null = there is none, or it is another's. */
export function ownGitDir(worktree: string): string | null {
  const named = isPlainDir(join(worktree, '.git')) ? null : gitDir(worktree);
  if (named === null) return null;
  return inDirAt(named, (dir) => {
    if (basename(dirname(dir.path)) !== 'worktrees') return null;
    const back = dirname(resolve(dir.path, lineOf(at(dir, 'gitdir'))));
    return back === worktree || realOf(back) === realOf(worktree) ? dir.path : null;
  });
}

function isDirectory(path: string): boolean {
  return attempt(() => statSync(path).isDirectory()) === true;
}

/** The worktrees that a repository knows beside its main one, whether they are on disk or not. */
export function registered(common: string): { readonly path: string; readonly own: string }[] {
  const all = join(common, 'worktrees');
  return namesAt(all).map((name) => {
    const own = join(all, name);
    return { own, path: placeOf(own) };
  });
}

/** What was read of a worktree's place, and in which state its file was then. */
const places = new Map<string, { readonly state: string; readonly path: string }>();

/** Where a worktree is, by its own git dir. Each launch asks it of all: a file that is as it was is not read again. */
function placeOf(own: string): string {
  const file = join(own, 'gitdir');
  const stat = lookAtName(file, true);
  const state = stat === null ? '' : `${stat.dev}:${stat.ino}:${stat.ctimeNs}:${stat.size}`;
  const known = places.get(file);
  if (known !== undefined && known.state === state) return known.path;
  const path = dirname(resolve(own, lineOf(file)));
  places.set(file, { state, path });
  return path;
}

/** The git dir of the worktree that is registered at a path, whether it is on disk or not. */
export function ownDir(common: string, target: string): string | null {
  // One that is there names it: no need to look through those of all others.
  const named = gitDir(target);
  if (named !== null && dirname(named) === join(common, 'worktrees') && placeOf(named) === target)
    return named;
  return registered(common).find(({ path }) => path === target)?.own ?? null;
}

/** What a file says, trimmed; '' = nothing can be read. */
export function textOf(file: string): string {
  return lineOf(file).trim();
}

/** The same where it may be a path, which may begin or end with a space and have line breaks in it. */
function lineOf(file: string): string {
  return textAt(file, { most: MOST_LINE })?.replace(/\n$/, '') ?? '';
}
