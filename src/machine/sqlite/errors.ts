import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SqliteError } from 'better-sqlite3';
import { busyError, configError, EXIT, UserError, unavailableError } from '../../model/errors.ts';
import { attempt } from '../../model/json.ts';
import { oneLine } from '../../model/text.ts';

/** The file is there, and cannot be read as what it was. */
export class DamagedBoard extends UserError {
  override readonly name = 'DamagedBoard';
  constructor(path: string, why: string) {
    super(
      EXIT.config,
      `the board ${path} is damaged or no SQLite file (${oneLine(why, 200)}); restore it from a backup (mc-pickup restore FILE), or move it away`,
    );
  }
}

/** Whether SQLite refused because another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof SqliteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code);
}

/** Whether a UNIQUE index refused the row: someone else was first. */
export function isTaken(error: unknown): boolean {
  return error instanceof SqliteError && /^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)$/.test(error.code);
}

/** What SQLite said, as an error that tells a person what to do; anything unknown stays as it is (a bug). */
export function explained(error: unknown, path: string): unknown {
  if (!(error instanceof SqliteError)) return error;
  const { code, message } = error;
  if (isBusy(error)) {
    return busyError(`the board ${path} is locked by another program; try again`);
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return new DamagedBoard(path, message);
  }
  if (/^SQLITE_(CANTOPEN|READONLY|PERM|AUTH)/.test(code)) {
    return configError(
      `the board ${path} cannot be opened for this (${message}); look at its owner and permissions`,
    );
  }
  if (/^SQLITE_(FULL|IOERR)/.test(code)) {
    // SQLite often says no more than "disk I/O error" of a disk without room.
    const isFull = attempt(() => statfsSync(dirname(path)).bavail) === 0;
    const what = isFull ? 'is full: make room on it' : 'refused the board';
    return unavailableError(
      `the disk of ${path} ${what} (${message}); what was to be written there is not, what was written before stands`,
    );
  }
  return error;
}
