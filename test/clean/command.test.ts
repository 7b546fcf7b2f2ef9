/** The command as it is typed. */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tryTickLock } from '../../src/machine/lock.ts';
import { Rig } from '../support/rig.ts';
import { git } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});
const clean = async (...args: string[]) => await rig.box.here(['clean', ...args]);
const worktree = (id: string) => join(rig.box.state, 'worktrees', 'demo', id);

/** A ticket that went its whole way, merged and done. */
async function merged(): Promise<string> {
  const id = rig.add('review');
  await rig.tickHere();
  await rig.settle(id, 'in_review');
  await rig.gone(rig.runs(id)[0]?.pid ?? 0);
  await rig.tickHere();
  const branch = rig.box.sql<{ branch: string }>(
    'SELECT branch FROM runtime_sessions WHERE ticket_id = ?',
    id,
  )[0];
  git(rig.box, 'merge', '-q', '--no-ff', '-m', `merge ${id}`, branch?.branch ?? '');
  await rig.box.here(['ticket', 'move', id, 'done']);
  return id;
}

function all(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(dir, name), { bigint: true });
      const hash = stat.isFile()
        ? createHash('sha256')
            .update(readFileSync(join(dir, name)))
            .digest('hex')
        : '';
      return `${name} ${stat.mode} ${stat.isSocket() ? '' : stat.mtimeNs} ${hash}`;
    });
}

it('without --yes writes nothing at all, says what may go and why, and what to type', async () => {
  const id = await merged();
  const before = all(rig.box.dir);
  const done = await clean();
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(done.out).toContain(`${worktree(id)}  `);
  expect(done.out).toContain('done, clean, merged into main');
  expect(done.out).toContain('nothing was done yet: mc-pickup clean --yes');
  expect((await clean('--only', 'worktrees', '--older-than', '2d')).out).toContain(
    'mc-pickup clean --yes --older-than 2d --only worktrees',
  );
  expect(all(rig.box.dir)).toEqual(before);
});

it('with --yes does it, tells it to the log, and has nothing to do the next time', async () => {
  const id = await merged();
  const done = await clean('--yes');
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(done.out).toMatch(
    /back by: git -C \S+ worktree add \S+ refs\/mc-pickup\/cleaned\/MC-1\/\d{8}T\d{9}Z/,
  );
  expect(existsSync(worktree(id))).toBe(false);
  expect((await rig.box.here(['log', '--ticket', id, '--kind', 'cleaned'])).out).toContain(
    'refs/mc-pickup/cleaned/MC-1/',
  );
  expect((await clean('--yes')).out).toContain('nothing may go');
});

it('names the agents of closed tickets, and ends none', async () => {
  const id = rig.add('stay');
  await rig.tickHere();
  await rig.settle(id, 'in_review');
  await rig.box.here(['ticket', 'move', id, 'done']);
  const { pid } = rig.run(id);
  const told = JSON.parse((await clean('--yes', '--json')).out) as { advice: unknown; left: unknown };
  expect(told).toMatchObject({
    advice: [{ command: `mc-pickup stop ${id}`, ticket: id }],
    left: [{ name: worktree(id), because: 'runtime_alive' }],
  });
  expect(rig.agents(id)).toEqual([pid]);
});

it('waits for the tick that runs, and gives up after a while with exit 75', async () => {
  await merged();
  const lock = tryTickLock(join(rig.box.state, 'tick-lock.sqlite'));
  try {
    expect(await clean('--yes')).toMatchObject({
      code: 75,
      err: expect.stringContaining('a tick is running'),
    });
  } finally {
    lock?.release();
  }
  expect(await clean('--yes')).toMatchObject({ code: 0 });
});

it('exits 3 when something failed, and the rest is done all the same', async () => {
  const [first, second] = [await merged(), await merged()];
  git(rig.box, 'update-ref', `refs/mc-pickup/cleaned/${first}`, 'HEAD');
  const done = await clean('--yes');
  expect(done.code).toBe(3);
  expect(done.out).toContain('failed: ');
  expect([existsSync(worktree(first)), existsSync(worktree(second))]).toEqual([true, false]);
});

it('refuses what it cannot understand, and a configuration that is broken', async () => {
  await rig.box.here(['init']);
  expect(await clean('--only', 'worktree')).toMatchObject({
    code: 2,
    err: expect.stringContaining('did you mean "worktrees"'),
  });
  for (const bad of ['5', '1m', 'soon', '-1d'])
    expect([bad, (await clean('--older-than', bad)).code]).toEqual([bad, 2]);
  writeFileSync(join(rig.box.dir, 'config.toml'), '[project.demo]\nrepo = 1\n');
  expect(await clean('--yes')).toMatchObject({
    code: 78,
    err: expect.stringContaining('broken configuration'),
  });
});

it('of a state dir without a board makes none', async () => {
  mkdirSync(rig.box.state, { mode: 0o700 });
  expect(await clean('--yes')).toMatchObject({
    code: 78,
    err: expect.stringContaining('there is no board in'),
  });
  expect(readdirSync(rig.box.state)).toEqual([]);
});
