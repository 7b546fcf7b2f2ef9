import { withMade } from '../board/open.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { ticketLine } from '../report/ticket.ts';
import { statusOf } from './names.ts';

/** Lists tickets in the order in which they came. */
export async function list(
  context: Context,
  o: { readonly status: readonly string[]; readonly project?: string; readonly limit: number },
): Promise<ExitCode> {
  const status = o.status.map(statusOf);
  return withMade(context, async (board) => {
    const tickets = await board.tickets({
      limit: o.limit,
      ...(status.length > 0 ? { status } : {}),
      ...(o.project === undefined ? {} : { project: o.project }),
    });
    if (context.json) context.out.json(tickets);
    else for (const ticket of tickets) context.out.line(ticketLine(ticket));
    return EXIT.ok;
  });
}
