export interface ActivityRow {
  readonly id: number;
  readonly at_ms: number;
  readonly ticket_id: string | null;
  readonly run_id: string | null;
  readonly actor: string;
  /** `killswitch`, `shortened`, `created`, `moved`, `edited`, `comment`, `claimed`, `registered`, `heal`, `ended`, `retry`, `report`, `adopted`, `parked`, `asked`, `sent`, `published`, `warning`. */
  readonly kind: string;
  readonly because: string | null;
  readonly text: string | null;
}

/** What happened, in the order in which it was committed. */
export interface Log {
  log(row: Omit<ActivityRow, 'id'>): Promise<void>;
  /** In the order of time: what follows `after`, or, without it, the newest. */
  activity(filter: {
    readonly ticket?: string;
    readonly after?: number;
    readonly limit: number;
  }): Promise<ActivityRow[]>;
}
