/** Makes of a state dir one that 0.1 has left: the board with schema 6, and beside it files with no more in them than 0.1 wrote. */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6 } from '../../src/board/sqlite/schema.ts';

const SCHEMAS = [SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6];
const IDENTITY = ['host_id', 'boot_id', 'pid_ns', 'pid', 'pid_start'];
const RUN = [
  ...[
    'run',
    'ticket',
    'owner',
    'agent',
    'kind',
    'project',
    'claim_epoch',
    'worktree',
    'branch',
    'headless',
    'env',
  ],
  ...['ticket_created_at_ms', 'client_session'],
];

/** The agents that live go on, and know nothing of it. No tick may run meanwhile. `runs`: those of 0.1; absent = all. */
export function asOf01(state: string, runs = readdirSync(join(state, 'runs'))): void {
  olderBoard(join(state, 'board.sqlite'));
  keep(join(state, 'tmux-server.json'), ['pid', 'start', 'boot_id']);
  for (const run of runs) {
    movedBack(state, run);
    keep(join(state, 'runs', run, 'registered.json'), IDENTITY);
    keep(join(state, 'runs', run, 'run.json'), RUN);
  }
  for (const name of readdirSync(join(state, 'marks'))) {
    const path = join(state, 'marks', name);
    const { run } = JSON.parse(readFileSync(path, 'utf8')) as { run: string };
    if (runs.includes(run)) keep(path, ['ticket', 'run', ...IDENTITY]);
  }
}

/** 0.1 had all of a run in one directory. */
function movedBack(state: string, run: string): void {
  const own = join(state, 'own', run);
  for (const name of existsSync(own) ? readdirSync(own) : [])
    renameSync(join(own, name), join(state, 'runs', run, name));
  rmSync(own, { recursive: true, force: true });
}

function olderBoard(path: string): void {
  const old = `${path}.old`;
  const db = new Database(old);
  for (const sql of SCHEMAS) db.exec(sql);
  db.prepare('ATTACH ? AS now').run(path);
  const tables = db
    .prepare<[], { name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid",
    )
    .all();
  const columns = (schema: string, table: string): string[] =>
    (db.pragma(`${schema}.table_info(${table})`) as { name: string }[]).map(({ name }) => name);
  db.exec('DELETE FROM board');
  for (const { name } of tables) {
    const there = columns('now', name);
    const both = columns('main', name)
      .filter((column) => there.includes(column))
      .join(', ');
    db.exec(`INSERT INTO main.${name} (${both}) SELECT ${both} FROM now.${name}`);
  }
  db.exec('DETACH now');
  db.pragma(`user_version = ${SCHEMAS.length}`);
  db.pragma('journal_mode = WAL');
  db.close();
  for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
  renameSync(old, path);
}

function keep(path: string, names: readonly string[]): void {
  if (!existsSync(path)) return;
  const file = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  const kept = Object.fromEntries(Object.entries(file).filter(([name]) => names.includes(name)));
  writeFileSync(path, `${JSON.stringify(kept)}\n`);
}
