import type { Board, Starter } from '../../board/port/index.ts';
import { type Delivered, type Delivery, hashOf, saveFirst, settleLast } from './ledger.ts';

/** Delivers a text to a runtime that the server has started, at most once: one of which the server has never answered is
 *  not sent again. */
export async function deliverByServer(
  board: Board,
  starter: Starter,
  one: Omit<Delivery, 'adapter'>,
): Promise<Delivered> {
  const { ticket, row, text } = one;
  const sha256 = hashOf(text);
  const last = await settleLast(board, row, sha256, row.turn);
  // The server types nothing, so that nothing is left where it would be joined to this one.
  if (last !== null && last.outcome !== 'cut') return last;
  const { id: delivery, nonce, at_ms: now_ms } = await saveFirst(board, one, sha256, null);
  const answer = await starter.send({ ticket: ticket.id, run: row.id, text, nonce }, { now_ms, once: true });
  switch (answer.kind) {
    case 'accepted':
      await board.setDelivery({ id: delivery, outcome: 'delivered', ack_source: 'server' });
      return { outcome: 'delivered', delivery, earlier: false, turn: row.turn };
    case 'busy':
      await board.setDelivery({ id: delivery, outcome: 'busy', ack_source: null });
      return { outcome: 'busy', why: 'busy' };
    case 'refused':
      await board.setDelivery({ id: delivery, outcome: 'refused', ack_source: null });
      return { outcome: 'refused', why: answer.why };
    case 'unknown':
      await board.setDelivery({ id: delivery, outcome: 'indeterminate', ack_source: null });
      return { outcome: 'indeterminate', delivery, held: false, turn: row.turn };
  }
}
