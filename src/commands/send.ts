import { readFileSync } from 'node:fs';
import { deliver } from '../act/deliver/index.ts';
import type { Delivered, Delivery } from '../act/deliver/ledger.ts';
import { type Adapter, adapterOf } from '../agents/index.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { type Context, serverOf, ticketOrFail, withBoard } from '../context.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { clean } from '../model/text.ts';
import type { Ticket } from '../model/ticket.ts';
import { type Client, clientOf } from '../runs/program.ts';
import { kindOf } from '../runs/run-file.ts';
import { judgeRow } from '../runs/sighting.ts';
import { betweenTicks } from '../tick/between.ts';

/** Busy means alive: the runtime is named, and nothing was sent. Exit 75. */
export class RuntimeBusyError extends UserError {
  override readonly name = 'RuntimeBusyError';
  constructor(ticket: string, row: Runtime, why: string) {
    super(
      EXIT.busy,
      `RuntimeBusyError: the agent of ${ticket} is ${why} (run ${row.id}, pid ${row.pid}); nothing was sent, try again later or attach`,
    );
  }
}

/** Text to a living, idle runtime. Delivered at most once: without the client's acknowledgement it is
 *  `indeterminate`, and is not sent again. */
export async function send(context: Context, id: string, words: readonly string[]): Promise<ExitCode> {
  const text = textFrom(words);
  return withBoard(context, (board) =>
    betweenTicks(context, `sending to the agent of ${id.toUpperCase()}`, async () => {
      const ticket = await ticketOrFail(board, id, context);
      const row = await board.liveRuntime(ticket.id);
      const server = await serverOf(context);
      if (row === null || (row.tmux_pane === null && server?.sends !== true))
        throw new UserError(
          EXIT.unavailable,
          `${ticket.id} has no living agent; see mc-pickup explain ${ticket.id}`,
        );
      const adapter = adapterFor(row, context);
      const verdict = verdictOf(row, context);
      if (verdict !== 'alive')
        throw new UserError(EXIT.unavailable, `the agent of ${ticket.id} is ${verdict}; nothing was sent`);
      const client = clientFor(row, context);
      const sent = await handOver(context, board, { kind: 'send', ticket, row, adapter, client, text });
      await noteSent(board, ticket, row, sent);
      return said(context, ticket, row, sent);
    }),
  );
}

/** By the pane, or by the server that has started this runtime. */
export async function handOver(context: Context, board: Board, one: Delivery): Promise<Delivered> {
  const server = await serverOf(context);
  const sender = server?.sends === true ? server : null;
  return deliver({ board, tmux: context.tmux, places: context.places, sender }, one);
}

/** The text of a command: its words, or what stands on its standard input. */
export function textFrom(words: readonly string[]): string {
  let raw = words.join(' ');
  try {
    if (words.length === 0) raw = readFileSync(0, 'utf8');
  } catch (error) {
    throw new UserError(
      EXIT.usage,
      `standard input can't be read (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  const text = clean(raw).trim();
  if (text === '') throw new UserError(EXIT.usage, 'there is no text: give it as arguments or on stdin');
  return text;
}

/** The adapter of the client that the run was launched with. */
export function adapterFor(row: Runtime, { places, env }: Context): Adapter {
  const { policy } = loadPolicy(places.config, env);
  const adapter = adapterOf(kindOf(row, places, policy));
  if (adapter === null) throw new UserError(EXIT.config, `no adapter for ${row.agent}`);
  return adapter;
}

/** What is known of the client of this run. */
export function clientFor(row: Runtime, { places, env }: Context): Client {
  return clientOf(row, loadPolicy(places.config, env).policy.agents.get(row.agent), env);
}

export function verdictOf(row: Runtime, { places }: Context): string {
  return judgeRow(row, lookAtSelf(hostId(places.state) ?? ''))?.verdict ?? 'launching';
}

/** The ledger of a person's words, once their way is known: had for certain, maybe, or not given at all, because the person is
 *  told to try again. What was refused is owed to the next attempt. Words that have turned out to have arrived earlier are
 *  the same ones. */
export async function noteWords(
  board: Board,
  { ticket_id, id: run }: Runtime,
  kept: { readonly id: number; readonly text: string },
  sent: Delivered,
): Promise<void> {
  if (sent.outcome === 'busy' || sent.outcome === 'open')
    return board.takeAnswers({ ids: [kept.id], run: 'withdrawn' });
  if (sent.outcome === 'refused') return;
  const { outcome, turn } = sent;
  const same =
    outcome === 'delivered' && sent.earlier && ticket_id !== null ? await board.words(ticket_id) : [];
  const earlier = same.filter((one) => one.text === kept.text && one.had.some((had) => had.run_id === run));
  const ids = [...earlier.map(({ id }) => id), kept.id];
  await board.handWords({ ids, run, outcome, turn }, { now_ms: Date.now() });
}

export async function noteSent(board: Board, ticket: Ticket, row: Runtime, sent: Delivered): Promise<void> {
  if (sent.outcome !== 'delivered' && sent.outcome !== 'indeterminate') return;
  await board.log({
    ...{ at_ms: Date.now(), ticket_id: ticket.id, run_id: row.id, actor: 'send', kind: 'sent' },
    ...{ because: sent.outcome, text: null },
  });
}

/** What became of it, for people and in JSON; what did not reach the pane is an error with its exit code. */
export function said(context: Context, ticket: Ticket, row: Runtime, sent: Delivered): ExitCode {
  const { out, json } = context;
  switch (sent.outcome) {
    case 'busy':
      throw new RuntimeBusyError(ticket.id, row, sent.why);
    case 'open':
      throw new UserError(
        EXIT.busy,
        `${sent.why}; nothing was sent: look with mc-pickup attach ${ticket.id}, or send it in other words`,
      );
    case 'refused':
      throw new UserError(EXIT.unavailable, `nothing was sent to ${ticket.id}: ${sent.why}`);
  }
  if (json) {
    const { outcome, delivery } = sent;
    out.json({ ticket: ticket.id, run: row.id, delivery, outcome });
  } else if (sent.outcome === 'delivered')
    out.line(`${ticket.id}: delivered${sent.earlier ? ' before: it was not sent again' : ''}`);
  else if (sent.held)
    out.line(
      `${ticket.id}: indeterminate: pasted, but a dialog opened before Enter, which was not pressed; answer it with mc-pickup attach ${ticket.id}`,
    );
  else
    out.line(
      `${ticket.id}: indeterminate: pasted, but the agent has not acknowledged it; look with mc-pickup attach ${ticket.id} before you send it again`,
    );
  return EXIT.ok;
}
