import type { Ticket, TicketStatus } from '../../model/ticket.ts';
import type { At, By, Cas } from './by.ts';

export interface NewTicket
  extends Pick<
    Ticket,
    | ('title' | 'body' | 'priority' | 'project' | 'labels' | 'agent' | 'owner')
    | ('author' | 'trusted' | 'depends_on')
  > {
  readonly status: 'todo' | 'blocked';
}

export interface ReportRequest {
  readonly run: string;
  readonly to: 'in_review' | 'needs_input' | 'done' | 'blocked';
  readonly message: string;
  readonly turn: number;
  /** Of `in_review`: the agent says that there is nothing to review, and its branch has no commits. */
  readonly nothing_to_do?: boolean;
  /** Another owner than the one that the run was claimed under, known to the caller to be no person: its report stands all the same. */
  readonly owner?: string | null;
}

/** A person's or an agent's move of a ticket. */
export interface MoveRequest {
  readonly ticket: string;
  /** That was observed. */
  readonly version: number;
  readonly to: TicketStatus;
  readonly why: string;
  /** A person moves it: to `todo` that is trust. */
  readonly trusted: boolean;
  /** To `in_progress`: the run that the row still shows is known to be dead and must not be retried. */
  readonly takes?: boolean;
}

export interface TicketEdit {
  readonly trusted?: boolean;
  readonly title?: string;
  readonly body?: string;
  readonly priority?: number;
  readonly project?: string;
  readonly labels?: readonly string[];
  readonly agent?: string | null;
  readonly owner?: string | null;
  readonly depends_on?: readonly string[];
}

export interface EditRequest {
  readonly ticket: string;
  /** That was observed. */
  readonly version: number;
  readonly change: TicketEdit;
}

/** Tickets as people and agents handle them. */
export interface Tickets {
  addTicket(ticket: NewTicket, at: At): Promise<Ticket>;
  ticket(id: string): Promise<Ticket | null>;
  tickets(filter: {
    readonly status?: readonly TicketStatus[];
    readonly project?: string;
    readonly limit: number;
  }): Promise<Ticket[]>;
  counts(): Promise<Record<TicketStatus, number>>;
  /** Tickets in `todo` whose back-off ends after that time, the next first. */
  retries(after: { readonly now_ms: number; readonly limit: number }): Promise<Ticket[]>;
  /** A person's move: compare-and-swap on the version. To `todo` also: trusted, attempts 0, not_before null.
   *  A move never touches the runtime row; a live row stays live. */
  move(request: MoveRequest, by: By): Promise<Cas>;
  edit(request: EditRequest, by: By): Promise<Cas>;
  /** The agent's own word. `lost` = superseded, or the ticket is in a state that no run may change
   *  (`done`, `cancelled`, `blocked`), or its owner changed. Idempotent for `in_review`; told again with the same words and
   *  the same time it is won, and changes nothing. */
  report(request: ReportRequest, at: At): Promise<Cas>;
}
