import { failpoint } from '../../machine/failpoint.ts';
import type { AdoptRequest, At, By, Cas, ClaimRequest, Claims, RegisterRequest } from '../port/index.ts';
import { insertDelivery } from './records.ts';
import { inSameHands, NO_REASON, TICKET_GUARD, ticketOf } from './rows.ts';
import type { Store } from './store.ts';

/** How a ticket and a runtime come together: claim, stage, register, adopt. */
export function claims(store: Store): Claims {
  return {
    claim: (request, by) => claim(store, request, by),
    staged: async ({ prompt, ...where }) =>
      store.swap(() => {
        store.must(
          `UPDATE runtime_sessions SET worktree = @worktree, branch = @branch, client_session = @client_session,
             resumed = @resumed, version = version + 1
           WHERE id = @run AND phase = 'launching'`,
          where,
        );
        if (prompt !== undefined) insertDelivery(store, prompt);
      }),
    register: async (request, at) =>
      register(store, request, at) === 'won' || isRegistered(store, request) ? 'won' : 'lost',
    adopt: async (request, by) => adopt(store, request, by),
  };
}

function claim(store: Store, request: ClaimRequest, by: By): Promise<Cas> {
  const { now_ms } = by;
  const { ticket, guard, run, agent, project, attempt, host_id, boot_id, kind, headless } = request;
  return store.swapTogether(() => {
    store.must(
      `UPDATE tickets SET status = 'in_progress', claim_epoch = claim_epoch + 1, version = version + 1,
         worker_pid = NULL, ${NO_REASON}, updated_at_ms = @now_ms
       WHERE ${TICKET_GUARD} AND status = 'todo'`,
      { ticket, ...guard, now_ms },
    );
    failpoint('claim-ticket-updated');
    store.run(
      `INSERT INTO runtime_sessions
         (id, mark, ticket_id, claim_epoch, attempt, owner, agent, project, phase, host_id, boot_id, kind,
          headless, claimed_at_ms)
       SELECT @run, @run, id, claim_epoch, @attempt, owner, @agent, @project, 'launching', @host_id, @boot_id,
         @kind, @headless, @now_ms
       FROM tickets WHERE id = @ticket`,
      { ticket, run, agent, project, attempt, host_id, boot_id, kind, headless: headless ? 1 : 0, now_ms },
    );
    store.note({ ticket, run, kind: 'claimed' }, by);
  });
}

function register(store: Store, request: RegisterRequest, { now_ms }: At): Cas {
  const { run, pid } = request;
  return store.swap(() => {
    store.must(
      `UPDATE tickets SET worker_pid = @pid, version = tickets.version + 1, updated_at_ms = @now_ms
       FROM runtime_sessions AS r
       WHERE r.id = @run AND r.phase = 'launching' AND tickets.id = r.ticket_id AND tickets.status = 'in_progress'
         AND tickets.claim_epoch = r.claim_epoch AND ${inSameHands('tickets', 'r')}`,
      { run, pid, now_ms },
    );
    failpoint('register-row-updated');
    store.must(
      `UPDATE runtime_sessions SET phase = 'registered', host_id = @host_id, boot_id = @boot_id, pid_ns = @pid_ns,
         time_ns = @time_ns, pid = @pid, pid_start = @pid_start, tmux_server_pid = @tmux_server_pid,
         tmux_server_start = @tmux_server_start, tmux_session = @tmux_session, tmux_pane = @tmux_pane,
         registered_at_ms = @now_ms, version = version + 1
       WHERE id = @run AND phase = 'launching'`,
      { ...request, time_ns: request.time_ns ?? null, now_ms },
    );
    // Handed over at exec: it is under way as soon as this is committed.
    store.run(
      `UPDATE deliveries SET outcome = 'started', ack_source = 'registered'
       WHERE run_id = @run AND kind = 'prompt' AND outcome = 'pending'`,
      { run },
    );
    const note = { ticket: ticketOf(store, run), run, kind: 'registered', text: `pid ${pid}` };
    store.note(note, { actor: `run:${run}`, now_ms });
  });
}

/** This very process has registered before, and its answer was lost on the way; the ticket is as it had to be then. */
function isRegistered(store: Store, request: RegisterRequest): boolean {
  const { run, host_id, boot_id, pid_ns, pid, pid_start } = request;
  const found = store.read(() =>
    store.get(
      `SELECT 1 FROM runtime_sessions AS r JOIN tickets AS t ON t.id = r.ticket_id
       WHERE r.id = @run AND r.ended_at_ms IS NULL AND r.phase <> 'launching' AND r.host_id = @host_id
         AND r.boot_id = @boot_id AND r.pid_ns IS @pid_ns AND r.pid = @pid AND r.pid_start = @pid_start
         AND t.status = 'in_progress' AND t.claim_epoch = r.claim_epoch AND ${inSameHands('t', 'r')}`,
      { run, host_id, boot_id, pid_ns, pid, pid_start },
    ),
  );
  return found !== null;
}

function adopt(store: Store, request: AdoptRequest, by: By): Cas {
  const { now_ms } = by;
  const { ticket, guard, instead_of, pid, mark } = request;
  return store.swap(() => {
    const from =
      instead_of === null ? `status IN ('todo', 'needs_input', 'in_progress')` : `status = 'in_progress'`;
    store.must(
      `UPDATE tickets SET status = 'in_progress', claim_epoch = claim_epoch + @raise, version = version + 1,
         worker_pid = @pid, ${NO_REASON}, updated_at_ms = @now_ms
       WHERE ${TICKET_GUARD} AND ${from}`,
      { ticket, ...guard, raise: instead_of === null ? 1 : 0, pid, now_ms },
    );
    if (instead_of !== null) giveWay(store, instead_of, ticket, now_ms);
    const id = freeId(store, mark);
    const { guard: _, instead_of: __, ...columns } = request;
    store.run(
      `INSERT INTO runtime_sessions
         (id, mark, ticket_id, claim_epoch, attempt, owner, agent, project, phase, host_id, boot_id, pid_ns,
          time_ns, pid, pid_start, tmux_session, tmux_pane, worktree, branch, kind, headless, client_session, claimed_at_ms,
          registered_at_ms, heartbeat_at_ms)
       SELECT @id, @mark, id, claim_epoch, attempts + 1, owner, @agent, @project, 'running', @host_id, @boot_id,
         @pid_ns, @time_ns, @pid, @pid_start, @tmux_session, @tmux_pane, @worktree, @branch, @kind, @headless,
         @client_session, @now_ms, @now_ms, @now_ms
       FROM tickets WHERE id = @ticket`,
      { ...columns, time_ns: request.time_ns ?? null, headless: request.headless ? 1 : 0, id, now_ms },
    );
    store.note({ ticket, run: id, kind: 'adopted', because: 'runtime_busy', text: `pid ${pid}` }, by);
  });
}

/** Only a row without a process gives way: a registered one is an agent. */
function giveWay(store: Store, run: string, ticket: string, now_ms: number): void {
  store.must(
    `UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = @now_ms, end_reason = 'gave_way',
       version = version + 1
     WHERE id = @run AND phase = 'launching' AND ticket_id = @ticket`,
    { run, ticket, now_ms },
  );
}

/** The mark itself, or `<mark>.2`, `.3`...: a row that ended is history and stays as it is. */
function freeId(store: Store, mark: string): string {
  for (let n = 1; ; n++) {
    const id = n === 1 ? mark : `${mark}.${n}`;
    if (store.get('SELECT 1 FROM runtime_sessions WHERE id = @id', { id }) === null) return id;
  }
}
