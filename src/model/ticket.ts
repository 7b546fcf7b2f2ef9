/** A unit of work on the board. Times are UTC milliseconds. */
export const TICKET_STATUSES = [
  'todo',
  'needs_input',
  'in_progress',
  'in_review',
  'done',
  'cancelled',
  'blocked',
] as const;

export type TicketStatus = (typeof TICKET_STATUSES)[number];

/** What an id looks like, so that it may be a path and a part of a ref. */
export const TICKET_ID = /^[A-Za-z]+-[0-9]+$/;

/** States that no tick may move a ticket out of. */
export const SETTLED: ReadonlySet<TicketStatus> = new Set(['in_review', 'done', 'cancelled', 'blocked']);

export interface Ticket {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly status: TicketStatus;
  /** 0 is the most urgent, 4 the least. */
  readonly priority: number;
  readonly project: string;
  readonly labels: readonly string[];
  /** The profile that is asked for; null = the configured default. */
  readonly agent: string | null;
  /** null = any profile may take it; a profile's name; anything else is a person. */
  readonly owner: string | null;
  readonly author: string;
  readonly trusted: boolean;
  readonly depends_on: readonly string[];
  /** Where it was imported from, such as `github:owner/name#12`; null = it was made here. */
  readonly source: string | null;
  readonly not_before_at_ms: number | null;
  /** When that wait was set, by the clock that set its end; null = whoever set it did not tell. */
  readonly wait_since_ms: number | null;
  readonly attempts: number;
  readonly claim_epoch: number;
  readonly version: number;
  readonly worker_pid: number | null;
  /** Why the ticket is in its status, a literal such as `parked` or `agent_dead`. */
  readonly reason: string | null;
  /** Words for people: the question, the message of a report, the last words of an agent. */
  readonly reason_text: string | null;
  /** The runtime that asked the question or was parked. */
  readonly reason_run: string | null;
  /** The turn of that runtime in which it asked. */
  readonly reason_turn: number | null;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

/** What decisions are made from. A tick looks at hundreds of tickets that wait: their texts stay on the board. */
export type TicketFacts = Omit<Ticket, 'title' | 'body' | 'source' | 'reason_text' | 'updated_at_ms'>;
