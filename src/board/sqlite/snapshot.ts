import type { AccountView, TicketView } from '../../model/world.ts';
import type { Board, Snapshot } from '../port.ts';
import { RUNTIME, type Runtime, TICKET, type Ticket, type TicketRow, toTicket } from './rows.ts';
import type { Store } from './store.ts';

const HEALS_MS = 30 * 60_000;
const EARLY_DEATHS_MS = 10 * 60_000;
const EARLY_MS = 60_000;

/** What a tick sees, in one read transaction. The partial indexes keep it independent of how many tickets are
 *  done, and the views ask per set, not per ticket. */
export function snapshots(store: Store): Pick<Board, 'snapshot'> {
  return {
    snapshot: async (options) => store.read(() => look(store, options)),
  };
}

type Options = Parameters<Board['snapshot']>[0];

function look(store: Store, options: Options): Snapshot {
  const { host_id, now_ms } = options;
  const runtimes = store.all<Runtime>(
    `SELECT ${RUNTIME} FROM runtime_sessions WHERE ended_at_ms IS NULL ORDER BY seq`,
  );
  const live = new Set(runtimes.flatMap(({ ticket_id }) => ticket_id ?? []));
  const tickets = ticketsOf(store, live, options);
  const todo = store.get<{ n: number }>(`SELECT count(*) AS n FROM tickets WHERE status = 'todo'`)?.n ?? 0;
  const shown = tickets.filter(({ status }) => status === 'todo').length;
  const last = `SELECT boot_id, mono_ms FROM hosts WHERE host_id = @host_id`;
  return {
    tickets: views(store, tickets, live, now_ms),
    runtimes,
    accounts: store.all<AccountView>('SELECT name, not_before_at_ms FROM accounts ORDER BY name'),
    beyond: todo - shown,
    last_tick: store.get<{ boot_id: string | null; mono_ms: number }>(last, { host_id }),
    early_deaths: earlyDeaths(store, now_ms),
  };
}

/** What `decide` will find launchable but for slots and the killswitch. Only an order of looking: `decide` has the
 *  last word on each. */
const READY = `
  (trusted = 1 OR author IN (SELECT value FROM json_each(@authors)))
  AND (owner IS NULL OR owner IN (SELECT value FROM json_each(@owners)))
  AND (not_before_at_ms IS NULL OR not_before_at_ms <= @now_ms)
  AND project IN (SELECT value FROM json_each(@projects))
  AND (depends_on = '[]' OR NOT EXISTS (
    SELECT 1 FROM json_each(tickets.depends_on) AS d
    WHERE NOT EXISTS (SELECT 1 FROM tickets AS x WHERE x.id = d.value AND x.status = 'done')))`;

/** `todo`, the launchable first and each in dispatch order, then `in_progress`, then what else has a live row. The indexes are named because
 *  SQLite, without statistics, prefers the one on status and then sorts every ticket that waits. */
function ticketsOf(store: Store, live: ReadonlySet<string>, options: Options): Ticket[] {
  const values = {
    now_ms: options.now_ms,
    owners: JSON.stringify(options.owners),
    authors: JSON.stringify(options.authors),
    projects: JSON.stringify(options.projects),
  };
  const todo = (ready: boolean, limit: number): TicketRow[] =>
    store.all<TicketRow>(
      `SELECT ${TICKET} FROM tickets INDEXED BY tickets_todo
       WHERE status = 'todo' AND (${READY}) IS ${ready ? '1' : 'NOT 1'}
       ORDER BY priority, created_at_ms, seq LIMIT @limit`,
      { ...values, limit: Math.max(0, limit) }, // SQLite takes a negative limit for none
    );
  const ready = todo(true, options.limit);
  const waiting = [...ready, ...todo(false, options.limit - ready.length)];
  const working = store.all<TicketRow>(
    `SELECT ${TICKET} FROM tickets INDEXED BY tickets_in_progress WHERE status = 'in_progress' ORDER BY seq`,
  );
  const seen = new Set([...waiting, ...working].map(({ id }) => id));
  const missing = [...live].filter((id) => !seen.has(id));
  const rest =
    missing.length === 0
      ? []
      : store.all<TicketRow>(
          `SELECT ${TICKET} FROM tickets WHERE id IN (SELECT value FROM json_each(@ids)) ORDER BY seq`,
          { ids: JSON.stringify(missing) },
        );
  return [...waiting, ...working, ...rest].map(toTicket);
}

function views(
  store: Store,
  tickets: readonly Ticket[],
  live: ReadonlySet<string>,
  now_ms: number,
): TicketView[] {
  const done = doneAmong(store, new Set(tickets.flatMap(({ depends_on }) => depends_on)));
  const held = tickets
    .filter(({ id, status }) => status === 'in_progress' || live.has(id))
    .map(({ id }) => id);
  const heals = healsOf(store, held, now_ms);
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
function healsOf(store: Store, ids: readonly string[], now_ms: number): ReadonlyMap<string, number> {
  if (ids.length === 0) return new Map();
  const rows = store.all<{ ticket_id: string; n: number }>(
    `SELECT ticket_id, count(*) AS n FROM activity
     WHERE ticket_id IN (SELECT value FROM json_each(@ids)) AND at_ms >= @since
       AND kind IN ('heal', 'retry') AND because IN ('agent_alive', 'tmux_server_lost', 'rebooted')
     GROUP BY ticket_id`,
    { ids: JSON.stringify(ids), since: now_ms - HEALS_MS },
  );
  return new Map(rows.map(({ ticket_id, n }) => [ticket_id, n]));
}

function endedOf(store: Store, ids: readonly string[]): ReadonlyMap<string, Runtime> {
  if (ids.length === 0) return new Map();
  const rows = store.all<Runtime>(
    `SELECT ${RUNTIME} FROM runtime_sessions AS r
     WHERE ticket_id IN (SELECT value FROM json_each(@ids)) AND ended_at_ms IS NOT NULL
       AND claim_epoch = (SELECT t.claim_epoch FROM tickets AS t WHERE t.id = r.ticket_id)
     ORDER BY ended_at_ms, seq`,
    { ids: JSON.stringify(ids) },
  );
  return new Map(rows.map((row) => [row.ticket_id ?? '', row])); // the last one of each ticket stays
}

function earlyDeaths(store: Store, now_ms: number): string[] {
  const rows = store.all<{ ticket_id: string }>(
    `SELECT DISTINCT ticket_id FROM runtime_sessions
     WHERE ended_at_ms IS NOT NULL AND ended_at_ms >= @since AND ticket_id IS NOT NULL
       AND end_reason GLOB 'agent_*' AND ended_at_ms - registered_at_ms <= @early
     ORDER BY ticket_id`,
    { since: now_ms - EARLY_DEATHS_MS, early: EARLY_MS },
  );
  return rows.map(({ ticket_id }) => ticket_id);
}
