import type Database from 'better-sqlite3';
import { explained, isBusy } from './sqlite/errors.ts';
import { openDatabase } from './sqlite/native.ts';
import { createPrivate } from './sqlite/private.ts';

/** Connections that hold a lock: one that was garbage collected would let go of it. */
const held = new Set<Database.Database>();

export interface TickLock {
  release(): void;
}

/** Whether somebody holds the lock now; null = it can't be told. For those that may not take it: it is held for the moment of this
 *  look, as a reader. */
export function isLocked(path: string): boolean | null {
  let db: Database.Database | null = null;
  try {
    db = openDatabase(path, { readonly: true, fileMustExist: true, timeout: 0 });
    db.pragma('schema_version');
    return false;
  } catch (error) {
    return isBusy(error) ? true : null;
  } finally {
    db?.close();
  }
}

/** Takes the tick lock, or says at once (null) that someone else holds it. It is SQLite's own exclusive lock on
 *  a file of its own: the kernel frees it however the process dies, and no child inherits it. */
export function tryTickLock(path: string): TickLock | null {
  createPrivate(path);
  let db: Database.Database | null = null;
  try {
    db = openDatabase(path, { timeout: 0 });
    // Nothing is ever written: a journal would be a file made and removed in each tick, and left by one that was killed.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (isBusy(error)) return null;
    throw explained(error, path);
  }
  const mine = db;
  held.add(mine);
  return {
    release: () => {
      if (!held.delete(mine)) return;
      mine.exec('ROLLBACK');
      mine.close();
    },
  };
}
