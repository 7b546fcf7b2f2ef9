/* A new worktree has its submodules: an agent found empty directories, and `clean` never took such a worktree. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startedWith } from '../../src/machine/proc.ts';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { branchDiff } from '../../src/workspace/diff.ts';
import { fillSlot, prepareWorkspace } from '../../src/workspace/index.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { aProject } from '../support/builders.ts';
import { aHome } from '../support/home.ts';

let dir = '';
let repo = '';
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
  const made = aHome('mc-sub-');
  dir = made.dir;
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
  return made.gone;
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
      git(join(repo, 'libs', 'one'), 'fetch', '-q', 'origin');
    }
  });
});

describe('a worktree that is kept ready', () => {
  it('has them, and where it is given to a ticket they know their new place', async () => {
    const more = { pool: 1, submodules: 'recursive' };
    const filled = await fillSlot({
      ...{
        project: project(more),
        root: root(),
        env: {},
        placed: dir,
        logFile: (n) => join(dir, `${n}.log`),
      },
      processes: { me: lookAtSelf('h'), lookAt, startedWith, notes: join(dir, 'hooks') },
    });
    expect(filled).toEqual({ kind: 'made', n: 1 });
    const worktree = await made(more);
    expect(existsSync(join(root(), '.pool-1'))).toBe(false);
    expect(git(worktree, 'submodule', 'status', '--recursive')).not.toMatch(/^[-+]/m);
    expect(git(join(worktree, 'libs', 'one', 'deep'), 'status', '--porcelain')).toBe('');
  });
});

describe('diff', () => {
  it('tells what a branch has changed in a submodule, whether its remote has it, and what is not committed there', async () => {
    const worktree = await made();
    const inside = join(worktree, 'libs', 'one');
    const look = async () => {
      const looked = await branchDiff({ project: project(), worktree, branch: null });
      return looked.ok ? looked.diff : expect.fail(looked.error);
    };
    expect(await look()).toMatchObject({ submodules: [], uncommitted: [] });
    const before = git(inside, 'rev-parse', 'HEAD');
    const after = commit(inside, 'work.txt');
    git(worktree, 'commit', '-qam', 'by its submodule');
    writeFileSync(join(inside, 'one.txt'), 'changed\n');
    writeFileSync(join(inside, 'new.txt'), '');
    expect(await look()).toMatchObject({
      commits: [{ subject: 'by its submodule' }],
      files: [{ path: 'libs/one', status: 'M' }],
      submodules: [
        {
          path: 'libs/one',
          from: before,
          to: after,
          on_remote: false,
          dirty: true,
          commits: [{ subject: 'work.txt' }],
        },
      ],
      uncommitted: [
        { path: 'libs/one/one.txt', status: 'M', added: 1 },
        { path: 'libs/one/new.txt', status: '?' },
      ],
    });
    git(inside, 'push', '-q', 'origin', `${after}:refs/heads/work`);
    git(inside, 'fetch', '-q', 'origin');
    expect((await look()).submodules).toMatchObject([{ on_remote: true }]);
  });
});

describe('clean', () => {
  const judge = (worktree: string) => {
    const [id = ''] = /[^/]+$/.exec(worktree) ?? [];
    return judgeWorktree({ dir: worktree, registered: worktree, project: project(), key: `${id}@1` });
  };

  it('takes a worktree whose submodules are as they were, also where it was set aside', async () => {
    const worktree = await made({ submodules: 'recursive' });
    expect(await judge(worktree)).toMatchObject({
      ok: true,
      withIt: expect.arrayContaining(['libs/one (a submodule)', 'libs/one/deep (a submodule)']),
    });
    const aside = join(root(), '.cleaning-x');
    renameSync(worktree, aside);
    const [id = ''] = /[^/]+$/.exec(worktree) ?? [];
    const asked = { dir: aside, registered: worktree, project: project(), key: `${id}@1` };
    expect(await judgeWorktree(asked)).toMatchObject({ ok: true });
    renameSync(aside, worktree);
  });

  it('leaves one with work in a submodule that is nowhere else', async () => {
    const worktree = await made();
    const inside = join(worktree, 'libs', 'one');
    const says = async () => (await judge(worktree)) as { because: string; says?: string };
    writeFileSync(join(inside, 'new.txt'), '');
    expect(await says()).toMatchObject({
      because: 'submodule',
      says: expect.stringMatching(/libs\/one: .*untracked/),
    });
    const work = commit(inside, 'new.txt');
    expect(await says()).toMatchObject({ because: 'unsaved' });
    // Left behind in its log alone.
    git(inside, 'reset', '-q', '--hard', 'HEAD~1');
    expect(await says()).toMatchObject({
      because: 'submodule',
      says: expect.stringContaining('a commit that no remote has'),
    });
    // Nor is it looked at no more where it is not checked out.
    git(worktree, 'submodule', '--quiet', 'deinit', '-f', 'libs/one');
    expect(await says()).toMatchObject({
      because: 'submodule',
      says: expect.stringContaining('not checked out'),
    });
    git(worktree, 'submodule', '--quiet', 'update', '--init');
    git(inside, 'push', '-q', 'origin', `${work}:refs/heads/pushed`);
    git(inside, 'fetch', '-q', 'origin');
    expect(await says()).toMatchObject({ ok: true });
    // What lies in the place of one that is not checked out is shown by nothing.
    git(worktree, 'submodule', '--quiet', 'deinit', '-f', 'libs/one');
    writeFileSync(join(inside, 'lost.txt'), '');
    expect(await says()).toMatchObject({ because: 'submodule', says: expect.stringContaining('has files') });
  });

  it('starts no program that a submodule names', async () => {
    const worktree = await made();
    const inside = join(worktree, 'libs', 'one');
    const canary = join(dir, 'canary');
    const evil = join(dir, 'evil');
    writeFileSync(evil, `#!/bin/sh\necho x >>${canary}\ncat\n`, { mode: 0o755 });
    for (const key of ['core.fsmonitor', 'filter.evil.clean', 'diff.external', 'core.pager'])
      git(inside, 'config', key, evil);
    writeFileSync(join(inside, '.gitattributes'), '* filter=evil\n');
    writeFileSync(join(inside, 'one.txt'), 'changed\n');
    rmSync(canary, { force: true });
    expect(await judge(worktree)).toMatchObject({ because: 'submodule' });
    expect(existsSync(canary)).toBe(false);
  });
});
