import type { TicketEdit } from '../board/port/index.ts';
import { asSeen } from '../model/name.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Placed } from './order.ts';

export interface Change {
  readonly ticket: Ticket;
  readonly change: TicketEdit;
}

/** A ticket that differs from its source, and is left as it is. */
export interface Left {
  readonly ticket: Ticket;
  /** `touched`: a run has worked on it, or it is settled or waits for a person. `other_author`: whoever is trusted for it did
   *  not write this. */
  readonly because: 'touched' | 'other_author' | 'changed_meanwhile';
}

/**
 * What `--update` does with a ticket that is there; null = nothing differs. A changed text is one that nobody has looked at,
 * so the trust that a person gave the old one ends with it.
 */
export function changeOf({ ticket: row, author }: Placed, ticket: Ticket): Change | Left | null {
  const change: TicketEdit = {
    ...(asSeen(row.title) === asSeen(ticket.title) ? {} : { title: row.title }),
    ...(asSeen(row.body) === asSeen(ticket.body) ? {} : { body: row.body }),
    ...(row.priority === ticket.priority ? {} : { priority: row.priority }),
    ...(same(row.labels, ticket.labels) ? {} : { labels: row.labels }),
  };
  if (Object.keys(change).length === 0) return null;
  const open = ticket.status === 'todo' || ticket.status === 'blocked';
  if (!open || ticket.claim_epoch > 0) return { ticket, because: 'touched' };
  // A rule may trust the author, so nobody else's words may stand under that name.
  const its =
    author === null ? ticket.author.startsWith('import:') : asSeen(author) === asSeen(ticket.author);
  if (!its) return { ticket, because: 'other_author' };
  return { ticket, change: { ...change, trusted: false } };
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((word, n) => asSeen(word) === asSeen(other[n] ?? ''));
}
