import type { Board } from '../../board/port/index.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Delivered } from './ledger.ts';

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

/** A line of the ticket's log for what has reached its agent, or may have. */
export async function noteSent(board: Board, row: Runtime, sent: Delivered, actor: string): Promise<void> {
  if (sent.outcome !== 'delivered' && sent.outcome !== 'indeterminate') return;
  await board.log({
    ...{ at_ms: Date.now(), ticket_id: row.ticket_id, run_id: row.id, actor, kind: 'sent' },
    ...{ because: sent.outcome, text: null },
  });
}
