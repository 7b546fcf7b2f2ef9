import type { EndReason } from './ends.ts';
import type { ProcessIdentity } from './identity.ts';
import type { TicketStatus } from './ticket.ts';
import type { ActivityView, Sighting } from './world.ts';

/** What the guard of a step repeats: a ticket as it was observed. */
export interface TicketGuard {
  readonly status: TicketStatus;
  readonly owner: string | null;
  readonly claim_epoch: number;
  readonly version: number;
}

/** What the guard of a step repeats: a runtime as it was observed. */
export interface RuntimeGuard {
  readonly run: string;
  readonly version: number;
}

export interface RetryTo {
  readonly status: 'todo' | 'blocked';
  readonly attempts: number;
  readonly not_before_at_ms: number | null;
}

/** How a runtime ended, as far as it was seen. A board records any word. */
export interface EndInfo {
  readonly end_reason: string;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
}

/** The same, as this program writes it. */
export interface RunEnd extends EndInfo {
  readonly end_reason: EndReason;
}

interface Base {
  readonly ticket: string;
  readonly because: Because;
  /** Facts for people and for `explain`; never read by the program. */
  readonly evidence: Readonly<Record<string, string | number | boolean | null>>;
}

/** One guarded effect. */
export type Step =
  | (Base & {
      readonly kind: 'normalize';
      readonly guard: TicketGuard;
      readonly runtime: RuntimeGuard;
      readonly pid: number;
    })
  | (Base & {
      readonly kind: 'ask';
      readonly guard: TicketGuard;
      readonly runtime: RuntimeGuard;
      readonly question: string;
      readonly turn: number;
    })
  | (Base & {
      readonly kind: 'park';
      readonly guard: TicketGuard;
      readonly runtime: RuntimeGuard;
      readonly turn: number;
    })
  | (Base & {
      readonly kind: 'nudge';
      readonly guard: TicketGuard;
      readonly runtime: RuntimeGuard;
      readonly turn: number;
    })
  | (Base & { readonly kind: 'limit'; readonly agent: string; readonly until_ms: number })
  | (Base & { readonly kind: 'unready'; readonly agent: string; readonly fix: string })
  | (Base & { readonly kind: 'ready'; readonly agent: string })
  | (Base & { readonly kind: 'submit'; readonly guard: TicketGuard; readonly runtime: RuntimeGuard })
  | (Base & { readonly kind: 'end'; readonly runtime: RuntimeGuard; readonly end: RunEnd })
  | (Base & {
      readonly kind: 'retry';
      readonly guard: TicketGuard;
      /** null when the row of this claim had already ended. */
      readonly runtime: RuntimeGuard | null;
      readonly end: RunEnd | null;
      readonly to: RetryTo;
      readonly text: string;
    })
  /** The row goes with its client into another process. */
  | (Base & {
      readonly kind: 'follow';
      readonly guard: TicketGuard;
      readonly runtime: RuntimeGuard;
      readonly process: ProcessIdentity;
    })
  | (Base & {
      readonly kind: 'close_pane';
      readonly run: string;
      readonly pane: string;
      readonly pid: number;
    })
  | (Base & { readonly kind: 'adopt'; readonly guard: TicketGuard; readonly sighting: Sighting })
  | (Base & {
      readonly kind: 'launch';
      readonly guard: TicketGuard;
      readonly agent: string;
      readonly project: string;
      readonly attempt: number;
    })
  | (Base & { readonly kind: 'trip'; readonly level: 'dispatch'; readonly scope: string })
  /** A wait that ends later than its own length from now: of this account, or, where that is null, of the ticket. */
  | (Base & {
      readonly kind: 'shorten';
      readonly agent: string | null;
      readonly from_ms: number;
      readonly to_ms: number;
    });

export type LaunchStep = Extract<Step, { kind: 'launch' }>;
export type NudgeStep = Extract<Step, { kind: 'nudge' }>;

export type Because =
  // normalize
  | 'agent_alive'
  | 'activity_after_question'
  | 'activity_after_park'
  // follow
  | 'client_lives_on'
  // ask, park, submit
  | 'agent_waiting'
  | 'idle_without_report'
  | 'silent_past_ttl'
  | 'limit_over'
  // accounts
  | 'rate_limited'
  | 'agent_not_ready'
  | 'agent_works'
  // end, retry
  | 'agent_dead'
  | 'agent_exited'
  | 'agent_killed'
  | 'agent_finished'
  | 'rebooted'
  | 'tmux_server_lost'
  | 'launch_deadline'
  | 'tick_died'
  | 'ended_without_release'
  | 'finished_without_report'
  | 'launch_failed'
  | 'environment'
  | 'killswitch'
  // panes
  | 'pane_of_ended_run'
  // dispatch
  | 'next_in_order'
  | 'runtime_busy'
  // waits
  | 'wait_too_long'
  // killswitch
  | 'mass_death';

export type SkipBecause =
  | 'owned_by_person'
  | 'untrusted'
  | 'dependencies_unmet'
  | 'not_before'
  | 'still_being_made'
  | 'attempts_used_up'
  | 'config_broken'
  | 'unknown_project'
  | 'unknown_agent'
  | 'no_agent'
  | 'account_limited'
  | 'rate_limited'
  | 'profile_not_ready'
  | 'budget_day'
  | 'budget_ticket'
  | 'no_slot'
  | 'no_slot_project'
  | 'no_slot_agent'
  | 'launch_limit'
  | 'ramping_up'
  | 'other_project'
  | 'killswitch'
  | 'reconcile_only'
  | 'launching'
  | 'ticket_unreadable'
  | 'verdict_unknown'
  | 'not_mine'
  | 'owner_changed'
  | 'flapping'
  | 'tmux_unreadable'
  | 'mark_unknown'
  | 'busy_with_other_owner'
  | 'runtime_busy_elsewhere'
  | 'taken_by_person'
  | 'run_lost'
  | 'busy_with_other_ticket'
  | 'alive_though_settled'
  | 'server_socket_deleted'
  | 'servers_lost'
  | 'mass_death';

export interface Skip {
  readonly ticket: string;
  readonly run: string | null;
  readonly because: SkipBecause;
  readonly evidence: Readonly<Record<string, string | number | boolean | null>>;
}

/** Bookkeeping of a living runtime: heartbeat, folded events, observed silence. No step, no claim of change. */
export interface Refresh {
  readonly run: string;
  readonly phase: 'launching' | 'registered' | 'running' | 'parked';
  readonly seen: ActivityView;
  readonly silent_ms: number;
  readonly launching_ms: number;
  readonly output_at_s: number | null;
  readonly alive: boolean;
  /** The time namespace of a living process whose row is of a time when none was noted. */
  readonly time_ns?: string;
  /** Nothing but time has passed since the row was read: a board need not write the rest of it again. */
  readonly quiet?: true;
  /** The program of its process, where it was told for the first time. */
  readonly program?: string;
}

export interface Plan {
  readonly reconcile: readonly Step[];
  readonly dispatch: readonly Step[];
  readonly skipped: readonly Skip[];
  readonly refresh: readonly Refresh[];
}

/** What a decision is asked for. */
export interface DecideOptions {
  /** `reconcile` alone plans no launches. */
  readonly dispatch: boolean;
  readonly max: number | null;
  readonly project: string | null;
}

export type StepResult =
  | 'done'
  | 'lost_race'
  | 'failed'
  | 'launched'
  | 'launching'
  | 'adopted'
  | 'released'
  | 'declined'
  | 'halted';

export interface Outcome {
  readonly step: Step;
  readonly run: string | null;
  readonly result: StepResult;
  readonly after: TicketStatus | null;
  readonly error: string | null;
}
