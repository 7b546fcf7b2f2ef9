import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Board, NewTicket } from '../../src/board/port.ts';
import { openBoard, openBoardReadOnly, tryTickLock } from '../../src/board/sqlite/index.ts';
import { SCHEMA_1 } from '../../src/board/sqlite/schema.ts';
import { EXIT } from '../../src/model/errors.ts';
import { boardContract, type Opened } from '../contract/board.ts';
import { memoryBoard } from '../explorer/board.ts';
import { NOW } from '../support/builders.ts';
import { waitFor } from '../support/wait.ts';

/** Nothing is left out of a snapshot for want of a profile or a project: this is only the order. */
const READY = {
  ready: {
    authors: [],
    max_attempts: 3,
    projects: { demo: { max_agents: null, agent: 'robot' } },
    agents: { robot: { max_agents: null } },
  },
  budget_day: null,
  also: [],
  recent_since_ms: NOW,
} as const;

const CHILD = resolve(import.meta.dirname, '../support/board-child.ts');
const exec = promisify(execFile);
const NEW: NewTicket = {
  ...{
    title: 't',
    body: '',
    status: 'todo' as const,
    priority: 2,
    project: 'p',
    labels: [],
    agent: null,
    owner: null,
  },
  ...{ author: 'ann', trusted: true, depends_on: [] },
};

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-board-'));
  path = join(dir, 'state', 'board.sqlite');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

boardContract('sqlite in memory, as the explorer has it', async (): Promise<Opened> => {
  const { db, board } = memoryBoard();
  return {
    board,
    reopen: async () => board,
    outside: (sql) => void db.exec(sql),
    cleanup: async () => board.close(),
  };
});

boardContract('sqlite', async (): Promise<Opened> => {
  const open: Board[] = [openBoard(path)];
  const [board] = open;
  if (board === undefined) throw new Error('unreachable');
  return {
    board,
    reopen: async () => {
      const again = openBoard(path);
      open.push(again);
      return again;
    },
    outside: (sql) => {
      const db = new Database(path);
      try {
        db.exec(sql);
      } finally {
        db.close();
      }
    },
    cleanup: async () => {
      for (const one of open) one.close();
    },
  };
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
  it('is private, and durable', () => {
    openBoard(path).close();
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
    expect(await board.runtime('r1')).toMatchObject({ kind: '', headless: 0, nudges: 0, level: null });
    expect(await board.lastDelivery('r1', 'send')).toMatchObject({ id: 'd1', outcome: 'pending' });
    expect(await board.accounts()).toEqual([
      { name: 'a', not_before_at_ms: 5, wait_since_ms: null, not_ready: null, not_ready_stamp: null },
    ]);
    board.close();
  });

  it('refuses a newer schema and leaves it alone', () => {
    openBoard(path).close();
    meddle('PRAGMA user_version = 99');
    const before = picture();
    expect(exitOf(() => openBoard(path))).toBe(EXIT.config);
    expect(exitOf(() => openBoardReadOnly(path))).toBe(EXIT.config);
    expect(picture()).toEqual(before);
  });

  it('explains what is no board', () => {
    openBoard(path).close();
    writeFileSync(path, 'this is not a database, whatever its name may be. '.repeat(99));
    expect(exitOf(() => openBoard(path))).toBe(EXIT.config);
    expect(exitOf(() => openBoardReadOnly(path))).toBe(EXIT.config);
  });

  it('says when another program holds it', async () => {
    const board = openBoard(path);
    const other = new Database(path);
    other.exec('BEGIN IMMEDIATE');
    await expect(board.addTicket(NEW, NOW)).rejects.toMatchObject({ exit: EXIT.busy });
    other.close();
    await board.addTicket(NEW, NOW);
    board.close();
  });
});

describe('read-only', () => {
  it('reads a closed board and leaves the directory byte for byte', async () => {
    const board = openBoard(path);
    await board.addTicket(NEW, NOW);
    board.close();
    const before = picture();
    const reader = openBoardReadOnly(path);
    expect((await reader.snapshot({ host_id: 'h', now_ms: NOW, limit: 9, ...READY })).tickets).toHaveLength(
      1,
    );
    await expect(reader.addTicket(NEW, NOW)).rejects.toThrow();
    reader.close();
    expect(picture()).toEqual(before);
  });

  it('sees what is still in the log of a board that is open', async () => {
    const board = openBoard(path);
    await board.addTicket(NEW, NOW);
    const names = readdirSync(join(dir, 'state'));
    const reader = openBoardReadOnly(path);
    expect(await reader.counts()).toMatchObject({ todo: 1 });
    reader.close();
    expect(readdirSync(join(dir, 'state'))).toEqual(names);
    board.close();
  });

  it('takes no board for an empty one, and creates nothing', async () => {
    const reader = openBoardReadOnly(path);
    expect(await reader.counts()).toMatchObject({ todo: 0 });
    reader.close();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('sends an older schema to a real command', () => {
    openBoard(path).close();
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
    for (let n = 0; n < 200; n++) await board.addTicket(NEW, NOW);
    const won = (await race()).flat();
    expect(won).toHaveLength(200);
    expect(new Set(won).size).toBe(200);
    expect(await board.liveRuntimes()).toHaveLength(200);
    expect(await board.counts()).toMatchObject({ todo: 0, in_progress: 200 });
    board.close();
  });

  it('create one board together', async () => {
    expect((await race()).flat()).toEqual([]);
    const board = openBoard(path);
    expect(await board.counts()).toMatchObject({ todo: 0 });
    board.close();
  });
});
