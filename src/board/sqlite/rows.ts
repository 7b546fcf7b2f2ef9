import type { Runtime } from '../../model/runtime.ts';
import { TICKET_STATUSES, type Ticket, type TicketFacts } from '../../model/ticket.ts';
import type { Store } from './store.ts';

/** A row of `tickets` as SQLite gives it. */
export interface TicketRow extends Omit<Ticket, 'labels' | 'depends_on' | 'trusted'> {
  readonly labels: string;
  readonly depends_on: string;
  readonly trusted: number;
}

/** The columns of a ticket, for SELECT lists (never `*`: a later schema may add some). */
export const TICKET = `id, title, body, status, priority, project, labels, agent, owner, author, trusted,
  depends_on, source, not_before_at_ms, wait_since_ms, attempts, claim_epoch, version, worker_pid, reason, reason_text, reason_run,
  reason_turn, created_at_ms, updated_at_ms`;

/** The columns of `TicketFacts`; `tickets_todo` has all of them, so that a look at what waits reads no row. */
export const FACTS = `id, status, priority, project, labels, agent, owner, author, trusted, depends_on,
  not_before_at_ms, wait_since_ms, attempts, claim_epoch, version, worker_pid, reason, reason_run, reason_turn, created_at_ms`;

/** A row of `runtime_sessions` as SQLite gives it. */
export interface RuntimeRow extends Omit<Runtime, 'headless'> {
  readonly headless: number;
}

/** The columns of a runtime: exactly the fields of `Runtime`. */
export const RUNTIME = `id, mark, ticket_id, claim_epoch, attempt, owner, agent, project, phase, version, host_id,
  boot_id, pid_ns, time_ns, pid, pid_start, tmux_server_pid, tmux_server_start, tmux_session, tmux_pane, worktree, branch,
  client_session, activity, question, turn, events_seen, events_cursor, output_at_s, silent_ms, launching_ms,
  claimed_at_ms, registered_at_ms, heartbeat_at_ms, ended_at_ms, end_reason, exit_code, exit_signal, kind, headless,
  resumed, level, level_ms, limited_until_ms, not_ready, nudges, nudged_turn,
  program`;

/** The WHERE that repeats a `TicketGuard`; its values come from `guarded`. */
export const TICKET_GUARD =
  'id = @ticket AND status = @status AND owner IS @owner AND claim_epoch = @claim_epoch AND version = @version';

/** A ticket is still in the hands that a run was claimed under: under the same owner, or under none and then under the name of the
 *  very profile that runs. `ticket` and `run` are names of rows in the query. */
export function inSameHands(ticket: string, run: string): string {
  return `(${ticket}.owner IS ${run}.owner OR ${run}.owner IS NULL AND ${ticket}.owner = ${run}.agent)`;
}

/** Holds a runtime that lives until the transaction ends, and changes nothing of it: who else would change it waits. */
export const HOLD_LIVE =
  'UPDATE runtime_sessions SET version = version WHERE id = @run AND ended_at_ms IS NULL';

/** Holds the board itself, for what no row of a ticket or runtime can keep out: two that would add the same, or close a circle. */
export const HOLD_BOARD = 'UPDATE board SET id = id';

/** Of a ticket that nothing is to be said of. */
export const NO_REASON = 'reason = NULL, reason_text = NULL, reason_run = NULL, reason_turn = NULL';

/** States that no tick may move a ticket out of, said in SQL once more: the guard alone would believe a caller. */
export const UNSETTLED = `status NOT IN ('in_review', 'done', 'cancelled', 'blocked')`;

export type { Runtime, Ticket };

export type FactsRow = Pick<TicketRow, keyof TicketFacts>;

/** Throws where another program has written what no ticket can be. */
export function toTicket<R extends FactsRow>(
  row: R,
): Omit<R, 'labels' | 'depends_on' | 'trusted'> & Pick<Ticket, 'labels' | 'depends_on' | 'trusted'> {
  if (!TICKET_STATUSES.includes(row.status)) throw new Error(`not a status: ${JSON.stringify(row.status)}`);
  return {
    ...row,
    labels: strings(row.labels),
    depends_on: strings(row.depends_on),
    trusted: row.trusted === 1,
  };
}

export function ticketOf(store: Store, run: string): string | null {
  const sql = 'SELECT ticket_id FROM runtime_sessions WHERE id = @run';
  return store.get<{ ticket_id: string | null }>(sql, { run })?.ticket_id ?? null;
}

/** Every row that has not ended, in the order of claims. */
export function liveRows(store: Store): Runtime[] {
  return store
    .all<RuntimeRow>(`SELECT ${RUNTIME} FROM runtime_sessions WHERE ended_at_ms IS NULL ORDER BY seq`)
    .map(toRuntime);
}

export function toRuntime(row: RuntimeRow): Runtime {
  return { ...row, headless: row.headless === 1 };
}

const NONE: readonly string[] = [];

/** Outside programs may have put numbers into the array. */
function strings(json: string): readonly string[] {
  if (json === '[]') return NONE;
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.map(String) : [];
}
