import type { RecentRun } from '../../model/breaker.ts';
import { attempt } from '../../model/json.ts';
import { type Ready, stillOpen } from '../../model/ready.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import type { Spent, TicketView } from '../../model/world.ts';
import type { Snapshot, SnapshotRequest, Snapshots } from '../port/index.ts';
import { allAccounts } from './accounts.ts';
import {
  FACTS,
  type FactsRow,
  liveRows,
  RUNTIME,
  type Runtime,
  type RuntimeRow,
  toRuntime,
  toTicket,
} from './rows.ts';
import type { Store } from './store.ts';

/** Runs of late that one look takes in, the newest. */
const MOST_RECENT = 1000;

/** What a tick sees, in one read transaction. The partial indexes keep it independent of how many tickets are
 *  done, and the views ask per set, not per ticket. */
export function snapshots(store: Store): Snapshots {
  return {
    snapshot: async (options) => store.read(() => look(store, options)),
  };
}

function look(store: Store, options: SnapshotRequest): Snapshot {
  const { host_id, now_ms } = options;
  const runtimes = liveRows(store);
  const live = new Set(runtimes.flatMap(({ ticket_id }) => ticket_id ?? []));
  const todo = store.get<{ n: number }>(`SELECT count(*) AS n FROM tickets WHERE status = 'todo'`)?.n ?? 0;
  const accounts = allAccounts(store);
  const open = () => stillOpen(options.ready, runtimes, accounts, now_ms);
  const few = todo <= options.limit;
  const waiting = todo === 0 ? [] : few ? allWaiting(store) : waitingTickets(store, open(), options);
  const rows = [...waiting, ...heldTickets(store, waiting, [...live, ...options.also])];
  const unreadable: string[] = [];
  const tickets = rows.flatMap((row) => {
    // A row that another program has written past the rules of the schema hides no other ticket.
    const ticket = attempt(() => toTicket(row));
    if (ticket === null) unreadable.push(row.id);
    return ticket ?? [];
  });
  const shown = rows.filter(({ status }) => status === 'todo').length;
  const last = `SELECT boot_id, mono_ms, ramp FROM hosts WHERE host_id = @host_id`;
  return {
    tickets: views(store, tickets, live, options),
    runtimes,
    accounts,
    beyond: todo - shown,
    last_tick: store.get<NonNullable<Snapshot['last_tick']>>(last, { host_id }),
    recent: recentRuns(store, options),
    unreadable,
    spent: options.budget_day === null ? null : spent(store, options.budget_day, tickets),
  };
}

/** What the day and each of these tickets has used. */
function spent(store: Store, day: string, tickets: readonly TicketFacts[]): NonNullable<Snapshot['spent']> {
  const sums = `coalesce(sum(input_tokens + output_tokens + cache_write_tokens), 0) AS tokens,
    coalesce(sum(cost_usd), 0) AS usd`;
  const ofDay = store.get<Spent>(`SELECT ${sums} FROM usage WHERE day = @day`, { day });
  const rows = store.all<Spent & { ticket_id: string }>(
    `SELECT ticket_id, ${sums} FROM usage WHERE ticket_id IN (SELECT value FROM json_each(@ids)) GROUP BY ticket_id`,
    { ids: JSON.stringify(tickets.map(({ id }) => id)) },
  );
  return {
    day: ofDay ?? { tokens: 0, usd: 0 },
    tickets: Object.fromEntries(rows.map(({ ticket_id, tokens, usd }) => [ticket_id, { tokens, usd }])),
  };
}

/** `isReady` of model/ready.ts, in SQL. */
const READY = `
  (trusted = 1 OR author IN (SELECT value FROM json_each(@authors)))
  AND (not_before_at_ms IS NULL OR not_before_at_ms <= @now_ms
    OR wait_since_ms > @now_ms) -- set by a clock that ran ahead: looked at first, to be shortened
  AND attempts < @max_attempts
  AND CASE WHEN project IN (SELECT key FROM json_each(@projects))
    THEN coalesce(owner, agent, json_extract(@projects, '$."' || project || '"')) IN (SELECT value FROM json_each(@agents)) END
  AND (depends_on = '[]' OR json_valid(depends_on) AND NOT EXISTS (
    SELECT 1 FROM json_each(tickets.depends_on) AS d
    WHERE NOT EXISTS (SELECT 1 FROM tickets AS x WHERE x.id = d.value AND x.status = 'done')))`;

/** `todo`, in dispatch order, out of an index that has all that is asked for. It is named because SQLite, without statistics,
 *  prefers the one on status and then sorts every ticket that waits. */
function allWaiting(store: Store): FactsRow[] {
  return store.all<FactsRow>(
    `SELECT ${FACTS} FROM tickets INDEXED BY tickets_todo WHERE status = 'todo'
     ORDER BY priority, created_at_ms, seq`,
  );
}

/** The same where there are more than one look takes in: the launchable first. */
function waitingTickets(store: Store, ready: Ready, options: SnapshotRequest): FactsRow[] {
  const values = {
    now_ms: options.now_ms,
    authors: JSON.stringify(ready.authors),
    max_attempts: ready.max_attempts,
    projects: JSON.stringify(
      Object.fromEntries(Object.entries(ready.projects).map(([name, { agent }]) => [name, agent])),
    ),
    agents: JSON.stringify(Object.keys(ready.agents)),
  };
  const todo = (isReady: boolean, limit: number): FactsRow[] =>
    store.all<FactsRow>(
      `SELECT ${FACTS} FROM tickets INDEXED BY tickets_todo
       WHERE status = 'todo' AND (${READY}) IS ${isReady ? '1' : 'NOT 1'}
       ORDER BY priority, created_at_ms, seq LIMIT @limit`,
      { ...values, limit: Math.max(0, limit) }, // SQLite takes a negative limit for none
    );
  const closed = Object.keys(ready.projects).length === 0 || Object.keys(ready.agents).length === 0;
  const first = closed ? [] : todo(true, options.limit);
  return first.length < options.limit ? [...first, ...todo(false, options.limit - first.length)] : first;
}

/** `in_progress`, and what else is named. */
function heldTickets(store: Store, waiting: readonly FactsRow[], named: readonly string[]): FactsRow[] {
  const working = store.all<FactsRow>(
    `SELECT ${FACTS} FROM tickets INDEXED BY tickets_in_progress WHERE status = 'in_progress' ORDER BY seq`,
  );
  const seen = new Set([...waiting, ...working].map(({ id }) => id));
  const missing = [...new Set(named)].filter((id) => !seen.has(id));
  if (missing.length === 0) return working;
  const rest = store.all<FactsRow>(
    `SELECT ${FACTS} FROM tickets WHERE id IN (SELECT value FROM json_each(@ids)) ORDER BY seq`,
    { ids: JSON.stringify(missing) },
  );
  return [...working, ...rest];
}

function views(
  store: Store,
  tickets: readonly TicketFacts[],
  live: ReadonlySet<string>,
  options: SnapshotRequest,
): TicketView[] {
  const done = doneAmong(store, new Set(tickets.flatMap(({ depends_on }) => depends_on)));
  const held = tickets
    .filter(({ id, status }) => status === 'in_progress' || live.has(id))
    .map(({ id }) => id);
  const heals = healsOf(store, held, options);
  const ended = endedOf(store, held);
  return tickets.map((ticket) => ({
    ticket,
    unmet: ticket.depends_on.filter((id) => !done.has(id)),
    ended: ended.get(ticket.id) ?? null,
    heals: heals.get(ticket.id) ?? 0,
  }));
}

function doneAmong(store: Store, ids: ReadonlySet<string>): ReadonlySet<string> {
  if (ids.size === 0) return new Set();
  const rows = store.all<{ id: string }>(
    `SELECT id FROM tickets WHERE id IN (SELECT value FROM json_each(@ids)) AND status = 'done'`,
    { ids: JSON.stringify([...ids]) },
  );
  return new Set(rows.map(({ id }) => id));
}

/** A retry counts only where it was no attempt: an agent that dies by itself has its own limit. */
function healsOf(
  store: Store,
  ids: readonly string[],
  { heals_since_ms, now_ms }: SnapshotRequest,
): ReadonlyMap<string, number> {
  if (ids.length === 0) return new Map();
  const rows = store.all<{ ticket_id: string; n: number }>(
    `SELECT ticket_id, count(*) AS n FROM activity
     WHERE ticket_id IN (SELECT value FROM json_each(@ids)) AND at_ms BETWEEN @since AND @now_ms
       AND kind IN ('heal', 'retry') AND because IN ('agent_alive', 'tmux_server_lost', 'rebooted')
     GROUP BY ticket_id`,
    { ids: JSON.stringify(ids), since: heals_since_ms, now_ms },
  );
  return new Map(rows.map(({ ticket_id, n }) => [ticket_id, n]));
}

function endedOf(store: Store, ids: readonly string[]): ReadonlyMap<string, Runtime> {
  if (ids.length === 0) return new Map();
  const rows = store.all<RuntimeRow>(
    `SELECT ${RUNTIME} FROM runtime_sessions AS r
     WHERE ticket_id IN (SELECT value FROM json_each(@ids)) AND ended_at_ms IS NOT NULL
       AND claim_epoch = (SELECT t.claim_epoch FROM tickets AS t WHERE t.id = r.ticket_id)
     ORDER BY ended_at_ms, seq`,
    { ids: JSON.stringify(ids) },
  );
  return new Map(rows.map((row) => [row.ticket_id ?? '', toRuntime(row)])); // the last one of each ticket stays
}

/** What a clock that ran ahead has written into the future says nothing of late. */
function recentRuns(store: Store, { recent_since_ms, now_ms }: SnapshotRequest): RecentRun[] {
  return store.all<RecentRun>(
    `SELECT ticket_id AS ticket, agent, project, host_id, registered_at_ms, ended_at_ms, end_reason, tmux_server_pid,
       tmux_server_start, heartbeat_at_ms
     FROM runtime_sessions INDEXED BY runtime_ended
     WHERE ended_at_ms IS NOT NULL AND ended_at_ms BETWEEN @recent_since_ms AND @now_ms AND ticket_id IS NOT NULL
       AND end_reason IS NOT NULL
     ORDER BY ended_at_ms DESC, seq DESC LIMIT ${MOST_RECENT}`,
    { recent_since_ms, now_ms },
  );
}
