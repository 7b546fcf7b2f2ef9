import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { NOW } from '../support/builders.ts';

const CHILD = resolve(import.meta.dirname, '../support/capped-child.ts');
const exec = promisify(execFile);

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-cap-'));
  path = join(dir, 'board.sqlite');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('8 processes race for 200 tickets under a cap of 7, three ticks each: exactly the cap is won, nobody twice', async () => {
  const CAP = 7;
  const board = openBoard(path);
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'house', labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  for (let n = 0; n < 200; n++) await board.addTicket({ ...ticket, ...from }, { now_ms: NOW });
  const race = async () => {
    const args = [CHILD, dir, String(CAP), '3'];
    const ran = await Promise.all(Array.from({ length: 8 }, () => exec(process.execPath, args)));
    return ran.map(({ stdout }) => JSON.parse(stdout) as { won: string[]; overlaps: number });
  };
  const first = await race();
  const won = first.flatMap((one) => one.won);
  expect(won).toHaveLength(CAP);
  expect(new Set(won).size).toBe(CAP);
  expect(first.reduce((sum, { overlaps }) => sum + overlaps, 0)).toBeGreaterThan(0);
  const live = await board.liveRuntimes();
  expect(live.map(({ ticket_id }) => ticket_id).sort()).toEqual(won.sort());
  expect(await board.counts()).toMatchObject({ in_progress: CAP, todo: 200 + 24 - CAP });

  // Three slots come free, and three are taken.
  for (const { id, version } of live.slice(0, 3)) {
    const end = { end_reason: 'finished', exit_code: 0, exit_signal: null };
    expect(await board.end({ runtime: { run: id, version }, end }, { actor: 'tick:1', now_ms: NOW })).toBe(
      'won',
    );
  }
  expect((await race()).flatMap((one) => one.won)).toHaveLength(3);
  expect(await board.liveRuntimes()).toHaveLength(CAP);
  await board.close();
});

it('an open board is durable and keeps its references: synchronous FULL, foreign keys on, 5 s of patience', async () => {
  const pragma = vi.spyOn(Database.prototype, 'pragma');
  const board = openBoard(path);
  // The very connection that the board uses: these settings are no part of the file.
  const connection = pragma.mock.contexts[0] as Database.Database;
  pragma.mockRestore();
  const read = (name: string) => connection.pragma(name, { simple: true });
  expect(connection.open).toBe(true);
  expect(read('synchronous')).toBe(2);
  expect(read('foreign_keys')).toBe(1);
  expect(read('journal_mode')).toBe('wal');
  expect(read('busy_timeout')).toBe(5000);
  await board.close();
  expect(connection.open).toBe(false);
});
