/** `node test/bench/fill.ts BOARD HOST TICKETS WAITING`: fills an empty board with one that was in use for a long time, by plain
 *  SQL. Nearly all of it is done, with the history that a ticket leaves behind; nothing on it can be launched. A process of
 *  its own, so that the memory that it takes is gone before anything is measured. */
import { randomBytes } from 'node:crypto';
import Database from 'better-sqlite3';
import { openBoard } from '../../src/board/sqlite/index.ts';

/** How many ticks of history: a day's. */
const TICKS = 1440;
const MINUTE = 60_000;
const YEAR_MS = 365 * 24 * 60 * MINUTE;

const [path = '', host = '', ...counts] = process.argv.slice(2);
const [tickets = 0, todo = 0] = counts.map(Number);

await openBoard(path).close();
const file = new Database(path);
// Nobody else has the file open, and what a power cut leaves of it is of no interest.
file.pragma('journal_mode = DELETE');
file.pragma('journal_mode = OFF');
file.pragma('synchronous = OFF');
file.pragma('foreign_keys = OFF');
file.pragma('cache_size = -131072');
file.transaction(() => fill(file))();
file.close();
await openBoard(path).close(); // back to the journal that the program uses

function fill(db: Database.Database): void {
  const now = Date.now();
  const run = randomBytes(4).toString('hex');
  const of = ['tickets', 'runtime_sessions', 'activity', 'deliveries'].map((name) => `'${name}'`).join();
  const indexes = db
    .prepare<unknown[], { name: string; sql: string }>(
      `SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (${of})`,
    )
    .all();
  // Made at the end, sorted at once, instead of row by row.
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`);
  const rows = (to: number): string =>
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${to})`;
  const every = Math.max(1, Math.floor(tickets / Math.max(1, todo)));
  const isTodo = todo === 0 ? '0' : `i % ${every} = 0 AND i / ${every} <= ${todo}`;
  db.exec(`INSERT INTO tickets (id, title, body, status, priority, project, agent, author, trusted, not_before_at_ms,
      claim_epoch, version, created_at_ms, updated_at_ms)
    ${rows(tickets)}, t AS (SELECT i, ${isTodo} AS todo, ${now} - (${tickets} - i + 60) * ${MINUTE} AS at FROM n)
    SELECT 'MC-' || i, 'Mend number ' || i || ' of the things that broke', 'What is to be done, in some words.',
      CASE WHEN todo THEN 'todo' WHEN i % 50 = 1 THEN 'in_review' WHEN i % 100 = 2 THEN 'blocked'
        WHEN i % 100 = 3 THEN 'cancelled' ELSE 'done' END,
      1 + i % 3, 'demo', 'scripted', 'ann', NOT todo OR i / ${every} % 2,
      CASE WHEN todo AND i / ${every} % 2 THEN ${now + YEAR_MS} END, NOT todo, 5, at, at + 30000 FROM t`);
  db.exec(`INSERT INTO runtime_sessions (id, mark, ticket_id, claim_epoch, agent, project, phase, host_id, boot_id,
      pid_ns, pid, pid_start, tmux_server_pid, tmux_session, tmux_pane, worktree, branch, activity, turn, events_seen,
      claimed_at_ms, registered_at_ms, heartbeat_at_ms, ended_at_ms, end_reason, exit_code, kind)
    SELECT id || '-e1-${run}', id || '-e1-${run}', id, 1, 'scripted', 'demo', 'ended', '${host}', 'boot-of-then',
      'pid:[1]', 4000, '777', 99, '$1', '%1', '/srv/worktrees/demo/' || id, 'mc/' || id || '-mend', 'idle', 1, 4,
      created_at_ms, created_at_ms + 1000, updated_at_ms, updated_at_ms, 'finished', 0, 'command'
    FROM tickets WHERE status <> 'todo'`);
  db.exec(`INSERT INTO activity (at_ms, ticket_id, run_id, actor, kind, text)
    SELECT created_at_ms + k * 1000, id, id || '-e1-${run}', CASE k WHEN 2 THEN 'ann' ELSE 'tick:t-bench' END,
      CASE k WHEN 0 THEN 'claimed' WHEN 1 THEN 'report' ELSE 'moved' END, 'in some words'
    FROM tickets, (SELECT 0 AS k UNION ALL SELECT 1 UNION ALL SELECT 2) WHERE status <> 'todo'`);
  db.exec(`INSERT INTO deliveries (id, run_id, ticket_id, kind, sha256, bytes, outcome, at_ms)
    SELECT id || '-prompt', id, ticket_id, 'prompt', '${'0123456789abcdef'.repeat(4)}', 900, 'started', claimed_at_ms
    FROM runtime_sessions`);
  const report = `{"schema":"mc-pickup.tick/1","outcome":"ok","counts":{"live":4},"reconcile":[],"dispatch":[]}`;
  db.exec(`INSERT INTO ticks (id, host_id, mono_ms, started_at_ms, finished_at_ms, outcome, report)
    ${rows(TICKS)}, t AS (SELECT i, ${now} - (${TICKS} - i + 5) * ${MINUTE} AS at FROM n)
    SELECT 't-bench-' || i, '${host}', i * ${MINUTE}, at, at + 40, 'ok', '${report}' FROM t`);
  for (const { sql } of indexes) db.exec(sql);
}
