import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Board } from '../board/port.ts';
import { monotonicMs } from '../clock.ts';
import { loadPolicy } from '../config/load.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Ticket } from '../model/ticket.ts';
import { judgeRow } from '../observe.ts';
import { adapterOf } from '../runtime/agents/index.ts';
import { pasteText } from '../runtime/deliver.ts';
import { foldEvents } from '../runtime/events.ts';
import { hostId, lookAtSelf } from '../runtime/identity.ts';
import { readRunFile } from '../runtime/launcher.ts';
import { clean } from '../text.ts';
import { type Context, ticketOrFail, withBoard } from './context.ts';
import { betweenTicks } from './lock.ts';

const ENTER_DELAY_MS = 300;
const ACK_MS = 5000;

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
  const text = clean(words.length > 0 ? words.join(' ') : readFileSync(0, 'utf8')).trim();
  if (text === '') throw new UserError(EXIT.usage, 'nothing to send: give the text as arguments or on stdin');
  return withBoard(context, (board) =>
    betweenTicks(context, async () => {
      const ticket = await ticketOrFail(board, id, context);
      const row = await board.liveRuntime(ticket.id);
      if (row?.tmux_pane == null)
        throw new UserError(
          EXIT.unavailable,
          `${ticket.id} has no living agent; see mc-pickup explain ${ticket.id}`,
        );
      const { policy } = loadPolicy(context.places.config, context.env);
      const kind = readRunFile(context.places.runs, row.mark)?.kind ?? policy.agents.get(row.agent)?.kind;
      const adapter = adapterOf(kind ?? 'command') ?? adapterOf('command');
      if (adapter === null) throw new UserError(EXIT.config, `no adapter for ${row.agent}`);
      const verdict = judgeRow(row, lookAtSelf(hostId(context.places.state) ?? ''))?.verdict ?? 'launching';
      if (verdict !== 'alive')
        throw new UserError(EXIT.unavailable, `the agent of ${ticket.id} is ${verdict}; nothing was sent`);

      const events = join(context.places.runs, row.mark, 'events');
      const fold = () => foldEvents(events, row, adapter);
      const before = fold();
      if (before.activity === 'waiting')
        throw new RuntimeBusyError(ticket.id, row, 'showing a dialog that Enter would answer');
      // A client that tells when its turn ends is idle then; of another, the question is the only sign.
      const ready =
        before.activity === 'idle' || (adapter.kind === 'command' && asked(ticket, row, before.turn));
      if (!ready) throw new RuntimeBusyError(ticket.id, row, 'busy');
      const sha256 = createHash('sha256').update(text).digest('hex');
      await settleLast(board, ticket, row, sha256, before.turn);

      const delivery = randomUUID();
      await board.saveDelivery({
        id: delivery,
        run_id: row.id,
        ticket_id: ticket.id,
        kind: 'send',
        sha256,
        bytes: Buffer.byteLength(text),
        outcome: 'pending',
        ack_source: sentAfter(before.turn),
        at_ms: Date.now(),
      });
      const pasted = await pasteText(context.tmux, {
        pane: row.tmux_pane,
        run: row.mark,
        text,
        enterDelayMs: ENTER_DELAY_MS,
        mayEnter: () => fold().activity !== 'waiting',
      });
      if (typeof pasted === 'object' && pasted.untouched) {
        await board.setDelivery(delivery, 'refused', null);
        throw new UserError(EXIT.unavailable, `${pasted.error}; nothing was sent to ${ticket.id}`);
      }
      if (pasted === 'refused') {
        await board.setDelivery(delivery, 'refused', null);
        throw new UserError(
          EXIT.unavailable,
          `the pane of ${ticket.id} is dead or another run's; nothing was sent`,
        );
      }
      const acknowledged = pasted === 'pasted' && (await turnStarted(() => fold().turn > before.turn));
      const outcome = acknowledged ? 'delivered' : 'indeterminate';
      await board.setDelivery(delivery, outcome, acknowledged ? 'event' : sentAfter(before.turn));
      await board.log({
        at_ms: Date.now(),
        ticket_id: ticket.id,
        run_id: row.id,
        actor: 'send',
        kind: 'sent',
        because: outcome,
        text: null,
      });
      if (context.json) context.out.json({ ticket: ticket.id, run: row.id, delivery, outcome });
      else if (acknowledged) context.out.line(`${ticket.id}: delivered`);
      else if (pasted === 'held')
        context.out.line(
          `${ticket.id}: indeterminate: pasted, but a dialog opened before Enter, which was not pressed; answer it with mc-pickup attach ${ticket.id}`,
        );
      else
        context.out.line(
          `${ticket.id}: indeterminate: pasted, but the agent has not acknowledged it; look with mc-pickup attach ${ticket.id} before you send it again`,
        );
      return EXIT.ok;
    }),
  );
}

/** The run itself asked a person, and its turn has not moved on: it waits for exactly this. */
function asked(ticket: Ticket, row: Runtime, turn: number): boolean {
  return (
    ticket.status === 'needs_input' &&
    ticket.reason === 'asked' &&
    ticket.reason_run === row.id &&
    turn <= (ticket.reason_turn ?? 0)
  );
}

/** A text whose fate is open is not sent again: refuses, unless a turn that started since shows that it arrived. */
async function settleLast(
  board: Board,
  ticket: Ticket,
  row: Runtime,
  sha256: string,
  turn: number,
): Promise<void> {
  const last = await board.lastDelivery(row.id, 'send');
  if (last === null || (last.outcome !== 'pending' && last.outcome !== 'indeterminate')) return;
  const then = /^turn:(\d+)$/.exec(last.ack_source ?? '')?.[1];
  if (then !== undefined && turn > Number(then)) await board.setDelivery(last.id, 'delivered', 'event');
  else if (last.sha256 === sha256)
    throw new UserError(
      EXIT.busy,
      `this text was sent to ${ticket.id} already and is not acknowledged (run ${row.id}); nothing was sent: look with mc-pickup attach ${ticket.id}, or send it in other words`,
    );
}

function sentAfter(turn: number): string {
  return `turn:${turn}`;
}

async function turnStarted(probe: () => boolean): Promise<boolean> {
  const end = monotonicMs() + ACK_MS;
  while (!probe()) {
    if (monotonicMs() > end) return false;
    await pause(50);
  }
  return true;
}
