import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Server } from '../board/http/api.ts';
import { send } from '../board/http/send.ts';
import type { Board } from '../board/port.ts';
import type { Delivered, Delivery } from './deliver.ts';

/** Delivers a text to a runtime that the server has started, at most once: the ledger has it first, and one of which the
 *  server has never answered is not sent again. */
export async function deliverByServer(
  board: Board,
  server: Server,
  { kind, ticket, row, text }: Omit<Delivery, 'adapter'>,
): Promise<Delivered> {
  const sha256 = createHash('sha256').update(text).digest('hex');
  const last = await board.lastDelivery(row.id, 'send', 'answer', 'nudge');
  const open = last !== null && (last.outcome === 'pending' || last.outcome === 'indeterminate');
  if (open && last.sha256 === sha256)
    return { outcome: 'open', why: `this text was sent already and is not acknowledged (run ${row.id})` };
  const delivery = randomUUID();
  const nonce = randomBytes(8).toString('hex');
  const now_ms = Date.now();
  await board.saveDelivery({
    ...{ id: delivery, run_id: row.id, ticket_id: ticket.id, kind, nonce, sha256 },
    ...{ bytes: Buffer.byteLength(text), outcome: 'pending', ack_source: null, at_ms: now_ms },
  });
  const answer = await send(server, ticket.id, { run: row.id, text, nonce, now_ms });
  switch (answer.kind) {
    case 'accepted':
      await board.setDelivery(delivery, 'delivered', 'server');
      return { outcome: 'delivered', delivery, earlier: false };
    case 'busy':
      await board.setDelivery(delivery, 'busy', null);
      return { outcome: 'busy', why: 'busy' };
    case 'refused':
      await board.setDelivery(delivery, 'refused', null);
      return { outcome: 'refused', why: answer.why };
    case 'unknown':
      return { outcome: 'indeterminate', delivery, held: false };
  }
}
