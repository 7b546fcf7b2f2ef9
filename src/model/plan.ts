import type { EndReason } from './ends.ts';
import type {
  AtWork,
  Exit,
  GivenBack,
  Living,
  OfAccount,
  RowEnd,
  Sighted,
  Through,
  Why,
} from './evidence.ts';
import type { ApiHold, Fault, HoldBecause, HoldScope } from './hold.ts';
import type { IdentityReason, ProcessIdentity } from './identity.ts';
import type { Lacking } from './room.ts';
import type { ReportedTo, Said } from './said.ts';
import type { TicketStatus } from './ticket.ts';
import type { ActivityView, Sighting, Stays } from './world.ts';

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

/** Why nothing works on a process any more, as the kernel and tmux tell. */
export type CauseOfDeath = 'rebooted' | 'agent_killed' | 'agent_exited' | 'tmux_server_lost' | 'agent_dead';
/** Why no agent comes of a launch. */
export type FailedLaunch = 'rebooted' | 'launch_failed' | 'tick_died' | 'launch_deadline';

/** One guarded effect on a ticket, a run or an account: what, why, and with which facts. */
export type Step =
  // The ticket goes back to `in_progress`: its agent lives.
  | (OfRun<'normalize', 'agent_alive' | 'activity_after_question' | 'activity_after_park', Living> & {
      readonly pid: number;
    })
  // The ticket waits for a person.
  | (OfRun<'ask', 'agent_waiting' | 'idle_without_report' | 'agent_not_ready' | 'request_refused', AtWork> &
      Question)
  | (OfRun<'ask', 'finished_without_report' | 'request_refused', Through> & Question)
  | (OfRun<'park', 'silent_past_ttl', AtWork> & { readonly turn: number })
  // Its agent is told to go on.
  | (OfRun<'nudge', 'idle_without_report' | 'limit_over', AtWork> & {
      readonly turn: number;
      /** It goes on where the API of its model had cut it off: that is counted as no nudge. */
      readonly free?: true;
      /** Its profile is held, and by this it is tried whether that is over. */
      readonly tries?: true;
    })
  // Its client is asked to quit: the ticket is settled.
  | OfRun<'quit', 'settled_for_long' | 'launch_waits', AtWork>
  // Its work goes to review.
  | OfRun<'submit', 'idle_without_report', AtWork>
  | OfRun<'submit', 'finished_without_report', Through>
  // What its agent has reported, and the board could not be told then.
  | (OfRun<
      'report',
      'report_kept',
      { readonly run: string; readonly to: ReportedTo; readonly said_at_ms: number }
    > & {
      readonly said: Said;
      /** Where the ticket goes by it. */
      readonly to: ReportedTo;
    })
  // The row goes with its client into another process.
  | (OfRun<
      'follow',
      'client_lives_on',
      { readonly run: string; readonly was: number | null; readonly pid: number }
    > & {
      readonly process: ProcessIdentity;
    })
  // The row ends, and the ticket stays.
  | (Act<'end', CauseOfDeath | FailedLaunch | 'agent_finished' | 'settled', RowEnd> & {
      readonly runtime: RuntimeGuard;
      readonly end: RunEnd;
    })
  // The ticket is given back.
  | (Act<
      'retry',
      | CauseOfDeath
      | FailedLaunch
      | 'rate_limited'
      | 'api_down'
      | 'agent_not_ready'
      | 'session_lost'
      | 'ended_without_release',
      GivenBack
    > & {
      readonly guard: TicketGuard;
      /** null when the row of this claim had already ended. */
      readonly runtime: RuntimeGuard | null;
      readonly end: RunEnd | null;
      readonly to: RetryTo;
    })
  | (Act<'adopt', 'runtime_busy', Sighted> & { readonly guard: TicketGuard; readonly sighting: Sighting })
  | (Act<
      'launch',
      'next_in_order',
      { readonly priority: number; readonly attempt: number; readonly agent: string }
    > & {
      readonly guard: TicketGuard;
      readonly agent: string;
      readonly project: string;
      readonly attempt: number;
      /** Its profile is held, and by this it is tried whether that is over. */
      readonly tries?: true;
    })
  // Of a profile: the API of its model has refused it.
  | (Act<'hold', ApiHold, OfAccount & { readonly says: string; readonly until_ms: number }> & {
      readonly fault: Fault;
      readonly until_ms: number;
    })
  // Of an account.
  | (Act<'limit', 'rate_limited', OfAccount & { readonly until_ms: number; readonly says: string }> & {
      readonly agent: string;
      readonly until_ms: number;
    })
  | (Act<'unready', 'agent_not_ready', OfAccount> & { readonly agent: string; readonly fix: string })
  | (Act<'ready', 'agent_works', OfAccount> & { readonly agent: string })
  // A pane that no run is behind any more.
  | (Act<'close_pane', 'pane_of_ended_run', Exit & { readonly pane: string }> & {
      readonly run: string;
      readonly pane: string;
      readonly pid: number | null;
    })
  // Launches of a scope are switched off.
  | (Act<'trip', 'mass_death', { readonly tickets: string; readonly scope: string }> & {
      readonly level: 'dispatch';
      readonly scope: string;
    })
  // A wait that ends later than its own length from now: of this account, or, where that is null, of the ticket.
  | (Act<'shorten', 'wait_too_long', Wait> & Wait);

interface Act<K extends string, B extends string, E> extends Why<B, E> {
  readonly kind: K;
  /** '' = it is of no ticket. */
  readonly ticket: string;
}

interface OfRun<K extends string, B extends string, E> extends Act<K, B, E> {
  readonly guard: TicketGuard;
  readonly runtime: RuntimeGuard;
}

type Question = { readonly question: string; readonly turn: number };
type Wait = { readonly agent: string | null; readonly from_ms: number; readonly to_ms: number };

export type LaunchStep = Extract<Step, { kind: 'launch' }>;
export type NudgeStep = Extract<Step, { kind: 'nudge' }>;
export type QuitStep = Extract<Step, { kind: 'quit' }>;

export type Because = Step['because'];

/** Why nothing is done with a ticket, and the facts that a person needs to do something about it. */
export type WhyNot =
  // Before a launch: the ticket.
  | Why<'owned_by_person', { readonly owner: string }>
  | Why<'untrusted', { readonly author: string }>
  | Why<'dependencies_unmet', { readonly waits_for: string }>
  | Why<'not_before', { readonly not_before_at_ms: number }>
  | Why<'attempts_used_up', { readonly attempts: number; readonly max_attempts: number }>
  | Why<'still_being_made' | 'branch_elsewhere', { readonly what: string | null }>
  | Why<'other_project'>
  // The configuration.
  | Why<'config_broken' | 'no_agent'>
  | Why<'unknown_project', { readonly project: string }>
  | Why<'unknown_agent', { readonly agent: string }>
  // The account, and budgets.
  | Why<'account_limited', { readonly until_ms: number | null; readonly says: string | null }>
  | Why<'profile_not_ready'>
  | Why<'budget_day' | 'budget_ticket'>
  | Why<'rate_limited', { readonly until_ms: number | null; readonly says?: string | null }>
  // Room.
  | Why<'no_slot', Taken>
  | Why<'no_slot_project', Taken & { readonly project: string }>
  | Why<'no_slot_agent', Taken & { readonly agent: string }>
  | Why<'living_limit', { readonly living: number; readonly max_living: number }>
  | Why<'launch_limit' | 'ramping_up'>
  | Lacking
  // Everything is held.
  | Why<'killswitch', { readonly reason: string; readonly scope?: string; readonly author?: string }>
  | Why<'killswitch', Sighted & { readonly reason: string }>
  | Why<'mass_death'>
  | Why<'held', HeldBy>
  | Why<'servers_lost', { readonly losses: number; readonly until_ms: number; readonly tickets: string }>
  // What can't be seen, or judged.
  | Why<'tmux_unreadable', { readonly error: string }>
  | Why<'ticket_unreadable'>
  | Why<'verdict_unknown', { readonly because: IdentityReason | 'no_identity' }>
  | Why<'not_mine', { readonly host: string }>
  | Why<'not_mine', { readonly because: IdentityReason | null }>
  // A run, or a process that bears the ticket's mark.
  | Why<'launching', { readonly launching_ms: number; readonly since?: string }>
  | Why<'owner_changed', { readonly owner: string | null }>
  | Why<'flapping', { readonly heals: number }>
  | Why<'alive_though_settled', { readonly status: TicketStatus; readonly stays?: Stays }>
  | Why<'taken_by_person' | 'run_lost', { readonly worker_pid: number | null }>
  | Why<BusyElsewhere | 'runtime_busy_elsewhere', Sighted>;

/** What holds a launch. `next_at_ms`: when it is looked at again. */
type HeldBy = {
  readonly scope: HoldScope;
  readonly because: HoldBecause;
  readonly says: string;
  readonly todo: string;
  readonly next_at_ms: number;
};
type Taken = { readonly used: number; readonly max_agents: number | null };

/** Why a process that bears the ticket's mark is neither adopted nor in nobody's way. */
export type BusyElsewhere = 'mark_unknown' | 'not_mine' | 'busy_with_other_owner' | 'busy_with_other_ticket';

export type SkipBecause = WhyNot['because'];

export type Skip = WhyNot & { readonly ticket: string; readonly run: string | null };

/** Bookkeeping of a living runtime: heartbeat, folded events, observed silence. No step, no claim of change. */
export interface Refresh {
  readonly run: string;
  readonly phase: 'launching' | 'registered' | 'running' | 'parked';
  /** What only one look is told is not kept. */
  readonly seen: Omit<ActivityView, 'said' | 'trouble' | 'answered'>;
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

/** What came of a step. */
export type StepResult =
  | 'done'
  /** What the guard repeats had changed: somebody else acted first. */
  | 'lost_race'
  | 'failed'
  /** Its agent has registered. */
  | 'launched'
  /** Its launcher was started, and has not registered yet. */
  | 'launching'
  /** A living agent was found at work, and is the ticket's now. */
  | 'adopted'
  /** The claim was given back: an agent that is not to be adopted works on the ticket already. */
  | 'released'
  /** Another look, right before the step, spoke against it. */
  | 'declined'
  /** The killswitch was switched on meanwhile. */
  | 'halted';

export interface Outcome {
  readonly step: Step;
  readonly run: string | null;
  readonly result: StepResult;
  readonly after: TicketStatus | null;
  readonly error: string | null;
}
