import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { git } from './git.ts';

/** A home of its own, for this process and all that it starts. `gone`, given back by a `beforeEach` or `beforeAll`, is called when it is over. */
export function aHome(name: string): { readonly dir: string; readonly gone: () => void } {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), name)));
  const { HOME } = process.env;
  process.env.HOME = dir;
  const gone = (): void => {
    process.env.HOME = HOME;
    rmSync(dir, { recursive: true, force: true });
  };
  return { dir, gone };
}

/** A repository with one commit that holds nothing, in a directory. */
export function aRepo(dir: string, name = 'repo'): string {
  const repo = join(dir, name);
  git(dir, 'init', '-q', '-b', 'main', repo);
  git(repo, 'commit', '-q', '--allow-empty', '-m', 'base');
  return repo;
}
