import { readFileSync, statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { monotonicMs } from '../../machine/clock.ts';
import { explained, isBusy } from '../../machine/sqlite/errors.ts';
import { openDatabase } from '../../machine/sqlite/native.ts';
import { createPrivate } from '../../machine/sqlite/private.ts';
import { busyError, codeOf, configError } from '../../model/errors.ts';
import { oneLine } from '../../model/text.ts';
import type { Board } from '../port/index.ts';
import { sqliteBoard } from './board.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { isSameLog, withLog } from './wal.ts';

const BUSY_MS = 5000;

/** Opens the board for reading and writing; creates it where there is none, and migrates it forward. */
export function openBoard(path: string): Board {
  return opened(
    path,
    () => {
      createPrivate(path);
      return openDatabase(path, { timeout: BUSY_MS });
    },
    (db) => {
      // A newer board and another program's file are refused before anything of them is changed.
      const version = patiently(() => refuseForeign(db, path));
      patiently(() =>
        db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON'),
      );
      if (version < SCHEMA_VERSION) migrate(db, path);
    },
  );
}

/** Opens the board so that nothing on disk changes: no lock, no `-wal` or `-shm` file. A board that does not
 *  exist yet reads as an empty one. */
export function openBoardReadOnly(path: string): Board {
  return opened(
    path,
    () => readOnly(path),
    (db) => {
      if (refuseForeign(db, path) < SCHEMA_VERSION) {
        throw configError(
          `the board ${path} has an older schema; run a command that writes first, such as \`mc-pickup dispatch\``,
        );
      }
    },
  );
}

function opened(
  path: string,
  open: () => Database.Database,
  prepare: (db: Database.Database) => void,
): Board {
  let db: Database.Database | null = null;
  try {
    db = open();
    prepare(db);
    return sqliteBoard(db, path);
  } catch (error) {
    db?.close();
    const code = codeOf(error);
    if (
      code === 'EACCES' ||
      code === 'EPERM' ||
      code === 'EROFS' ||
      code === 'EISDIR' ||
      code === 'ENOTDIR'
    ) {
      throw configError(`the board ${path} cannot be opened (${code}); look at its permissions`);
    }
    throw explained(error, path);
  }
}

/** The schema version of a file that is a board, or is empty; any other file is somebody's, and stays as it is.
 *  `user_version` alone proves nothing: 1 is what most programs begin with. */
function refuseForeign(db: Database.Database, path: string): number {
  const version = schemaVersion(db, path);
  const foreign = version === 0 ? foreignTable(db, path) : foreignShape(db);
  if (foreign === null) return version;
  throw configError(
    `${path} is another program's SQLite file, no board of mc-pickup (${foreign}); name another --state-dir, or move the file away`,
  );
}

/** A table in a file without a schema version; both are read at once, since another process may be making this very
 *  board. */
function foreignTable(db: Database.Database, path: string): string | null {
  const first = db.prepare<unknown[], { name: string }>('SELECT name FROM sqlite_schema LIMIT 1');
  const row = db.transaction(() => (schemaVersion(db, path) === 0 ? first.get() : undefined)).deferred();
  return row === undefined ? null : `it has "${oneLine(row.name, 60)}" and no schema version`;
}

/** What is not as in a board of any schema. To prepare a statement reads the schema only, which costs an idle tick
 *  next to nothing. */
function foreignShape(db: Database.Database): string | null {
  try {
    db.prepare('SELECT id, status, claim_epoch, version, depends_on FROM tickets');
    db.prepare('SELECT id, mark, phase, claim_epoch, ended_at_ms FROM runtime_sessions');
    return null;
  } catch (error) {
    if (error instanceof Error && /^no such (table|column)/.test(error.message)) return error.message;
    throw error;
  }
}

/** The switch to WAL needs the file alone, and SQLite does not always wait for that by itself. */
function patiently<T>(body: () => T): T {
  const end = monotonicMs() + BUSY_MS;
  for (;;) {
    try {
      return body();
    } catch (error) {
      if (!isBusy(error) || monotonicMs() >= end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

/** A board in WAL mode cannot be opened read-only without SQLite making or changing files beside it. So its bytes are read into
 *  memory, with those of its `-wal` file where somebody has it open or was killed. */
export function readOnly(path: string): Database.Database {
  for (let tries = 0; tries < 10; tries++) {
    const bytes = unchangedBytes(path);
    if (bytes === 'changed') continue;
    if (bytes === null || bytes.length === 0) return fresh(path);
    if (bytes.length > 19) bytes.fill(1, 18, 20); // "rollback journal", as memory has no WAL
    return openDatabase(bytes, { readonly: true });
  }
  throw busyError(`the board ${path} is locked by another program; try again`);
}

/** null = no file. A writer or a checkpoint may come by while the file is read; what is torn is worth nothing. The log is read
 *  after the database: pages that a checkpoint moved meanwhile are in it as well, unless it was begun anew, which shows. */
function unchangedBytes(path: string): Buffer | null | 'changed' {
  try {
    const log = bytesOf(`${path}-wal`);
    const before = statSync(path, { bigint: true });
    const bytes = readFileSync(path);
    const now = bytesOf(`${path}-wal`);
    if (now !== null) return log !== null && isSameLog(log, now) ? withLog(bytes, now) : 'changed';
    const after = statSync(path, { bigint: true });
    const same = before.mtimeNs === after.mtimeNs && before.size === after.size && before.ino === after.ino;
    return same && log === null ? bytes : 'changed';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** null = no file. */
function bytesOf(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function fresh(path: string): Database.Database {
  const db = openDatabase(':memory:', {});
  migrate(db, path);
  return db;
}
