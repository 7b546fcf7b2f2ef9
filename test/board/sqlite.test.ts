import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Board } from '../../src/board/port/index.ts';
import { openBoard, openBoardReadOnly } from '../../src/board/sqlite/index.ts';
import { SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6 } from '../../src/board/sqlite/schema.ts';
import { tryTickLock } from '../../src/machine/lock.ts';
import { EXIT } from '../../src/model/errors.ts';
import { exercise, type Opened, oneByOne } from '../contract/index.ts';
import { READY } from '../contract/subject.ts';
import { memoryBoard } from '../explorer/board.ts';
import { boardAt } from '../support/boards.ts';
import { aNewTicket, NOW } from '../support/builders.ts';
import { waitFor } from '../support/wait.ts';
import { Writers } from '../support/writers.ts';

const CHILD = resolve(import.meta.dirname, '../support/board-child.ts');
const exec = promisify(execFile);
const NEW = aNewTicket({ title: 't', project: 'p' });

const AT = { actor: 'ann', now_ms: NOW };

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-board-'));
  path = join(dir, 'state', 'board.sqlite');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

exercise('sqlite in memory, as the explorer has it', async (): Promise<Opened> => {
  const { db, board } = memoryBoard();
  return {
    board,
    reopen: async () => board,
    together: (calls) => oneByOne(board, calls), // one connection is one writer
    outside: (sql) => void db.exec(sql),
    cleanup: async () => board.close(),
  };
});

const writers = new Writers();
afterAll(() => writers.end());

exercise('sqlite', async (): Promise<Opened> => {
  const open: Board[] = [boardAt(path)];
  const [board] = open;
  if (board === undefined) throw new Error('unreachable');
  return {
    board,
    reopen: async () => {
      const again = openBoard(path);
      open.push(again);
      return again;
    },
    together: (calls) => writers.together(path, calls),
    outside: (sql) => {
      const db = new Database(path);
      try {
        db.exec(sql);
      } finally {
        db.close();
      }
    },
    cleanup: async () => {
      for (const one of open) await one.close();
    },
  };
});

it('claims that are asked for at the same time are committed once, and each is won or lost by itself', async () => {
  const board = boardAt(path);
  const tickets = [await board.addTicket(NEW, AT), await board.addTicket(NEW, AT)];
  const claim = ({ id, version }: { id: string; version: number }, run: string) =>
    board.claim(
      {
        ...{
          ticket: id,
          guard: { status: 'todo', owner: null, claim_epoch: 0, version },
          run,
          agent: 'robot',
        },
        ...{ project: 'p', attempt: 1, host_id: 'h', boot_id: 'b', kind: 'command', headless: false },
      },
      AT,
    );
  const { transaction } = Database.prototype;
  let commits = 0;
  const counted = vi.spyOn(Database.prototype, 'transaction').mockImplementation(function (
    this: Database.Database,
    ...[body]: Parameters<typeof transaction>
  ) {
    if (!this.inTransaction) commits += 1;
    return transaction.call(this, body);
  } as typeof transaction);
  const [one, two] = tickets.map(({ id }) => ({ id, version: 1 }));
  if (one === undefined || two === undefined) throw new Error('unreachable');
  const asked = [claim(one, 'r1'), claim({ ...two, version: 9 }, 'r2'), claim(one, 'r3'), claim(two, 'r4')];
  expect(await Promise.all(asked)).toEqual(['won', 'lost', 'lost', 'won']);
  counted.mockRestore();
  expect(commits).toBe(1);
  expect((await board.liveRuntimes()).map(({ id }) => id)).toEqual(['r1', 'r4']);
  await board.close();
});

/** Every file below the state directory, with bytes and time. */
const picture = (): unknown =>
  readdirSync(join(dir, 'state')).map((name) => {
    const file = join(dir, 'state', name);
    return [name, readFileSync(file).toString('base64'), statSync(file).mtimeMs];
  });

const exitOf = (body: () => unknown): unknown => {
  try {
    body();
  } catch (error) {
    return error instanceof Error && 'exit' in error ? error.exit : error;
  }
  return 'nothing thrown';
};

const meddle = (sql: string): void => {
  const db = new Database(path);
  db.exec(sql);
  db.close();
};

describe('the file', () => {
  it('is private, and durable', async () => {
    await openBoard(path).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'state')).mode & 0o777).toBe(0o700);
    const db = new Database(path);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    db.close();
  });

  it('brings a board of the first schema forward, with all that is in it', async () => {
    mkdirSync(join(dir, 'state'));
    const old = new Database(path);
    old.exec(SCHEMA_1);
    old.exec(`INSERT INTO tickets (title, project) VALUES ('old', 'p');
      INSERT INTO runtime_sessions (id, mark, ticket_id, host_id) VALUES ('r1', 'r1', 'MC-1', 'h');
      INSERT INTO deliveries (id, run_id, kind, sha256, bytes, outcome) VALUES ('d1', 'r1', 'send', 'x', 1, 'pending');
      INSERT INTO accounts (name, not_before_at_ms) VALUES ('a', 5);
      PRAGMA user_version = 1`);
    old.close();
    expect(exitOf(() => openBoardReadOnly(path))).toBe(EXIT.config);
    const board = openBoard(path);
    expect((await board.ticket('MC-1'))?.title).toBe('old');
    expect(await board.runtime('r1')).toMatchObject({ kind: '', headless: false, nudges: 0, level: null });
    expect(await board.lastDelivery({ run: 'r1', kinds: ['send'] })).toMatchObject({
      id: 'd1',
      outcome: 'pending',
    });
    expect(await board.accounts()).toEqual([
      {
        name: 'a',
        not_before_at_ms: 5,
        wait_since_ms: null,
        reason: null,
        not_ready: null,
        not_ready_stamp: null,
      },
    ]);
    await board.close();
  });

  it('ends, blameless, what shares its process with an earlier run, and forbids it from then on', async () => {
    mkdirSync(join(dir, 'state'));
    const old = new Database(path);
    for (const sql of [SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6]) old.exec(sql);
    const live = (run: string, ticket: number | null, pid: number, at_ms: number): string => `
      INSERT INTO runtime_sessions (id, ticket_id, claim_epoch, phase, host_id, boot_id, pid, pid_start, registered_at_ms)
      VALUES ('${run}', ${ticket === null ? 'NULL' : `'MC-${ticket}'`}, 1, 'running', 'h', 'b', ${pid}, '7', ${at_ms});`;
    old.exec(`INSERT INTO tickets (title, project, status, attempts, claim_epoch, worker_pid) VALUES
        ('its own', 'p', 'in_progress', 1, 1, 42), ('bound to another', 'p', 'in_progress', 2, 1, 42),
        ('asks', 'p', 'needs_input', 0, 1, 42), ('of a chat', 'p', 'in_progress', 0, 1, 44);
      ${live('late', 2, 42, 200)} ${live('first', 1, 42, 100)} ${live('asks', 3, 42, 300)}
      ${live('chat', null, 44, 1)} ${live('of-chat', 4, 44, 2)} ${live('other', null, 45, 3)}
      PRAGMA user_version = 6`);
    old.close();
    const board = openBoard(path);
    expect((await board.liveRuntimes()).map(({ id }) => id).sort()).toEqual(['chat', 'first', 'other']);
    const shared = { status: 'todo', worker_pid: null, reason: 'process_shared', not_before_at_ms: null };
    expect(await board.ticket('MC-1')).toMatchObject({
      status: 'in_progress',
      attempts: 1,
      worker_pid: 42,
      version: 1,
    });
    expect(await board.ticket('MC-2')).toMatchObject({
      ...{ ...shared, attempts: 2, version: 2, reason_text: 'process 42 is that of run first' },
    });
    expect(await board.ticket('MC-3')).toMatchObject({ status: 'needs_input', version: 1 });
    expect(await board.ticket('MC-4')).toMatchObject({ ...shared, attempts: 0 });
    expect(await board.runtime('late')).toMatchObject({
      phase: 'ended',
      end_reason: 'process_shared',
      version: 2,
    });
    expect(await board.activity({ limit: 9 })).toMatchObject([
      { run_id: 'late', ticket_id: 'MC-2', kind: 'ended', because: 'process_shared', actor: 'upgrade' },
      { run_id: 'asks', ticket_id: 'MC-3', text: 'process 42 is that of run first' },
      { run_id: 'of-chat', ticket_id: 'MC-4', text: 'process 44 is that of run chat' },
    ]);
    await board.close();
    expect(() => meddle(live('again', null, 42, 400))).toThrow(/UNIQUE/);
  });

  it('of 0.1 owes the next attempt the words of a run that neither reported nor left a settled ticket', async () => {
    mkdirSync(join(dir, 'state'));
    const old = new Database(path);
    for (const sql of [SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6]) old.exec(sql);
    old.exec(`INSERT INTO tickets (title, project, status) VALUES
        ('died', 'p', 'todo'), ('told', 'p', 'in_progress'), ('settled', 'p', 'done'), ('kept', 'p', 'todo');
      INSERT INTO runtime_sessions (id, mark, ticket_id, host_id, claimed_at_ms, turn, phase, registered_at_ms, ended_at_ms)
        SELECT 'r' || seq, 'r' || seq, id, 'h', 100, 4, 'ended', 110, 300 FROM tickets;
      INSERT INTO answers (ticket_id, text, author, at_ms, taken_by)
        SELECT id, 'in the prompt', 'ann', 50, CASE WHEN seq < 4 THEN 'r' || seq END FROM tickets
        UNION ALL SELECT id, 'by paste', 'ann', 200, CASE WHEN seq < 4 THEN 'r' || seq ELSE 'withdrawn' END FROM tickets;
      INSERT INTO activity (at_ms, ticket_id, run_id, kind) VALUES (150, 'MC-2', 'r2', 'report');
      PRAGMA user_version = 6`);
    old.close();
    const board = openBoard(path);
    const told = async (id: string) =>
      (await board.words(id)).map(({ text, honoured_by, had }) => [text, honoured_by, had[0]?.outcome]);
    expect(await told('MC-1')).toEqual([
      ['in the prompt', null, 'prompt'],
      ['by paste', null, 'delivered'],
    ]);
    expect(await told('MC-2')).toEqual([
      ['in the prompt', 'r2', 'prompt'],
      ['by paste', null, 'delivered'],
    ]);
    expect(await told('MC-3')).toEqual([
      ['in the prompt', 'r3', 'prompt'],
      ['by paste', 'r3', 'delivered'],
    ]);
    expect(await told('MC-4')).toEqual([['in the prompt', null, undefined]]);
    await board.close();
  });

  it('refuses a newer schema and leaves it alone', async () => {
    await openBoard(path).close();
    meddle('PRAGMA user_version = 99');
    const before = picture();
    expect(exitOf(() => openBoard(path))).toBe(EXIT.config);
    expect(exitOf(() => openBoardReadOnly(path))).toBe(EXIT.config);
    expect(picture()).toEqual(before);
  });

  it('explains what is no board', async () => {
    await openBoard(path).close();
    writeFileSync(path, 'this is not a database, whatever its name may be. '.repeat(99));
    expect(exitOf(() => openBoard(path))).toBe(EXIT.config);
    expect(exitOf(() => openBoardReadOnly(path))).toBe(EXIT.config);
  });

  it('says when another program holds it', async () => {
    const board = openBoard(path);
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    await expect(board.addTicket(NEW, { now_ms: NOW })).rejects.toMatchObject({ exit: EXIT.busy });
    other.close();
    await board.addTicket(NEW, { now_ms: NOW });
    await board.close();
  });
});

describe('read-only', () => {
  it('reads a closed board and leaves the directory byte for byte', async () => {
    const board = openBoard(path);
    await board.addTicket(NEW, { now_ms: NOW });
    await board.close();
    const before = picture();
    const reader = openBoardReadOnly(path);
    expect((await reader.snapshot({ host_id: 'h', now_ms: NOW, limit: 9, ...READY })).tickets).toHaveLength(
      1,
    );
    await expect(reader.addTicket(NEW, { now_ms: NOW })).rejects.toThrow();
    await reader.close();
    expect(picture()).toEqual(before);
  });

  it('sees what is still in the log of a board that is open', async () => {
    const board = openBoard(path);
    await board.addTicket(NEW, { now_ms: NOW });
    const names = readdirSync(join(dir, 'state'));
    const reader = openBoardReadOnly(path);
    expect(await reader.counts()).toMatchObject({ todo: 1 });
    await reader.close();
    expect(readdirSync(join(dir, 'state'))).toEqual(names);
    await board.close();
  });

  it('takes no board for an empty one, and creates nothing', async () => {
    const reader = openBoardReadOnly(path);
    expect(await reader.counts()).toMatchObject({ todo: 0 });
    await reader.close();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('sends an older schema to a real command', async () => {
    await openBoard(path).close();
    meddle('PRAGMA user_version = 0');
    expect(exitOf(() => openBoardReadOnly(path))).toBe(EXIT.config);
  });
});

describe('the tick lock', () => {
  it('excludes, and is released', () => {
    const file = join(dir, 'tick.lock');
    const first = tryTickLock(file);
    expect(first).not.toBeNull();
    expect(tryTickLock(file)).toBeNull();
    first?.release();
    first?.release();
    const second = tryTickLock(file);
    expect(second).not.toBeNull();
    second?.release();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('is freed by SIGKILL', async () => {
    const file = join(dir, 'tick.lock');
    const child: ChildProcess = spawn(process.execPath, [CHILD, 'lock', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await waitFor(() => said !== '', 'the child to lock');
    expect(said).toBe('yes\n');
    expect(tryTickLock(file)).toBeNull();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const mine = tryTickLock(file);
    expect(mine).not.toBeNull();
    mine?.release();
  });
});

describe('8 processes', () => {
  const race = async (): Promise<string[][]> => {
    const children = Array.from({ length: 8 }, (_, n) =>
      exec(process.execPath, [CHILD, 'claim', path, `c${n}`]),
    );
    return (await Promise.all(children)).map(({ stdout }) => JSON.parse(stdout) as string[]);
  };

  it('race for 200 tickets: nobody twice', async () => {
    const board = openBoard(path);
    for (let n = 0; n < 200; n++) await board.addTicket(NEW, { now_ms: NOW });
    const won = (await race()).flat();
    expect(won).toHaveLength(200);
    expect(new Set(won).size).toBe(200);
    expect(await board.liveRuntimes()).toHaveLength(200);
    expect(await board.counts()).toMatchObject({ todo: 0, in_progress: 200 });
    await board.close();
  });

  it('create one board together', async () => {
    expect((await race()).flat()).toEqual([]);
    const board = openBoard(path);
    expect(await board.counts()).toMatchObject({ todo: 0 });
    await board.close();
  });
});
