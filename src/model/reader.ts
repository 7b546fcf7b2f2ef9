import type { Ticket } from './ticket.ts';

/** Label of a ticket by which another agent reads the work of one in review; the id of that follows. */
export const READER_LABEL = 'review-of:';
/** Who adds it. */
export const READER_AUTHOR = 'mc-pickup';

/** The ticket whose work this one is to read; null = it is no reader's. A label alone makes no reader: anybody may set one. */
export function readsFor({ author, labels }: Pick<Ticket, 'author' | 'labels'>): string | null {
  if (author !== READER_AUTHOR) return null;
  const label = labels.find((one) => one.startsWith(READER_LABEL));
  return label === undefined ? null : label.slice(READER_LABEL.length);
}
