import { noteSent } from '../act/deliver/words.ts';
import { ticketOrFail, withBoard } from '../board/open.ts';
import { actorOf, type Context } from '../context.ts';
import { type ExitCode, unavailableError } from '../model/errors.ts';
import { betweenTicks } from '../tick/between.ts';
import { handOver, said, verdictOf } from './addressee.ts';
import { textFrom } from './texts.ts';

/** Text to a living, idle runtime. Delivered at most once: without the client's acknowledgement it is
 *  `indeterminate`, and is not sent again. */
export async function send(context: Context, id: string, words: readonly string[]): Promise<ExitCode> {
  const text = textFrom(words);
  return withBoard(context, (board, opened) =>
    betweenTicks(context, `sending to the agent of ${id.toUpperCase()}`, async () => {
      const ticket = await ticketOrFail(opened, id);
      const row = await board.liveRuntime(ticket.id);
      if (row === null || (row.tmux_pane === null && opened.starter === null))
        throw unavailableError(`${ticket.id} has no living agent; see mc-pickup explain ${ticket.id}`);
      const verdict = verdictOf(row, context);
      if (verdict !== 'alive')
        throw unavailableError(`the agent of ${ticket.id} is ${verdict}; nothing was sent`);
      const sent = await handOver(context, opened, { kind: 'send', ticket, row, text });
      await noteSent(board, row, sent, actorOf(context));
      return said(context, ticket, row, sent);
    }),
  );
}
