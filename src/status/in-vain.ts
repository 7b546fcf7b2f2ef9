/* Tickets that wait for what will not come: for one that is cancelled or blocked, or that the board does not have. */

import type { Board } from '../board/port/index.ts';
import { textOf } from '../machine/files.ts';
import { asObject } from '../model/json.ts';
import type { Ticket } from '../model/ticket.ts';
import { type InVain, isNotComing, type NotComing } from '../model/waits-for.ts';

/** So many tickets in `todo` are looked at, beside those that the last tick has passed over. */
const MOST_TODO = 500;
const MOST_SHOWN = 20;
/** So many tickets that others wait for. */
const MOST_WANTED = 200;

/** Which of these tickets will not be done by themselves. */
export async function notComing(board: Board, ids: readonly string[]): Promise<NotComing[]> {
  const found: NotComing[] = [];
  for (const id of new Set(ids)) {
    const status = (await board.ticket(id))?.status ?? null;
    if (isNotComing(status)) found.push({ id, status });
  }
  return found;
}

/** The first of those that wait in vain. On a large board the last tick's report tells of those beyond what is looked at. */
export async function waitingInVain(board: Board, report: string): Promise<InVain[]> {
  const first = await board.tickets({ status: ['todo'], limit: MOST_TODO });
  const known = new Map(first.map((ticket) => [ticket.id, ticket]));
  const wanting = [...known.values()].filter(({ depends_on }) => depends_on.length > 0);
  for (const { id, needs } of passedOver(report).slice(0, MOST_WANTED)) {
    if (known.has(id) || (await notComing(board, needs)).length === 0) continue;
    const ticket = await board.ticket(id);
    if (ticket?.status === 'todo') wanting.push(ticket);
  }
  const wanted = wanting.flatMap(({ depends_on }) => depends_on).filter((id) => !known.has(id));
  const gone = await notComing(board, [...new Set(wanted)].slice(0, MOST_WANTED));
  const all = wanting.map((ticket) => inVain(ticket, gone)).filter((one) => one.for.length > 0);
  return all.slice(0, MOST_SHOWN);
}

function inVain({ id, title, depends_on }: Ticket, gone: readonly NotComing[]): InVain {
  return { id, title, for: gone.filter((one) => depends_on.includes(one.id)) };
}

/** What the last tick passed over because of what it depends on. */
function passedOver(report: string): { readonly id: string; readonly needs: readonly string[] }[] {
  const skipped = asObject(JSON.parse(report))?.skipped;
  return (Array.isArray(skipped) ? skipped : []).flatMap((one) => {
    const skip = asObject(one);
    const id = textOf(skip, 'ticket');
    const needs = textOf(asObject(skip?.evidence), 'waits_for')?.split(' ') ?? [];
    return id === null || textOf(skip, 'because') !== 'dependencies_unmet' ? [] : [{ id, needs }];
  });
}
