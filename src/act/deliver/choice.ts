/*
 * The answer to a question of a client's own tool, by keys. Each of them is pressed in one tmux command with the check that the pane still
 * shows the rows that it was chosen for, and after each the screen is read anew: no key rests on what an earlier one was meant to do.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Adapter, ChoiceDialog, Move, OpenChoice, Posting } from '../../agents/adapter.ts';
import { plain } from '../../agents/composer.ts';
import { monotonicMs } from '../../machine/clock.ts';
import type { Chosen } from '../../model/choice.ts';
import { EXIT } from '../../model/errors.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Ticket } from '../../model/ticket.ts';
import { whyNotTheClient } from '../../runs/foreground.ts';
import type { Client } from '../../runs/program.ts';
import { pasteIfShown, pressIfShown } from '../../tmux/choose.ts';
import { screenOf } from '../../tmux/pane.ts';
import type { Tmux } from '../../tmux/tmux.ts';
import { answerByPost, openByPost } from './choice-by-post.ts';
import type { Answered } from './dialog.ts';
import { type Deliverer, lookNow } from './index.ts';
import { hashOf } from './ledger.ts';
import { until } from './until.ts';

/** What a client may take to draw what has come of a key, and to go on after the last one. */
const DRAWN_MS = 5000;
const GONE_MS = 10_000;
/** More moves than the longest list of options takes. */
const MOST_MOVES = 60;

/** A person's answer to the question that stands open. */
export interface ChoiceAnswer {
  readonly ticket: Ticket;
  readonly row: Runtime;
  readonly adapter: Adapter;
  readonly client: Client;
  readonly open: OpenChoice;
  readonly chosen: Chosen;
}

export type Chose =
  | {
      readonly ok: true;
      readonly delivery: string;
      readonly outcome: 'delivered' | 'indeterminate';
      readonly next: OpenChoice | null;
      /** The turn in which it was asked. */
      readonly turn: number;
    }
  | Extract<Answered, { readonly ok: false }>;

/** The question of its own tool that an agent has open on its screen; null = none. */
export async function openChoice(
  hands: Deliverer,
  row: Runtime,
  adapter: Adapter,
): Promise<OpenChoice | null> {
  const way = adapter.choice;
  if (way === undefined || row.tmux_pane === null) return null;
  const seen = await lookNow(hands, row, adapter);
  if (seen.activity !== 'waiting' && seen.level !== 'waiting') return null;
  if ('reply' in way) return openByPost(hands, { row, posting: way });
  return way.read(await shown(hands.tmux, row.tmux_pane), seen.question);
}

/** Answers it. The caller holds the tick lock and has judged the process alive. */
export async function answerChoice(hands: Deliverer, one: ChoiceAnswer): Promise<Chose> {
  const { ticket, row, adapter, open, chosen } = one;
  const [way, pane] = [adapter.choice, row.tmux_pane];
  if (way === undefined || pane === null)
    return { ok: false, exit: EXIT.unavailable, why: `nothing can be typed at ${ticket.id} from here` };
  const before = await lookNow(hands, row, adapter);
  const delivery = randomUUID();
  const said = 'text' in chosen ? chosen.text : chosen.numbers.join(',');
  await hands.board.saveDelivery({
    ...{
      id: delivery,
      run_id: row.id,
      ticket_id: ticket.id,
      kind: 'permission',
      sha256: hashOf(`${open.name}\n${said}`),
    },
    ...{
      bytes: Buffer.byteLength(said),
      nonce: randomBytes(8).toString('hex'),
      outcome: 'pending',
      at_ms: Date.now(),
    },
    ack_source: `turn:${before.turn}`,
  });
  const done =
    'reply' in way
      ? await posted(hands, one, way)
      : await movesTo(hands, { ...one, dialog: way, pane, told: before.question });
  if (typeof done === 'string' && done !== 'unseen' && done !== 'answered') {
    await hands.board.setDelivery({ id: delivery, outcome: 'refused', ack_source: null });
    return { ok: false, exit: EXIT.busy, why: `${done}; look with mc-pickup attach ${ticket.id}` };
  }
  const outcome = done === 'unseen' ? 'indeterminate' : 'delivered';
  const ack = done === 'unseen' ? `turn:${before.turn}` : 'screen';
  await hands.board.setDelivery({ id: delivery, outcome, ack_source: ack });
  return { ok: true, delivery, outcome, next: typeof done === 'object' ? done : null, turn: before.turn };
}

interface Moving extends ChoiceAnswer {
  readonly dialog: ChoiceDialog;
  readonly pane: string;
  /** All that the call asks, as its event told it. */
  readonly told: string | null;
}

/** The question that is open after it, `answered` where none is, `unseen` where keys were pressed and nothing tells what came of them; else why
 *  nothing was pressed, or not all. */
async function movesTo(hands: Deliverer, one: Moving): Promise<OpenChoice | string> {
  const { tmux } = hands;
  const { row, ticket, adapter, dialog, pane, told, open, chosen, client } = one;
  const screenNow = () => shown(tmux, pane);
  let pasted = false;
  let moved = false;
  let entered = '';
  for (let n = 0; n < MOST_MOVES; n += 1) {
    const screen = await screenNow();
    const move = dialog.next(screen, open, chosen);
    if (move.do === 'nothing') {
      const other = dialog.read(screen, told);
      // A way to the place for a text is no answer yet.
      const gave = 'text' in chosen ? pasted : moved;
      if (other !== null && other.name !== open.name)
        return gave ? other : 'it asks something else by now, and was given nothing';
      if (!gave) return 'its question is not on its screen any more: nothing was pressed';
      return (await isOver(hands, one)) ?? 'unseen';
    }
    if (move.do === 'refuse') return moved ? `${move.why}: what was pressed before stands` : move.why;
    // A key that ends a question is pressed once: what is still drawn of it until the next one is, is nothing to answer, and the next one would get the key.
    const chose = 'numbers' in chosen && !open.many && moved && dialog.read(screen, told)?.name === open.name;
    if (chose || (entered !== '' && entered === enterOf(move))) {
      if (!(await changes(screenNow, screen))) return 'unseen';
      continue;
    }
    entered = enterOf(move);
    const stranger = whyNotTheClient(row, ticket.id, client);
    if (stranger !== null) return stranger;
    // What was taken away again, or is not shown as it was given, is not given twice.
    if (move.do === 'paste' && pasted) return 'its dialog does not show the text that was pasted';
    const did = await make(hands, row, pane, move, chosen);
    if (did !== 'done')
      return did === 'refused' ? 'its dialog has changed: nothing more was pressed' : did.error;
    moved = true;
    pasted ||= move.do === 'paste';
    if (!(await changes(screenNow, screen))) return 'unseen';
    if (adapter.enterDelayMs !== undefined && move.do === 'paste') await pause(adapter.enterDelayMs);
  }
  return 'unseen';
}

/** What an Enter is pressed at; empty = it is none. */
function enterOf(move: Move): string {
  return move.do === 'keys' && move.keys.includes('Enter') ? move.shows.join('\n') : '';
}

function make(
  { tmux }: Deliverer,
  { mark }: Runtime,
  pane: string,
  move: Extract<Move, { do: 'keys' | 'paste' }>,
  chosen: Chosen,
) {
  const at = { pane, run: mark, shows: move.shows };
  if (move.do === 'keys') return pressIfShown(tmux, at, move.keys);
  return pasteIfShown(tmux, at, 'text' in chosen ? chosen.text : '');
}

async function changes(screenNow: () => Promise<string>, before: string): Promise<boolean> {
  for (const end = monotonicMs() + DRAWN_MS; monotonicMs() < end; await pause(50))
    if ((await screenNow()) !== before) return true;
  return false;
}

/** The same where its server takes the answer. */
async function posted(hands: Deliverer, one: ChoiceAnswer, posting: Posting): Promise<OpenChoice | string> {
  const { row, adapter, ticket, open, chosen, client } = one;
  const stranger = whyNotTheClient(row, ticket.id, client);
  if (stranger !== null) return stranger;
  const done = await answerByPost(hands, { row, posting }, open, chosen);
  if (done !== 'sent') return 'why' in done ? done.why : done;
  const goneOn = async () => {
    const { activity, level } = await lookNow(hands, row, adapter);
    return activity !== 'waiting' && level !== 'waiting';
  };
  return (await until(goneOn, GONE_MS)) ? 'answered' : 'unseen';
}

/** The dialog is gone from the screen: both signals then say that the agent goes on, or the next question is drawn. */
async function isOver(
  hands: Deliverer,
  { row, adapter, dialog, pane, told, open, chosen }: Moving,
): Promise<OpenChoice | 'answered' | null> {
  for (const end = monotonicMs() + GONE_MS; monotonicMs() < end; await pause(100)) {
    const now = await lookNow(hands, row, adapter);
    if (now.activity !== 'waiting' && now.level !== 'waiting') return 'answered';
    const screen = await shown(hands.tmux, pane);
    const other = dialog.read(screen, told);
    if (other !== null && other.name !== open.name) return other;
    // It was only being drawn anew.
    if (dialog.next(screen, open, chosen).do !== 'nothing') return null;
  }
  return null;
}

/** What the pane shows now and no more: what has scrolled by is no dialog. Nothing where it is dead or can't be told. */
async function shown(tmux: Tmux, pane: string): Promise<string> {
  return ((await screenOf(tmux, pane))?.rows ?? []).map((row) => plain(row)).join('\n');
}
