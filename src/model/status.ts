import type { HoldFacts } from './hold.ts';
import type { Verdict } from './identity.ts';
import type { LeftoverFacts } from './leftover.ts';
import type { ReviewStage } from './review.ts';
import type { Activity, Phase } from './runtime.ts';
import type { TicketStatus } from './ticket.ts';
import type { InVain } from './waits-for.ts';
import type { Switch } from './world.ts';

/** Whether ticks still come. */
export interface Ticks {
  /** The end of the last tick, halted ones included, UTC milliseconds; null = there was none. */
  readonly last_at_ms: number | null;
  readonly interval_ms: number;
  readonly coming: boolean;
  readonly because: 'ticks_come' | 'halted' | 'running' | 'stopped' | 'never' | 'in_the_future';
  /** Why they are halted, where they are. */
  readonly reason: string | null;
  /** Since when one runs that has the tick lock now; null = none is seen. */
  readonly running_since_ms: number | null;
  /** What has the tick lock for longer than it ever may; null = nothing is known to. */
  readonly overdue: { readonly pid: number; readonly what: string; readonly held_ms: number } | null;
}

export interface Used {
  readonly used: number;
  readonly max: number | null;
}

/** What `status --json` prints. */
export interface StatusFacts {
  readonly counts: Readonly<Record<TicketStatus, number>>;
  readonly live: readonly LiveFacts[];
  /** The first of those that ask. */
  readonly waiting: readonly { readonly id: string; readonly title: string; readonly question: string }[];
  readonly retries: readonly {
    readonly id: string;
    readonly title: string;
    readonly attempts: number;
    readonly not_before_at_ms: number;
    /** What became of its last attempt or launch. */
    readonly why: string | null;
  }[];
  /** The first of those in todo that wait for what will not come. */
  readonly in_vain: readonly InVain[];
  /** The first of those in review of which anything went out, or was to. */
  readonly reviews: readonly {
    readonly id: string;
    readonly title: string;
    readonly stage: ReviewStage;
    readonly url: string | null;
    readonly error: string | null;
    readonly next_at_ms: number | null;
  }[];
  /** Agents at work. */
  readonly slots: Used & {
    /** All that live, as far as is known, whatever they do. */
    readonly living: Used;
    readonly projects: Readonly<Record<string, Used>>;
    readonly agents: Readonly<Record<string, Used>>;
  };
  /** Only those that are limited or not ready. */
  readonly accounts: readonly {
    readonly name: string;
    readonly limited_until_ms: number | null;
    /** In the words of its client; null = not known, or not limited. */
    readonly limited_by: string | null;
    readonly not_ready: string | null;
  }[];
  /** What holds launches though no ticket is at fault; none here while all is well. */
  readonly holds: readonly HoldFacts[];
  readonly switches: readonly Switch[];
  /** When launches were last released on this host, and what holds them without a switch. */
  readonly launches: {
    readonly released_at_ms: number | null;
    readonly held: {
      readonly losses: number;
      readonly until_ms: number;
      readonly tickets: readonly string[];
    } | null;
    /** What the machine had too little of at the last tick, in words. */
    readonly lacks: string | null;
  };
  readonly last_tick: { readonly id: string; readonly at_ms: number; readonly outcome: string } | null;
  readonly ticks: Ticks;
  readonly config_errors: readonly string[];
  /** What other machines say of the clock of this one, where it is wrong by hours. */
  readonly clock: string | null;
  /** Processes that runs which have ended left behind. */
  readonly leftovers: readonly LeftoverFacts[];
}

export interface LiveFacts {
  readonly ticket: string | null;
  readonly run: string;
  readonly title: string;
  readonly status: TicketStatus | null;
  readonly phase: Phase;
  readonly verdict: Verdict | Phase;
  readonly activity: Activity;
  readonly question: string | null;
  readonly pid: number | null;
  readonly agent: string;
  readonly attempt: number;
  readonly branch: string | null;
  readonly worktree: string | null;
  readonly since_ms: number;
  readonly run_dir: string;
}
