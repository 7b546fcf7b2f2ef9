import { spawnSync } from 'node:child_process';
import { basename, dirname } from 'node:path';
import { EXIT, UserError } from '../model/errors.ts';

/** A repository, the branch that work starts from, and a plain name for it. */
export interface Standing {
  readonly repo: string;
  readonly base: string;
  readonly name: string;
}

/** The repository that this process stands in. */
export function repositoryHere(): Standing {
  const git = (...args: string[]): string | null => {
    const done = spawnSync('git', args, { encoding: 'utf8', timeout: 10_000 });
    if (done.error)
      throw new UserError(
        EXIT.unavailable,
        'git is not installed or not on PATH: install it, for example with apt-get install git (Debian, Ubuntu), dnf install git (Fedora) or brew install git (macOS)',
      );
    return done.status === 0 ? done.stdout.trim() : null;
  };
  const common = git('rev-parse', '--path-format=absolute', '--git-common-dir');
  if (common === null)
    throw new UserError(EXIT.usage, '--project: this directory is not in a git repository');
  const repo = basename(common) === '.git' ? dirname(common) : common;
  const head = git('symbolic-ref', '--short', 'refs/remotes/origin/HEAD')?.replace(/^origin\//, '');
  const base = head ?? git('symbolic-ref', '--short', 'HEAD') ?? 'main';
  const name =
    basename(repo)
      .replace(/\.git$/, '')
      .replace(/[^A-Za-z0-9_-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 56) || 'project';
  return { repo, base, name };
}
