import type { RecentRun } from '../../model/breaker.ts';
import type { Ready } from '../../model/ready.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { AccountView, TicketView, World } from '../../model/world.ts';

/** What one read transaction gives a tick. */
export interface Snapshot {
  /** Tickets in `todo` (at most the limit asked for, in dispatch order: priority, age, sequence), tickets
   *  in `in_progress`, and every ticket that has a live row. */
  readonly tickets: readonly TicketView[];
  /** Every row that has not ended, chats included. */
  readonly runtimes: readonly Runtime[];
  readonly accounts: readonly AccountView[];
  /** Tickets in `todo` beyond the limit. */
  readonly beyond: number;
  /** This host's last tick; null = never. */
  readonly last_tick: {
    readonly boot_id: string | null;
    readonly mono_ms: number;
    readonly ramp: number | null;
  } | null;
  /** Runs of tickets that have ended since the time that was asked for, the newest first. */
  readonly recent: readonly RecentRun[];
  /** Tickets whose rows cannot be understood: nothing may be done about them. */
  readonly unreadable: readonly string[];
  readonly spent: World['spent'];
}

export interface SnapshotRequest {
  readonly host_id: string;
  readonly now_ms: number;
  readonly limit: number;
  readonly ready: Ready;
  /** The UTC day whose use is counted against the budgets; null = there are none. */
  readonly budget_day: string | null;
  /** Tickets that are looked at whatever comes before them. */
  readonly also: readonly string[];
  /** From when on the heals of a ticket are counted. A server's contract has a window of its own: 30 minutes. */
  readonly heals_since_ms: number;
  /** From when on runs that have ended are told. */
  readonly recent_since_ms: number;
}

/** What a tick sees. */
export interface Snapshots {
  snapshot(request: SnapshotRequest): Promise<Snapshot>;
}
