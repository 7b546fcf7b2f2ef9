import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { worktreeFindings } from '../../src/doctor/worktrees.ts';
import { lookAtProcesses, type Processes } from '../../src/machine/processes.ts';
import { prepareWorkspace } from '../../src/workspace/index.ts';
import { aProject } from '../support/builders.ts';
import { git, inFormat, knowsReftable, NEEDS_REFTABLE, WHO } from '../support/git.ts';
import { aHome } from '../support/home.ts';
import { waitFor } from '../support/wait.ts';

let dir = '';
let repo = '';
let from_ms = 0;
const ends: (() => void)[] = [];

beforeEach(() => {
  const made = aHome('mc-locks-');
  dir = made.dir;
  repo = join(dir, 'repo');
  mkdirSync(repo);
  git(repo, 'init', '-q', '-b', 'main');
  writeFileSync(join(repo, 'shared'), 'begun\n');
  git(repo, 'add', '.');
  git(repo, 'commit', '-qm', 'begun');
  from_ms = Date.now() - 1000;
  return made.gone;
});
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Over {
  readonly to_ms?: number;
  readonly processes?: () => Processes;
}

/** The next launch, after a run that has ended just now. */
async function go({ to_ms = Date.now() + 1000, processes = () => lookAtProcesses(dir) }: Over = {}) {
  const made = await prepareWorkspace({
    ...{ project: aProject({ name: 'p', repo }), ticket: { id: 'MC-1', title: 'Mend it', created_at_ms: 7 } },
    ...{ root: join(dir, 'p'), witness: { worked: async () => [{ from_ms, to_ms }], processes } },
  });
  if (!made.ok) throw new Error(made.error);
  return made;
}

/** git at work in a worktree until it is killed, as soon as the file is there. */
async function gitAt(cwd: string, args: readonly string[], until: string) {
  const env = { ...process.env, GIT_EDITOR: 'sleep 300 #' };
  const child = spawn('git', [...WHO, ...args], { cwd, env, detached: true, stdio: 'ignore' });
  const ended = new Promise((done) => child.once('exit', done));
  const kill = async (): Promise<void> => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {}
    await ended;
    // What it had started ends a moment later.
    await waitFor(() => lookAtProcesses(dir).inside(cwd).length === 0, 'their ends');
  };
  ends.push(() => void kill());
  await waitFor(() => existsSync(until), until);
  return kill;
}

it('the lock of an index whose git was killed goes, and is told; the one of a git that lives stays', async () => {
  const { worktree } = await go();
  const own = git(worktree, 'rev-parse', '--absolute-git-dir');
  const lock = join(own, 'index.lock');
  writeFileSync(join(worktree, 'shared'), 'changed\n');
  const kill = await gitAt(worktree, ['commit', '-a'], lock);
  const beside = await go();
  expect(beside).toMatchObject({
    created: false,
    tells: [expect.stringMatching(/index\.lock \(process \d+.* works there\)/)],
  });
  expect(existsSync(lock)).toBe(true);
  await kill();
  expect(existsSync(lock), 'git has cleaned up, so this proves nothing').toBe(true);
  const after = await go();
  expect(after.warnings).toEqual([expect.stringContaining(`${lock} was left by a run that has ended`)]);
  expect(after.tells).toBeUndefined();
  git(worktree, 'commit', '-qam', 'done');
  expect((await go()).warnings).toEqual([]);
});

it('the locks of HEAD and of its branch go when git was killed between the two', async () => {
  const { worktree, branch } = await go();
  const own = git(worktree, 'rev-parse', '--absolute-git-dir');
  const locks = [join(own, 'HEAD.lock'), join(repo, '.git', 'refs', 'heads', `${branch}.lock`)];
  const hook = join(repo, '.git', 'hooks', 'reference-transaction');
  writeFileSync(hook, '#!/bin/sh\ntest "$1" = prepared && : >../prepared && sleep 300\nexit 0\n', {
    mode: 0o755,
  });
  const kill = await gitAt(
    worktree,
    ['commit', '-q', '--allow-empty', '-m', 'x'],
    join(worktree, '..', 'prepared'),
  );
  await kill();
  rmSync(hook);
  expect(locks.filter((path) => existsSync(path))).toEqual(locks);
  expect((await go()).warnings).toHaveLength(2);
  git(worktree, 'commit', '-q', '--allow-empty', '-m', 'again');
});

it("a lock that nothing proves to be a dead run's stays, and people and the next agent are told", async () => {
  const { worktree } = await go();
  const lock = join(git(worktree, 'rev-parse', '--absolute-git-dir'), 'index.lock');
  const stays = async (says: RegExp, over: Over = {}) => {
    const made = await go(over);
    expect(made.tells).toEqual([expect.stringMatching(says)]);
    expect(made.warnings).toEqual(made.tells);
    expect(existsSync(lock)).toBe(true);
  };
  writeFileSync(lock, '');
  // A person's git, after the run or before it.
  await stays(/made while no run/, { to_ms: Date.now() - 60_000 });
  utimesSync(lock, 1, 1);
  await stays(/made while no run/);
  utimesSync(lock, new Date(), new Date());
  await stays(/does not tell/, { processes: () => lookAtProcesses(dir, { root: join(dir, 'none') }) });
  // Somebody has it open, who works elsewhere.
  const fd = openSync(lock, 'r');
  const child = spawn('sleep', ['300'], { cwd: '/', stdio: ['ignore', 'ignore', 'ignore', fd] });
  ends.push(() => child.kill('SIGKILL'));
  await stays(/process \d+.* works there/);
});

it.skipIf(!knowsReftable)(
  `the locks of refs in tables: a worktree's own goes, that of all is named (${NEEDS_REFTABLE})`,
  async () => {
    rmSync(join(repo, '.git'), { recursive: true });
    inFormat('reftable', () => git(repo, 'init', '-q', '-b', 'main'));
    git(repo, 'add', '.');
    git(repo, 'commit', '-qm', 'begun');
    const { worktree } = await go();
    const own = git(worktree, 'rev-parse', '--absolute-git-dir');
    const [mine, all] = [own, join(repo, '.git')].map((dir) => join(dir, 'reftable', 'tables.list.lock'));
    for (const path of [mine, all]) writeFileSync(path ?? '', '');
    const past = Date.now() / 1000 - 120;
    utimesSync(all ?? '', past, past);
    expect(await go()).toMatchObject({
      warnings: [
        expect.stringContaining(`${mine} was left by a run`),
        expect.stringContaining(`locked by ${all}`),
      ],
    });
    expect([mine, all].map((path) => existsSync(path ?? ''))).toEqual([false, true]);
  },
);

it('the locks of what all share are named after a minute, and never removed', async () => {
  const { worktree } = await go();
  const own = git(worktree, 'rev-parse', '--absolute-git-dir');
  git(worktree, 'switch', '-q', '-c', 'mine');
  const shared = ['packed-refs.lock', 'config.lock', 'refs/heads/main.lock', 'refs/heads/mine.lock'];
  const paths = shared.map((name) => join(repo, '.git', name));
  for (const path of paths) writeFileSync(path, '');
  expect((await go()).tells).toBeUndefined();
  const old = join(own, 'index.lock');
  writeFileSync(old, '');
  const told = (closed: string[] = []) =>
    worktreeFindings(aProject({ name: 'p', repo }), { worktrees: dir }, new Set(closed));
  expect(told()).toEqual([]);
  // What has stood for long is named by doctor beforehand.
  for (const path of [old, ...paths]) utimesSync(path, 1, 1);
  expect(
    told()
      .map(({ fix }) => fix?.split(' ').at(-1) ?? '')
      .sort(),
  ).toEqual([old, ...paths].sort());
  expect(told(['MC-1'])).toEqual([]);
  rmSync(old);
  const past = Date.now() / 1000 - 120;
  for (const path of paths) utimesSync(path, past, past);
  from_ms = 0;
  const { tells } = await go();
  expect(tells).toHaveLength(4);
  for (const path of paths) {
    expect(tells?.join()).toContain(`${path} for 2 min, for all of the repository`);
    expect(existsSync(path)).toBe(true);
  }
  expect(existsSync(join(own, 'index'))).toBe(true);
});
