/* What no operation of a tick may do, whatever the board is made of. */
import { SETTLED, type TicketStatus } from '../../src/model/ticket.ts';

interface Ticket {
  readonly id: string;
  readonly status: TicketStatus;
}

interface Row {
  readonly id: string;
  readonly ended_at_ms: number | null;
}

/** What is wrong with a change of the board by a tick; null = nothing. `lives`: whether the process of a row did. */
export function forbidden<R extends Row>(
  before: { readonly tickets: readonly Ticket[]; readonly rows: readonly R[] },
  after: { readonly tickets: readonly Ticket[]; readonly rows: readonly R[] },
  lives: (row: R) => boolean,
): string | null {
  for (const { id, status } of before.tickets) {
    const now = after.tickets.find((one) => one.id === id)?.status;
    if (SETTLED.has(status) && now !== status) return `a tick moved ${id} from ${status} back to ${now}`;
  }
  for (const was of before.rows) {
    const row = after.rows.find(({ id }) => id === was.id);
    if (was.ended_at_ms !== null) {
      if (JSON.stringify(was) !== JSON.stringify(row)) return `the ended row of ${was.id} was changed`;
    } else if ((row === undefined || row.ended_at_ms !== null) && lives(was))
      return `the row of ${was.id} was ended while its process lives`;
  }
  return null;
}
