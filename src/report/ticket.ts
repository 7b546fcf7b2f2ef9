import { oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';

/** A ticket in one line. */
export function ticketLine(ticket: Ticket): string {
  const why = ticket.reason === null ? '' : `  (${oneLine(ticket.reason, 60)})`;
  return `${oneLine(ticket.id, 20).padEnd(8)} ${ticket.status.padEnd(11)} P${ticket.priority}  ${oneLine(ticket.title, 60)}${why}`;
}
