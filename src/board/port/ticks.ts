import type { Refresh } from '../../model/plan.ts';

export interface TickRow {
  readonly id: string;
  readonly host_id: string;
  readonly boot_id: string | null;
  readonly mono_ms: number;
  readonly started_at_ms: number;
  readonly finished_at_ms: number;
  readonly outcome: string;
  /** How many launches this host's next tick may make, after a halt; null = as many as ever. */
  readonly ramp: number | null;
  /** The object that `dispatch --json` prints, as JSON text. */
  readonly report: string;
}

/** What one tick's report says of one ticket. */
export interface TickMention {
  readonly tick: string;
  readonly host_id: string;
  readonly at_ms: number;
  readonly outcome: string;
  /** JSON text: `reconcile`, `dispatch` and `skipped` as in the report, with the entries that name the ticket. */
  readonly report: string;
}

/** What ticks record of themselves. */
export interface Ticks {
  /** The tick's own record, this host's clock, and the bookkeeping of living rows, in one transaction: observed time
   *  is counted once or not at all. Rows that ended meanwhile are left alone. Does NOT raise a row's version, so that
   *  a refresh never makes a heal lose its race. Returns the rows refreshed. */
  saveTick(request: { readonly tick: TickRow; readonly refresh: readonly Refresh[] }): Promise<number>;
  lastTick(host_id: string): Promise<Omit<TickRow, 'ramp'> | null>;
  /** What the newest `limit` ticks of all hosts say of this ticket, in the order of time; ticks that do not name it are
   *  left out. */
  ticksAbout(request: { readonly ticket: string; readonly limit: number }): Promise<TickMention[]>;
}
