import type { Ticket, TicketStatus } from '../../model/ticket.ts';
import type { By } from './by.ts';
import type { NewTicket } from './tickets.ts';

/** A ticket of another tool, or of another board. */
export interface ForeignTicket extends Omit<NewTicket, 'status'> {
  /** Where it comes from: no two tickets of a board have the same. */
  readonly source: string;
  /** No run comes with it, so none of these is `in_progress`. */
  readonly status: Exclude<TicketStatus, 'in_progress'>;
  /** Sources of tickets that are on the board, or come before it. */
  readonly depends_on: readonly string[];
  readonly attempts: number;
  readonly not_before_at_ms: number | null;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly comments: readonly { readonly actor: string; readonly at_ms: number; readonly text: string }[];
}

export interface Imported {
  readonly source: string;
  readonly id: string;
  /** Else it was there already, and stays as it is. */
  readonly added: boolean;
}

/** Tickets that come from elsewhere, told apart by their source. */
export interface Imports {
  /** Adds those whose source no ticket has yet, in their order, all or none. A usage error where one depends on what is
   *  neither there nor before it. */
  importTickets(tickets: readonly ForeignTicket[], by: By): Promise<Imported[]>;
  /** Those of these sources that are on the board; `mc-pickup:<board id>:<id>` names one that was made here. */
  bySource(sources: readonly string[]): Promise<Ticket[]>;
  /** A name for this board, which no other one has. */
  boardId(): Promise<string>;
}
