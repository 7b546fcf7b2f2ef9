/*
 * The ledger of texts that were sent to living runtimes. A text stands in it before it is on its way, so that one whose fate nobody
 * knows is looked for, and never sent again.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Adapter } from '../../agents/index.ts';
import type { Board, DeliveryRow } from '../../board/port/index.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Ticket } from '../../model/ticket.ts';
import type { Client } from '../../runs/program.ts';

export interface Delivery {
  readonly kind: 'send' | 'answer' | 'nudge';
  readonly ticket: Ticket;
  readonly row: Runtime;
  readonly adapter: Adapter;
  /** What is known of the client: nothing is typed at anything else. */
  readonly client: Client;
  readonly text: string;
}

export type Delivered =
  /** `earlier`: this very text had arrived already; nothing was sent. `turn`: the one that the run had begun before it. `left`: a text stands where
   *  the client takes one, which the next would be joined to. */
  | {
      readonly outcome: 'delivered';
      readonly delivery: string;
      readonly earlier: boolean;
      readonly turn: number;
      readonly left?: boolean;
    }
  /** `held`: pasted, but a dialog opened before Enter, which was not pressed. */
  | {
      readonly outcome: 'indeterminate';
      readonly delivery: string;
      readonly held: boolean;
      readonly turn: number;
      readonly left?: boolean;
    }
  | { readonly outcome: 'busy'; readonly why: string }
  /** The same text is on its way already, and nobody knows whether it arrived. */
  | { readonly outcome: 'open'; readonly why: string }
  /** Nothing reached the pane. */
  | { readonly outcome: 'refused'; readonly why: string };

/** What became of the last text whose fate was open. One that has turned out to have arrived is not sent again; one of
 *  which nothing is known is neither. `cut`: whoever sent another one has ended on the way, before or after its Enter. */
export async function settleLast(
  board: Board,
  row: Runtime,
  sha256: string,
  turn: number,
): Promise<Delivered | { readonly outcome: 'cut'; readonly last: DeliveryRow } | null> {
  const open = {
    outcome: 'open',
    why: `this text was sent already and is not acknowledged (run ${row.id})`,
  } as const;
  const last = await board.lastDelivery({ run: row.id, kinds: ['send', 'answer', 'nudge'] });
  if (last === null || (last.outcome !== 'pending' && last.outcome !== 'indeterminate')) {
    // What was sent after it, and has arrived, is no word on this one.
    return (await board.openDelivery({ run: row.id, sha256 })) === null ? null : open;
  }
  const then = /^turn:(\d+)$/.exec(last.ack_source ?? '')?.[1];
  const arrived = then !== undefined && turn > Number(then);
  if (arrived) await board.setDelivery({ id: last.id, outcome: 'delivered', ack_source: 'event' });
  if (last.sha256 !== sha256) {
    if ((await board.openDelivery({ run: row.id, sha256 })) !== null) return open;
    return arrived || last.outcome === 'indeterminate' ? null : { outcome: 'cut', last };
  }
  if (arrived) return { outcome: 'delivered', delivery: last.id, earlier: true, turn: Number(then) };
  return open;
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The text is in the ledger before it is on its way. */
export async function saveFirst(
  board: Board,
  { kind, ticket, row, text }: Omit<Delivery, 'adapter' | 'client'>,
  sha256: string,
  ack_source: string | null,
): Promise<{ readonly id: string; readonly nonce: string; readonly at_ms: number }> {
  const named = { id: randomUUID(), nonce: randomBytes(8).toString('hex'), at_ms: Date.now() };
  await board.saveDelivery({
    ...{ ...named, run_id: row.id, ticket_id: ticket.id, kind, sha256, ack_source },
    ...{ bytes: Buffer.byteLength(text), outcome: 'pending' },
  });
  return named;
}

/** What the ledger keeps of a text until its fate is known: the turn that the run had begun before it. */
export function sentAfter(turn: number): string {
  return `turn:${turn}`;
}
