/*
 * The reconcile pass: the truth table of ticket x runtime.
 *
 * What holds it together: only the verdict `dead` frees anything, and it comes from the kernel's word about
 * the very process that was recorded, never from a missing tmux session. `unknown` and `not_mine` produce no
 * step at all. A living agent is believed against the board: whoever put its ticket back to `todo` or
 * `needs_input` was wrong about it, unless the run itself asked, or a person closed or took the ticket.
 * Every step carries the guard (status, owner, epoch, version) that its UPDATE will repeat.
 */
import { EARLY_MS } from '../model/breaker.ts';
import type { EndReason } from '../model/ends.ts';
import type { ProcessIdentity } from '../model/identity.ts';
import type { Because, Refresh, RunEnd, Skip, Step, TicketGuard } from '../model/plan.ts';
import type { AgentProfile, Policy } from '../model/policy.ts';
import { heldAfter, retryAfter } from '../model/retry.ts';
import { type Runtime, sameHands } from '../model/runtime.ts';
import { SETTLED, type TicketFacts } from '../model/ticket.ts';
import { accountWaitEnd, limitHolds, ticketWaitEnd } from '../model/wait.ts';
import {
  type ActivityView,
  blocks,
  type ObservedRuntime,
  type Sighting,
  type Switch,
  type TicketView,
  type World,
} from '../model/world.ts';
import { answerBusy } from './busy.ts';
import { type Held, heldByLosses, type Loss } from './lost-servers.ts';
import { type Death, massDeaths } from './mass-death.ts';

/** Heals of one ticket within 30 minutes after which healing it stops and it is flagged. */
const MAX_HEALS = 3;

export interface Reconciled {
  readonly steps: readonly Step[];
  readonly skipped: readonly Skip[];
  readonly refresh: readonly Refresh[];
  /** Tickets as this pass will leave them, where it changes them. */
  readonly after: ReadonlyMap<string, TicketFacts>;
  /** Tickets whose live row this pass ends. */
  readonly freed: ReadonlySet<string>;
  /** Tickets that this pass spoke about already, so that dispatch adds no second word. */
  readonly spoken: ReadonlySet<string>;
  /** Scopes that this pass switches off. */
  readonly tripped: ReadonlySet<string>;
  /** What holds every launch, the tmux server having been lost again and again; null = nothing. */
  readonly held: Held | null;
  /** Profiles that this pass found unable to take a ticket, and why. */
  readonly closed: ReadonlyMap<string, 'account_limited' | 'profile_not_ready'>;
}

/** Decides every heal. Pure. */
export function decideReconcile(world: World, policy: Policy): Reconciled {
  const pass = new Pass(world, policy);
  for (const runtime of world.runtimes) pass.runtime(runtime);
  for (const view of world.tickets) pass.withoutRuntime(view);
  pass.waits();
  pass.unreadable();
  pass.massDeath();
  pass.deadPanes();
  return pass;
}

class Pass implements Reconciled {
  readonly steps: Step[] = [];
  readonly skipped: Skip[] = [];
  readonly refresh: Refresh[] = [];
  readonly after = new Map<string, TicketFacts>();
  readonly freed = new Set<string>();
  readonly spoken = new Set<string>();
  readonly tripped = new Set<string>();
  readonly closed = new Map<string, 'account_limited' | 'profile_not_ready'>();

  readonly #world: World;
  readonly #policy: Policy;
  readonly #views: Map<string, TicketView>;
  readonly #live: Set<string>;
  readonly #early: Death[] = [];
  readonly #losses: Loss[] = [];

  constructor(world: World, policy: Policy) {
    this.#world = world;
    this.#policy = policy;
    this.#views = new Map(world.tickets.map((view) => [view.ticket.id, view]));
    this.#live = new Set(world.runtimes.flatMap(({ row }) => row.ticket_id ?? []));
  }

  /** One live row against its ticket. */
  runtime(seen: ObservedRuntime): void {
    const { row } = seen;
    if (row.ticket_id === null) return; // a chat: no pass may touch it
    const view = this.#views.get(row.ticket_id);
    if (view === undefined) return; // the ticket's state could not be read: decline
    const { ticket } = view;
    if (row.host_id !== this.#world.host_id) return this.#skip(row, 'not_mine', { host: row.host_id });
    const stop = scopedStop(this.#world.switches, ticket.project, row.agent);
    if (stop) return this.#skip(row, 'killswitch', { scope: stop.scope, reason: stop.reason });
    if (row.phase === 'launching') return this.#launching(seen, view);
    switch (seen.judgement?.verdict) {
      case 'alive':
        return seen.survivor === null ? this.#alive(seen, view) : this.#livesOn(seen, view, seen.survivor);
      case 'dead':
        return this.#dead(seen, view);
      case 'not_mine':
        return this.#skip(row, 'not_mine', { because: seen.judgement.because });
      default:
        return this.#skip(row, 'verdict_unknown', { because: seen.judgement?.because ?? 'no_identity' });
    }
  }

  /** Tickets without a live row: a retry that a crash left undone, or a runtime that the board has lost. */
  withoutRuntime({ ticket, ended }: TicketView): void {
    if (this.#live.has(ticket.id)) return this.#besideDead(ticket);
    if (ticket.status !== 'todo' && ticket.status !== 'in_progress') return;
    if (this.#sighted(ticket)) return;
    if (ticket.status !== 'in_progress') return;
    if (ended === null) {
      // No run of this epoch: a person took it; or a run was there, and its row was taken away.
      const because = ticket.worker_pid === null ? 'taken_by_person' : 'run_lost';
      this.spoken.add(ticket.id);
      this.skipped.push({
        ticket: ticket.id,
        run: null,
        because,
        evidence: { worker_pid: ticket.worker_pid },
      });
      return;
    }
    // Given to another profile while it ran: the ticket waits for that one. A person's is left to the person.
    if (!sameHands(ended, ticket.owner) && this.#isPersons(ticket))
      return this.#skip(ended, 'owner_changed', { owner: ticket.owner });
    if (ended.host_id !== this.#world.host_id) return this.#skip(ended, 'not_mine', { host: ended.host_id });
    const stop = scopedStop(this.#world.switches, ticket.project, ended.agent);
    if (stop) return this.#skip(ended, 'killswitch', { scope: stop.scope, reason: stop.reason });
    this.#retry(ticket, ended, null, null, 'ended_without_release');
  }

  /** A ticket whose state can't be read is declined, and said to be. */
  unreadable(): void {
    for (const ticket of this.#world.unreadable) {
      this.skipped.push({ ticket, run: null, because: 'ticket_unreadable', evidence: {} });
    }
  }

  /** What too many early deaths share is switched off. */
  massDeath(): void {
    for (const { scope, tickets } of massDeaths(this.#early, this.#world, this.#policy)) {
      if (this.#world.switches.some((one) => one.scope === '*' || one.scope === scope)) continue;
      this.tripped.add(scope);
      this.steps.push({
        kind: 'trip',
        ticket: '',
        because: 'mass_death',
        evidence: { tickets: tickets.join(' '), scope },
        level: 'dispatch',
        scope,
      });
    }
  }

  get held(): Held | null {
    return heldByLosses(this.#world, this.#losses);
  }

  /** No wait is longer than its own length, counted from any look at it: a clock that ran ahead may have set its end. */
  waits(): void {
    const { now_ms } = this.#world;
    for (const account of this.#world.accounts) {
      const { name: agent, not_before_at_ms: from_ms } = account;
      const to_ms = accountWaitEnd(account, now_ms);
      if (from_ms !== null && to_ms !== null && to_ms < from_ms)
        this.#shorten({ ticket: '', agent, from_ms, to_ms });
    }
    for (const { ticket: seen } of this.#world.tickets) {
      const ticket = this.after.get(seen.id) ?? seen;
      if (ticket !== seen || ticket.status !== 'todo' || this.#isPersons(ticket)) continue;
      const busy = this.#live.has(ticket.id) && !this.freed.has(ticket.id);
      if (busy || this.spoken.has(ticket.id)) continue;
      const from_ms = ticket.not_before_at_ms;
      const to_ms = ticketWaitEnd(ticket, this.#policy.limits, now_ms);
      if (from_ms === null || to_ms === null || to_ms >= from_ms) continue;
      this.#shorten({ ticket: ticket.id, agent: null, from_ms, to_ms });
      this.after.set(ticket.id, {
        ...ticket,
        not_before_at_ms: to_ms,
        wait_since_ms: now_ms,
        version: ticket.version + 1,
      });
    }
  }

  #shorten(what: { ticket: string; agent: string | null; from_ms: number; to_ms: number }): void {
    const { from_ms, to_ms, agent } = what;
    this.steps.push({
      ...what,
      kind: 'shorten',
      because: 'wait_too_long',
      evidence: { agent, from_ms, to_ms },
    });
  }

  /** Whether a person has it: then every pass keeps its hands off. */
  #isPersons({ owner }: TicketFacts): boolean {
    return owner !== null && !this.#policy.agents.has(owner);
  }

  /** A dead pane whose run has ended only takes up room in tmux. */
  deadPanes(): void {
    if (this.#world.tmux.kind !== 'server') return;
    const ending = new Set(
      this.steps.flatMap(
        (step) => ((step.kind === 'end' || step.kind === 'retry') && step.runtime?.run) || [],
      ),
    );
    const live = new Set(
      this.#world.runtimes.filter(({ row }) => !ending.has(row.id)).map(({ row }) => row.mark),
    );
    for (const pane of this.#world.tmux.panes) {
      if (!pane.dead || pane.run === '' || live.has(pane.run)) continue;
      this.steps.push({
        kind: 'close_pane',
        ticket: pane.ticket,
        because: 'pane_of_ended_run',
        evidence: { pane: pane.pane, exit_code: pane.exit_code, exit_signal: pane.exit_signal },
        ...{ run: pane.run, pane: pane.pane, pid: pane.pid },
      });
    }
  }

  #launching(seen: ObservedRuntime, { ticket }: TicketView): void {
    const { row } = seen;
    const launching_ms = row.launching_ms + this.#sinceClaim(row);
    // The launcher exited without registering: it can't become an agent any more.
    const failed = seen.pane?.dead === true;
    // No launcher survives a reboot, and none of them is to blame for it.
    const { boot_id } = this.#world;
    const rebooted = row.boot_id !== null && boot_id !== null && row.boot_id !== boot_id;
    const late = launching_ms >= this.#policy.limits.launch_deadline_seconds * 1000;
    if (!failed && !rebooted && !seen.abandoned && !late) {
      this.#refresh(seen, { alive: false, silent_ms: 0, launching_ms });
      return this.#skip(row, 'launching', { launching_ms });
    }
    const because = rebooted
      ? 'rebooted'
      : failed
        ? 'launch_failed'
        : seen.abandoned
          ? 'tick_died'
          : 'launch_deadline';
    const end: RunEnd = {
      end_reason: because,
      exit_code: seen.pane?.exit_code ?? null,
      exit_signal: seen.pane?.exit_signal ?? null,
    };
    if (ticket.status === 'in_progress' && this.#sameClaim(row, ticket) && this.#sighting(ticket) === null) {
      return this.#retry(ticket, row, seen, end, because);
    }
    this.#end(row, end, because);
    this.#handOver(row, ticket);
  }

  /** What this tick adds to the time of a launch. The first look adds no more than has passed since the claim: a tick that was killed
   *  stored nothing, so that the observed time began with one before it. */
  #sinceClaim({ launching_ms, claimed_at_ms }: Runtime): number {
    const { delta_ms, now_ms } = this.#world;
    return launching_ms > 0 ? delta_ms : Math.min(delta_ms, Math.abs(now_ms - claimed_at_ms));
  }

  #alive(seen: ObservedRuntime, view: TicketView): void {
    const { row } = seen;
    const { ticket } = view;
    const output = seen.pane?.output_at_s ?? null;
    const stirred = seen.seen.fresh > 0 || (output !== null && output !== row.output_at_s);
    const silent_ms = stirred ? 0 : row.silent_ms + this.#world.delta_ms;
    this.#refresh(seen, { alive: true, silent_ms, launching_ms: row.launching_ms });
    this.#account(seen);

    if (SETTLED.has(ticket.status)) return this.#skip(row, 'alive_though_settled', { status: ticket.status });
    if (!sameHands(row, ticket.owner)) return this.#skip(row, 'owner_changed', { owner: ticket.owner });
    if (ticket.status === 'needs_input') {
      // A level, not the edge of a single tick: a tick that was cut off after it had stored the activity lost the edge.
      const because = answered(seen, ticket, silent_ms < this.#policy.limits.ttl_minutes * 60_000);
      return because === null ? undefined : this.#normalize(seen, view, because);
    }
    if (ticket.status === 'todo') return this.#normalize(seen, view, 'agent_alive');
    this.#working(seen, ticket, silent_ms);
  }

  /** The recorded process is dead, and the client lives on in another one of its run: that is the run now. Whatever else there
   *  is to decide rests on the row as it is then, so it waits for the next tick. */
  #livesOn(seen: ObservedRuntime, { ticket }: TicketView, process: ProcessIdentity): void {
    const { row } = seen;
    const silent_ms = row.silent_ms + this.#world.delta_ms;
    this.#refresh(seen, { alive: true, silent_ms, launching_ms: row.launching_ms });
    this.spoken.add(ticket.id);
    this.steps.push({
      ...{ kind: 'follow', ticket: ticket.id, because: 'client_lives_on', process },
      evidence: { run: row.id, was: row.pid, pid: process.pid },
      guard: guardOf(ticket),
      runtime: { run: row.id, version: row.version },
    });
  }

  /** `in_progress` and alive: keep, unless the agent waits for a person, is through, or is silent for too long. */
  #working(observed: ObservedRuntime, ticket: TicketFacts, silent_ms: number): void {
    const { row, seen } = observed;
    const base = {
      ticket: ticket.id,
      guard: guardOf(ticket),
      runtime: { run: row.id, version: row.version },
      evidence: { activity: seen.activity, pid: row.pid, silent_ms },
    };
    const { turn } = seen;
    if (seen.not_ready !== null) {
      this.steps.push({ ...base, kind: 'ask', because: 'agent_not_ready', question: seen.not_ready, turn });
    } else if (seen.activity === 'waiting') {
      const question = seen.question ?? 'The agent waits for a person.';
      this.steps.push({ ...base, kind: 'ask', because: 'agent_waiting', question, turn });
    } else if (this.#limited(seen)) {
      return this.#skip(row, 'rate_limited', { until_ms: seen.limited_until_ms });
    } else if (seen.activity === 'idle' && this.#throughOr(observed) !== 'leave') {
      const next = this.#throughOr(observed);
      const because = seen.limited_until_ms === null ? 'idle_without_report' : 'limit_over';
      if (next === 'submit') this.steps.push({ ...base, kind: 'submit', because: 'idle_without_report' });
      else if (next === 'nudge') this.steps.push({ ...base, kind: 'nudge', because, turn });
      else {
        const question = 'The agent ended its turn without a report.';
        this.steps.push({ ...base, kind: 'ask', because: 'idle_without_report', question, turn });
      }
    } else if (silent_ms >= this.#policy.limits.ttl_minutes * 60_000) {
      this.steps.push({ ...base, kind: 'park', because: 'silent_past_ttl', turn });
    } else return;
    const last = this.steps.at(-1);
    if (last?.ticket !== ticket.id || !('guard' in last)) return;
    const status =
      last.kind === 'submit' ? 'in_review' : last.kind === 'nudge' ? ticket.status : 'needs_input';
    this.after.set(ticket.id, { ...ticket, status, version: ticket.version + 1 });
  }

  /** What a turn that ended without a report comes to; of a headless run its process tells, a moment later. A continuation prompt is sent at most once for a turn: one whose
   *  arrival was never seen is not followed by another. */
  #throughOr({ row, seen, has_commits }: ObservedRuntime): 'submit' | 'nudge' | 'ask' | 'leave' {
    if (row.headless) return 'leave';
    const profile = this.#profile(row);
    const on_idle = profile?.on_idle ?? 'needs_input';
    if (on_idle === 'leave') return 'leave';
    const may =
      row.nudges < (profile?.max_nudges ?? 0) && (row.nudged_turn === null || seen.turn > row.nudged_turn);
    if (seen.limited_until_ms !== null && may) return 'nudge'; // cut off by a limit that is over now
    if (on_idle === 'review' || (on_idle === 'auto' && has_commits === true)) return 'submit';
    return may && (on_idle === 'auto' || on_idle === 'nudge') ? 'nudge' : 'ask';
  }

  #limited(seen: { readonly limited_until_ms: number | null }): boolean {
    return limitHolds(seen.limited_until_ms, this.#world.now_ms);
  }

  /** What a runtime tells of its account: a limit, a client that cannot work, or that it works again. */
  #account({ row, seen }: ObservedRuntime): void {
    const known = this.#world.accounts.find(({ name }) => name === row.agent);
    const base = { ticket: row.ticket_id ?? '', evidence: { run: row.id, agent: row.agent } };
    const until_ms = seen.limited_until_ms;
    if (until_ms !== null && this.#limited(seen)) {
      this.closed.set(row.agent, 'account_limited');
      if ((known?.not_before_at_ms ?? 0) < until_ms)
        this.steps.push({
          ...base,
          ...{ kind: 'limit', because: 'rate_limited', agent: row.agent, until_ms },
          evidence: { ...base.evidence, until_ms },
        });
    }
    if (seen.not_ready !== null) {
      this.closed.set(row.agent, 'profile_not_ready');
      if (known?.not_ready !== seen.not_ready)
        this.steps.push({
          ...base,
          ...{ kind: 'unready', because: 'agent_not_ready', agent: row.agent, fix: seen.not_ready },
        });
    } else if (known != null && known.not_ready !== null && seen.turn > row.turn) {
      this.steps.push({ ...base, kind: 'ready', because: 'agent_works', agent: row.agent });
    }
  }

  #normalize(seen: ObservedRuntime, { ticket, heals }: TicketView, because: Because): void {
    const { row } = seen;
    if (because === 'agent_alive' && heals >= MAX_HEALS) return this.#skip(row, 'flapping', { heals });
    if (row.pid === null) return this.#skip(row, 'verdict_unknown', { because: 'no_identity' });
    this.after.set(ticket.id, { ...ticket, status: 'in_progress', version: ticket.version + 1 });
    this.spoken.add(ticket.id);
    this.steps.push({
      kind: 'normalize',
      ticket: ticket.id,
      because,
      evidence: { pid: row.pid, run: row.id, pane: row.tmux_pane, activity: seen.seen.activity },
      guard: guardOf(ticket),
      runtime: { run: row.id, version: row.version },
      pid: row.pid,
    });
  }

  #dead(seen: ObservedRuntime, { ticket }: TicketView): void {
    const { row } = seen;
    const because = causeOfDeath(seen);
    if (because === 'tmux_server_lost')
      this.#losses.push({
        server: `${row.tmux_server_pid} ${row.tmux_server_start}`,
        ticket: ticket.id,
        at_ms: this.#world.now_ms,
      });
    const exit = { exit_code: seen.pane?.exit_code ?? null, exit_signal: seen.pane?.exit_signal ?? null };
    // While another run's process carries the ticket's mark, the ticket stays where it is: with this row out of the
    // way, the next tick adopts that process. A retry would disown it, and `blocked` for good.
    const elsewhere = this.#sighting(ticket) !== null;
    if (ticket.status === 'in_progress' && this.#sameClaim(row, ticket) && !elsewhere) {
      if (this.#through(seen, ticket, exit)) return;
      const limited = this.#limited(seen.seen);
      this.#account(seen);
      const lived_ms = this.#world.now_ms - (row.registered_at_ms ?? 0);
      // Never seen alive by a tick counts as early only while ticks come: not after hours without one.
      const unseen =
        row.heartbeat_at_ms === null && lived_ms < 2 * this.#policy.limits.interval_seconds * 1000;
      const young = unseen || (lived_ms >= 0 && lived_ms < EARLY_MS);
      const known = limited || seen.seen.not_ready !== null;
      const { agent, project, registered_at_ms } = row;
      if (young && !known && because.startsWith('agent_'))
        this.#early.push({
          ticket: ticket.id,
          agent,
          project,
          started_at_ms: registered_at_ms ?? row.claimed_at_ms,
        });
      const why = limited ? 'rate_limited' : seen.seen.not_ready !== null ? 'agent_not_ready' : because;
      return this.#retry(ticket, row, seen, { end_reason: why, ...exit }, why);
    }
    // Whoever reported or asked has finished; whoever lost its ticket meanwhile has merely died.
    const finished = SETTLED.has(ticket.status) || ticket.status === 'needs_input';
    this.#end(
      row,
      { end_reason: finished ? 'finished' : because, ...exit },
      finished ? 'agent_finished' : because,
    );
    this.#handOver(row, ticket);
  }

  /** Whose run has just ended, and was given to another profile meanwhile: it waits for that one. Two steps, each under a guard that
   *  holds by itself. */
  #handOver(row: Runtime, ticket: TicketFacts): void {
    const given = row.claim_epoch === ticket.claim_epoch && !sameHands(row, ticket.owner);
    if (ticket.status !== 'in_progress' || !given || this.#isPersons(ticket)) return;
    if (this.#sighting(ticket) === null) this.#retry(ticket, row, null, null, 'ended_without_release');
  }

  /** The end of a headless run is the end of its turn: work that is committed goes to review, or a person is asked; what
   *  is left is a failed attempt. The row ends with the next tick. */
  #through(
    observed: ObservedRuntime,
    ticket: TicketFacts,
    { exit_code, exit_signal }: Omit<RunEnd, 'end_reason'>,
  ): boolean {
    const { row, seen, has_commits } = observed;
    // Where nobody saw the exit, the client's own word that its turn is over stands for it.
    const well = exit_code === 0 || (exit_code === null && exit_signal === null && seen.activity === 'idle');
    if (!row.headless || !well) return false;
    const on_idle = this.#profile(row)?.on_idle ?? 'needs_input';
    const base = {
      ...{ ticket: ticket.id, guard: guardOf(ticket), because: 'finished_without_report' as const },
      runtime: { run: row.id, version: row.version },
      evidence: { pid: row.pid, exit_code, has_commits },
    };
    if (on_idle === 'review' || (on_idle !== 'needs_input' && has_commits === true)) {
      this.after.set(ticket.id, { ...ticket, status: 'in_review', version: ticket.version + 1 });
      this.steps.push({ ...base, kind: 'submit' });
      return true;
    }
    if (on_idle !== 'needs_input') return false;
    this.after.set(ticket.id, { ...ticket, status: 'needs_input', version: ticket.version + 1 });
    const question = 'The agent ended without a report.';
    this.steps.push({ ...base, kind: 'ask', question, turn: seen.turn });
    return true;
  }

  #sameClaim(row: Runtime, ticket: TicketFacts): boolean {
    return sameHands(row, ticket.owner) && row.claim_epoch === ticket.claim_epoch;
  }

  #end(row: Runtime, end: RunEnd, because: Because): void {
    if (row.ticket_id === null) return;
    this.freed.add(row.ticket_id);
    this.steps.push({
      kind: 'end',
      ticket: row.ticket_id,
      because,
      evidence: { run: row.id, pid: row.pid, exit_code: end.exit_code, exit_signal: end.exit_signal },
      runtime: { run: row.id, version: row.version },
      end,
    });
  }

  #retry(
    ticket: TicketFacts,
    row: Runtime,
    seen: ObservedRuntime | null,
    end: RunEnd | null,
    because: Because,
  ): void {
    const { limits } = this.#policy;
    const cause = end === null ? (row.end_reason ?? because) : because;
    // What the machine did is no attempt, however often: launches are held where the server is lost again and again.
    const machine = because === 'rebooted' || because === 'tmux_server_lost';
    // Nor is the run of one whose ticket was given to another profile, or a launch whose tick has died.
    const blameless = machine || cause === 'tick_died' || !sameHands(row, ticket.owner);
    const unable = because === 'rate_limited' || because === 'agent_not_ready';
    // No agent ever ran: that is no attempt, whatever ended it.
    const unregistered = row.registered_at_ms === null;
    const failures = Math.max(1, (this.#world.failed_launches[ticket.id] ?? 0) + (end === null ? 0 : 1));
    const to =
      blameless || unable
        ? ({
            status: 'todo',
            attempts: ticket.attempts,
            not_before_at_ms: because === 'rate_limited' ? (seen?.seen.limited_until_ms ?? null) : null,
          } as const)
        : unregistered
          ? heldAfter(ticket, failures, this.#world.now_ms, limits)
          : retryAfter(ticket.id, ticket.attempts, this.#world.now_ms, limits);
    this.freed.add(ticket.id);
    this.after.set(ticket.id, {
      ...ticket,
      status: to.status,
      attempts: to.attempts,
      not_before_at_ms: to.not_before_at_ms,
      wait_since_ms: this.#world.now_ms,
      version: ticket.version + 1,
    });
    this.steps.push({
      kind: 'retry',
      ticket: ticket.id,
      because,
      evidence: {
        run: row.id,
        pid: row.pid,
        verdict: seen?.judgement?.because ?? null,
        exit_code: end?.exit_code ?? row.exit_code,
        exit_signal: end?.exit_signal ?? row.exit_signal,
        attempts: to.attempts,
      },
      guard: guardOf(ticket),
      runtime: end === null ? null : { run: row.id, version: row.version },
      end,
      to,
      text: '',
    });
  }

  /** A dead row is ended in this pass, but another run's process carries the ticket's mark: no launch beside it.
   *  The next tick, with the row gone, adopts it. */
  #besideDead(ticket: TicketFacts): void {
    if (!this.freed.has(ticket.id)) return;
    const busy = this.#sighting(ticket);
    if (busy === null) return;
    const answer = answerBusy(ticket, busy);
    const because =
      answer.do === 'leave' || answer.do === 'release' ? answer.because : 'runtime_busy_elsewhere';
    this.spoken.add(ticket.id);
    this.skipped.push({ ticket: ticket.id, run: busy.run, because, evidence: sightingEvidence(busy) });
  }

  /** A process that carries the ticket's mark while the board has no live row for it: the board has lost it
   *  (restored from a backup, a row ended by hand). True = there is nothing more to decide for this ticket. */
  #sighted(ticket: TicketFacts): boolean {
    const busy = this.#sighting(ticket);
    if (busy === null) return false;
    const answer = answerBusy(ticket, busy);
    if (answer.do === 'launch') return false;
    this.spoken.add(ticket.id);
    const evidence = sightingEvidence(busy);
    const stop = scopedStop(this.#world.switches, ticket.project, busy.agent);
    if (stop) {
      this.skipped.push({
        ticket: ticket.id,
        run: busy.run,
        because: 'killswitch',
        evidence: { ...evidence, reason: stop.reason },
      });
      return true;
    }
    if (answer.do !== 'adopt') {
      this.skipped.push({ ticket: ticket.id, run: busy.run, because: answer.because, evidence });
      return true;
    }
    this.after.set(ticket.id, { ...ticket, status: 'in_progress', version: ticket.version + 1 });
    this.steps.push({
      kind: 'adopt',
      ticket: ticket.id,
      because: 'runtime_busy',
      evidence,
      guard: guardOf(ticket),
      sighting: busy,
    });
    return true;
  }

  /** What may work on this ticket without a row of its own. */
  #sighting({ id }: TicketFacts): Sighting | null {
    return worst(this.#world.sightings.filter((sighting) => sighting.ticket === id));
  }

  #profile(row: Runtime): AgentProfile | undefined {
    return this.#policy.agents.get(row.agent);
  }

  #refresh(seen: ObservedRuntime, now: { alive: boolean; silent_ms: number; launching_ms: number }): void {
    const { row } = seen;
    if (row.phase === 'ended') return;
    const phase = now.alive && row.phase === 'registered' ? 'running' : row.phase;
    const { time_ns } = this.#world;
    const fills = now.alive && row.time_ns === null && time_ns !== null;
    this.refresh.push({
      run: row.id,
      phase,
      seen: seen.seen,
      output_at_s: seen.pane?.output_at_s ?? row.output_at_s,
      ...now,
      ...(fills ? { time_ns } : {}),
      ...(seen.program === null ? {} : { program: seen.program }),
      ...(!fills && seen.program === null && phase === row.phase && sameAsBefore(seen)
        ? { quiet: true }
        : {}),
    });
  }

  #skip(row: Runtime, because: Skip['because'], evidence: Skip['evidence']): void {
    if (row.ticket_id === null) return;
    this.spoken.add(row.ticket_id);
    this.skipped.push({ ticket: row.ticket_id, run: row.id, because, evidence });
  }
}

/** All that a look finds, but what is counted anew each time: a field that is forgotten here does not compile. */
const KEPT: Readonly<Record<Exclude<keyof ActivityView, 'fresh' | 'cursor' | 'level_ms'>, true>> = {
  ...{ activity: true, question: true, turn: true, client_session: true },
  ...{ level: true, limited_until_ms: true, not_ready: true },
};
const KEPT_KEYS = Object.keys(KEPT) as (keyof typeof KEPT)[];

/** What a look has found is what the row has. */
function sameAsBefore({ row, seen }: ObservedRuntime): boolean {
  return (
    seen.fresh === 0 && seen.cursor === row.events_cursor && KEPT_KEYS.every((key) => seen[key] === row[key])
  );
}

/** Why a ticket in `needs_input` goes back to `in_progress` though nobody moved it; null = it stands. */
function answered({ row, seen }: ObservedRuntime, ticket: TicketFacts, active: boolean): Because | null {
  if (ticket.reason_run !== row.id) return 'agent_alive';
  const later = seen.turn > (ticket.reason_turn ?? 0);
  switch (ticket.reason) {
    case 'asked':
    case 'idle_without_report':
    case 'finished_without_report':
    case 'agent_not_ready':
      return later ? 'activity_after_question' : null;
    case 'agent_waiting':
      // However it was answered (or dismissed), the dialog is gone.
      return later || seen.activity !== 'waiting' ? 'activity_after_question' : null;
    case 'parked':
      return active ? 'activity_after_park' : null;
    default:
      return 'agent_alive';
  }
}

function causeOfDeath({ judgement, pane, server_lost }: ObservedRuntime): Because & EndReason {
  if (judgement?.because === 'rebooted') return 'rebooted';
  if (pane?.dead && pane.exit_signal !== null) return 'agent_killed';
  if (pane?.dead && pane.exit_code !== null) return 'agent_exited';
  return server_lost ? 'tmux_server_lost' : 'agent_dead';
}

function sightingEvidence(busy: Sighting): Skip['evidence'] {
  return { run: busy.run, pid: busy.pid, pane: busy.pane, verdict: busy.judgement.because };
}

/** Of several sightings the one that forbids most: a living one, then one that cannot be judged. */
function worst(sightings: readonly Sighting[]): Sighting | null {
  return (
    sightings.find(({ judgement }) => judgement.verdict === 'alive') ??
    sightings.find(({ judgement }) => judgement.verdict !== 'dead') ??
    null
  );
}

function scopedStop(switches: readonly Switch[], project: string, agent: string): Switch | null {
  return blocks(
    switches.filter(({ level }) => level === 'all'),
    project,
    agent,
  );
}

export function guardOf(ticket: TicketFacts): TicketGuard {
  const { status, owner, claim_epoch, version } = ticket;
  return { status, owner, claim_epoch, version };
}
