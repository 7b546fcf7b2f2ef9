import { failpoint } from '../../machine/failpoint.ts';
import type { Refresh } from '../../model/plan.ts';
import type {
  ActivityRow,
  Deliveries,
  DeliveryRow,
  Log,
  Runtimes,
  TickMention,
  TickRow,
  Ticks,
} from '../port/index.ts';
import { liveRows, RUNTIME, type Runtime, type RuntimeRow, toRuntime } from './rows.ts';
import type { Store } from './store.ts';
import { honourByTurns } from './words.ts';

const DELIVERY = 'id, run_id, ticket_id, kind, nonce, sha256, bytes, outcome, ack_source, at_ms';

/** For another file's transaction as well. */
export function insertDelivery(store: Store, row: DeliveryRow): void {
  store.run(
    `INSERT INTO deliveries (id, run_id, ticket_id, kind, nonce, sha256, bytes, outcome, ack_source, at_ms)
     VALUES (@id, @run_id, @ticket_id, @kind, @nonce, @sha256, @bytes, @outcome, @ack_source, @at_ms)`,
    { ...row },
  );
}

/** What is read about runtimes, and what is only ever recorded. */
export function records(store: Store): Log & Runtimes & Ticks & Deliveries {
  const one = (where: string, values: Record<string, string>): Runtime | null =>
    store.read(() => {
      const row = store.get<RuntimeRow>(
        `SELECT ${RUNTIME} FROM runtime_sessions WHERE ${where} LIMIT 1`,
        values,
      );
      return row === null ? null : toRuntime(row);
    });
  return {
    log: async (row) => store.write(() => store.log(row)),
    // In the order of time: what follows `after`, or, without it, the newest.
    activity: async ({ ticket, after, limit }) =>
      store.read(() => {
        const of = ticket === undefined ? '' : 'ticket_id = @ticket AND';
        const rows = store.all<ActivityRow>(
          `SELECT id, at_ms, ticket_id, run_id, actor, kind, because, text FROM activity
           WHERE ${of} id > @after ORDER BY id ${after === undefined ? 'DESC' : 'ASC'} LIMIT @limit`,
          { ...(ticket === undefined ? {} : { ticket }), after: after ?? 0, limit: Math.max(0, limit) },
        );
        return after === undefined ? rows.reverse() : rows;
      }),

    runtime: async (run) => one('id = @run', { run }),
    runtimeByMark: async (mark) => one('mark = @mark ORDER BY ended_at_ms IS NULL DESC, seq DESC', { mark }),
    liveRuntime: async (ticket) => one('ticket_id = @ticket AND ended_at_ms IS NULL', { ticket }),
    liveRuntimes: async () => store.read(() => liveRows(store)),
    runtimesOf: async ({ ticket, limit }) =>
      store.read(() =>
        store
          .all<RuntimeRow>(
            `SELECT ${RUNTIME} FROM runtime_sessions WHERE ticket_id = @ticket ORDER BY seq DESC LIMIT @limit`,
            { ticket, limit: Math.max(0, limit) },
          )
          .map(toRuntime),
      ),

    saveTick: async ({ tick: row, refresh }) =>
      store.write(() => {
        saveTick(store, row);
        failpoint('keep-tick-written');
        const stirred = refresh.filter(({ quiet }) => !quiet);
        const quiet = refresh.length === stirred.length ? [] : refresh.filter((one) => one.quiet);
        const done = stirred.reduce(
          (sum, one) => sum + refreshRow(store, one, row.started_at_ms),
          refreshQuiet(store, quiet, row.started_at_ms),
        );
        const moved = stirred.map(({ run }) => run);
        if (moved.length > 0) honourByTurns(store, moved, row.started_at_ms);
        return done;
      }),
    lastTick: async (host_id) =>
      store.read(() =>
        store.get<Omit<TickRow, 'ramp'>>(
          `SELECT id, host_id, boot_id, mono_ms, started_at_ms, finished_at_ms, outcome, report FROM ticks
           WHERE rowid = (SELECT max(rowid) FROM ticks WHERE host_id = @host_id)`, // by no clock: one may have run ahead
          { host_id },
        ),
      ),
    saveDelivery: async (row) =>
      store.write(() => {
        insertDelivery(store, row);
      }),
    setDelivery: async ({ id, outcome, ack_source }) =>
      store.write(() => {
        store.run(
          `UPDATE deliveries SET outcome = @outcome, ack_source = @ack_source
           WHERE id = @id AND (outcome <> @outcome OR ack_source IS NOT @ack_source)`,
          { id, outcome, ack_source },
        );
      }),
    openDelivery: async ({ run: run_id, sha256 }) =>
      store.read(() =>
        store.get<DeliveryRow>(
          `SELECT ${DELIVERY} FROM deliveries
           WHERE run_id = @run_id AND sha256 = @sha256 AND outcome IN ('pending', 'indeterminate')
           ORDER BY at_ms DESC, rowid DESC LIMIT 1`,
          { run_id, sha256 },
        ),
      ),
    lastDelivery: async ({ run: run_id, kinds }) =>
      store.read(() =>
        store.get<DeliveryRow>(
          `SELECT ${DELIVERY} FROM deliveries
           WHERE run_id = @run_id AND kind IN (SELECT value FROM json_each(@kinds)) ORDER BY at_ms DESC, rowid DESC LIMIT 1`,
          { run_id, kinds: JSON.stringify(kinds) },
        ),
      ),
    ticksAbout: async ({ ticket, limit }) =>
      store.read(() =>
        store.all<TickMention>(TICKS_ABOUT, {
          ticket,
          named: JSON.stringify(ticket),
          limit: Math.max(0, limit),
        }),
      ),
  };
}

const entriesOf = (
  part: string,
): string => `json((SELECT json_group_array(json(value)) FROM json_each(report, '$.${part}')
  WHERE CASE type WHEN 'object' THEN value ->> '$.ticket' END = @ticket))`;

/** A report may name five hundred tickets: only its entries for this one leave the board. The search in the text comes
 *  first, since it is what makes the reports that say nothing cheap. */
const TICKS_ABOUT = `
  SELECT id AS tick, host_id, started_at_ms AS at_ms, outcome,
    json_object('reconcile', ${entriesOf('reconcile')}, 'dispatch', ${entriesOf('dispatch')},
      'skipped', ${entriesOf('skipped')}) AS report
  FROM (SELECT rowid AS n, id, host_id, started_at_ms, outcome, report FROM ticks ORDER BY rowid DESC LIMIT @limit)
  WHERE instr(report, @named) > 0
  ORDER BY n`;

/** The host's row is what the next tick measures its observed time from. */
function saveTick(store: Store, row: TickRow): void {
  const mono_ms = Math.round(row.mono_ms); // STRICT columns take whole numbers, clocks may give fractions
  store.run(
    `INSERT INTO ticks (id, host_id, boot_id, mono_ms, started_at_ms, finished_at_ms, outcome, report)
     VALUES (@id, @host_id, @boot_id, @mono_ms, @started_at_ms, @finished_at_ms, @outcome, @report)`,
    { ...row, mono_ms },
  );
  const { host_id, boot_id, started_at_ms, finished_at_ms, ramp } = row;
  store.run(
    `INSERT INTO hosts (host_id, first_seen_at_ms, last_seen_at_ms, boot_id, mono_ms, ramp)
     VALUES (@host_id, @started_at_ms, @finished_at_ms, @boot_id, @mono_ms, @ramp)
     ON CONFLICT (host_id) DO UPDATE SET last_seen_at_ms = excluded.last_seen_at_ms,
       boot_id = excluded.boot_id, mono_ms = excluded.mono_ms, ramp = excluded.ramp`,
    { host_id, boot_id, mono_ms, started_at_ms, finished_at_ms, ramp },
  );
}

/** What time alone changes. */
const TIMES = `silent_ms = @silent_ms, launching_ms = @launching_ms, level_ms = @level_ms, output_at_s = @output_at_s,
  heartbeat_at_ms = CASE WHEN @alive THEN @now_ms ELSE heartbeat_at_ms END`;

/** The same for most rows of most ticks, in one statement: there may be hundreds of agents, and to bind the values of each takes longer
 *  than to write them. */
const REFRESH_QUIET = `
  UPDATE runtime_sessions SET silent_ms = n.silent_ms, launching_ms = n.launching_ms, level_ms = n.level_ms,
    output_at_s = n.output_at_s, heartbeat_at_ms = CASE WHEN n.alive THEN @now_ms ELSE heartbeat_at_ms END
  FROM (SELECT value ->> 0 AS run, value ->> 1 AS silent_ms, value ->> 2 AS launching_ms, value ->> 3 AS level_ms,
    value ->> 4 AS output_at_s, value ->> 5 AS alive FROM json_each(@rows)) AS n
  WHERE id = n.run AND ended_at_ms IS NULL`;

function refreshQuiet(store: Store, rows: readonly Refresh[], now_ms: number): number {
  if (rows.length === 0) return 0;
  const values = rows.map(({ run, silent_ms, launching_ms, seen, output_at_s, alive }) => [
    ...[run, Math.round(silent_ms), Math.round(launching_ms), Math.round(seen.level_ms), output_at_s],
    alive ? 1 : 0,
  ]);
  return store.run(REFRESH_QUIET, { rows: JSON.stringify(values), now_ms });
}

/** The phase only ever goes from registered to running here: every other change is a guarded step's. */
function refreshRow(store: Store, row: Refresh, now_ms: number): number {
  const { run, phase, seen, output_at_s } = row;
  const times = {
    ...{ run, output_at_s, now_ms, alive: row.alive ? 1 : 0, level_ms: Math.round(seen.level_ms) },
    ...{ silent_ms: Math.round(row.silent_ms), launching_ms: Math.round(row.launching_ms) },
  };
  const { activity, question, turn, client_session, fresh, cursor, level, limited_until_ms, not_ready } =
    seen;
  return store.run(
    `UPDATE runtime_sessions SET
       phase = CASE WHEN phase = 'registered' AND @phase = 'running' THEN 'running' ELSE phase END,
       activity = @activity, question = @question, turn = @turn,
       client_session = coalesce(@client_session, client_session), level = @level,
       limited_until_ms = @limited_until_ms, not_ready = @not_ready,
       events_seen = events_seen + @fresh, events_cursor = coalesce(@cursor, events_cursor),
       time_ns = coalesce(time_ns, @time_ns), program = coalesce(program, @program), ${TIMES}
     WHERE id = @run AND ended_at_ms IS NULL`,
    {
      ...{ ...times, phase, activity, question, turn, client_session, level, limited_until_ms, not_ready },
      ...{ fresh, cursor, time_ns: row.time_ns ?? null, program: row.program ?? null },
    },
  );
}
