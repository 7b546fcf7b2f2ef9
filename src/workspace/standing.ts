import { spawnSync } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { type UserError, unavailableError, usageError } from '../model/errors.ts';

/** A repository, the branch that work starts from, and a plain name for it. */
export interface Standing {
  readonly repo: string;
  readonly base: string;
  readonly name: string;
  /** The folder of it that was asked for; null = all of it. */
  readonly path: string | null;
  /** Where in it one stands, if all of it was asked for; null = at its top. */
  readonly within: string | null;
}

/** The repository that this process stands in. `folder`: the part of it that is meant, as seen from here. */
export function repositoryHere(folder: string | null): Standing {
  const git = (...args: string[]): string | null => {
    const done = spawnSync('git', args, { encoding: 'utf8', timeout: 10_000 });
    if (done.error)
      throw unavailableError(
        'git is not installed or not on PATH: install it, for example with apt-get install git (Debian, Ubuntu), dnf install git (Fedora) or brew install git (macOS)',
      );
    return done.status === 0 ? done.stdout.trim() : null;
  };
  const common = git('rev-parse', '--path-format=absolute', '--git-common-dir');
  if (common === null) throw usageError('--project: this directory is not in a git repository');
  const repo = basename(common) === '.git' ? dirname(common) : common;
  if (repo.includes('\ufffd'))
    throw usageError(`--project: the path ${repo} is not UTF-8, and can't be configured: rename it`);
  const head = git('symbolic-ref', '--short', 'refs/remotes/origin/HEAD')?.replace(/^origin\//, '');
  const base = head ?? git('symbolic-ref', '--short', 'HEAD') ?? 'main';
  const top = git('rev-parse', '--show-toplevel');
  const path = folder === null ? null : folderIn(top, folder);
  const name =
    basename(path ?? repo)
      .replace(/\.git$/, '')
      .replace(/[^A-Za-z0-9_-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 56) || 'project';
  const within = folder === null && top !== null ? relative(top, realpathSync.native('.')) : '';
  return { repo, base, name, path, within: within === '' ? null : within };
}

/** A folder by its path from the top of the checkout, without links; null = it is the top. */
function folderIn(top: string | null, folder: string): string | null {
  const no = (why: string): UserError => usageError(`--path ${folder}: ${why}`);
  const at = resolve(folder);
  if (top === null) throw no('this repository has no checkout: set path in the configuration');
  if (statSync(at, { throwIfNoEntry: false })?.isDirectory() !== true) throw no('there is no such folder');
  const path = relative(realpathSync.native(top), realpathSync.native(at));
  if (path === '..' || path.startsWith('../')) throw no(`it is not in ${top}, the repository you stand in`);
  return path === '' ? null : path;
}
