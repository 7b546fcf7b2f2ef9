import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { DamagedBoard, explained } from '../../machine/sqlite/errors.ts';
import { openDatabase } from '../../machine/sqlite/native.ts';
import { configError, usageError } from '../../model/errors.ts';
import type { Backup } from '../port/index.ts';
import { SCHEMA_VERSION } from './migrations.ts';

const NAME = /^board-\d{8}T\d{6}(\.\d{3})?Z\.sqlite$/;
const BUSY_MS = 5000;

/**
 * Copies the board while others work on it (SQLite's online backup), opens the copy and checks it whole before it gets
 * its name. Where the board is damaged nothing is kept of it, and the older backups stay.
 */
export async function backupBoard(path: string, dir: string, keep: number, now_ms: number): Promise<Backup> {
  if (!existsSync(path)) throw configError(`there is no board ${path} yet: nothing to back up`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, `board-${stamp(now_ms)}.sqlite`);
  const temp = `${file}.tmp${process.pid}`;
  const db = openDatabase(path, { fileMustExist: true, timeout: BUSY_MS });
  try {
    await db.backup(temp);
    chmodSync(temp, 0o600);
    checkBoard(temp, path);
    renameSync(temp, file);
  } catch (error) {
    throw explained(error, path);
  } finally {
    db.close();
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${temp}${end}`, { force: true });
  }
  const old = readdirSync(dir)
    .filter((name) => NAME.test(name))
    .sort()
    .slice(0, -keep);
  for (const name of old) rmSync(join(dir, name), { force: true });
  return { file, bytes: statSync(file).size, removed: old };
}

/** Puts a backup in the board's place; the board that was there is kept beside it. The caller holds the tick lock. */
export function restoreBoard(path: string, from: string, now_ms: number): { readonly kept: string | null } {
  if (!existsSync(from)) throw usageError(`there is no file ${from}`);
  const temp = `${path}.tmp${process.pid}`;
  try {
    copyFileSync(from, temp);
    chmodSync(temp, 0o600);
    checkBoard(temp, from);
    const kept = existsSync(path) ? `${path}.before-${stamp(now_ms)}` : null;
    // What stands in the log only belongs to the old file, and would be taken for the new one's.
    for (const end of ['-wal', '-shm', ''])
      if (kept !== null && existsSync(`${path}${end}`)) renameSync(`${path}${end}`, `${kept}${end}`);
    renameSync(temp, path);
    return { kept };
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${temp}${end}`, { force: true });
  }
}

/** Reads every page of a board. Throws where it is damaged, is none, or is of a newer schema; `name` is for the message.
 *  Leaves the file in one piece, without a log beside it. */
export function checkBoard(path: string, name: string): void {
  let db: Database.Database | null = null;
  try {
    db = openDatabase(path, { fileMustExist: true, timeout: BUSY_MS });
    const found = db.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw new DamagedBoard(name, String(found));
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version < 1 || version > SCHEMA_VERSION)
      throw configError(`${name} is no board that this mc-pickup knows (schema ${version})`);
    db.prepare('SELECT id, status, claim_epoch, version FROM tickets');
    db.pragma('journal_mode = DELETE');
  } catch (error) {
    throw explained(error, name);
  } finally {
    db?.close();
  }
}

/** `20261125T174500.123Z`: sorts by time. */
function stamp(now_ms: number): string {
  return new Date(now_ms).toISOString().replaceAll(/[-:]/g, '');
}
