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
