import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type Deliverer, lookNow, until } from '../act/deliver/index.ts';
import type { Adapter } from '../agents/index.ts';
import type { Board } from '../board/port/index.ts';
import { actorOf, type Context, ticketOrFail, withBoard } from '../context.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { SETTLED, type Ticket } from '../model/ticket.ts';
import { whyNotTheClient } from '../runs/foreground.ts';
import { betweenTicks } from '../tick/between.ts';
import { pressKeys } from '../tmux/paste.ts';
import { showsText } from '../tmux/tmux.ts';
import {
  adapterFor,
  clientFor,
  handOver,
  noteSent,
  noteWords,
  RuntimeBusyError,
  said,
  textFrom,
  verdictOf,
} from './send.ts';

interface Options {
  readonly allow?: boolean;
  readonly deny?: boolean;
}

const ACK_MS = 10_000;
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
  if (o.allow === true && o.deny === true)
    throw new UserError(EXIT.usage, 'give --allow or --deny, not both');
  if (permission && words.length > 0)
    throw new UserError(EXIT.usage, 'a permission is answered by --allow or --deny alone, without a text');
  const actor = actorOf(context);
  const text = permission ? '' : textFrom(words);
  return withBoard(context, (board) =>
    betweenTicks(context, `answering the agent of ${id.toUpperCase()}`, async () => {
      const ticket = await ticketOrFail(board, id, context);
      const row = await board.liveRuntime(ticket.id);
      const verdict = row === null ? 'dead' : verdictOf(row, context);
      if (permission) {
        if (row === null || verdict !== 'alive')
          throw new UserError(EXIT.unavailable, `${ticket.id} has no living agent: no dialog is open`);
        return permit(context, board, ticket, row, o.allow === true);
      }
      if (verdict === 'dead') return keep(context, board, ticket, text, actor);
      if (row === null || verdict !== 'alive')
        throw new UserError(EXIT.unavailable, `the agent of ${ticket.id} is ${verdict}; nothing was sent`);
      return tell(context, board, ticket, row, text, actor);
    }),
  );
}

/** Nobody is there to hear it: it waits on the board for the next attempt. */
async function keep(
  context: Context,
  board: Board,
  ticket: Ticket,
  text: string,
  actor: string,
): Promise<ExitCode> {
  if (SETTLED.has(ticket.status) && ticket.status !== 'blocked')
    throw new UserError(EXIT.usage, `${ticket.id} is ${ticket.status}: there is nothing to answer`);
  await board.keepAnswer({ ticket: ticket.id, text, author: actor }, { now_ms: Date.now() });
  return handToNext(context, board, ticket, actor);
}

/** The answer is on the board: the ticket goes back to `todo`, so that there is a next attempt. */
async function handToNext(context: Context, board: Board, ticket: Ticket, actor: string): Promise<ExitCode> {
  const moves = ticket.status === 'needs_input' || ticket.status === 'blocked';
  if (
    moves &&
    (await board.move(
      { ticket: ticket.id, version: ticket.version, to: 'todo', why: 'answered', trusted: true },
      { actor, now_ms: Date.now() },
    )) === 'lost'
  )
    throw new UserError(
      EXIT.busy,
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
  board: Board,
  ticket: Ticket,
  row: Runtime,
  text: string,
  actor: string,
): Promise<ExitCode> {
  const adapter = adapterFor(row, context);
  const kept = await board.keepAnswer({ ticket: ticket.id, text, author: actor }, { now_ms: Date.now() });
  const sent = await handOver(context, board, {
    ...{ kind: 'answer', ticket, row, adapter, text },
    client: clientFor(row, context),
  });
  await noteWords(board, row, { id: kept, text }, sent);
  await noteSent(board, ticket, row, sent);
  if (sent.outcome === 'refused') {
    // It was dying when it was judged alive: a large process takes a while to be gone after its terminal is.
    const dead = () => Promise.resolve(verdictOf(row, context) === 'dead');
    if (!row.headless && (await until(dead, DYING_MS))) return handToNext(context, board, ticket, actor);
    context.out.line(`${ticket.id}: not delivered (${sent.why}); the answer is kept for the next attempt`);
    return EXIT.unavailable;
  }
  if (sent.outcome === 'busy' && sent.why.includes('dialog'))
    throw new RuntimeBusyError(ticket.id, row, `${sent.why} (a permission: answer --allow or --deny)`);
  return said(context, ticket, row, sent);
}

/** Answers the permission dialog that is open, by the client's own keys, after a check in the very same tmux command that
 *  the pane still shows it. */
async function permit(
  context: Context,
  board: Board,
  ticket: Ticket,
  row: Runtime,
  allow: boolean,
): Promise<ExitCode> {
  const adapter: Adapter = adapterFor(row, context);
  const { permission } = adapter;
  const pane = row.tmux_pane;
  const hands: Deliverer = { board, tmux: context.tmux, places: context.places };
  if (permission === undefined || pane === null)
    throw new UserError(
      EXIT.usage,
      `an agent of kind ${adapter.kind} has no permission dialog that is known: mc-pickup attach ${ticket.id}`,
    );
  const stranger = whyNotTheClient(row, ticket.id, clientFor(row, context));
  if (stranger !== null)
    throw new UserError(EXIT.unavailable, `nothing was pressed for ${ticket.id}: ${stranger}`);
  const before = await lookNow(hands, row, adapter);
  if (before.activity !== 'waiting' && before.level !== 'waiting')
    throw new UserError(
      EXIT.busy,
      `the agent of ${ticket.id} is ${before.activity}: no dialog is open (see mc-pickup status)`,
    );
  const delivery = randomUUID();
  const sha256 = createHash('sha256')
    .update(before.question ?? '')
    .digest('hex');
  await board.saveDelivery({
    ...{ id: delivery, run_id: row.id, ticket_id: ticket.id, kind: 'permission', sha256, bytes: 0 },
    ...{ nonce: randomBytes(8).toString('hex'), outcome: 'pending', at_ms: Date.now() },
    ack_source: `turn:${before.turn}`,
  });
  const keys = allow ? permission.allow : permission.deny;
  const pressed = await pressKeys(context.tmux, {
    ...{ pane, run: row.mark, shows: permission.shows, keys },
  });
  if (pressed !== 'pressed') {
    await board.setDelivery({ id: delivery, outcome: 'refused', ack_source: null });
    throw new UserError(
      EXIT.busy,
      pressed === 'refused'
        ? `the pane of ${ticket.id} does not show that dialog any more: nothing was pressed`
        : `${pressed.error}: nothing was pressed`,
    );
  }
  let unseen = 0;
  const closed = async (): Promise<'event' | 'level' | 'screen' | null> => {
    const now = await lookNow(hands, row, adapter);
    if (now.fresh > before.fresh) return 'event';
    // No event tells of a dialog that Escape has closed (Claude Code): the level that showed it does.
    if (before.level === 'waiting') return now.level !== null && now.level !== 'waiting' ? 'level' : null;
    if (now.level === 'waiting') return null;
    if (now.activity !== 'waiting') return 'event';
    // A level that lagged behind the event, and may never have said that it waits: the screen, which showed it, does. Once
    // may be between two drawings of it.
    unseen = (await showsText(context.tmux, pane, permission.shows)) === false ? unseen + 1 : 0;
    return unseen > 1 ? 'screen' : null;
  };
  let sign: Awaited<ReturnType<typeof closed>> = null;
  const gone = await until(async () => {
    sign = await closed();
    return sign !== null;
  }, ACK_MS);
  const outcome = gone ? 'delivered' : 'indeterminate';
  await board.setDelivery({ id: delivery, outcome, ack_source: sign ?? `turn:${before.turn}` });
  await board.log({
    ...{ at_ms: Date.now(), ticket_id: ticket.id, run_id: row.id, actor: actorOf(context) },
    ...{ kind: allow ? 'allowed' : 'denied', because: outcome, text: before.question },
  });
  if (context.json) context.out.json({ ticket: ticket.id, run: row.id, delivery, outcome });
  else
    context.out.line(
      `${ticket.id}: ${allow ? 'allowed' : 'denied'}${gone ? '' : ', but the agent has not gone on yet: look with mc-pickup attach'}: ${before.question ?? 'permission'}`,
    );
  return EXIT.ok;
}
