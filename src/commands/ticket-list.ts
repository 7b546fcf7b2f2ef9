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
    const found = await board.tickets({
      limit: o.limit + 1,
      ...(status.length > 0 ? { status } : {}),
      ...(o.project === undefined ? {} : { project: o.project }),
    });
    const tickets = found.slice(0, o.limit);
    if (context.json) context.out.json(tickets);
    else for (const ticket of tickets) context.out.line(ticketLine(ticket));
    if (found.length > tickets.length && !context.out.quiet)
      context.out.warn(
        `the newest are left out, only the first ${o.limit} are shown: --limit ${Math.max(10, 10 * o.limit)} shows more`,
      );
    return EXIT.ok;
  });
}
