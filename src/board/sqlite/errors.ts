import { SqliteError } from 'better-sqlite3';
import { EXIT, UserError } from '../../model/errors.ts';

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
    return new UserError(EXIT.busy, `the board ${path} is locked by another program; try again`);
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) {
    return new UserError(
      EXIT.config,
      `the board ${path} is damaged or no SQLite file (${message}); restore it from a backup, or move it away`,
    );
  }
  if (/^SQLITE_(CANTOPEN|READONLY|PERM|AUTH)/.test(code)) {
    return new UserError(
      EXIT.config,
      `the board ${path} cannot be opened for this (${message}); look at its owner and permissions`,
    );
  }
  if (/^SQLITE_(FULL|IOERR)/.test(code)) {
    return new UserError(
      EXIT.unavailable,
      `the disk refused the board ${path} (${message}); nothing was changed`,
    );
  }
  return error;
}
