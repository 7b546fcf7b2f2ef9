import type { Histories, HistoryEvent, HistoryRun, HistoryTick } from '../port/index.ts';
import type { Store } from './store.ts';

/** How many lines of the log are looked at for each one that may be given: it has no index by time, and grows by its end. */
const LOOK_BACK = 20;

/** What happened since a moment, read in one transaction by the indexes that ticks keep anyway. */
export function history(store: Store): Histories {
  return {
    history: async ({ since_ms, limit }) =>
      store.read(() => {
        const most = { since_ms, limit: Math.max(0, limit) };
        return {
          runs: store.all<HistoryRun>(RUNS, most),
          ticks: store.all<HistoryTick>(TICKS, most).reverse(),
          events: store.all<HistoryEvent>(EVENTS, { ...most, look: most.limit * LOOK_BACK }).reverse(),
        };
      }),
  };
}

/** Those that live come first: a limit never hides one. */
const RUNS = `
  SELECT r.id, r.ticket_id, t.title, r.agent, r.project, r.host_id, r.branch, r.phase, r.activity, r.attempt,
    r.claimed_at_ms, r.registered_at_ms, r.ended_at_ms, r.end_reason, r.exit_code, r.exit_signal
  FROM (
    SELECT * FROM (SELECT 0 AS ended, seq FROM runtime_sessions WHERE ended_at_ms IS NULL ORDER BY seq DESC LIMIT @limit)
    UNION ALL
    SELECT * FROM (SELECT 1 AS ended, seq FROM runtime_sessions
      WHERE ended_at_ms IS NOT NULL AND ended_at_ms >= @since_ms ORDER BY ended_at_ms DESC LIMIT @limit)
    ORDER BY ended LIMIT @limit
  ) AS found
  JOIN runtime_sessions AS r ON r.seq = found.seq
  LEFT JOIN tickets AS t ON t.id = r.ticket_id
  ORDER BY r.claimed_at_ms, r.seq`;

/** The index is by host, so each host is asked. A report is opened only once it is known to be among the newest. */
const TICKS = `
  SELECT id, host_id, started_at_ms, finished_at_ms, outcome,
    coalesce(json_extract(report, '$.counts.reconciled'), 0) AS reconciled,
    coalesce(json_extract(report, '$.counts.launched'), 0) AS launched,
    coalesce(json_extract(report, '$.counts.skipped'), 0) AS skipped,
    coalesce(json_extract(report, '$.counts.live'), 0) AS live
  FROM ticks WHERE rowid IN (
    SELECT t.rowid FROM hosts AS h CROSS JOIN ticks AS t ON t.host_id = h.host_id AND t.started_at_ms >= @since_ms
    ORDER BY t.started_at_ms DESC LIMIT @limit)
  ORDER BY started_at_ms DESC, rowid DESC`;

/** `moved` says where to in one column when a person moves, and in another when a tick does. */
const EVENTS = `
  SELECT id, at_ms, ticket_id, run_id, kind, because,
    CASE WHEN kind = 'report' THEN because
      WHEN kind = 'moved' AND because IN
        ('todo', 'needs_input', 'in_progress', 'in_review', 'done', 'cancelled', 'blocked') THEN because
      WHEN kind = 'moved' THEN text END AS "to"
  FROM (SELECT * FROM activity ORDER BY id DESC LIMIT @look)
  WHERE at_ms >= @since_ms
    AND kind IN ('heal', 'adopted', 'parked', 'asked', 'nudged', 'retry', 'report', 'moved')
  ORDER BY id DESC LIMIT @limit`;
