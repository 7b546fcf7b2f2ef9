import { failpoint } from '../../machine/failpoint.ts';
import type { EndInfo, RuntimeGuard } from '../../model/plan.ts';
import type { Heals } from '../port/index.ts';
import { inSameHands, NO_REASON, TICKET_GUARD, ticketOf, UNSETTLED } from './rows.ts';
import type { Store } from './store.ts';

/** The writes of the reconcile pass: each repeats in its WHERE what the tick observed. */
export function heals(store: Store): Heals {
  return {
    normalize: async ({ ticket, guard, runtime, pid, because }, { actor, now_ms }) =>
      store.swap(() => {
        store.must(
          `UPDATE tickets SET status = 'in_progress', worker_pid = @pid, ${NO_REASON}, version = version + 1,
             updated_at_ms = @now_ms
           WHERE ${TICKET_GUARD} AND ${UNSETTLED} AND ${LIVE_AND_OURS}`,
          { ticket, ...guard, ...named(runtime), pid, now_ms },
        );
        failpoint('heal-ticket-updated');
        store.must(
          `UPDATE runtime_sessions SET phase = 'running', heartbeat_at_ms = @now_ms, version = version + 1
           WHERE ${RUNTIME_GUARD} AND ticket_id = @ticket AND phase <> 'launching'`,
          { ticket, ...named(runtime), now_ms },
        );
        store.note({ ticket, run: runtime.run, kind: 'heal', because }, { actor, now_ms });
      }),

    follow: async ({ runtime, process }, { actor, now_ms }) =>
      store.swap(() => {
        const { host_id, boot_id, pid_ns, time_ns, pid, pid_start } = process;
        store.run(
          `UPDATE tickets SET worker_pid = @pid, version = tickets.version + 1, updated_at_ms = @now_ms
           FROM runtime_sessions AS r
           WHERE r.id = @run AND tickets.id = r.ticket_id AND tickets.status = 'in_progress'
             AND tickets.claim_epoch = r.claim_epoch AND tickets.owner IS r.owner`,
          { run: runtime.run, pid, now_ms },
        );
        store.must(
          `UPDATE runtime_sessions SET boot_id = @boot_id, pid_ns = @pid_ns, time_ns = @time_ns, pid = @pid,
             pid_start = @pid_start, program = NULL, heartbeat_at_ms = @now_ms, version = version + 1
           WHERE ${RUNTIME_GUARD} AND host_id = @host_id AND phase <> 'launching'`,
          { ...named(runtime), host_id, boot_id, pid_ns, time_ns, pid, pid_start, now_ms },
        );
        const note = { ticket: ticketOf(store, runtime.run), run: runtime.run, text: `pid ${pid}` };
        store.note({ ...note, kind: 'adopted', because: 'client_lives_on' }, { actor, now_ms });
      }),

    nudge: async ({ ticket, guard, runtime, turn, free }, { actor, now_ms }) =>
      store.swap(() => {
        store.must(
          `UPDATE tickets SET version = version + 1, updated_at_ms = @now_ms
           WHERE ${TICKET_GUARD} AND status = 'in_progress' AND ${LIVE_AND_OURS}`,
          { ticket, ...guard, ...named(runtime), now_ms },
        );
        store.must(
          `UPDATE runtime_sessions SET nudges = nudges + @counted, nudged_turn = @turn, version = version + 1
           WHERE ${RUNTIME_GUARD} AND ticket_id = @ticket AND (nudged_turn IS NULL OR nudged_turn < @turn)`,
          { ticket, ...named(runtime), turn, counted: free === true ? 0 : 1 },
        );
        const note = {
          ticket,
          run: runtime.run,
          kind: 'nudged',
          because: free === true ? 'limit_over' : 'idle_without_report',
        };
        store.note(note, { actor, now_ms });
      }),

    ask: async ({ ticket, guard, runtime, reason, text, turn, park }, { actor, now_ms }) =>
      store.swap(() => {
        store.must(
          `UPDATE tickets SET status = 'needs_input', reason = @reason, reason_text = @text, reason_run = @run,
             reason_turn = @turn, version = version + 1, updated_at_ms = @now_ms
           WHERE ${TICKET_GUARD} AND ${UNSETTLED} AND ${LIVE_AND_OURS}`,
          { ticket, ...guard, ...named(runtime), reason, text, turn, now_ms },
        );
        store.must(
          `UPDATE runtime_sessions SET phase = CASE WHEN @park THEN 'parked' ELSE phase END, version = version + 1
           WHERE ${RUNTIME_GUARD} AND ticket_id = @ticket AND NOT (@park AND phase = 'launching')`,
          { ticket, ...named(runtime), park: park ? 1 : 0 },
        );
        const kind = park ? 'parked' : 'asked';
        store.note({ ticket, run: runtime.run, kind, because: reason, text }, { actor, now_ms });
      }),

    submit: async ({ ticket, guard, runtime, because }, { actor, now_ms }) =>
      store.swap(() => {
        store.must(
          `UPDATE tickets SET status = 'in_review', reason = @because, reason_text = NULL, reason_run = NULL,
             reason_turn = NULL, version = version + 1, updated_at_ms = @now_ms
           WHERE ${TICKET_GUARD} AND ${UNSETTLED} AND ${LIVE_AND_OURS}`,
          { ticket, ...guard, ...named(runtime), because, now_ms },
        );
        // The row lives on as it is; held, so that it does so until this is committed.
        store.must(
          `UPDATE runtime_sessions SET version = version WHERE ${RUNTIME_GUARD} AND ticket_id = @ticket`,
          { ticket, ...named(runtime) },
        );
        const note = { ticket, run: runtime.run, kind: 'moved', because, text: 'in_review' };
        store.note(note, { actor, now_ms });
      }),

    end: async ({ runtime, end }, by) =>
      store.swap(() => {
        endRow(store, runtime, end, by.now_ms);
        const { run } = runtime;
        store.note({ ticket: ticketOf(store, run), run, kind: 'ended', because: end.end_reason }, by);
      }),

    retry: async ({ ticket, guard, runtime, end, to, why }, { actor, now_ms }) =>
      store.swap(() => {
        store.must(
          `UPDATE tickets SET status = @to_status, attempts = @attempts, not_before_at_ms = @not_before_at_ms,
             wait_since_ms = @now_ms, worker_pid = NULL, reason = @reason, reason_text = @text, reason_run = NULL, reason_turn = NULL,
             version = version + 1, updated_at_ms = @now_ms
           WHERE ${TICKET_GUARD} AND ${UNSETTLED} AND ${runtime === null ? NONE_LIVE : LIVE_AND_OURS}`,
          {
            ...{ ticket, ...guard, ...(runtime === null ? {} : named(runtime)), ...why, now_ms },
            ...{ to_status: to.status, attempts: to.attempts, not_before_at_ms: to.not_before_at_ms },
          },
        );
        if (runtime !== null) {
          const unknown = { end_reason: why.reason, exit_code: null, exit_signal: null };
          endRow(store, runtime, end ?? unknown, now_ms);
        }
        const note = {
          ticket,
          run: runtime?.run ?? null,
          kind: 'retry',
          because: why.reason,
          text: why.text,
        };
        store.note(note, { actor, now_ms });
      }),

    shortenWait: async ({ ticket, agent, from_ms, to_ms }, { actor, now_ms }) =>
      store.swap(() => {
        const ends = 'SET not_before_at_ms = @to_ms, wait_since_ms = @now_ms';
        if (agent === null)
          store.must(
            `UPDATE tickets ${ends}, version = version + 1
             WHERE id = @ticket AND status = 'todo' AND not_before_at_ms = @from_ms AND @to_ms < @from_ms`,
            { ticket, from_ms, to_ms, now_ms },
          );
        else
          store.must(
            `UPDATE accounts ${ends} WHERE name = @agent AND not_before_at_ms = @from_ms AND @to_ms < @from_ms`,
            { agent, from_ms, to_ms, now_ms },
          );
        const note = { ticket: agent === null ? ticket : null, kind: 'shortened', because: 'wait_too_long' };
        const text = `${agent ?? ticket}: until ${new Date(to_ms).toISOString()}`;
        store.note({ ...note, text }, { actor, now_ms });
      }),
  };
}

const RUNTIME_GUARD = 'id = @run AND version = @run_version AND ended_at_ms IS NULL';

/** The runtime that a ticket's write rests on: as observed, this ticket's, and in the hands that it was claimed under. It is not held
 *  by this: each write says so once more in the UPDATE of the row itself, which comes after that of the ticket. */
const LIVE_AND_OURS = `EXISTS (SELECT 1 FROM runtime_sessions AS r
  WHERE r.id = @run AND r.version = @run_version AND r.ended_at_ms IS NULL
    AND r.ticket_id = tickets.id AND ${inSameHands('tickets', 'r')})`;

/** A retry without a row believes that the claim's row has ended: a living one would be a split brain. None comes meanwhile:
 *  who makes one raises the version of the ticket, which the guard repeats. */
const NONE_LIVE = `NOT EXISTS (SELECT 1 FROM runtime_sessions AS r
  WHERE r.ticket_id = tickets.id AND r.ended_at_ms IS NULL)`;

function named({ run, version }: RuntimeGuard): { run: string; run_version: number } {
  return { run, run_version: version };
}

function endRow(store: Store, runtime: RuntimeGuard, end: EndInfo, now_ms: number): void {
  const { end_reason, exit_code, exit_signal } = end;
  store.must(
    `UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = @now_ms, end_reason = @end_reason,
       exit_code = @exit_code, exit_signal = @exit_signal, version = version + 1
     WHERE ${RUNTIME_GUARD}`,
    { ...named(runtime), end_reason, exit_code, exit_signal, now_ms },
  );
}
