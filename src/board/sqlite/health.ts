import { statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import type { BoardHealth, TickTime } from '../port/index.ts';
import { SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { readOnly } from './open.ts';

/** Reads every page of a board, and of its ticks those that a doctor asks for (at most 2000). Changes nothing on disk.
 *  Throws where the file cannot be opened, or has a newer schema. */
export function boardHealth(
  path: string,
  of: { readonly host_id: string; readonly since_ms: number },
): BoardHealth {
  const sizes = { bytes: sizeOf(path), wal_bytes: sizeOf(`${path}-wal`), schema_known: SCHEMA_VERSION };
  const db = readOnly(path);
  try {
    const found = String(db.pragma('quick_check(1)', { simple: true }));
    if (found !== 'ok') return { ...sizes, damage: found, schema: 0, newest_at_ms: null, ticks: [] };
    const schema = schemaVersion(db, path);
    if (schema === 0) return { ...sizes, damage: null, schema, newest_at_ms: null, ticks: [] };
    return { ...sizes, damage: null, schema, newest_at_ms: newest(db), ticks: ticksOf(db, of) };
  } catch (error) {
    if (!/malformed|not a database/.test(String(error))) throw error;
    return { ...sizes, damage: String(error), schema: 0, newest_at_ms: null, ticks: [] };
  } finally {
    db.close();
  }
}

function newest(db: Database.Database): number | null {
  const one = (sql: string): number => db.prepare<unknown[], { at: number | null }>(sql).get()?.at ?? 0;
  const at = Math.max(
    one('SELECT max(last_seen_at_ms) AS at FROM hosts'),
    one('SELECT at_ms AS at FROM activity ORDER BY id DESC LIMIT 1'),
  );
  return at === 0 ? null : at;
}

function ticksOf(
  db: Database.Database,
  of: { readonly host_id: string; readonly since_ms: number },
): TickTime[] {
  return db
    .prepare<unknown[], TickTime>(
      `SELECT started_at_ms, finished_at_ms, boot_id, mono_ms, outcome FROM ticks
       WHERE host_id = @host_id AND started_at_ms >= @since_ms ORDER BY started_at_ms DESC, rowid DESC LIMIT 2000`,
    )
    .all(of)
    .reverse();
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
