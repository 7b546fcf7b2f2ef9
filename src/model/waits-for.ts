import type { TicketStatus } from './ticket.ts';

/** A ticket that others wait for, and that will not be done by itself. */
export interface NotComing {
  readonly id: string;
  /** null = the board has no such ticket. */
  readonly status: TicketStatus | null;
}

/** A ticket that waits for such ones. */
export interface InVain {
  readonly id: string;
  readonly title: string;
  readonly for: readonly NotComing[];
}

/** Whether a person has to do something before a ticket of this status can be done. */
export function isNotComing(status: TicketStatus | null): boolean {
  return status === null || status === 'cancelled' || status === 'blocked';
}

/** `MC-1 is cancelled`. */
export function notComingWords({ id, status }: NotComing): string {
  return status === null ? `the board has no ${id}` : `${id} is ${status}`;
}
