import type { BusyElsewhere } from '../model/plan.ts';
import { sameHands } from '../model/runtime.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Sighting } from '../model/world.ts';

export type BusyAnswer =
  | { readonly do: 'adopt' }
  | { readonly do: 'launch' }
  | { readonly do: 'release'; readonly because: BusyElsewhere }
  | { readonly do: 'leave'; readonly because: BusyElsewhere };

/**
 * What to do about a runtime that is said to be busy where we meant to start one (the 409). Busy means alive,
 * so it is believed: adopted if it is this ticket's, under this ticket's owner, and the kernel says that its
 * process lives. Another ticket's runtime is never touched, and what cannot be judged is left alone. A dead
 * one is no obstacle.
 */
export function answerBusy(
  ticket: Pick<Ticket, 'id' | 'owner' | 'created_at_ms'>,
  busy: Sighting,
): BusyAnswer {
  if (busy.judgement.verdict === 'unknown') return { do: 'leave', because: 'mark_unknown' };
  if (busy.judgement.verdict === 'not_mine') return { do: 'leave', because: 'not_mine' };
  if (busy.judgement.verdict === 'dead') return { do: 'launch' };
  // A number is given out again by another board, or by this one after a restore: that is another ticket.
  const same = busy.ticket_created_at_ms === null || busy.ticket_created_at_ms === ticket.created_at_ms;
  if (busy.ticket !== ticket.id || !same) return { do: 'release', because: 'busy_with_other_ticket' };
  if (!sameHands(busy, ticket.owner)) return { do: 'leave', because: 'busy_with_other_owner' };
  return { do: 'adopt' };
}
