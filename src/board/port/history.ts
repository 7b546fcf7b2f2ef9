import type { Activity, Phase } from '../../model/runtime.ts';

/** A run as the page shows it. */
export interface HistoryRun {
  readonly id: string;
  readonly ticket_id: string | null;
  /** Of its ticket, as it is now. */
  readonly title: string | null;
  readonly agent: string;
  readonly project: string;
  readonly host_id: string;
  readonly branch: string | null;
  readonly phase: Phase;
  readonly activity: Activity;
  readonly attempt: number;
  readonly claimed_at_ms: number;
  readonly registered_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly end_reason: string | null;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
}

/** A tick without its report. */
export interface HistoryTick {
  readonly id: string;
  readonly host_id: string;
  readonly started_at_ms: number;
  readonly finished_at_ms: number;
  readonly outcome: string;
  readonly reconciled: number;
  readonly launched: number;
  readonly skipped: number;
  readonly live: number;
}

/** A line of the log that changed a ticket: `heal`, `adopted`, `parked`, `asked`, `nudged`, `retry`, `report`, `moved`. */
export interface HistoryEvent {
  readonly id: number;
  readonly at_ms: number;
  readonly ticket_id: string | null;
  readonly run_id: string | null;
  readonly kind: string;
  readonly because: string | null;
  /** The status that a report or a move led to. */
  readonly to: string | null;
}

/** Each list in the order of time, and cut to its newest where there are more than were asked for. */
export interface History {
  /** Those that live, and those that ended since then. */
  readonly runs: readonly HistoryRun[];
  readonly ticks: readonly HistoryTick[];
  readonly events: readonly HistoryEvent[];
}

/** What the page shows. */
export interface Histories {
  /** What happened since then on every host, in one read; at most `limit` of each kind. */
  history(since: { readonly since_ms: number; readonly limit: number }): Promise<History>;
}
