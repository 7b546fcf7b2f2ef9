/** A project that is a folder of its repository. Real git; the launch of one is in `e2e/launch`. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { repository } from '../../src/doctor/repository.ts';
import { fillSlot, prepareWorkspace, startIn } from '../../src/workspace/index.ts';
import { hookKey } from '../../src/workspace/slots.ts';
import { aPolicy, aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome } from '../support/home.ts';
import { here } from '../support/processes.ts';

let dir = '';
let repo = '';
beforeAll(() => {
  const made = aHome('mc-folder-');
  dir = made.dir;
  repo = join(dir, 'repo');
  git(dir, 'init', '-q', '-b', 'main', repo);
  for (const path of ['packages/app', 'packages/lib']) {
    mkdirSync(join(repo, path), { recursive: true });
    writeFileSync(join(repo, path, 'file'), 'x');
  }
  symlinkSync('packages/app', join(repo, 'short'));
  symlinkSync('../..', join(repo, 'packages', 'up'));
  symlinkSync('/etc', join(repo, 'etc'));
  git(repo, 'add', '.');
  git(repo, 'commit', '-q', '-m', 'base');
  return made.gone;
});

const root = () => join(dir, 'state', 'p');
const go = (id: string, path: string | null) =>
  prepareWorkspace({
    project: aProject({ name: 'p', repo, path }),
    ticket: { id, title: 'x', created_at_ms: 1 },
    root: root(),
  });

it('a folder that the base has not, or that leads out of it, is a fault of the project: nothing is made of it', async () => {
  for (const [path, says] of [
    ['packages/none', 'does not exist in'],
    ['packages/app/file', 'is no folder in'],
    ['etc', 'is a link that leads out of the repository'],
    ['packages/up', 'is a link that leads out of the repository'],
  ] as const) {
    expect(await go('MC-1', path)).toMatchObject({
      because: 'path_missing',
      error: expect.stringMatching(new RegExp(`^${path} ${says}`)),
    });
    const found = await repository(aProject({ name: 'p', repo, path }), aPolicy(), process.env);
    expect(found).toContainEqual(expect.objectContaining({ check: 'folder p', result: 'fail' }));
  }
  expect(existsSync(join(root(), 'MC-1'))).toBe(false);
  expect(git(repo, 'branch', '--list', 'mc/*')).toBe('');
});

it('the agent starts in it, by its real name; one that its own work has moved or turned into a way out is not followed', async () => {
  const made = await go('MC-2', 'short');
  if (!made.ok) throw new Error(made.error);
  const { worktree } = made;
  expect(worktree).toBe(join(root(), 'MC-2'));
  expect(startIn(worktree, { path: null })).toBe(worktree);
  for (const path of ['short', 'packages/app'])
    expect(startIn(worktree, { path })).toBe(join(worktree, 'packages/app'));
  git(worktree, 'rm', '-rq', 'packages/app');
  git(worktree, 'commit', '-qm', 'moved');
  rmSync(join(worktree, 'packages/app'), { recursive: true, force: true });
  expect(await go('MC-2', 'packages/app')).toMatchObject({ ok: true, worktree });
  expect(startIn(worktree, { path: 'packages/app' })).toBeNull();
  for (const to of ['/etc', '../../..', '../.git']) {
    symlinkSync(to, join(worktree, 'packages/app'));
    expect(startIn(worktree, { path: 'packages/app' })).toBeNull();
    rmSync(join(worktree, 'packages/app'));
  }
});

it('worktrees that are made ready have their hook run there, and are of no use to a project of another folder', async () => {
  const hook = { argv: ['/bin/sh', '-c', 'pwd >&2'], timeout_seconds: 20 };
  const project = aProject({ name: 'p', repo, path: 'packages/lib', pool: 1, pool_setup: hook });
  const logFile = () => join(dir, 'logs', 'slot.log');
  const at = {
    project,
    root: root(),
    env: { PATH: process.env.PATH },
    logFile,
    processes: here(dir),
    placed: dir,
  };
  mkdirSync(join(dir, 'logs'));
  expect(await fillSlot(at)).toMatchObject({ kind: 'made' });
  expect(execFileSync('cat', [logFile()], { encoding: 'utf8' })).toBe(`${root()}/.pool-1/packages/lib\n`);
  expect(hookKey(project)).not.toBe(hookKey({ ...project, path: 'packages/app' }));
});

it.each(['--cone', '--no-cone'])(
  'a sparse checkout (%s) that leaves it out is widened in the new worktree, and stays as it is',
  async (how) => {
    const patterns = how === '--cone' ? ['packages/lib'] : ['/packages/lib/'];
    git(repo, 'sparse-checkout', 'set', how, ...patterns);
    try {
      const id = how === '--cone' ? 'MC-8' : 'MC-9';
      const made = await go(id, 'packages/app');
      if (!made.ok) throw new Error(made.error);
      expect(startIn(made.worktree, { path: 'packages/app' })).toBe(join(made.worktree, 'packages/app'));
      expect(existsSync(join(made.worktree, 'packages/lib/file'))).toBe(true);
      expect(existsSync(join(repo, 'packages/app'))).toBe(false);
      expect(git(made.worktree, 'status', '--porcelain')).toBe('');
    } finally {
      git(repo, 'sparse-checkout', 'disable');
    }
  },
);
