import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import { explained } from './errors.ts';
import { openDatabase } from './native.ts';
import { readOnly } from './open.ts';

/** Tables of which old rows may leave the board. */
export const OLD_TABLES = ['activity', 'ticks', 'deliveries'] as const;

export type OldTable = (typeof OLD_TABLES)[number];

export interface OldRows {
  readonly table: OldTable;
  readonly rows: number;
  /** About how much they hold. */
  readonly bytes: number;
}

const BATCH = 500;
const BUSY_MS = 5000;

/** A ticket that was settled before then, and has no run that has not ended or that ended since. */
const SETTLED = `SELECT t.id FROM tickets AS t
  WHERE t.status IN ('done', 'cancelled') AND t.updated_at_ms < @before_ms AND NOT EXISTS (
    SELECT 1 FROM runtime_sessions AS r
    WHERE r.ticket_id = t.id AND (r.ended_at_ms IS NULL OR r.ended_at_ms >= @before_ms))`;

/*
 * What decisions are made from stays whatever its age: the log and the deliveries of a ticket that is not settled, the
 * newest tick of each host (observed time is counted from it), and all that is newer than `before_ms`.
 */
const OLD: Readonly<Record<OldTable, { readonly where: string; readonly text: string }>> = {
  activity: {
    where: `at_ms < @before_ms AND (ticket_id IS NULL OR ticket_id IN (${SETTLED}))`,
    text: 'coalesce(length(text), 0) + 80',
  },
  ticks: {
    where: `started_at_ms < @before_ms AND rowid NOT IN (SELECT max(rowid) FROM ticks GROUP BY host_id)
      AND started_at_ms < (SELECT max(started_at_ms) FROM ticks AS newer WHERE newer.host_id = ticks.host_id)`,
    text: 'length(report) + 120',
  },
  deliveries: {
    where: `at_ms < @before_ms AND ticket_id IN (${SETTLED}) AND EXISTS (
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
export function takeOld(
  path: string,
  table: OldTable,
  {
    before_ms,
    file,
    between,
  }: { readonly before_ms: number; readonly file: string; readonly between: (step: string) => void },
): number {
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
