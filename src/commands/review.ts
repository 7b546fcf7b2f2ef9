import { until } from '../act/deliver/until.ts';
import { noteSent, noteWords } from '../act/deliver/words.ts';
import { type OpenedBoard, ticketOrFail, withBoard } from '../board/open.ts';
import type { Board, ReviewRow } from '../board/port/index.ts';
import { actorOf, byNow, type Context } from '../context.ts';
import { EXIT, type ExitCode, unavailableError, usageError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { clean, oneLine } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { ticketLine } from '../report/ticket.ts';
import { betweenTicks } from '../tick/between.ts';
import { handOver, RuntimeBusyError, verdictOf } from './addressee.ts';
import { unmergedLines } from './merge.ts';
import { keepWords, moveAsSeen, won } from './ticket.ts';

const MOST_BYTES = 64 * 1024;
const DYING_MS = 5000;

/** A person accepts what is in review. Nothing is merged: what is left to do is said. */
export async function approve(
  context: Context,
  id: string,
  o: { readonly message?: string },
): Promise<ExitCode> {
  return withBoard(context, async (board, opened) => {
    const ticket = await inReviewOrFail(opened, id, 'approved');
    const why = o.message === undefined ? 'approved' : `approved: ${oneLine(o.message, 500)}`;
    won(await moveAsSeen(board, ticket, { to: 'done', why, trusted: true }, byNow(context)), ticket);
    const now = await shown(context, board, ticket.id);
    const row = await reviewOf(board, ticket);
    if (context.json || now === null) return EXIT.ok;
    if (row?.url != null && row.stage === 'open')
      context.out.line(`its pull request is still open, merging it is yours: ${row.url}`);
    else for (const line of await unmergedLines(context, board, ticket)) context.out.line(line);
    return EXIT.ok;
  });
}

/** A person wants more of what is in review. The words go to the agent if it is still there and idle; else they are kept
 *  for the next attempt, which goes on with the same branch, and the ticket is in `todo`. */
export async function rework(
  context: Context,
  id: string,
  o: { readonly message: string },
): Promise<ExitCode> {
  const words = clean(o.message).trim();
  if (words === '') throw usageError('--message is empty: say what is to be changed');
  if (Buffer.byteLength(words) > MOST_BYTES)
    throw usageError(`--message is larger than ${MOST_BYTES} bytes: name a file of the repository`);
  const text = `Your work was reviewed, and is to be changed:\n${words}`;
  return withBoard(context, (board, opened) =>
    betweenTicks(context, `sending ${id.toUpperCase()} back`, async () => {
      const ticket = await inReviewOrFail(opened, id, 'sent back');
      const row = await board.liveRuntime(ticket.id);
      const verdict = row === null ? 'dead' : verdictOf(row, context);
      if (verdict === 'dead') return again(context, board, { ticket, words, text });
      if (row === null || verdict !== 'alive')
        throw unavailableError(
          `whether the agent of ${ticket.id} lives can't be told (${verdict}): nothing was changed`,
        );
      return tell(context, opened, row, { ticket, words, text });
    }),
  );
}

interface Comments {
  readonly ticket: Ticket;
  /** As the person wrote them. */
  readonly words: string;
  /** As the agent is told. */
  readonly text: string;
}

/** Kept for the next attempt. Kept first: a ticket in `todo` without its comments would be worked on without them. */
async function again(context: Context, board: Board, { ticket, words, text }: Comments): Promise<ExitCode> {
  const kept = await keepWords(board, ticket, text, byNow(context));
  const move = { to: 'todo', why: oneLine(words, 500), trusted: true } as const;
  const result = await moveAsSeen(board, ticket, move, byNow(context));
  if (result === 'lost') await board.takeAnswers({ ids: [kept], run: 'withdrawn' });
  won(result, ticket);
  await commented(context, board, ticket, words);
  if ((await shown(context, board, ticket.id)) !== null && !context.json)
    context.out.line('the comments are kept for its next attempt, on the same branch');
  return EXIT.ok;
}

/** To the agent that is still there. Only what it has, or may have, moves the ticket. */
async function tell(context: Context, opened: OpenedBoard, row: Runtime, o: Comments): Promise<ExitCode> {
  const { board } = opened;
  const { ticket, words, text } = o;
  const kept = await keepWords(board, ticket, text, byNow(context));
  const give = () => handOver(context, opened, { kind: 'answer', ticket, row, text });
  const first = await give();
  // The same words of an earlier round have just been found to have arrived: these are new ones.
  const sent = first.outcome === 'delivered' && first.earlier ? await give() : first;
  const has = sent.outcome === 'delivered' || sent.outcome === 'indeterminate';
  // Of what did not reach it, `again` keeps a copy, if it comes to that.
  if (has) await noteWords(board, row, { id: kept, text }, sent);
  else await board.takeAnswers({ ids: [kept], run: 'withdrawn' });
  await noteSent(board, row, sent, actorOf(context));
  if (!has) {
    // It was dying when it was judged alive.
    const dead = () => Promise.resolve(verdictOf(row, context) === 'dead');
    if (sent.outcome === 'refused' && !row.headless && (await until(dead, DYING_MS)))
      return again(context, board, o);
    throw new RuntimeBusyError(
      ticket.id,
      row,
      `${sent.why} (or end it, then the comments go to the next attempt: mc-pickup stop ${ticket.id})`,
    );
  }
  const move = { to: 'in_progress', why: oneLine(words, 500), trusted: true } as const;
  won(await moveAsSeen(board, ticket, move, byNow(context)), ticket);
  await commented(context, board, ticket, words);
  if ((await shown(context, board, ticket.id)) !== null && !context.json)
    context.out.line(
      sent.outcome === 'delivered'
        ? 'its agent has the comments and goes on'
        : `its agent was given the comments and has not acknowledged them: look with mc-pickup attach ${ticket.id}`,
    );
  return sent.outcome === 'delivered' ? EXIT.ok : EXIT.indeterminate;
}

async function inReviewOrFail(opened: OpenedBoard, id: string, done: string): Promise<Ticket> {
  const ticket = await ticketOrFail(opened, id);
  if (ticket.status === 'in_review') return ticket;
  throw usageError(
    `${ticket.id} is ${ticket.status}: only what is in review can be ${done} (see mc-pickup ticket move)`,
  );
}

/** Its words whole, where the log and the history show them. */
async function commented(context: Context, board: Board, ticket: Ticket, text: string): Promise<void> {
  const about = { at_ms: Date.now(), ticket_id: ticket.id, run_id: null, actor: actorOf(context) };
  await board.log({ ...about, kind: 'comment', because: 'rework', text });
}

/** Of the last claim that anything went out of. */
export async function reviewOf(board: Board, { id }: Ticket): Promise<ReviewRow | null> {
  return (await board.reviews([id]))?.at(-1) ?? null;
}

async function shown(context: Context, board: Board, id: string): Promise<Ticket | null> {
  const ticket = await board.ticket(id);
  if (ticket === null) return null;
  if (context.json) context.out.json(ticket);
  else context.out.line(ticketLine(ticket));
  return ticket;
}
