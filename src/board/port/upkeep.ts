/** Tables of which old rows may leave the board. */
export const OLD_TABLES = ['activity', 'ticks', 'deliveries'] as const;

export type OldTable = (typeof OLD_TABLES)[number];

export interface OldRows {
  readonly table: OldTable;
  readonly rows: number;
  /** About how much they hold. */
  readonly bytes: number;
}

/** Where old rows go, and what was before this is old. `between` is called after each batch. */
export interface TakeRequest {
  readonly before_ms: number;
  readonly file: string;
  readonly between: (step: string) => void;
}

/** How far a sweep has come in each table: the last row that it has looked at. */
export type Swept = Readonly<Record<OldTable, number>>;

/** What was before these times is old; null = the table is left alone. */
export type Limits = Readonly<Record<OldTable, number | null> & { now_ms: number }>;

export interface Backup {
  readonly file: string;
  readonly bytes: number;
  /** Older ones that went, since more than `keep` were there. */
  readonly removed: readonly string[];
}

/** When a tick ran, by both clocks, and how it ended. */
export interface TickTime {
  readonly started_at_ms: number;
  readonly finished_at_ms: number;
  readonly boot_id: string | null;
  /** The monotonic clock at its end. */
  readonly mono_ms: number;
  readonly outcome: string;
}

export interface BoardHealth {
  /** What is wrong with the pages of the file; null = nothing. */
  readonly damage: string | null;
  readonly schema: number;
  /** What this program writes. */
  readonly schema_known: number;
  readonly bytes: number;
  /** What is not in the board's own file yet. */
  readonly wal_bytes: number;
  /** When the newest thing on the board was recorded. */
  readonly newest_at_ms: number | null;
  /** Of one host, the oldest first. */
  readonly ticks: readonly TickTime[];
}

/** What nobody but us does for a board that is a file of this machine. None of it needs the board to be open. */
export interface Upkeep {
  /** The schema version that this program writes. */
  schema(): Promise<number>;
  /** Reads every page, and changes nothing on disk. null = there is no file yet. */
  health(of: { readonly host_id: string; readonly since_ms: number }): Promise<BoardHealth | null>;
  /** A checked copy, while others work on the board. */
  backup(to: { readonly dir: string; readonly keep: number; readonly now_ms: number }): Promise<Backup>;
  /** Puts a backup in the board's place. The caller holds the tick lock. */
  restore(from: {
    readonly file: string;
    readonly now_ms: number;
  }): Promise<{ readonly kept: string | null }>;
  countOld(before_ms: number): Promise<OldRows[]>;
  /** Takes the old rows of one table off the board, each only after it stands in the file. Returns how many went. */
  takeOld(table: OldTable, request: TakeRequest): Promise<number>;
  /** One small step through the tables, from where the last one ended: what is old goes for good. */
  sweep(limits: Limits, swept: Swept): Promise<Swept>;
}
