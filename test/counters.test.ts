/*
 * What a tick costs, in things that can be counted: it runs every minute for years, so each number here is today's and a bound.
 * Times are no matter of a test (see `npm run bench`). Whoever raises a bound says in docs/performance.md what it buys.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openBoard } from '../src/board/sqlite/index.ts';
import { cli } from '../src/cli/index.ts';
import { makeContext } from '../src/context.ts';
import { ensureHostId } from '../src/machine/process.ts';
import { tick as tickNow } from '../src/tick/index.ts';
import { Strace } from './bench/trace.ts';
import { BIN, git, makeSandbox, type Sandbox } from './support/sandbox.ts';
import { waitFor } from './support/wait.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
  box.configure(`[limits]
max_agents = 20
max_launches_per_tick = 20

[project.demo]
repo = ${JSON.stringify(box.repo)}
base = "main"
fetch = false

[agent.scripted]
kind = "command"
argv = ["sleep", "600"]
`);
  expect(box.run(['init']).code).toBe(0);
});
afterEach(() => box.destroy());

/** So many tickets that wait to be launched. */
function wait(count: number): void {
  const lines = Array.from({ length: count }, (_, n) => `- [ ] Ticket number ${n}\n`).join('');
  writeFileSync(join(box.dir, 'list.md'), lines);
  const done = box.run(['ticket', 'import', join(box.dir, 'list.md'), '--project', 'demo', '--trust']);
  expect(done).toMatchObject({ code: 0, err: '' });
}

/** What the board does in one tick, in this very process. */
interface Work {
  /** Statements that SQLite has to parse and plan. */
  prepared: number;
  /** How often one is run. */
  runs: number;
  /** Rows that come back from it. */
  rows: number;
  transactions: number;
}

async function workOf(act: () => Promise<number> = tick): Promise<Work> {
  const work: Work = { prepared: 0, runs: 0, rows: 0, transactions: 0 };
  const { prepare, transaction, exec } = Database.prototype;
  const counted = <T extends object>(statement: T): T =>
    new Proxy(statement, {
      get: (target, key) => {
        const found: unknown = Reflect.get(target, key, target);
        if (typeof found !== 'function') return found;
        return (...args: unknown[]) => {
          const value: unknown = Reflect.apply(found, target, args);
          if (key === 'run' || key === 'get' || key === 'all') work.runs += 1;
          if (key === 'get' && value !== undefined) work.rows += 1;
          if (key === 'all') work.rows += (value as unknown[]).length;
          return value === target ? counted(target) : value;
        };
      },
    });
  vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: Database.Database, sql: string) {
    work.prepared += 1;
    return counted(prepare.call(this, sql));
  });
  vi.spyOn(Database.prototype, 'exec').mockImplementation(function (this: Database.Database, sql: string) {
    work.runs += 1;
    return exec.call(this, sql);
  });
  vi.spyOn(Database.prototype, 'transaction').mockImplementation(function (
    this: Database.Database,
    ...[body]: Parameters<typeof transaction>
  ) {
    work.transactions += 1;
    return transaction.call(this, body);
  } as typeof transaction);
  try {
    expect(await act()).toBe(0);
    return work;
  } finally {
    vi.restoreAllMocks();
  }
}

async function tick(): Promise<number> {
  const options = { stateDir: box.state, config: join(box.dir, 'config.toml') };
  return (await tickNow(makeContext(options, box.env), { dispatch: true })).code;
}

async function status(): Promise<number> {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.stubGlobal('MC_PICKUP_VERSION', '0');
  return cli(['status'], box.env);
}

/** Tickets that are done, with what such a ticket leaves behind. */
async function history(count: number): Promise<void> {
  await openBoard(box.boardFile).close();
  const db = new Database(box.boardFile);
  try {
    db.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @count)
       INSERT INTO tickets (title, status, project, claim_epoch) SELECT 'done ' || i, 'done', 'demo', 1 FROM n`,
    ).run({ count });
    db.prepare(
      `INSERT INTO runtime_sessions (id, ticket_id, claim_epoch, phase, host_id, ended_at_ms, end_reason)
       SELECT id || '-old', id, 1, 'ended', @host, 1, 'finished' FROM tickets WHERE status = 'done'`,
    ).run({ host: ensureHostId(box.state) });
    db.exec(`INSERT INTO activity (at_ms, ticket_id, kind) SELECT 1, id, 'moved' FROM tickets`);
  } finally {
    db.close();
  }
}

describe('what the board is asked in one tick', () => {
  it('with nothing on it', async () => {
    await workOf(); // the first tick of a host finds no row of it
    const work = await workOf();
    expect(work.prepared).toBeLessThanOrEqual(10);
    expect(work.runs).toBeLessThanOrEqual(11);
    expect(work.rows).toBeLessThanOrEqual(2);
    expect(work.transactions).toBeLessThanOrEqual(2);
  });

  it('with ten agents: no statement more, and the same for a hundred times the history', async () => {
    wait(10);
    expect(box.run(['dispatch'])).toMatchObject({ code: 0, err: '' });
    // A look a minute after an agent has registered notes its program, and one after some seconds that its events rest.
    const noted = () => box.sql('SELECT program, events_cursor FROM runtime_sessions ORDER BY id');
    const quietWork = async (): Promise<Work> => {
      const before = noted();
      const work = await workOf();
      return JSON.stringify(noted()) === JSON.stringify(before) ? work : quietWork();
    };
    const registered = 'SELECT id FROM runtime_sessions WHERE ended_at_ms IS NULL AND registered_at_ms > 0';
    await waitFor(async () => (await tick()) === 0 && box.sql(registered).length === 10);
    box.sql('UPDATE runtime_sessions SET registered_at_ms = registered_at_ms - 60000');
    await waitFor(async () => (await tick()) === 0 && noted().every(({ program }) => program !== null));
    const work = await quietWork();
    expect(work.prepared).toBeLessThanOrEqual(13);
    expect(work.runs).toBeLessThanOrEqual(14);
    expect(work.rows).toBeLessThanOrEqual(22);
    expect(work.transactions).toBeLessThanOrEqual(2);
    await history(3000);
    expect(await quietWork()).toEqual(work);
  });

  it('with tickets that wait: a row for each that it passes over, and no more statements', async () => {
    wait(50);
    box.sql('UPDATE tickets SET not_before_at_ms = 9e15');
    await workOf();
    const work = await workOf();
    expect(work.prepared).toBeLessThanOrEqual(11);
    expect(work.runs).toBeLessThanOrEqual(12);
    expect(work.rows).toBeLessThanOrEqual(52);
  });
});

it('status takes a query an agent at most, and none a ticket', async () => {
  const host = ensureHostId(box.state);
  const more = (tickets: number, agents: number) => {
    box.sql(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       INSERT INTO tickets (title, project, status)
       SELECT 'T' || i, 'demo', CASE i % 3 WHEN 0 THEN 'todo' WHEN 1 THEN 'done' ELSE 'needs_input' END FROM n`,
      tickets,
    );
    box.sql(
      `INSERT INTO runtime_sessions (id, ticket_id, host_id, phase, boot_id, pid, pid_start)
       SELECT 'r' || id, id, ?, 'running', 'another boot', 1000 + seq, '1' FROM tickets
       WHERE id NOT IN (SELECT ticket_id FROM runtime_sessions) LIMIT ?`,
      host,
      agents,
    );
  };
  expect(await tick()).toBe(0);
  more(30, 3);
  const few = await workOf(status);
  more(10_000, 200);
  const { prepared, runs } = await workOf(status);
  expect(prepared).toBe(few.prepared);
  expect(runs - few.runs).toBeLessThanOrEqual(200);
});

describe('what a tick starts', () => {
  const strace = () => new Strace({ dir: box.dir, breathe: async () => {} });
  const traced = async (...args: string[]) => {
    const tracer = strace();
    if (tracer.missing !== null) return null;
    const command = { file: process.execPath, args: [BIN, ...args], env: box.env, talks: true };
    return tracer.count({ name: args.join(' '), ready: () => command }, () => box.tmux('kill-server'));
  };
  // strace is a Debian package of that name; CI installs it, and a kernel may forbid it all the same.
  const here = () => strace().missing === null;

  it('nothing behind a closed gate, nothing with nobody at work', async ({ skip }) => {
    if (!here()) skip('strace cannot be had here');
    expect((await traced('dispatch'))?.commands).toEqual([]);
    box.run(['killswitch', 'on', '--level', 'all', '--reason', 'test']);
    expect((await traced('dispatch'))?.commands).toEqual([]);
  });

  it('one program with agents at work: tmux is asked once', async ({ skip }) => {
    if (!here()) skip('strace cannot be had here');
    wait(3);
    expect(box.run(['dispatch'])).toMatchObject({ code: 0, err: '' });
    expect((await traced('dispatch'))?.commands).toEqual(['tmux list-panes']);
  });

  it('eight for a launch, three of them of git’s own accord', async ({ skip }) => {
    if (!here()) skip('strace cannot be had here');
    wait(1);
    expect(box.run(['dispatch'])).toMatchObject({ code: 0, err: '' });
    wait(2); // the first of them is there already
    const seen = await traced('dispatch');
    const started = seen?.commands.map((line) => line.trim());
    // git 2.55 does this one by itself.
    expect(started?.filter((line) => line !== 'git symbolic-ref')).toEqual([
      'tmux list-panes',
      'git for-each-ref',
      'git worktree add',
      'git branch',
      'git reset',
      'tmux list-panes',
      'tmux start-server',
    ]);
    expect(started?.length).toBeLessThanOrEqual(8);
  });

  it('and of several launches the base is asked for once', async ({ skip }) => {
    if (!here()) skip('strace cannot be had here');
    wait(5);
    const seen = await traced('dispatch');
    const own = seen?.commands.filter((line) => /^(git|tmux)/.test(line)) ?? [];
    expect(own.filter((line) => line === 'git for-each-ref')).toHaveLength(1);
    expect(own.filter((line) => line === 'git worktree add')).toHaveLength(5);
    expect(git(box, 'for-each-ref', '--format=%(refname)', 'refs/heads/mc').trim().split('\n')).toHaveLength(
      5,
    );
  });
});
