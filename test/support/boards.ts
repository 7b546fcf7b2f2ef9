/** New boards as copies of one: to make all tables costs ten times as much, and more than a thousand tests begin with a board. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Board } from '../../src/board/port/index.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { createPrivate } from '../../src/machine/sqlite/private.ts';

/** Opens the board in a file; where there is none, a new one. */
export function boardAt(path: string): Board {
  putBoard(path);
  return openBoard(path);
}

/** A new board in a file where there is none, as `openBoard` makes it. */
export function putBoard(path: string): void {
  if (existsSync(path)) return;
  createPrivate(path);
  writeFileSync(path, newBoard());
}

/** A new board in memory. */
export function memoryDatabase(): Database.Database {
  return new Database(newBoard().fill(1, 18, 20)); // "rollback journal", as memory has no WAL
}

/** What the copied board is named; each copy has a name of its own. */
const NAME = '0123456789abcdef';
let made: Buffer | undefined;

function newBoard(): Buffer {
  made ??= make();
  const bytes = Buffer.from(made);
  bytes.write(randomBytes(8).toString('hex'), bytes.indexOf(NAME), 'latin1');
  return bytes;
}

function make(): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'mc-board-'));
  try {
    const path = join(dir, 'board.sqlite');
    void openBoard(path).close();
    const db = new Database(path);
    db.exec(`UPDATE board SET id = '${NAME}'`);
    db.close();
    return readFileSync(path);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
