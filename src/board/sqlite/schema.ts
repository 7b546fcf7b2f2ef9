/*
 * Schema 1. The rules that must hold whoever writes are CHECKs, UNIQUE indexes and triggers, because people and
 * other programs write to this file with the sqlite3 shell. They may reset a ticket's status, end a runtime row
 * or delete one; they cannot give a ticket two live runtimes, change history, or lower an epoch.
 */
const NOW = `(CAST(unixepoch('subsec') * 1000 AS INTEGER))`;

export const SCHEMA_1 = `
CREATE TABLE tickets (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT UNIQUE, -- NULL only inside the INSERT: a trigger gives it its number
  title TEXT NOT NULL,
  body TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT 'todo'
    CHECK (status IN ('todo','needs_input','in_progress','in_review','done','cancelled','blocked')),
  priority INTEGER NOT NULL DEFAULT 2 CHECK (priority BETWEEN 0 AND 4),
  project TEXT NOT NULL,
  labels TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(labels) AND json_type(labels) = 'array'),
  agent TEXT,
  owner TEXT,
  author TEXT NOT NULL DEFAULT 'unknown',
  trusted INTEGER NOT NULL DEFAULT 0 CHECK (trusted IN (0, 1)),
  depends_on TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(depends_on) AND json_type(depends_on) = 'array'),
  not_before_at_ms INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  claim_epoch INTEGER NOT NULL DEFAULT 0 CHECK (claim_epoch >= 0),
  version INTEGER NOT NULL DEFAULT 1,
  worker_pid INTEGER,
  reason TEXT,
  reason_text TEXT,
  reason_run TEXT,
  reason_turn INTEGER,
  created_at_ms INTEGER NOT NULL DEFAULT ${NOW},
  updated_at_ms INTEGER NOT NULL DEFAULT ${NOW}
) STRICT;
CREATE INDEX tickets_todo ON tickets (priority, created_at_ms, seq) WHERE status = 'todo';
CREATE INDEX tickets_in_progress ON tickets (seq) WHERE status = 'in_progress';
CREATE INDEX tickets_status ON tickets (status);
CREATE TRIGGER tickets_number AFTER INSERT ON tickets WHEN NEW.id IS NULL
BEGIN UPDATE tickets SET id = 'MC-' || NEW.seq WHERE seq = NEW.seq; END;
CREATE TRIGGER tickets_epoch_never_falls BEFORE UPDATE OF claim_epoch ON tickets
WHEN NEW.claim_epoch < OLD.claim_epoch
BEGIN SELECT RAISE(ABORT, 'claim_epoch never falls'); END;

CREATE TABLE runtime_sessions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  mark TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  ticket_id TEXT REFERENCES tickets (id),
  claim_epoch INTEGER NOT NULL DEFAULT 0,
  attempt INTEGER NOT NULL DEFAULT 1,
  owner TEXT,
  agent TEXT NOT NULL DEFAULT '',
  project TEXT NOT NULL DEFAULT '',
  phase TEXT NOT NULL DEFAULT 'launching'
    CHECK (phase IN ('launching','registered','running','parked','ended')),
  version INTEGER NOT NULL DEFAULT 1,
  host_id TEXT NOT NULL,
  boot_id TEXT,
  pid_ns TEXT,
  pid INTEGER,
  pid_start TEXT,
  tmux_server_pid INTEGER,
  tmux_server_start TEXT,
  tmux_session TEXT,
  tmux_pane TEXT,
  worktree TEXT,
  branch TEXT,
  client_session TEXT,
  activity TEXT NOT NULL DEFAULT 'unknown' CHECK (activity IN ('busy','waiting','idle','unknown')),
  question TEXT,
  turn INTEGER NOT NULL DEFAULT 0,
  events_seen INTEGER NOT NULL DEFAULT 0,
  events_cursor TEXT,
  output_at_s INTEGER,
  silent_ms INTEGER NOT NULL DEFAULT 0,
  launching_ms INTEGER NOT NULL DEFAULT 0,
  claimed_at_ms INTEGER NOT NULL DEFAULT ${NOW},
  registered_at_ms INTEGER,
  heartbeat_at_ms INTEGER,
  ended_at_ms INTEGER,
  end_reason TEXT,
  exit_code INTEGER,
  exit_signal INTEGER,
  CHECK ((phase = 'ended') = (ended_at_ms IS NOT NULL)),
  CHECK (phase NOT IN ('registered','running','parked') OR (pid IS NOT NULL AND pid_start IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX runtime_one_live ON runtime_sessions (ticket_id) WHERE ended_at_ms IS NULL;
CREATE UNIQUE INDEX runtime_one_mark ON runtime_sessions (mark) WHERE ended_at_ms IS NULL;
CREATE INDEX runtime_mark ON runtime_sessions (mark);
CREATE INDEX runtime_claim ON runtime_sessions (ticket_id, claim_epoch);
CREATE INDEX runtime_live ON runtime_sessions (seq) WHERE ended_at_ms IS NULL;
CREATE INDEX runtime_ended ON runtime_sessions (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE TRIGGER runtime_ended_is_history BEFORE UPDATE ON runtime_sessions WHEN OLD.phase = 'ended'
BEGIN SELECT RAISE(ABORT, 'an ended runtime never changes'); END;

CREATE TABLE activity (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL DEFAULT ${NOW},
  ticket_id TEXT,
  run_id TEXT,
  actor TEXT NOT NULL DEFAULT 'unknown',
  kind TEXT NOT NULL,
  because TEXT,
  text TEXT
) STRICT;
CREATE INDEX activity_ticket ON activity (ticket_id, id);
CREATE INDEX activity_heals ON activity (ticket_id, at_ms) WHERE kind IN ('heal', 'retry');
CREATE TRIGGER activity_append_only BEFORE UPDATE ON activity
BEGIN SELECT RAISE(ABORT, 'the activity log is append-only'); END;

CREATE TABLE ticks (
  id TEXT PRIMARY KEY,
  host_id TEXT NOT NULL,
  boot_id TEXT,
  mono_ms INTEGER NOT NULL,
  started_at_ms INTEGER NOT NULL,
  finished_at_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  report TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(report))
) STRICT;
CREATE INDEX ticks_host ON ticks (host_id, started_at_ms);

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  ticket_id TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('prompt','send')),
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  outcome TEXT NOT NULL
    CHECK (outcome IN ('started','delivered','queued','busy','indeterminate','pending','refused')),
  ack_source TEXT,
  at_ms INTEGER NOT NULL DEFAULT ${NOW}
) STRICT;
CREATE INDEX deliveries_run ON deliveries (run_id, at_ms);

CREATE TABLE hosts (
  host_id TEXT PRIMARY KEY,
  name TEXT,
  first_seen_at_ms INTEGER NOT NULL,
  last_seen_at_ms INTEGER NOT NULL,
  boot_id TEXT,
  mono_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE accounts (
  name TEXT PRIMARY KEY,
  not_before_at_ms INTEGER,
  reason TEXT
) STRICT;
`;

/*
 * Schema 2: what real clients need. A runtime knows which client it is, whether anybody can attach to it, what its
 * second signal said last, and which session it continues. Deliveries know answers and nudges, and carry their nonce.
 */
export const SCHEMA_2 = `
ALTER TABLE runtime_sessions ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE runtime_sessions ADD COLUMN headless INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runtime_sessions ADD COLUMN resumed TEXT;
ALTER TABLE runtime_sessions ADD COLUMN level TEXT;
ALTER TABLE runtime_sessions ADD COLUMN limited_until_ms INTEGER;
ALTER TABLE runtime_sessions ADD COLUMN not_ready TEXT;
ALTER TABLE runtime_sessions ADD COLUMN nudges INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runtime_sessions ADD COLUMN nudged_turn INTEGER;

ALTER TABLE accounts ADD COLUMN not_ready TEXT;
ALTER TABLE accounts ADD COLUMN not_ready_stamp TEXT;

CREATE TABLE deliveries_2 (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  ticket_id TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('prompt','send','answer','nudge','permission')),
  nonce TEXT NOT NULL DEFAULT (lower(hex(randomblob(8)))),
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  outcome TEXT NOT NULL
    CHECK (outcome IN ('started','delivered','queued','busy','indeterminate','pending','refused')),
  ack_source TEXT,
  at_ms INTEGER NOT NULL DEFAULT ${NOW}
) STRICT;
INSERT INTO deliveries_2 (id, run_id, ticket_id, kind, sha256, bytes, outcome, ack_source, at_ms)
  SELECT id, run_id, ticket_id, kind, sha256, bytes, outcome, ack_source, at_ms FROM deliveries ORDER BY rowid;
DROP TABLE deliveries;
ALTER TABLE deliveries_2 RENAME TO deliveries;
CREATE INDEX deliveries_run ON deliveries (run_id, at_ms);

CREATE TABLE answers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  ticket_id TEXT NOT NULL REFERENCES tickets (id),
  text TEXT NOT NULL,
  author TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  taken_by TEXT -- the run that has it for certain
) STRICT;
CREATE INDEX answers_open ON answers (ticket_id) WHERE taken_by IS NULL;

CREATE TABLE usage (
  run_id TEXT NOT NULL,
  day TEXT NOT NULL,
  ticket_id TEXT,
  agent TEXT NOT NULL,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_tokens INTEGER NOT NULL DEFAULT 0,
  cache_write_tokens INTEGER NOT NULL DEFAULT 0,
  turns INTEGER NOT NULL DEFAULT 0,
  cost_usd REAL,
  PRIMARY KEY (run_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_day ON usage (day);
CREATE INDEX usage_ticket ON usage (ticket_id);
CREATE TABLE usage_totals (
  session TEXT PRIMARY KEY,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  turns INTEGER NOT NULL,
  cost_usd REAL
) STRICT, WITHOUT ROWID;
`;

/** Schema 3: how long the second signal has said what it says, and how many launches a tick may make after a halt. */
export const SCHEMA_3 = `
ALTER TABLE runtime_sessions ADD COLUMN level_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hosts ADD COLUMN ramp INTEGER;
`;

const at = (ms: string, name: string): string =>
  `strftime('%Y-%m-%dT%H:%M:%fZ', ${ms} / 1000.0, 'unixepoch') AS ${name}`;

/**
 * Schema 4: where a ticket was imported from, once for each source; a name for the board itself, which an export carries;
 * and a view for each entity, for people who read the board with other programs. What a view is called and which columns it
 * has is a promise (docs/sql.md): a column that changes its meaning takes a `v2_` view beside it. A later schema that
 * renames or rebuilds a table drops the views on it first and makes them again, or SQLite refuses it.
 */
export const SCHEMA_4 = `
ALTER TABLE tickets ADD COLUMN source TEXT;
CREATE UNIQUE INDEX tickets_source ON tickets (source) WHERE source IS NOT NULL;

-- A new ticket gets its number by an update, and the key of answers to tickets then looks for those that have the old one.
CREATE INDEX answers_ticket ON answers (ticket_id);

CREATE TABLE board (id TEXT NOT NULL) STRICT;
INSERT INTO board VALUES (lower(hex(randomblob(8))));

CREATE VIEW v1_tickets AS SELECT
  id AS ticket, title, body, status, priority, project, labels, agent, owner, author, trusted, depends_on, source,
  attempts, reason, reason_text, ${at('not_before_at_ms', 'not_before_at')},
  ${at('created_at_ms', 'created_at')}, ${at('updated_at_ms', 'updated_at')}
FROM tickets;

CREATE VIEW v1_runs AS SELECT
  id AS run, ticket_id AS ticket, agent, kind, project, owner, phase, activity, question, attempt, host_id AS host, pid,
  worktree, branch, ${at('claimed_at_ms', 'claimed_at')}, ${at('registered_at_ms', 'registered_at')},
  ${at('heartbeat_at_ms', 'heartbeat_at')}, ${at('ended_at_ms', 'ended_at')},
  (ended_at_ms - claimed_at_ms) / 1000.0 AS seconds, end_reason, exit_code, exit_signal
FROM runtime_sessions;

CREATE VIEW v1_activity AS SELECT
  id AS number, ${at('at_ms', 'at')}, ticket_id AS ticket, run_id AS run, actor, kind, because, text
FROM activity;

CREATE VIEW v1_ticks AS SELECT
  id AS tick, host_id AS host, ${at('started_at_ms', 'started_at')}, ${at('finished_at_ms', 'finished_at')},
  (finished_at_ms - started_at_ms) / 1000.0 AS seconds, outcome,
  coalesce(json_extract(report, '$.counts.reconciled'), 0) AS reconciled,
  coalesce(json_extract(report, '$.counts.launched'), 0) AS launched,
  coalesce(json_extract(report, '$.counts.skipped'), 0) AS skipped,
  coalesce(json_extract(report, '$.counts.live'), 0) AS live
FROM ticks;

CREATE VIEW v1_usage AS SELECT
  run_id AS run, day, ticket_id AS ticket, agent, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
  turns, cost_usd
FROM usage;

CREATE VIEW v1_deliveries AS SELECT
  id AS delivery, ${at('at_ms', 'at')}, run_id AS run, ticket_id AS ticket, kind, bytes, outcome, ack_source
FROM deliveries;
`;

/** Schema 5: what went out of the work of a claim, and what the forge said of it last. */
export const SCHEMA_5 = `
CREATE TABLE reviews (
  ticket_id TEXT NOT NULL REFERENCES tickets (id),
  claim_epoch INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  branch TEXT NOT NULL,
  head TEXT,           -- the commit that the remote has
  stage TEXT NOT NULL
    CHECK (stage IN ('read','pushing','pushed','opening','open','merged','closed','refused')),
  number INTEGER,
  url TEXT,
  reader TEXT REFERENCES tickets (id), -- the ticket by which another agent reads the work first
  error TEXT,
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_at_ms INTEGER,  -- NULL = nothing more by itself
  ticket_version INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (ticket_id, claim_epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX reviews_reader ON reviews (reader) WHERE reader IS NOT NULL;
`;

/** Schema 6: the index of what waits has all that a tick looks at, so that it reads no row of a ticket that it passes over.
 *  Its columns are those of `FACTS`. */
export const SCHEMA_6 = `
DROP INDEX tickets_todo;
CREATE INDEX tickets_todo ON tickets (priority, created_at_ms, seq, id, status, project, labels, agent, owner, author, trusted,
  depends_on, not_before_at_ms, attempts, claim_epoch, version, worker_pid, reason, reason_run, reason_turn)
  WHERE status = 'todo';
`;

/*
 * Schema 7: what holds outside the model. Each part stands by itself; together they are one step.
 */

/** Who a process is: the time namespace that its start time is counted in, and which program the client is. */
const IDENTITY = `
ALTER TABLE runtime_sessions ADD COLUMN time_ns TEXT;

-- A process is one run: of several live rows that name it, the one that had it first stays. The others are ended, and their
-- tickets given back, without a fault of theirs.
CREATE TEMP TABLE process_shared AS
  SELECT seq, id, ticket_id, claim_epoch, owner, pid, first FROM (
    SELECT *, row_number() OVER one AS place, first_value(id) OVER one AS first FROM runtime_sessions
    WHERE ended_at_ms IS NULL AND pid IS NOT NULL AND boot_id IS NOT NULL AND pid_start IS NOT NULL
    WINDOW one AS (PARTITION BY host_id, boot_id, pid, pid_start
      ORDER BY coalesce(registered_at_ms, claimed_at_ms), seq))
  WHERE place > 1;
INSERT INTO activity (ticket_id, run_id, actor, kind, because, text)
  SELECT ticket_id, id, 'upgrade', 'ended', 'process_shared', 'process ' || pid || ' is that of run ' || first
  FROM process_shared ORDER BY seq;
UPDATE tickets SET status = 'todo', worker_pid = NULL, reason = 'process_shared',
  reason_text = (SELECT 'process ' || pid || ' is that of run ' || first FROM process_shared WHERE ticket_id = tickets.id),
  reason_run = NULL, reason_turn = NULL, version = version + 1, updated_at_ms = ${NOW}
WHERE status = 'in_progress' AND EXISTS (SELECT 1 FROM process_shared AS s
  WHERE s.ticket_id = tickets.id AND s.claim_epoch = tickets.claim_epoch AND s.owner IS tickets.owner);
UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = ${NOW}, end_reason = 'process_shared', version = version + 1
WHERE seq IN (SELECT seq FROM process_shared);
DROP TABLE temp.process_shared;
CREATE UNIQUE INDEX runtime_one_process ON runtime_sessions (host_id, boot_id, pid, pid_start)
  WHERE ended_at_ms IS NULL AND pid IS NOT NULL;
ALTER TABLE runtime_sessions ADD COLUMN program TEXT;
`;

/** A person's words belong to the ticket until a run has honoured them. */
const WORDS = `
ALTER TABLE answers ADD COLUMN honoured_by TEXT; -- the run that reported, or ended a turn, after it had had them
ALTER TABLE answers ADD COLUMN honoured_at_ms INTEGER;
DROP INDEX answers_open;
CREATE INDEX answers_unhonoured ON answers (ticket_id, id)
  WHERE honoured_by IS NULL AND taken_by IS NOT 'withdrawn';

-- Which runs had which words. A run honours what it had for certain, by a report or by a turn that ends after 'turn'.
CREATE TABLE answer_runs (
  answer_id INTEGER NOT NULL REFERENCES answers (id),
  run_id TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('prompt','delivered','indeterminate')),
  turn INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (answer_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX answer_runs_run ON answer_runs (run_id);

-- Until now words were given to one run and no more. Those of a run that has neither reported nor left a settled ticket
-- behind are owed to the next attempt.
INSERT INTO answer_runs (answer_id, run_id, outcome, turn, at_ms)
  SELECT a.id, r.id, CASE WHEN r.claimed_at_ms >= a.at_ms THEN 'prompt' ELSE 'delivered' END,
    CASE WHEN r.claimed_at_ms >= a.at_ms THEN 0 ELSE r.turn END, max(a.at_ms, r.claimed_at_ms)
  FROM answers AS a JOIN runtime_sessions AS r ON r.id = a.taken_by;
UPDATE answers SET honoured_by = taken_by, honoured_at_ms = at_ms
  WHERE taken_by IS NOT NULL AND taken_by <> 'withdrawn' AND (
    EXISTS (SELECT 1 FROM activity AS l WHERE l.ticket_id = answers.ticket_id AND l.run_id = answers.taken_by
      AND l.kind = 'report' AND l.at_ms >= answers.at_ms)
    OR EXISTS (SELECT 1 FROM tickets AS t WHERE t.id = answers.ticket_id
      AND t.status IN ('in_review','done','cancelled','blocked')));
`;

/** A wait knows when it was set, and so its own length, which no jump of the clock makes longer. */
const WAITS = `
ALTER TABLE tickets ADD COLUMN wait_since_ms INTEGER;  -- when not_before_at_ms was set; NULL = whoever did so did not tell
ALTER TABLE accounts ADD COLUMN wait_since_ms INTEGER; -- the same
DROP INDEX tickets_todo;
CREATE INDEX tickets_todo ON tickets (priority, created_at_ms, seq, id, status, project, labels, agent, owner, author, trusted,
  depends_on, not_before_at_ms, wait_since_ms, attempts, claim_epoch, version, worker_pid, reason, reason_run, reason_turn)
  WHERE status = 'todo';
`;

export const SCHEMA_7 = `${IDENTITY}${WORDS}${WAITS}`;
