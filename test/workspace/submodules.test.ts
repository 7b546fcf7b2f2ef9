/* A new worktree has its submodules: an agent found empty directories, and `clean` never took such a worktree. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareWorkspace } from '../../src/workspace/index.ts';
import { aProject } from '../support/builders.ts';

let dir = '';
let repo = '';
const { HOME } = process.env;
const git = (cwd: string, ...args: string[]): string =>
  execFileSync(
    'git',
    ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'protocol.file.allow=always', ...args],
    { cwd, encoding: 'utf8', stdio: 'pipe' },
  ).trim();
const commit = (cwd: string, name: string): string => {
  writeFileSync(join(cwd, name), `${name}\n`);
  git(cwd, 'add', '-A');
  git(cwd, 'commit', '-qm', name);
  return git(cwd, 'rev-parse', 'HEAD');
};
const project = (more: object = {}) => aProject({ name: 'p', repo, ...more });
const root = () => join(dir, 'worktrees', 'p');
let count = 0;
const prepare = (more: object = {}, id = `MC-${++count}`) =>
  prepareWorkspace({ project: project(more), ticket: { id, title: 't', created_at_ms: 1 }, root: root() });
const made = async (...args: Parameters<typeof prepare>) => {
  const got = await prepare(...args);
  if (!got.ok) throw new Error(`${got.because}: ${got.error}`);
  return got.worktree;
};
const moved = (place: string) => join(dir, 'away', place);

/** `outer` has the submodule `libs/one`, and that has `deep`, each by a path beside its own. */
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-sub-')));
  process.env.HOME = dir;
  for (const name of ['deep', 'one', 'outer'])
    git(dir, 'init', '-q', '-b', 'main', join(dir, 'remote', name));
  commit(join(dir, 'remote', 'deep'), 'deep.txt');
  const one = join(dir, 'remote', 'one');
  git(one, 'submodule', '--quiet', 'add', '../deep', 'deep');
  commit(one, 'one.txt');
  const outer = join(dir, 'remote', 'outer');
  git(outer, 'submodule', '--quiet', 'add', '--name', 'a name', '../one', 'libs/one');
  commit(outer, 'outer.txt');
  repo = join(dir, 'repo');
  git(dir, 'clone', '-q', '--recurse-submodules', outer, repo);
  mkdirSync(join(dir, 'away'));
});
afterAll(() => {
  process.env.HOME = HOME;
  rmSync(dir, { recursive: true, force: true });
});

describe('a new worktree', () => {
  it('has its submodules from the git dirs here, with every remote away, and as if they came from those', async () => {
    const config = readFileSync(join(repo, '.git', 'config'), 'utf8');
    const module = join(repo, 'libs', 'one');
    git(module, 'branch', 'mine', git(module, 'commit-tree', '-m', 'unpushed', 'HEAD^{tree}'));
    renameSync(join(dir, 'remote'), moved('remote'));
    const worktree = await made();
    renameSync(moved('remote'), join(dir, 'remote'));
    const inside = join(worktree, 'libs', 'one');
    expect(existsSync(join(inside, 'one.txt'))).toBe(true);
    expect(git(worktree, 'submodule', 'status')).toMatch(/^ ?[0-9a-f]{40} libs\/one \(/);
    expect(git(worktree, 'status', '--porcelain')).toBe('');
    // A branch of the person's is none of the remote's.
    expect(git(inside, 'for-each-ref', '--format=%(refname)', 'refs/remotes')).not.toContain('mine');
    expect(git(inside, 'remote', 'get-url', 'origin')).toBe(join(dir, 'remote', 'one'));
    expect(readFileSync(join(repo, '.git', 'config'), 'utf8').replace(/\[branch "mc[\s\S]*/, '')).toBe(
      config,
    );
    // Not those of its submodules, which nobody has asked for.
    expect(existsSync(join(inside, 'deep', 'deep.txt'))).toBe(false);
  });

  it('has theirs as well where the project says so, and none where it says no', async () => {
    const deep = await made({ submodules: 'recursive' });
    expect(existsSync(join(deep, 'libs', 'one', 'deep', 'deep.txt'))).toBe(true);
    expect(git(deep, 'submodule', 'status', '--recursive')).not.toMatch(/^[-+]/m);
    const none = await made({ submodules: false });
    expect(existsSync(join(none, 'libs', 'one', 'one.txt'))).toBe(false);
  });

  it('is taken up with what its agent has made of its submodules', async () => {
    const worktree = await made({}, 'MC-200');
    rmSync(join(worktree, 'libs', 'one'), { recursive: true });
    expect(await made({}, 'MC-200')).toBe(worktree);
    expect(existsSync(join(worktree, 'libs', 'one'))).toBe(false);
  });

  it('gets what the git dir here lacks from the remote', async () => {
    const one = join(dir, 'remote', 'one');
    const outer = join(dir, 'remote', 'outer');
    const newer = commit(one, 'newer.txt');
    git(join(outer, 'libs', 'one'), 'fetch', '-q', 'origin');
    git(join(outer, 'libs', 'one'), 'checkout', '-q', newer);
    git(outer, 'commit', '-qam', 'the newer one');
    // A remote that is a path is allowed by the person alone.
    expect(await prepare({ fetch: true }, 'MC-100')).toMatchObject({
      because: 'submodules_missing',
      error: expect.stringMatching(/libs\/one can't be had: .*transport 'file' not allowed/s),
    });
    writeFileSync(join(dir, '.gitconfig'), '[protocol "file"]\n\tallow = always\n');
    try {
      // It is gone on with where it stopped.
      const worktree = await made({ fetch: true }, 'MC-100');
      expect(existsSync(join(worktree, 'libs', 'one', 'newer.txt'))).toBe(true);
      expect(git(worktree, 'submodule', 'status')).toMatch(/^[0-9a-f]/);
    } finally {
      rmSync(join(dir, '.gitconfig'));
    }
  });
});
