import { randomBytes, randomUUID } from 'node:crypto';
import type { Adapter } from '../../agents/index.ts';
import { EXIT, type ExitCode } from '../../model/errors.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Ticket } from '../../model/ticket.ts';
import type { ActivityView } from '../../model/world.ts';
import { noteDenied } from '../../runs/denied.ts';
import { whyNotTheClient } from '../../runs/foreground.ts';
import type { Client } from '../../runs/program.ts';
import { showsText } from '../../tmux/pane.ts';
import { pressKeys } from '../../tmux/paste.ts';
import { type Deliverer, lookNow } from './index.ts';
import { hashOf } from './ledger.ts';
import { until } from './until.ts';

const ACK_MS = 10_000;

/** What a person says to the dialog that an agent has open. */
export interface DialogAnswer {
  readonly ticket: Ticket;
  readonly row: Runtime;
  readonly adapter: Adapter;
  /** What is known of the client: no key is pressed in anything else. */
  readonly client: Client;
  readonly allow: boolean;
  readonly actor: string;
}

export type Answered =
  | {
      readonly ok: true;
      readonly delivery: string;
      /** `indeterminate`: the keys were pressed, and the agent has not gone on yet. */
      readonly outcome: 'delivered' | 'indeterminate';
      readonly question: string | null;
    }
  /** Nothing was pressed. */
  | { readonly ok: false; readonly exit: ExitCode; readonly why: string };

/** Answers the permission dialog that is open, by the client's own keys, after a check in the very same tmux command that
 *  the pane still shows it. The caller holds the tick lock and has judged the process alive. */
export async function answerDialog(hands: Deliverer, one: DialogAnswer): Promise<Answered> {
  const { ticket, row, adapter, allow } = one;
  const { permission } = adapter;
  const pane = row.tmux_pane;
  if (permission === undefined || pane === null)
    return {
      ok: false,
      exit: EXIT.usage,
      why: `an agent of kind ${adapter.kind} has no permission dialog that is known: mc-pickup attach ${ticket.id}`,
    };
  const stranger = whyNotTheClient(row, ticket.id, one.client);
  if (stranger !== null)
    return { ok: false, exit: EXIT.unavailable, why: `nothing was pressed for ${ticket.id}: ${stranger}` };
  const before = await lookNow(hands, row, adapter);
  if (before.activity !== 'waiting' && before.level !== 'waiting')
    return {
      ok: false,
      exit: EXIT.busy,
      why: `the agent of ${ticket.id} is ${before.activity}: no dialog is open (see mc-pickup status)`,
    };
  const delivery = randomUUID();
  const sha256 = hashOf(before.question ?? '');
  await hands.board.saveDelivery({
    ...{ id: delivery, run_id: row.id, ticket_id: ticket.id, kind: 'permission', sha256, bytes: 0 },
    ...{ nonce: randomBytes(8).toString('hex'), outcome: 'pending', at_ms: Date.now() },
    ack_source: `turn:${before.turn}`,
  });
  // Before the keys: whoever sees the turn end knows why.
  if (!allow) noteDenied(hands.places.runs, row.mark, before.turn);
  const keys = allow ? permission.allow : permission.deny;
  const pressed = await pressKeys(hands.tmux, {
    ...{ pane, run: row.mark, shows: permission.shows, keys },
  });
  if (pressed !== 'pressed') {
    await hands.board.setDelivery({ id: delivery, outcome: 'refused', ack_source: null });
    const why =
      pressed === 'refused'
        ? `the pane of ${ticket.id} shows no dialog that asks for a permission`
        : pressed.error;
    return {
      ok: false,
      exit: EXIT.busy,
      why: `${why}: nothing was pressed; look with mc-pickup attach ${ticket.id}`,
    };
  }
  const closed = closing(hands, one, { pane, shows: permission.shows }, before);
  let sign: Awaited<ReturnType<typeof closed>> = null;
  const gone = await until(async () => {
    sign = await closed();
    return sign !== null;
  }, ACK_MS);
  const outcome = gone ? 'delivered' : 'indeterminate';
  await hands.board.setDelivery({ id: delivery, outcome, ack_source: sign ?? `turn:${before.turn}` });
  await hands.board.log({
    ...{ at_ms: Date.now(), ticket_id: ticket.id, run_id: row.id, actor: one.actor },
    ...{ kind: allow ? 'allowed' : 'denied', because: outcome, text: before.question },
  });
  return { ok: true, delivery, outcome, question: before.question };
}

/** What tells that the dialog is closed; null = nothing does yet. */
function closing(
  hands: Deliverer,
  { row, adapter }: DialogAnswer,
  { pane, shows }: { readonly pane: string; readonly shows: string },
  before: ActivityView,
): () => Promise<'event' | 'level' | 'screen' | null> {
  let unseen = 0;
  return async () => {
    const now = await lookNow(hands, row, adapter);
    if (now.fresh > before.fresh) return 'event';
    // No event tells of a dialog that Escape has closed (Claude Code): the level that showed it does.
    if (before.level === 'waiting') return now.level !== null && now.level !== 'waiting' ? 'level' : null;
    if (now.level === 'waiting') return null;
    if (now.activity !== 'waiting') return 'event';
    // A level that lagged behind the event, and may never have said that it waits: the screen, which showed it, does. Once
    // may be between two drawings of it.
    unseen = (await showsText(hands.tmux, pane, shows)) === false ? unseen + 1 : 0;
    return unseen > 1 ? 'screen' : null;
  };
}
