/** What ticks take away by themselves: a little at a time, and nothing that is still wanted. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sweep } from '../../src/clean/retention.ts';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import type { Retention } from '../../src/model/policy.ts';
import { writeRegistered } from '../../src/runs/marks.ts';
import { World } from './world.ts';

const DAY = 86_400_000;
const KEEP: Retention = { ticks_days: 7, history_days: 30, runs_days: 30 };
let world: World;
beforeEach(() => {
  world = new World('mc-retention-');
});
afterEach(() => world.destroy());

/** Nobody cuts it off. */
const ON = new AbortController().signal;

/** One step, so many days from now. */
async function step(days: number, keep: Partial<Retention> = {}): Promise<void> {
  const { older_ms: _, ...here } = world.here({ now_ms: Date.now() + days * DAY });
  await sweep({ ...KEEP, ...keep }, here, ON);
}

/** Steps as ticks take them; before the first, a day of them, after which a leap of the clock is believed. */
async function steps(days: number, keep: Partial<Retention> = {}, most = 12): Promise<void> {
  const first = days - most / 144;
  for (let n = -145; n < 0; n++) await step(first + n / 100_000, keep);
  for (let n = 0; n < most; n++) await step(first + n / 144, keep);
}

function ids(table: string): readonly unknown[] {
  const db = new Database(join(world.state, 'board.sqlite'), { readonly: true });
  try {
    return db
      .prepare<unknown[], { id: unknown }>(`SELECT id FROM ${table} ORDER BY rowid`)
      .all()
      .map(({ id }) => id);
  } finally {
    db.close();
  }
}

async function ended(status: 'done' | 'in_review'): Promise<{ id: string; run: string; dir: string }> {
  const made = await world.ended(status);
  const { id, run } = made;
  await world.board.saveDelivery({
    ...{ id: `d-${id}`, run_id: run, ticket_id: id, kind: 'prompt', nonce: 'n', sha256: 'x'.repeat(64) },
    ...{ bytes: 1, outcome: 'started', ack_source: null, at_ms: Date.now() },
  });
  return made;
}

const tick = (id: string, at_ms: number, host_id = 'h', report = '{}') =>
  world.board.saveTick({
    tick: {
      ...{ id, host_id, boot_id: 'b', mono_ms: 1, started_at_ms: at_ms, finished_at_ms: at_ms },
      ...{ outcome: 'ok', ramp: null, report },
    },
    refresh: [],
  });

it('the log of a scheduler makes way for a new one when it is large, so that two of them are the most', async () => {
  const [log, before] = ['tick.log', 'tick.log.1'].map((name) => join(world.state, name)) as [string, string];
  writeFileSync(log, 'small\n');
  await step(0);
  expect(existsSync(before)).toBe(false);
  truncateSync(log, 9 * 1024 * 1024);
  writeFileSync(before, 'old\n');
  await step(0.01);
  expect([existsSync(log), statSync(before).size]).toEqual([false, 9 * 1024 * 1024]);
});

describe('the rows of the board', () => {
  it('go when they are old, but for those of open tickets and the newest tick of each host', async () => {
    const [settled, open] = [await ended('done'), await ended('in_review')];
    const now = Date.now();
    await tick('t1', now - 3);
    await tick('t2', now - 2);
    await tick('t3', now - 1, 'other');
    const log = ids('activity').length;
    await steps(6);
    expect(ids('ticks')).toEqual(['t1', 't2', 't3']);
    await steps(8);
    expect(ids('ticks')).toEqual(['t2', 't3']);
    expect(ids('activity')).toHaveLength(log);
    await steps(31);
    expect(ids('deliveries')).toEqual([`d-${open.id}`]);
    const left = (await world.board.activity({ limit: 100 })).map(({ ticket_id }) => ticket_id);
    expect(new Set(left)).toEqual(new Set([open.id]));
    expect(settled.id).not.toBe(open.id);
  });

  it('are kept for ever where the configuration says 0', async () => {
    await ended('done');
    await tick('t1', Date.now() - 3);
    await tick('t2', Date.now() - 2);
    const before = [ids('activity'), ids('ticks'), ids('deliveries')];
    await steps(400, { ticks_days: 0, history_days: 0 });
    expect([ids('activity'), ids('ticks'), ids('deliveries')]).toEqual(before);
  });

  it('go 500 at a time at most, and rows that stay are passed over', async () => {
    const open = await ended('in_review');
    const db = new Database(join(world.state, 'board.sqlite'));
    const series = `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < @n)`;
    const add = (ticket: string | null, n: number): void => {
      db.prepare(
        `${series} INSERT INTO activity (at_ms, ticket_id, kind) SELECT @at, @ticket, 'note' FROM s`,
      ).run({
        at: Date.now(),
        ticket,
        n,
      });
    };
    add(open.id, 700);
    add(null, 700);
    db.close();
    const all = ids('activity').length;
    for (let n = 0; n < 144; n++) await step(31); // believed only after a day of steps
    expect(ids('activity')).toHaveLength(all);
    const counts: number[] = [];
    for (let n = 1; n <= 4; n++) {
      await step(31 + n / 20);
      counts.push(all - ids('activity').length);
    }
    const own = counts[0] ?? 0;
    expect(own).toBeLessThan(500);
    expect(counts.every((gone, n) => gone - (counts[n - 1] ?? 0) <= 500)).toBe(true);
    expect(counts.at(-1)).toBe(700);
  });

  it('that say of hundreds of tickets why they wait go once explain looks no more at them', async () => {
    const now = Date.now();
    const long = JSON.stringify({ skipped: 'x'.repeat(5000) });
    await tick('short', now - 4000);
    await tick('long', now - 3999, 'h', long);
    for (let n = 0; n < 1998; n++) await tick(`t${n}`, now - 3000 + n);
    await tick('last', now - 1, 'h', long);
    await steps(0.2);
    expect(ids('ticks')).toHaveLength(2001);
    await tick('more', now, 'h', long);
    await steps(0.2, { ticks_days: 0 });
    expect(ids('ticks')).toHaveLength(2002);
    await steps(0.2);
    expect(ids('ticks').slice(0, 2)).toEqual(['short', 't0']);
    expect(ids('ticks').slice(-2)).toEqual(['last', 'more']);
  });

  it('go though a directory of a run can not be moved, and that is told', async () => {
    const { dir, run } = await ended('done');
    const other = await ended('done');
    writeFileSync(join(world.state, 'trash'), 'no directory');
    await tick('t1', Date.now() - 3);
    await tick('t2', Date.now() - 2);
    await expect(steps(31)).rejects.toThrow(/EEXIST|ENOTDIR/);
    expect(ids('ticks')).toEqual(['t2']);
    expect(ids('deliveries')).toEqual([]);
    expect([existsSync(dir), existsSync(other.dir)]).toEqual([true, true]);
    expect(JSON.parse(readFileSync(join(world.state, 'retention.json'), 'utf8'))).toMatchObject({
      run: expect.stringMatching(/^run-MC/),
    });
    expect(run).toMatch(/^run-/);
  });

  it('behind rows of a clock that ran ahead go too', async () => {
    await tick('t0', Date.now());
    for (let n = 0; n < 600; n++) await tick(`f${n}`, Date.now() + 4000 * DAY);
    await tick('t1', Date.now());
    await tick('t2', Date.now() + 20 * DAY);
    await steps(20, {}, 16);
    expect(ids('ticks')).not.toContain('t0');
    expect(ids('ticks')).not.toContain('t1');
    expect(ids('ticks')).toHaveLength(601);
  });
});

describe('a leap of the clock', () => {
  it('takes nothing away for a day of steps, and nothing at all when it is put right by then', async () => {
    await steps(0);
    await ended('done');
    await tick('t1', Date.now() - 1);
    await tick('t2', Date.now());
    const log = ids('activity');
    for (let n = 0; n < 144; n++) await step(400 + n / 144);
    expect([ids('activity'), ids('ticks')]).toEqual([log, ['t1', 't2']]);
    await steps(0.1);
    expect([ids('activity'), ids('ticks')]).toEqual([log, ['t1', 't2']]);
    for (let n = 0; n <= 144; n++) await step(400 + n / 144);
    expect(ids('ticks')).toEqual(['t2']);
  });
});

it('of a board on a server its rows are the server’s, and directories go', async () => {
  const { dir } = await ended('done');
  const before = [ids('activity'), ids('deliveries')];
  const { older_ms: _, ...here } = world.here({ name: 'https://mission.example/v1', upkeep: null });
  for (let n = 0; n <= 145; n++) await sweep(KEEP, { ...here, now_ms: Date.now() + 31 * DAY + n }, ON);
  expect([ids('activity'), ids('deliveries')]).toEqual(before);
  expect(existsSync(dir)).toBe(false);
});

describe('directories of runs', () => {
  it('stay once it is cut off, since the tick lock is another’s then', async () => {
    const { dir } = await ended('done');
    const { older_ms: _, ...here } = world.here({ name: 'https://mission.example/v1', upkeep: null });
    const at = (n: number) => ({ ...here, now_ms: Date.now() + 31 * DAY + n });
    for (let n = 0; n < 144; n++) await sweep(KEEP, at(n), ON);
    const end = new AbortController();
    const board = Object.assign(Object.create(here.board) as typeof here.board, {
      runtimeByMark: (mark: string) => here.board.runtimeByMark(mark).finally(() => end.abort()),
    });
    await expect(sweep(KEEP, { ...at(144), board }, end.signal)).rejects.toThrow('aborted');
    expect(existsSync(dir)).toBe(true);
    await sweep(KEEP, at(145), ON);
    expect(existsSync(dir)).toBe(false);
  });

  it('go to the trash when their ticket is settled, and are gone a week later', async () => {
    const [settled, open] = [await ended('done'), await ended('in_review')];
    await steps(29);
    expect(existsSync(settled.dir)).toBe(true);
    await steps(31);
    expect([existsSync(settled.dir), existsSync(open.dir)]).toEqual([false, true]);
    const trash = join(world.state, 'trash');
    const [day = ''] = readdirSync(trash);
    expect(readFileSync(join(trash, day, 'runs', settled.run, 'screen.txt'), 'utf8')).toBe(
      'the last screen\n',
    );
    await steps(37);
    expect(readdirSync(trash)).toEqual([day]);
    await steps(40);
    expect(readdirSync(trash)).toEqual([]);
  });

  it('stay while their process lives', async () => {
    const { dir } = await ended('done');
    const { host_id, boot_id, pid_ns, time_ns } = lookAtSelf(ensureHostId(world.state));
    const look = lookAt(process.pid);
    if (look.kind !== 'present') throw new Error('not here');
    writeRegistered(dir, {
      host_id,
      boot_id: boot_id ?? '',
      pid_ns,
      time_ns,
      pid: process.pid,
      pid_start: look.start,
    });
    await steps(31);
    expect(existsSync(dir)).toBe(true);
  });

  it('are each looked at in turn, however many there are', async () => {
    const { dir } = await ended('done');
    const runs = join(world.state, 'runs');
    for (let n = 0; n < 250; n++) mkdirSync(join(runs, `a-${String(n).padStart(3, '0')}`));
    await steps(31, {}, 13);
    expect(existsSync(dir)).toBe(false);
    expect(readdirSync(runs)).toHaveLength(250);
  });
});
