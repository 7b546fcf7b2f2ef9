import { ticketOrFail, withBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { actorOf, type Context } from '../context.ts';
import { forbidden } from '../machine/caller.ts';
import { EXIT, type ExitCode, UserError, usageError } from '../model/errors.ts';
import { readsFor } from '../model/reader.ts';
import { clean, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { shown } from './ticket.ts';

/** Adds a comment to the ticket's log. */
export async function comment(context: Context, id: string, words: readonly string[]): Promise<ExitCode> {
  const text = clean(words.join(' ')).trim();
  if (text === '') throw usageError('the comment is empty');
  return withBoard(context, async (board, opened) => {
    const ticket = await ticketOrFail(opened, id);
    await mayComment(context, board, ticket);
    await board.log({
      at_ms: Date.now(),
      ticket_id: ticket.id,
      run_id: context.caller.kind === 'agent' ? context.caller.run : null,
      actor: actorOf(context),
      kind: 'comment',
      because: null,
      text,
    });
    if (context.json) return shown(context, opened, ticket.id);
    context.out.line(
      `${ticket.id}: noted for ${actorOf(context)}: "${oneLine(text, 200)}" (mc-pickup log --ticket ${ticket.id} --kind comment)`,
    );
    return EXIT.ok;
  });
}

/** An agent comments on the ticket of its own living run, and as a reader on the one whose work it reads. */
async function mayComment({ caller }: Context, board: Board, ticket: Ticket): Promise<void> {
  if (caller.kind === 'person') return;
  const row = await board.runtimeByMark(caller.run);
  const own = row?.ticket_id == null || row.ended_at_ms !== null ? null : await board.ticket(row.ticket_id);
  if (own !== null && (own.id === ticket.id || readsFor(own) === ticket.id)) return;
  const mine = own === null ? 'its run is over, or is none of this board' : `its own is ${own.id}`;
  throw new UserError(
    EXIT.noperm,
    forbidden(`"mc-pickup ticket comment ${ticket.id}" (${mine})`, caller.run),
  );
}
