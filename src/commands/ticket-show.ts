import { ticketOrFail, withMade } from '../board/open.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { runJson } from '../report/run.ts';
import { ticketLines } from '../report/ticket.ts';

/** One ticket whole, with its runs. */
export async function show(context: Context, id: string): Promise<ExitCode> {
  return withMade(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    const runs = await board.runtimesOf({ ticket: ticket.id, limit: 20 });
    const history = await board.activity({ ticket: ticket.id, limit: 50 });
    const reviews = (await board.reviews([ticket.id])) ?? [];
    if (context.json) context.out.json({ ...ticket, runs: runs.map(runJson), activity: history, reviews });
    else for (const line of ticketLines(ticket, runs, reviews, Date.now())) context.out.line(line);
    return EXIT.ok;
  });
}
