/*
 * The delivery protocol of a text to a runtime that already lives. Busy is an answer with the identity of who is busy,
 * never a reason to try another way. A text is in the ledger before it is pasted, and what became of it is looked for
 * (the client's own sign of a new turn); without that sign it is `indeterminate`, and the same text is not sent again.
 */
import type { Adapter } from '../../agents/index.ts';
import type { Board, Starter } from '../../board/port/index.ts';
import type { Places } from '../../machine/paths.ts';
import { messageOf } from '../../model/errors.ts';
import type { Because } from '../../model/plan.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Ticket } from '../../model/ticket.ts';
import type { ActivityView } from '../../model/world.ts';
import { agentLook, lookAtActivity } from '../../runs/activity.ts';
import { runDir, writeForAgent } from '../../runs/dirs.ts';
import { whyNotTheClient } from '../../runs/foreground.ts';
import { readRunFile } from '../../runs/run-file.ts';
import { paneTitle, showsText } from '../../tmux/pane.ts';
import { type Pasted, pasteText, pressEnter } from '../../tmux/paste.ts';
import type { Tmux } from '../../tmux/tmux.ts';
import { composerOf, whyNotEmpty } from './composer.ts';
import { type Handed, handed } from './hand.ts';
import { type Delivered, type Delivery, hashOf, saveFirst, sentAfter, settleLast } from './ledger.ts';
import { until } from './until.ts';

const ENTER_DELAY_MS = 300;
const ACK_MS = 5000;

export interface Deliverer {
  readonly board: Board;
  readonly tmux: Tmux;
  readonly places: Places;
  /** Who has started the runtimes without a pane; absent = nobody else has. */
  readonly starter?: Starter | null;
}

/** Delivers a text at most once. The caller holds the tick lock and has judged the process alive. */
export async function deliver(hands: Deliverer, one: Delivery): Promise<Delivered> {
  const { row, adapter, ticket } = one;
  const pane = row.tmux_pane;
  if (pane === null && hands.starter)
    return (await import('./by-server.ts')).deliverByServer(hands.board, hands.starter, one);
  if (pane === null) return { outcome: 'refused', why: 'its pane is not known' };
  if (row.headless) return { outcome: 'refused', why: 'it runs headless, nothing can be typed at it' };
  const dir = runDir(hands.places.runs, row.mark);
  const by = handed(adapter, one.text, dir);
  if ('why' in by) return { outcome: 'refused', why: by.why };
  const other = () => whyNotTheClient(row, ticket.id, one.client);
  const stranger = other();
  if (stranger !== null) return { outcome: 'refused', why: stranger };
  const look = () => lookNow(hands, row, adapter);
  const before = await look();
  const busy = whyBusy(before, adapter, ticket, row);
  if (busy !== null) return { outcome: 'busy', why: busy };

  const sha256 = hashOf(by.text);
  const last = await settleLast(hands.board, row, sha256, before.turn);
  if (last !== null && last.outcome !== 'cut') return last;
  const left = await whyNotEmpty(hands, one, pane, last?.last ?? null);
  if (left !== null) return { outcome: 'busy', why: left };
  const reportBefore = await lastReport(hands.board, row);
  const { id: delivery } = await saveFirst(
    hands.board,
    { ...one, text: by.text },
    sha256,
    sentAfter(before.turn),
  );
  const shown = adapter.permission?.shows ?? null;
  // Where the transcript itself shows the dialog's words, the screen can't tell, and the events alone do.
  const asks = shown !== null && (await showsText(hands.tmux, pane, shown)) !== true ? shown : null;
  const mayEnter = async (): Promise<boolean> => (await look()).activity !== 'waiting' && other() === null;
  const at = { pane, run: row.mark, unless: asks };
  const enterDelayMs = adapter.enterDelayMs ?? ENTER_DELAY_MS;
  const pasted =
    leaveFile(dir, by) ??
    (adapter.post === undefined
      ? await pasteText(hands.tmux, { ...at, text: by.typed, enterDelayMs, mayEnter })
      : await posted(hands, { ...one, text: by.text }, before.client_session));
  if (pasted === 'refused' || (typeof pasted === 'object' && pasted.untouched)) {
    await hands.board.setDelivery({ id: delivery, outcome: 'refused', ack_source: null });
    return {
      outcome: 'refused',
      why:
        pasted === 'refused'
          ? "its pane is dead, another run's, or takes no input (tmux select-pane -d)"
          : pasted.error,
    };
  }
  const started = async (): Promise<boolean> => (await look()).turn > before.turn;
  let arrived = pasted === 'pasted' && (await until(started, ACK_MS));
  const again = !arrived && pasted === 'pasted' && adapter.kind !== 'command' && adapter.post === undefined;
  if (again && whyBusy(await look(), adapter, ticket, row) === null && other() === null) {
    // Some clients swallow an Enter that follows a paste closely: one more, if it still waits for one.
    if ((await pressEnter(hands.tmux, at)) === 'pasted') arrived = await until(started, ACK_MS);
  }
  // One that has reported since went on with it, whether or not it tells of turns.
  const reported = !arrived && pasted === 'pasted' && (await lastReport(hands.board, row)) > reportBefore;
  arrived ||= reported;
  const outcome = arrived ? 'delivered' : 'indeterminate';
  const ack = reported ? 'report' : arrived ? 'event' : sentAfter(before.turn);
  await hands.board.setDelivery({ id: delivery, outcome, ack_source: ack });
  // What is left there would be joined to the next text.
  const after = await composerOf(hands.tmux, adapter, pane, ['empty', 'covered']);
  const end = { delivery, turn: before.turn, left: after === 'filled' };
  return arrived
    ? { outcome: 'delivered', earlier: false, ...end }
    : { outcome: 'indeterminate', held: pasted === 'held', ...end };
}

/** Hands a text over by the client's own server. */
async function posted(
  { places }: Deliverer,
  { adapter, row, text }: Delivery,
  session: string | null,
): Promise<Pasted> {
  const look = agentLook(places.runs, row, readRunFile(places.runs, row.mark), null, session);
  const why = (await adapter.post?.(look, text)) ?? null;
  return why === null ? 'pasted' : { error: why, untouched: true };
}

/** The file that is to be read has to be there before the client is told of it. The directory is the agent's as well, and may be gone. */
function leaveFile(
  dir: string,
  { file, text }: Handed,
): { readonly error: string; readonly untouched: true } | null {
  try {
    if (file !== null) writeForAgent(dir, file, text);
    return null;
  } catch (error) {
    return { error: messageOf(error), untouched: true };
  }
}

/** The number of the newest line of the log by which this run has reported; 0 = it has not. */
async function lastReport(board: Board, { id, ticket_id }: Runtime): Promise<number> {
  if (ticket_id === null) return 0;
  const log = await board.activity({ ticket: ticket_id, limit: 50 });
  return Math.max(0, ...log.filter((one) => one.run_id === id && one.kind === 'report').map((one) => one.id));
}

/** What a runtime does at this moment, by both signals. */
export async function lookNow(
  { tmux, places }: Omit<Deliverer, 'board'>,
  row: Runtime,
  adapter: Adapter,
): Promise<ActivityView> {
  const title =
    adapter.level === undefined || row.tmux_pane === null ? null : await paneTitle(tmux, row.tmux_pane);
  return lookAtActivity(places.runs, row, title, adapter, 0);
}

/** Why nothing may be typed at this runtime now; null = it waits for a text. */
function whyBusy(seen: ActivityView, adapter: Adapter, ticket: Ticket, row: Runtime): string | null {
  if (seen.activity === 'waiting' || seen.level === 'waiting')
    return 'showing a dialog that Enter would answer';
  if (seen.activity === 'idle' && (seen.level === null || seen.level === 'idle')) return null;
  // A client that tells when its turn ends is idle then; of another, the question is the only sign.
  return adapter.kind === 'command' && asked(ticket, row, seen.turn) ? null : 'busy';
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

/** Our own fixed words first. The number makes each nudge of a run another text, so that one is not taken for another. */
export function nudgeText(because: Because, n: number, program: string): string {
  const start =
    because === 'limit_over'
      ? 'The limit that stopped you is over: go on where you were.'
      : 'Your turn has ended without a report: go on where you were.';
  return [
    `${start} (reminder ${n})`,
    `If the work is complete and committed, run: ${program} report review --message "what you did".`,
    `If you need an answer to go on, run: ${program} report needs-input --message "your question".`,
    `If you cannot go on at all, run: ${program} report blocked --message "what is in the way".`,
  ].join(' ');
}
