import { answerChoice, type ChoiceAnswer, openChoice } from '../act/deliver/choice.ts';
import { answerDialog } from '../act/deliver/dialog.ts';
import { until } from '../act/deliver/until.ts';
import { noteSent, noteWords } from '../act/deliver/words.ts';
import { type OpenedBoard, ticketOrFail, withBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { actorOf, byNow, type Context } from '../context.ts';
import { choiceText, chosenIn } from '../model/choice.ts';
import { busyError, EXIT, type ExitCode, UserError, unavailableError, usageError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { oneLine } from '../model/text.ts';
import { SETTLED, type Ticket } from '../model/ticket.ts';
import { betweenTicks } from '../tick/between.ts';
import { seeAfter } from '../tick/see.ts';
import { adapterFor, clientFor, handOver, RuntimeBusyError, said, verdictOf } from './addressee.ts';
import { textFrom } from './texts.ts';
import { keepWords, moveAsSeen } from './ticket.ts';

interface Options {
  readonly allow?: boolean;
  readonly deny?: boolean;
}

const DYING_MS = 5000;

/** A person's answer: a text to the agent that asked, or its permission. A text is kept until a run has it for certain:
 *  if the agent is gone, the ticket goes back to `todo`, and the next attempt is told. */
export async function answer(
  context: Context,
  id: string,
  words: readonly string[],
  o: Options,
): Promise<ExitCode> {
  const permission = o.allow === true || o.deny === true;
  if (o.allow === true && o.deny === true) throw usageError('give --allow or --deny, not both');
  if (permission && words.length > 0)
    throw usageError('a permission is answered by --allow or --deny alone, without a text');
  const text = permission ? '' : textFrom(words);
  return withBoard(context, (board, opened) =>
    betweenTicks(context, `answering the agent of ${id.toUpperCase()}`, async () => {
      const ticket = await ticketOrFail(opened, id);
      const row = await board.liveRuntime(ticket.id);
      const verdict = row === null ? 'dead' : verdictOf(row, context);
      if (permission) {
        if (row === null || verdict !== 'alive')
          throw unavailableError(`${ticket.id} has no living agent: no dialog is open`);
        return permit(context, opened, ticket, row, o.allow === true);
      }
      if (verdict === 'dead') return keep(context, board, ticket, text);
      if (row === null || verdict !== 'alive')
        throw unavailableError(`the agent of ${ticket.id} is ${verdict}; nothing was sent`);
      return tell(context, opened, ticket, row, text);
    }),
  );
}

/** Nobody is there to hear it: it waits on the board for the next attempt. */
async function keep(context: Context, board: Board, ticket: Ticket, text: string): Promise<ExitCode> {
  if (SETTLED.has(ticket.status) && ticket.status !== 'blocked')
    throw usageError(`${ticket.id} is ${ticket.status}: there is nothing to answer`);
  await keepWords(board, ticket, text, byNow(context));
  return handToNext(context, board, ticket);
}

/** The answer is on the board: the ticket goes back to `todo`, so that there is a next attempt. */
async function handToNext(context: Context, board: Board, ticket: Ticket): Promise<ExitCode> {
  const moves = ticket.status === 'needs_input' || ticket.status === 'blocked';
  const back = { to: 'todo', why: 'answered', trusted: true } as const;
  if (moves && (await moveAsSeen(board, ticket, back, byNow(context))) === 'lost')
    throw busyError(
      `${ticket.id} was changed at the same moment: the answer is kept, and the ticket is as it was; see mc-pickup ticket show ${ticket.id}`,
    );
  if (context.json) context.out.json({ ticket: ticket.id, run: null, outcome: 'kept' });
  else
    context.out.line(
      `${ticket.id}: its agent is gone; the answer is kept for the next attempt${moves ? ', the ticket is in todo' : ''}`,
    );
  return EXIT.ok;
}

async function tell(
  context: Context,
  opened: OpenedBoard,
  ticket: Ticket,
  row: Runtime,
  text: string,
): Promise<ExitCode> {
  const { board } = opened;
  const adapter = adapterFor(row, context);
  const open = await openChoice({ board, tmux: context.tmux, places: context.places }, row, adapter);
  if (open !== null) return choose(context, opened, { ticket, row, adapter, open }, text);
  const kept = await keepWords(board, ticket, text, byNow(context));
  const sent = await handOver(context, opened, { kind: 'answer', ticket, row, text });
  await noteWords(board, row, { id: kept, text }, sent);
  await noteSent(board, row, sent, actorOf(context));
  if (sent.outcome === 'refused') {
    // It was dying when it was judged alive: a large process takes a while to be gone after its terminal is.
    const dead = () => Promise.resolve(verdictOf(row, context) === 'dead');
    if (!row.headless && (await until(dead, DYING_MS))) return handToNext(context, board, ticket);
    context.out.line(`${ticket.id}: not delivered (${sent.why}); the answer is kept for the next attempt`);
    return EXIT.unavailable;
  }
  if (sent.outcome === 'busy' && sent.why.includes('dialog'))
    throw new RuntimeBusyError(
      ticket.id,
      row,
      `${sent.why} (a permission: answer --allow or --deny; any other: mc-pickup attach ${ticket.id})`,
    );
  const code = said(context, ticket, row, sent);
  await seeAfter(context, opened, ticket.id);
  return code;
}

/** An answer to a question of the client's own tool. It belongs to the ticket like any other. */
async function choose(
  context: Context,
  opened: OpenedBoard,
  asked: Pick<ChoiceAnswer, 'ticket' | 'row' | 'adapter' | 'open'>,
  text: string,
): Promise<ExitCode> {
  const { places, tmux, json, out } = context;
  const { board } = opened;
  const { ticket, row, open } = asked;
  const chosen = chosenIn(text, open);
  if ('wrong' in chosen)
    throw new UserError(
      EXIT.usage,
      `nothing was pressed for ${ticket.id}: ${chosen.wrong}\n${choiceText([open])}`,
    );
  const words = 'text' in chosen ? text : chosen.numbers.map((n) => open.options[n - 1] ?? '').join(', ');
  const actor = actorOf(context);
  const kept = await board.keepAnswer(
    { ticket: ticket.id, text: `${open.question}\n${words}`, author: actor },
    { now_ms: Date.now() },
  );
  const client = clientFor(row, context);
  const done = await answerChoice({ board, tmux, places }, { ...asked, client, chosen });
  if (!done.ok) {
    await board.takeAnswers({ ids: [kept], run: 'withdrawn' });
    throw new UserError(done.exit, `${ticket.id}: ${done.why}`);
  }
  const { delivery, outcome, next, turn } = done;
  // The turn goes on with it: its end honours it.
  const hand = { ids: [kept], run: row.id, outcome, turn: Math.max(0, turn - 1) };
  await board.handWords(hand, { now_ms: Date.now() });
  await board.log({
    ...{ at_ms: Date.now(), ticket_id: ticket.id, run_id: row.id, actor, kind: 'sent', because: outcome },
    text: `${open.question}: ${words}`,
  });
  if (json) out.json({ ticket: ticket.id, run: row.id, delivery, outcome });
  else {
    const stands =
      outcome === 'delivered' ? '' : ', but the agent has not gone on yet: look with mc-pickup attach';
    out.line(`${ticket.id}: answered${stands}: ${oneLine(`${open.question} ${words}`, 300)}`);
    if (next !== null) out.line(`${ticket.id}: it goes on to ask: ${choiceText([next])}`);
  }
  await seeAfter(context, opened, ticket.id);
  return outcome === 'delivered' ? EXIT.ok : EXIT.indeterminate;
}

async function permit(
  context: Context,
  opened: OpenedBoard,
  ticket: Ticket,
  row: Runtime,
  allow: boolean,
): Promise<ExitCode> {
  const { places, tmux, json, out } = context;
  const { board } = opened;
  const adapter = adapterFor(row, context);
  const client = clientFor(row, context);
  // One of its options may look like the permission's.
  const open = await openChoice({ board, tmux, places }, row, adapter);
  if (open !== null)
    throw new UserError(
      EXIT.usage,
      `the agent of ${ticket.id} asks for no permission; nothing was pressed: mc-pickup answer ${ticket.id} with the number of an option, or in your own words\n${choiceText([open])}`,
    );
  const one = { ticket, row, adapter, client, allow, actor: actorOf(context) };
  const done = await answerDialog({ board, tmux, places }, one);
  if (!done.ok) throw new UserError(done.exit, done.why);
  const { delivery, outcome, question } = done;
  if (json) out.json({ ticket: ticket.id, run: row.id, delivery, outcome });
  else {
    const stands =
      outcome === 'delivered' ? '' : ', but the agent has not gone on yet: look with mc-pickup attach';
    out.line(`${ticket.id}: ${allow ? 'allowed' : 'denied'}${stands}: ${question ?? 'permission'}`);
  }
  await seeAfter(context, opened, ticket.id);
  return outcome === 'delivered' ? EXIT.ok : EXIT.indeterminate;
}
