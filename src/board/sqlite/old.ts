import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import { explained } from '../../machine/sqlite/errors.ts';
import { openDatabase } from '../../machine/sqlite/native.ts';
import { EXPLAINED_TICKS } from '../../model/activity.ts';
import {
  type Limits,
  OLD_TABLES,
  type OldRows,
  type OldTable,
  type Swept,
  type TakeRequest,
} from '../port/upkeep.ts';
import { readOnly } from './open.ts';

const BATCH = 500;
const BUSY_MS = 5000;

/** The ticket of this row was settled before then, and has no run that has not ended or that ended since. Asked of a row,
 *  never as a list: a board has many tickets, and a step looks at few rows. */
const settled = (row: string): string => `EXISTS (SELECT 1 FROM tickets AS t
  WHERE t.id = ${row}.ticket_id AND t.status IN ('done', 'cancelled') AND t.updated_at_ms < @before_ms AND NOT EXISTS (
    SELECT 1 FROM runtime_sessions AS r
    WHERE r.ticket_id = t.id AND (r.ended_at_ms IS NULL OR r.ended_at_ms >= @before_ms)))`;

/** A tick that is not its host's newest, neither by the order of the rows nor by the clock. */
const NOT_NEWEST = `EXISTS (
    SELECT 1 FROM ticks AS newer WHERE newer.host_id = ticks.host_id AND newer.rowid > ticks.rowid)
  AND started_at_ms < (SELECT max(started_at_ms) FROM ticks AS newer WHERE newer.host_id = ticks.host_id)`;

/*
 * What decisions are made from stays whatever its age: the log and the deliveries of a ticket that is not settled, the
 * newest tick of each host (observed time is counted from it), and all that is newer than `before_ms`.
 */
const OLD: Readonly<
  Record<OldTable, { readonly at: string; readonly where: string; readonly text: string }>
> = {
  activity: {
    at: 'at_ms',
    where: `at_ms < @before_ms AND (ticket_id IS NULL OR ${settled('activity')})`,
    text: 'coalesce(length(text), 0) + 80',
  },
  ticks: {
    at: 'started_at_ms',
    where: `started_at_ms < @before_ms AND ${NOT_NEWEST}`,
    text: 'length(report) + 120',
  },
  deliveries: {
    at: 'at_ms',
    where: `at_ms < @before_ms AND ${settled('deliveries')} AND EXISTS (
      SELECT 1 FROM runtime_sessions AS r WHERE r.id = deliveries.run_id AND r.ended_at_ms < @before_ms)`,
    text: '200',
  },
};

/** How much of the board is old. Changes nothing on disk. */
export function countOld(path: string, before_ms: number): OldRows[] {
  return using(path, readOnly, (db) =>
    OLD_TABLES.map((table) => {
      const { where, text } = OLD[table];
      const found = db
        .prepare<unknown[], { n: number; bytes: number | null }>(
          `SELECT count(*) AS n, sum(${text}) AS bytes FROM ${table} WHERE ${where}`,
        )
        .get({ before_ms });
      return { table, rows: found?.n ?? 0, bytes: found?.bytes ?? 0 };
    }),
  );
}

/**
 * Takes the old rows of one table off the board, 500 in a transaction, each of them only after it stands in `file`: gzip'd
 * JSON Lines, a row a line, which is on disk before the transaction commits. Whoever is killed in between finds a row in
 * both, never in neither. `between` is called after each batch. Returns how many rows went.
 */
export function takeOld(path: string, table: OldTable, { before_ms, file, between }: TakeRequest): number {
  const { where } = OLD[table];
  return using(
    path,
    (name) => openDatabase(name, { fileMustExist: true, timeout: BUSY_MS }),
    (db) => {
      db.pragma('synchronous = FULL');
      const some = db.prepare<unknown[], Record<string, unknown> & { readonly n: number }>(
        `SELECT rowid AS n, * FROM ${table} WHERE ${where} AND rowid > @after ORDER BY rowid LIMIT ${BATCH}`,
      );
      // The guard once more: a ticket that a person has opened again meanwhile keeps its rows.
      const gone = db.prepare(
        `DELETE FROM ${table} WHERE rowid IN (SELECT value FROM json_each(@rows)) AND ${where}`,
      );
      let out: number | null = null;
      let taken = 0;
      try {
        for (let after = -1; ; ) {
          const rows = some.all({ before_ms, after });
          const last = rows.at(-1);
          if (last === undefined) return taken;
          if (out === null) {
            mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
            out = openSync(file, 'ax', 0o600);
          }
          const text = rows.map(({ n: _, ...row }) => `${JSON.stringify({ table, ...row })}\n`).join('');
          writeAll(out, gzipSync(text));
          fsyncSync(out);
          between('rows-written');
          const numbers = JSON.stringify(rows.map(({ n }) => n));
          taken += db.transaction(() => gone.run({ rows: numbers, before_ms }).changes).immediate();
          between('rows-gone');
          after = last.n;
        }
      } finally {
        if (out !== null) closeSync(out);
      }
    },
  );
}

/** With hundreds of tickets waiting, each tick says of each why: such reports, of so many characters, go earlier. */
const LONG_REPORT = 4000;

/**
 * One small step through the tables in the order of their rows, from where the last one ended: what is old goes for good.
 * At most 500 rows of each are looked at, in one transaction. A row that has to stay is passed over, and seen again in the
 * next round, which begins once nothing but young rows is met. Rows of the future tell of a clock that was wrong, and end
 * no round. Returns how far it has come.
 */
export function sweepOld(path: string, limits: Limits, swept: Swept): Swept {
  return using(
    path,
    (name) => openDatabase(name, { fileMustExist: true, timeout: BUSY_MS }),
    (db) => {
      // A step that a power cut takes back is taken again.
      db.pragma('synchronous = NORMAL');
      const newest = db.prepare<unknown[], { n: number | null }>('SELECT max(rowid) AS n FROM ticks');
      const step = (table: OldTable): number => {
        const before_ms = limits[table];
        if (before_ms === null) return 0;
        const { at, where } = OLD[table];
        const ticks = table === 'ticks';
        const long_up_to = ticks ? (newest.get()?.n ?? 0) - EXPLAINED_TICKS : -1;
        const seen = db
          .prepare<unknown[], { n: number; at: number }>(
            `SELECT rowid AS n, ${at} AS at FROM ${table} WHERE rowid > @after ORDER BY rowid LIMIT ${BATCH}`,
          )
          .all({ after: swept[table] });
        const old = seen.filter((row) => row.at < before_ms || row.n <= long_up_to);
        const spared = ticks ? `AND (started_at_ms < @old_ms OR length(report) > ${LONG_REPORT})` : '';
        db.prepare(
          `DELETE FROM ${table} WHERE rowid IN (SELECT value FROM json_each(@rows)) AND ${where} ${spared}`,
        ).run({
          rows: JSON.stringify(old.map(({ n }) => n)),
          before_ms: ticks ? limits.now_ms : before_ms,
          old_ms: before_ms,
        });
        const young = old.length === 0 && seen.every(({ at: at_ms }) => at_ms <= limits.now_ms);
        const over = seen.length < BATCH || young;
        return over ? 0 : (seen.at(-1)?.n ?? 0);
      };
      return db
        .transaction(() => ({
          activity: step('activity'),
          ticks: step('ticks'),
          deliveries: step('deliveries'),
        }))
        .immediate();
    },
  );
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function using<T>(
  path: string,
  open: (path: string) => Database.Database,
  work: (db: Database.Database) => T,
): T {
  let db: Database.Database | null = null;
  try {
    db = open(path);
    return work(db);
  } catch (error) {
    throw explained(error, path);
  } finally {
    db?.close();
  }
}
