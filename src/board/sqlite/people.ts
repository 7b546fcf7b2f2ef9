import { usageError } from '../../model/errors.ts';
import { TICKET_STATUSES, type TicketStatus } from '../../model/ticket.ts';
import type {
  At,
  By,
  Cas,
  EditRequest,
  NewTicket,
  ReportRequest,
  TicketEdit,
  Tickets,
} from '../port/index.ts';
import { HOLD_BOARD, HOLD_LIVE, inSameHands, TICKET, type Ticket, type TicketRow, toTicket } from './rows.ts';
import type { Store } from './store.ts';
import { honourByReport } from './words.ts';

/** Tickets as people and agents handle them. */
export function people(store: Store): Tickets {
  return {
    report: async (request, at) => report(store, request, at),
    addTicket: async (ticket, { now_ms }) => store.write(() => add(store, ticket, now_ms)),
    ticket: async (id) => store.read(() => find(store, id)),
    tickets: async ({ status, project, limit }) =>
      store.read(() =>
        store
          .all<TicketRow>(
            // A condition that is not asked for would keep SQLite from the index of the one that is.
            `SELECT ${TICKET} FROM tickets WHERE TRUE
             ${status === undefined ? '' : 'AND status IN (SELECT value FROM json_each(@status))'}
             ${project === undefined ? '' : 'AND project = @project'}
             ORDER BY seq LIMIT @limit`,
            {
              ...(status === undefined ? {} : { status: JSON.stringify(status) }),
              ...(project === undefined ? {} : { project }),
              limit: Math.max(0, limit),
            },
          )
          .map(toTicket),
      ),
    counts: async () => store.read(() => count(store)),
    move: async ({ ticket: id, version, to, why, trusted, takes = false }, { actor, now_ms }) =>
      store.swap(() => {
        const again = to === 'todo';
        // A person who takes a ticket opens an epoch of their own: the run that ended before is not to be retried.
        store.must(
          `UPDATE tickets SET status = @to, reason = 'moved', reason_text = @why, reason_run = NULL,
             reason_turn = NULL, trusted = CASE WHEN @again AND @trusted THEN 1 ELSE trusted END,
             attempts = CASE WHEN @again THEN 0 ELSE attempts END,
             not_before_at_ms = CASE WHEN @again THEN NULL ELSE not_before_at_ms END,
             wait_since_ms = CASE WHEN @again THEN NULL ELSE wait_since_ms END,
             worker_pid = CASE WHEN EXISTS (
               SELECT 1 FROM runtime_sessions AS r WHERE r.ticket_id = tickets.id AND r.ended_at_ms IS NULL)
               THEN worker_pid END,
             claim_epoch = claim_epoch + (@to = 'in_progress' AND (@takes OR NOT EXISTS (
               SELECT 1 FROM runtime_sessions AS r WHERE r.ticket_id = tickets.id AND r.ended_at_ms IS NULL))),
             version = version + 1, updated_at_ms = @now_ms
           WHERE id = @id AND version = @version`,
          {
            ...{ id, version, to, why, now_ms },
            ...{ trusted: trusted ? 1 : 0, again: again ? 1 : 0, takes: takes ? 1 : 0 },
          },
        );
        store.note({ ticket: id, kind: 'moved', because: to, text: why }, { actor, now_ms });
      }),
    edit: async (request, by) => edit(store, request, by),
    retries: async ({ now_ms, limit }) =>
      store.read(() =>
        store
          .all<TicketRow>(
            `SELECT ${TICKET} FROM tickets WHERE status = 'todo' AND not_before_at_ms > @now_ms
             ORDER BY not_before_at_ms, seq LIMIT @limit`,
            { now_ms, limit: Math.max(0, limit) },
          )
          .map(toTicket),
      ),
  };
}

function find(store: Store, id: string): Ticket | null {
  const row = store.get<TicketRow>(`SELECT ${TICKET} FROM tickets WHERE id = @id`, { id });
  return row === null ? null : toTicket(row);
}

/** Inside a write. */
export function add(store: Store, ticket: NewTicket, now_ms: number): Ticket {
  const seq = store.insert(
    `INSERT INTO tickets (title, body, status, priority, project, labels, agent, owner, author, trusted,
       depends_on, created_at_ms, updated_at_ms)
     VALUES (@title, @body, @status, @priority, @project, @labels, @agent, @owner, @author, @trusted,
       @depends_on, @now_ms, @now_ms)`,
    {
      ...ticket,
      labels: JSON.stringify(ticket.labels),
      depends_on: JSON.stringify(ticket.depends_on),
      trusted: ticket.trusted ? 1 : 0,
      now_ms,
    },
  );
  const row = store.get<TicketRow>(`SELECT ${TICKET} FROM tickets WHERE seq = @seq`, { seq });
  if (row === null) throw new Error(`ticket ${seq} vanished inside its own transaction`);
  store.note({ ticket: row.id, kind: 'created', text: row.title }, { actor: row.author, now_ms });
  return toTicket(row);
}

function count(store: Store): Record<TicketStatus, number> {
  const rows = store.all<{ status: TicketStatus; n: number }>(
    'SELECT status, count(*) AS n FROM tickets GROUP BY status',
  );
  const found = new Map(rows.map(({ status, n }) => [status, n]));
  const counts = TICKET_STATUSES.map((status) => [status, found.get(status) ?? 0] as const);
  return Object.fromEntries(counts) as Record<TicketStatus, number>;
}

function edit(store: Store, { ticket: id, version, change }: EditRequest, { actor, now_ms }: By): Cas {
  return store.swap(() => {
    if (change.depends_on !== undefined) store.run(HOLD_BOARD);
    const old = find(store, id);
    if (old === null) return store.lose();
    const { title, body, priority, project, agent, owner, labels, depends_on, trusted } = {
      ...old,
      ...defined(change),
    };
    if (change.depends_on !== undefined) refuseCycle(store, id, depends_on);
    store.must(
      `UPDATE tickets SET title = @title, body = @body, priority = @priority, project = @project, agent = @agent,
         owner = @owner, labels = @labels, depends_on = @depends_on,
         trusted = @trusted, version = version + 1, updated_at_ms = @now_ms
       WHERE id = @id AND version = @version`,
      {
        ...{ id, version, title, body, priority, project, agent, owner, now_ms },
        labels: JSON.stringify(labels),
        depends_on: JSON.stringify(depends_on),
        trusted: trusted ? 1 : 0,
      },
    );
    const text = Object.keys(defined(change)).join(', ');
    store.note({ ticket: id, kind: 'edited', text }, { actor, now_ms });
  });
}

/** Tickets that wait for each other are never dispatched. Looked for while the board is held, so that two edits at once
 *  can't close a circle together. */
function refuseCycle(store: Store, id: string, depends_on: readonly string[]): void {
  const via = new Map<string, string>(depends_on.map((one) => [one, id]));
  // A Map is walked in order of insertion, what is added on the way included.
  for (const [one] of via) {
    if (one === id) break;
    for (const next of find(store, one)?.depends_on ?? []) if (!via.has(next)) via.set(next, one);
  }
  if (!via.has(id)) return;
  const path = [id];
  for (let at = via.get(id); at !== undefined && at !== id; at = via.get(at)) path.unshift(at);
  throw usageError(
    path.length === 1
      ? `${id} can't depend on itself`
      : `${id} can't depend on ${path[0]}: that one waits for it (${[id, ...path].join(' -> ')})`,
  );
}

/** Without the keys that are there but undefined: they mean "as it was". */
function defined(change: TicketEdit): TicketEdit {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** The row of a run that lives. */
function reporter(
  store: Store,
  run: string,
): { readonly id: string; readonly ticket_id: string | null } | null {
  return store.get(
    `SELECT id, ticket_id FROM runtime_sessions
     WHERE (mark = @run OR id = @run) AND ended_at_ms IS NULL ORDER BY mark = @run DESC LIMIT 1`,
    { run },
  );
}

/** The fence, said by the statement that writes: the row lives, and the ticket is still under its epoch, and in its hands, or nobody's,
 *  or under that other owner, who is no person. */
const FENCE = `FROM runtime_sessions AS r
  WHERE r.id = @run AND r.ended_at_ms IS NULL AND tickets.id = r.ticket_id AND tickets.claim_epoch = r.claim_epoch
    AND (${inSameHands('tickets', 'r')} OR tickets.owner IS NULL OR tickets.owner = @owner)`;

/** A report of that run, of that moment and in these words. */
const TOLD = `SELECT 1 FROM runtime_sessions AS r JOIN activity AS a ON a.ticket_id = r.ticket_id AND a.run_id = r.id
  WHERE (r.mark = @run OR r.id = @run) AND a.kind = 'report' AND a.at_ms = @now_ms AND a.because = @to AND a.text = @text`;

function report(store: Store, request: ReportRequest, { now_ms }: At): Cas {
  const { to, message: text, turn, nothing_to_do = false, owner = null } = request;
  return store.swap(() => {
    // Kept by file, it may be told a second time by whoever could not see that the first one came through.
    if (store.get(TOLD, { run: request.run, to, text, now_ms }) !== null) return;
    const row = reporter(store, request.run);
    if (row === null) return store.lose();
    const { id: run, ticket_id } = row;
    const asked = to === 'needs_input';
    // Said twice, done once: then the ticket is only held.
    const twice =
      to === 'in_review' &&
      store.run(`UPDATE tickets SET version = tickets.version ${FENCE} AND tickets.status = 'in_review'`, {
        run,
        owner,
      }) === 1;
    if (!twice)
      store.must(
        `UPDATE tickets SET status = @to, reason = @reason, reason_text = @text, reason_run = r.id,
           reason_turn = max(@turn, r.turn), -- null stays null
           version = tickets.version + 1, updated_at_ms = @now_ms
         ${FENCE} AND tickets.status IN ('todo', 'needs_input', 'in_progress')`,
        {
          ...{ run, owner, to, text, now_ms },
          reason: asked ? 'asked' : nothing_to_do && to === 'in_review' ? 'nothing_to_do' : 'reported',
          turn: asked ? turn : null,
        },
      );
    store.must(HOLD_LIVE, { run });
    honourByReport(store, run, now_ms);
    if (twice) return;
    store.note(
      { ticket: ticket_id, run, kind: 'report', because: to, text },
      { actor: `run:${run}`, now_ms },
    );
  });
}
