export interface UsageTotals {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly turns: number;
  /** null = the client does not tell. */
  readonly cost_usd: number | null;
}

/** Totals of a client's session, and whose they are. */
export interface UsageRecord {
  readonly session: string;
  readonly run_id: string;
  readonly ticket_id: string | null;
  readonly agent: string;
  /** The UTC day that what is new since the last record counts for, such as `2026-11-24`. */
  readonly day: string;
  readonly totals: UsageTotals;
}

export interface UsageRow extends UsageTotals {
  readonly run_id: string;
  readonly day: string;
  readonly ticket_id: string | null;
  readonly agent: string;
}

/** What was used, by the clients' own records. */
export interface Usage {
  /** Counts what a session has used since its last record. Totals that fell count from nothing: a new record file. */
  recordUsage(record: UsageRecord): Promise<void>;
  usage(filter: { readonly ticket?: string; readonly since_day?: string }): Promise<UsageRow[]>;
}
