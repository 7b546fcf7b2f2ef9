/** What piles up in the state dir and on the board: old runs, marks, rows, branches. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { writeMark, writeRegistered } from '../../src/runs/marks.ts';
import { waitFor } from '../support/wait.ts';
import { picture, World } from './world.ts';

const DAY = 86_400_000;
let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.destroy());
const later = (days: number) => ({ over: { now_ms: Date.now() + days * DAY } });
const sh = (command: string | null | undefined) =>
  spawnSync('sh', ['-c', command ?? 'false'], { encoding: 'utf8' }).status;

const ended = (status: 'done' | 'in_review' = 'done') => world.ended(status);

/** This very process, as a registered one. */
function me() {
  const self = lookAtSelf(ensureHostId(world.state));
  const look = lookAt(process.pid);
  if (look.kind !== 'present') throw new Error('not here');
  const { host_id, boot_id, pid_ns, time_ns } = self;
  return { host_id, boot_id: boot_id ?? '', pid_ns, time_ns, pid: process.pid, pid_start: look.start };
}

describe('the directory of a run', () => {
  it('goes to the trash when its ticket is settled and it ended long ago, and comes back by the command', async () => {
    const { dir } = await ended();
    const open = await ended('in_review');
    expect((await world.clean(['runs'], later(29))).found.proposals).toEqual([]);
    const before = picture(dir);
    const { outcomes } = await world.clean(['runs'], later(31));
    expect(outcomes).toMatchObject([
      { item: { name: dir, because: 'ended_long_ago' }, acted: { result: 'done' } },
    ]);
    expect([existsSync(dir), existsSync(open.dir)]).toEqual([false, true]);
    expect(sh(outcomes[0]?.acted.result === 'done' ? outcomes[0].acted.restore : null)).toBe(0);
    expect(picture(dir)).toEqual(before);
  });

  it('stays in the trash for a week, and not for longer; what else lies there is not touched', async () => {
    await ended();
    await world.clean(['runs'], later(31));
    const trash = join(world.state, 'trash');
    mkdirSync(join(trash, 'mine'));
    symlinkSync(world.repo, join(trash, '2020-01-01'));
    expect(readdirSync(trash)).toHaveLength(3);
    expect((await world.clean(['runs'], later(38))).outcomes).toEqual([]);
    expect((await world.clean(['runs'], later(40))).outcomes).toMatchObject([
      { item: { kind: 'trash' }, acted: { result: 'done' } },
    ]);
    expect(readdirSync(trash).sort()).toEqual(['2020-01-01', 'mine']);
    expect(existsSync(join(world.repo, 'base.txt'))).toBe(true);
  });

  it('stays when its process lives, when the board knows no such run, and when it is a symlink', async () => {
    const { dir } = await ended();
    writeRegistered(dir, me());
    mkdirSync(join(world.state, 'runs', 'unknown'));
    const linked = await ended();
    const other = join(world.dir, 'other');
    spawnSync('mv', [linked.dir, other]);
    symlinkSync(other, linked.dir);
    const { found } = await world.clean(['runs'], later(31));
    expect(found.proposals).toEqual([]);
    expect(found.left.map(({ because }) => because).sort()).toEqual(['in_use', 'no_run', 'symlink']);
  });

  it('stays when its ticket was opened again between the proposal and its turn', async () => {
    const { id, dir } = await ended();
    const { outcomes } = await world.clean(['runs'], { ...later(31), between: () => world.move(id, 'todo') });
    expect(outcomes).toMatchObject([{ acted: { result: 'left', because: 'wanted' } }]);
    expect(existsSync(dir)).toBe(true);
  });
});

it('the mark of a dead process goes, that of a living one stays', async () => {
  const [dead, alive] = [await ended(), await ended()];
  const marks = join(world.state, 'marks');
  writeMark(marks, dead.id, { ...me(), run: dead.run, pid_start: '1' });
  writeMark(marks, alive.id, { ...me(), run: alive.run });
  const { outcomes } = await world.clean(['runtimes']);
  expect(outcomes).toMatchObject([{ item: { kind: 'mark', ticket: dead.id }, acted: { result: 'done' } }]);
  expect(readdirSync(marks)).toEqual([`${alive.id}.json`]);
  expect(sh(outcomes[0]?.acted.result === 'done' ? outcomes[0].acted.restore : null)).toBe(0);
  expect(readdirSync(marks)).toHaveLength(2);
});

describe('old rows of the board', () => {
  const rows = (table: string) => {
    const db = new Database(join(world.state, 'board.sqlite'));
    const all = db.prepare<unknown[], Record<string, unknown>>(`SELECT * FROM ${table}`).all();
    db.close();
    return all;
  };
  const tick = (id: string, at_ms: number, host_id: string) =>
    world.board.saveTick({
      tick: {
        id,
        host_id,
        boot_id: 'b',
        mono_ms: 1,
        started_at_ms: at_ms,
        finished_at_ms: at_ms,
        outcome: 'ok',
        ramp: null,
        report: '{}',
      },
      refresh: [],
    });

  it('go into a file that has all of them; those of open tickets and the newest tick of each host stay', async () => {
    const [settled, open] = [await ended(), await ended('in_review')];
    const sha256 = 'x'.repeat(64);
    for (const { id, run } of [settled, open])
      await world.board.saveDelivery({
        ...{ id: `d-${id}`, run_id: run, ticket_id: id, kind: 'prompt', nonce: 'n', sha256, bytes: 1 },
        ...{ outcome: 'started', ack_source: null, at_ms: Date.now() },
      });
    const now = Date.now();
    await tick('t1', now - 3, 'h1');
    await tick('t2', now - 2, 'h1');
    await tick('t3', now - 1, 'h2');
    const before = { activity: rows('activity'), ticks: rows('ticks'), deliveries: rows('deliveries') };
    expect((await world.clean(['activity'], later(29))).found.proposals).toEqual([]);
    const { outcomes } = await world.clean(['activity'], later(31));
    expect(outcomes.map(({ item, acted }) => [item.kind, acted.result])).toEqual([
      ['activity', 'done'],
      ['ticks', 'done'],
      ['deliveries', 'done'],
    ]);
    expect(rows('ticks').map(({ id }) => id)).toEqual(['t2', 't3']);
    expect(rows('deliveries').map(({ id }) => id)).toEqual([`d-${open.id}`]);
    expect(new Set(rows('activity').map(({ ticket_id }) => ticket_id))).toEqual(new Set([open.id]));
    const backups = join(world.state, 'backups');
    const filed = readdirSync(backups).flatMap((name) =>
      gunzipSync(readFileSync(join(backups, name)))
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    );
    for (const table of ['activity', 'ticks', 'deliveries'] as const) {
      const kept = rows(table).map((row) => row.id);
      const gone = before[table].filter(({ id }) => !kept.includes(id)).map((row) => ({ table, ...row }));
      expect(filed.filter((row) => row.table === table)).toEqual(gone);
    }
    for (const { item, acted } of outcomes)
      expect([item.kind, sh(acted.result === 'done' ? acted.restore : null)]).toEqual([item.kind, 0]);
    expect(await world.board.lastTick('h1')).toMatchObject({ id: 't2' });
  });

  it('stay where the ticket was opened again meanwhile, or has a run', async () => {
    const { id } = await ended();
    const { outcomes } = await world.clean(['activity'], {
      ...later(31),
      between: () => world.move(id, 'todo'),
    });
    expect(outcomes).toMatchObject([{ acted: { result: 'done', restore: null } }]);
    expect(rows('activity').length).toBeGreaterThan(2);
  });

  it('of a server are the server’s', async () => {
    const { found } = await world.clean(['activity'], {
      over: { name: 'https://mission.example/v1', upkeep: null },
    });
    expect(found).toMatchObject({ proposals: [], left: [{ because: 'on_a_server' }] });
  });
});

describe('a branch', () => {
  it('goes when it is asked for by name, merged and nowhere checked out; it comes back by the command', async () => {
    const [tree, unmerged, checked] = [await world.merged(), await world.unmerged(), await world.merged()];
    for (const { dir } of [tree, unmerged]) world.git(world.repo, 'worktree', 'remove', dir);
    const tip = world.git(world.repo, 'rev-parse', tree.branch);
    expect((await world.clean(['worktrees', 'runs'])).outcomes.map(({ item }) => item.kind)).toEqual([
      'worktree',
    ]);
    const again = await world.clean(['branches']);
    expect(again.outcomes.map(({ item }) => item.name).sort()).toEqual([tree.branch, checked.branch].sort());
    expect(again.because(unmerged.branch)).toBe('unmerged');
    expect(world.git(world.repo, 'for-each-ref', '--format=%(refname:short)', 'refs/heads/mc')).toBe(
      unmerged.branch,
    );
    const one = again.outcomes.find(({ item }) => item.name === tree.branch)?.acted;
    expect(sh(one?.result === 'done' ? one.restore : null)).toBe(0);
    expect(world.git(world.repo, 'rev-parse', tree.branch)).toBe(tip);
  });

  it('is known by its key where the prefix is another by now; one of that name that nobody noted is not', async () => {
    const tree = await world.merged();
    world.git(world.repo, 'worktree', 'remove', tree.dir);
    world.git(world.repo, 'branch', '-m', tree.branch, `old/${tree.id}-x`);
    world.git(world.repo, 'branch', `feature/${tree.id}-x`);
    const { outcomes } = await world.clean(['branches']);
    expect(outcomes.map(({ item }) => item.name)).toEqual([`old/${tree.id}-x`]);
  });

  it('stays when it is checked out', async () => {
    const tree = await world.merged();
    expect((await world.clean(['branches'])).because(tree.branch)).toBe('checked_out');
  });
});

it('a process that has the run in its environment keeps its directory', async () => {
  const { dir, run } = await ended();
  const env = { PATH: process.env.PATH, MC_PICKUP_STATE_DIR: world.state, MC_RUN_ID: run };
  const child = spawn('sleep', ['60'], { env, stdio: 'ignore' });
  try {
    await waitFor(() => readFileSync(`/proc/${child.pid}/environ`, 'utf8').includes(run), 'its environment');
    const { found } = await world.clean(['runs'], later(31));
    expect(found.proposals).toEqual([]);
    expect(found.left).toMatchObject([{ name: dir, because: 'in_use' }]);
  } finally {
    child.kill('SIGKILL');
  }
});
