/** Two boards, one worktree: each is locked for one state dir, and another one refuses it. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { takeOver } from '../../src/doctor/locks.ts';
import { startedWith } from '../../src/machine/proc.ts';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { NO_POLICY } from '../../src/model/policy.ts';
import { forget } from '../../src/workspace/aside.ts';
import { fillSlot, prepareWorkspace } from '../../src/workspace/index.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome, aRepo } from '../support/home.ts';

let dir: string;
let repo: string;
beforeEach(() => {
  const made = aHome('mc lock-');
  dir = made.dir;
  repo = aRepo(dir);
  return made.gone;
});

function stateDir(name: string): string {
  const state = join(dir, name);
  mkdirSync(state, { recursive: true });
  ensureHostId(state);
  return state;
}
const project = (more: object = {}) => aProject({ name: 'p', repo, ...more });
const rootOf = (state: string) => join(state, 'worktrees', 'p');
const take = (state: string | undefined, more: object = {}, id = 'MC-1') =>
  prepareWorkspace({
    project: project(more),
    ticket: { id, title: 'Do it', created_at_ms: 1 },
    root: rootOf(state ?? join(dir, 'a')),
    ...(state === undefined ? {} : { state }),
  });
const lock = (path: string) =>
  readFileSync(join(git(path, 'rev-parse', '--absolute-git-dir'), 'locked'), 'utf8');

it('a new worktree, one of before, and a slot that was taken are locked for their state dir; it is no obstacle to us', async () => {
  const a = stateDir('a');
  const made = await take(a);
  const path = join(rootOf(a), 'MC-1');
  expect(made).toMatchObject({ ok: true, created: true });
  expect(lock(path)).toMatch(`mc-pickup MC-1 of ${JSON.stringify(a)} (host-id `);
  expect(git(repo, 'worktree', 'list', '--porcelain')).toContain('locked "mc-pickup MC-1');
  expect(await take(a)).toMatchObject({ ok: true, created: false });
  // Of a version that knew no locks.
  rmSync(join(git(path, 'rev-parse', '--absolute-git-dir'), 'locked'));
  expect(await take(a)).toMatchObject({ ok: true, created: false });
  expect(lock(path)).toContain(JSON.stringify(a));
  // Gone by hand: it is made anew from its branch.
  rmSync(path, { recursive: true });
  expect(await take(a)).toMatchObject({ ok: true, created: true });

  const pooled = project({ pool: 1 });
  const processes = { me: lookAtSelf('h'), lookAt, startedWith, notes: join(dir, 'hooks') };
  const filled = await fillSlot({
    project: pooled,
    root: rootOf(a),
    env: process.env,
    logFile: () => join(dir, 'log'),
    placed: dir,
    processes,
  });
  expect(filled).toMatchObject({ kind: 'made' });
  expect(await take(a, { pool: 1 }, 'MC-2')).toMatchObject({ ok: true, created: true });
  expect(existsSync(join(rootOf(a), '.pool-1'))).toBe(false);
  expect(lock(join(rootOf(a), 'MC-2'))).toContain('MC-2');

  const key = 'MC-1@1';
  const asked = { dir: path, registered: path, project: pooled, key };
  expect(await judgeWorktree({ ...asked, state: a })).toMatchObject({ ok: true });
  expect(await judgeWorktree({ ...asked, state: stateDir('b') })).toMatchObject({
    ok: false,
    because: 'locked',
  });
  renameSync(path, `${path}.gone`);
  expect(await forget(repo, path)).toBeNull();
  expect(git(repo, 'worktree', 'list')).not.toContain('MC-1 ');
});

it('a state dir that was restored or copied does not get the worktrees of the one that is there', async () => {
  const shared = join(dir, 'trees');
  mkdirSync(shared);
  const a = stateDir('a');
  expect(await take(a, { worktrees: shared })).toMatchObject({ ok: true });
  const before = lock(join(shared, 'MC-1'));
  const says = { ok: false, because: 'other_board' };
  // A backup in another state dir, with the same directory of worktrees and with its own.
  const b = stateDir('b');
  const refused = await take(b, { worktrees: shared });
  expect(refused).toMatchObject(says);
  expect(refused).toHaveProperty(
    'error',
    expect.stringContaining(`the worktree of MC-1 on the board of ${a}`),
  );
  expect(await take(b)).toMatchObject(says);
  // A copy, whose worktrees have come along and lead to the same git dir.
  expect(await take(a, {}, 'MC-3')).toMatchObject({ ok: true });
  cpSync(a, join(dir, 'c'), { recursive: true, preserveTimestamps: true });
  expect(await take(join(dir, 'c'), {}, 'MC-3')).toMatchObject(says);
  expect(await take(join(dir, 'c'), { worktrees: shared })).toMatchObject(says);
  expect(lock(join(shared, 'MC-1'))).toBe(before);
  // Neither is it taken over while the other is there.
  const policy = { ...NO_POLICY, projects: new Map([['p', project()]]) };
  expect(takeOver(policy, b)).toEqual([]);
  expect(await take(a, { worktrees: shared })).toMatchObject({ ok: true, created: false });
  // Once it is gone, by hand.
  renameSync(join(a, 'host-id'), join(dir, 'kept'));
  expect(await take(b, { worktrees: shared })).toHaveProperty(
    'error',
    expect.stringContaining('doctor --fix'),
  );
  expect(takeOver(policy, b)).toHaveLength(2);
  expect(await take(b, { worktrees: shared })).toMatchObject({ ok: true, created: false });
});

it('a state dir that has moved keeps its worktrees, also by another name and put back from a backup', async () => {
  const a = stateDir('a');
  expect(await take(a)).toMatchObject({ ok: true });
  const moved = join(dir, 'moved');
  renameSync(a, moved);
  expect(await take(moved)).toMatchObject({ ok: true, created: false });
  expect(lock(join(rootOf(moved), 'MC-1'))).toContain(JSON.stringify(moved));
  expect(git(repo, 'worktree', 'list')).toContain(join(rootOf(moved), 'MC-1'));
  symlinkSync(moved, a);
  expect(await take(a)).toMatchObject({ ok: true, created: false });
  rmSync(a);
  cpSync(moved, a, { recursive: true });
  rmSync(moved, { recursive: true });
  renameSync(a, moved);
  expect(await take(moved)).toMatchObject({ ok: true, created: false });
});

it("a person's lock stays, and what an agent has put in its place leads nowhere", async () => {
  const a = stateDir('a');
  await take(a);
  const path = join(rootOf(a), 'MC-1');
  const file = join(git(path, 'rev-parse', '--absolute-git-dir'), 'locked');
  writeFileSync(file, 'mine, says a person\n');
  expect(await take(a)).toMatchObject({ ok: true });
  expect(readFileSync(file, 'utf8')).toBe('mine, says a person\n');
  rmSync(file);
  execFileSync('mkfifo', [file]);
  expect(await take(a)).toMatchObject({ ok: true });
  rmSync(file);
  const fake = join(dir, 'fake');
  mkdirSync(fake);
  execFileSync('mkfifo', [join(fake, 'host-id')]);
  writeFileSync(file, `mc-pickup MC-1 of ${JSON.stringify(fake)} (host-id 1:2 abc)\n`);
  expect(await take(a)).toMatchObject({ ok: false });
  rmSync(file);
  const victim = join(dir, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, file);
  expect(await take(a)).toMatchObject({ ok: true });
  expect(readFileSync(victim, 'utf8')).toBe('precious');
});
