import type Database from 'better-sqlite3';
import { configError, messageOf } from '../../model/errors.ts';
import { SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6, SCHEMA_7 } from './schema.ts';

/** Each entry brings the schema from version (index) to version (index + 1). Never edited once released. */
const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6, SCHEMA_7];

/** The schema version that this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** The schema version of a file; one that is newer than this program is refused. */
export function schemaVersion(db: Database.Database, path: string): number {
  const version = Number(db.pragma('user_version', { simple: true }));
  if (version > SCHEMA_VERSION) {
    throw configError(
      `the board ${path} has schema ${version}, and this mc-pickup knows ${SCHEMA_VERSION} at most; update mc-pickup`,
    );
  }
  return version;
}

/** Brings a board forward, all steps or none. The version is read again under the write lock, since another
 *  opener may have migrated while this one waited for it. */
export function migrate(db: Database.Database, path: string): void {
  if (schemaVersion(db, path) === SCHEMA_VERSION) return;
  db.transaction(() => {
    for (const sql of MIGRATIONS.slice(schemaVersion(db, path))) step(db, path, sql);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
}

/** Somebody may have added tables and views of their own. */
function step(db: Database.Database, path: string, sql: string): void {
  try {
    db.exec(sql);
  } catch (error) {
    const why = messageOf(error);
    if (!/already exists|^error in (view|trigger|index)/.test(why)) throw error;
    throw configError(
      `the board ${path} cannot be brought to schema ${SCHEMA_VERSION}, and is as it was: ${why}; rename what you have added, then try again`,
    );
  }
}
