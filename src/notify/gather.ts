import type { ActivityRow, Board } from '../board/port/index.ts';
import { monotonicMs } from '../machine/clock.ts';
import type { Told } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import type { Ticket, TicketStatus } from '../model/ticket.ts';
import { idOf, type TellEvent } from './event.ts';
import type { Position } from './record.ts';

/** Lines of the log that one look takes in; what is beyond them is for the next. */
const MOST_ROWS = 1000;
const BOUND_MS = 5000;
const TEXT = 500;
const TITLE = 200;

export interface Gathered {
  readonly events: readonly TellEvent[];
  readonly position: Position;
}

/** Where the log ended at that moment: what comes behind it is told. */
export async function endedAt(board: Board, before_ms: number): Promise<Position> {
  const rows = await board.activity({ limit: MOST_ROWS });
  const last = rows.findLast((row) => row.at_ms < before_ms);
  if (last !== undefined) return { id: last.id, at_ms: last.at_ms };
  const whole = rows.length < MOST_ROWS ? undefined : rows.at(-1);
  return whole === undefined ? { id: 0, at_ms: 0 } : { id: whole.id, at_ms: whole.at_ms };
}

/** What happened since, as far as it still stands: a question that was answered meanwhile is none any more. */
export async function gather(board: Board, from: Position): Promise<Gathered> {
  const rows = await since(board, from);
  const end = monotonicMs() + BOUND_MS;
  const tickets = new Map<string, Ticket | null>();
  let position = from;
  const found: TellEvent[] = [];
  for (const row of rows) {
    if (monotonicMs() > end) break;
    const meant = meaning(row);
    if (row.ticket_id === null && (meant === 'not_ready' || meant === 'held'))
      found.push(eventOf(row, meant, null));
    if (meant !== null && row.ticket_id !== null) {
      const id = row.ticket_id;
      if (!tickets.has(id)) tickets.set(id, await board.ticket(id));
      const ticket = tickets.get(id) ?? null;
      const kind = ticket === null ? null : standing(meant, row, ticket);
      if (kind !== null) found.push(eventOf(row, kind, ticket));
    }
    position = { id: row.id, at_ms: row.at_ms };
  }
  // Asked twice since the last look: only the last question stands.
  const last = new Map(found.map((one) => [`${one.kind} ${one.ticket ?? one.id}`, one]));
  return { events: [...last.values()].sort((a, b) => a.at_ms - b.at_ms), position };
}

/** The lines behind a position. Where the line at the position is not the one that was read, the board is another one than it
 *  was (restored), or old lines were cleared away: then their time tells what is new. */
async function since(board: Board, { id, at_ms }: Position): Promise<ActivityRow[]> {
  if (id === 0) return board.activity({ after: 0, limit: MOST_ROWS });
  const [witness, ...rest] = await board.activity({ after: id - 1, limit: MOST_ROWS });
  if (witness?.id === id && witness.at_ms === at_ms) return rest;
  return (await board.activity({ limit: MOST_ROWS })).filter((row) => row.at_ms > at_ms);
}

type Meaning = TicketStatus | 'failed' | 'not_ready' | 'held';

/** What a line of the log may have led to. What people do by hand they know. */
function meaning({ kind, because, text, actor }: ActivityRow): Meaning | null {
  switch (kind) {
    case 'asked':
    case 'parked':
      return 'needs_input';
    case 'retry':
      // Of the dispatcher's own death no ticket's person need hear, and a hold is told itself.
      return because === 'tick_died' || because === 'held' ? null : 'failed';
    case 'not_ready':
    case 'held':
      return kind;
    case 'report':
      return told(because);
    case 'published':
      return because === 'merged' ? 'done' : because === 'closed' ? 'cancelled' : null;
    case 'moved':
      return /^(tick|run):/.test(actor) ? (told(because) ?? told(text)) : null;
    default:
      return null;
  }
}

function told(status: string | null): Meaning | null {
  return status === 'needs_input' || status === 'blocked' || status === 'in_review' || status === 'done'
    ? status
    : null;
}

/** What of it still stands. A failure is told as what it led to. */
function standing(meant: Meaning, row: ActivityRow, ticket: Ticket): Told | null {
  if (meant === 'failed') {
    if (ticket.status === 'blocked') return ticket.reason === row.because ? 'blocked' : null;
    return ticket.status === 'todo' || ticket.status === 'in_progress' ? 'retry' : null;
  }
  if (ticket.status !== meant) return null;
  if (meant === 'needs_input') return ticket.reason === 'parked' ? 'parked' : 'needs_input';
  return meant === 'blocked' || meant === 'in_review' || meant === 'done' || meant === 'cancelled'
    ? meant
    : null;
}

function eventOf(row: ActivityRow, kind: Told, ticket: Ticket | null): TellEvent {
  const said = row.kind === 'moved' ? '' : (row.text ?? '');
  return {
    id: identity(row, kind, ticket),
    kind,
    at_ms: row.at_ms,
    ticket: row.ticket_id,
    title: ticket === null ? null : oneLine(ticket.title, TITLE),
    project: ticket === null ? null : oneLine(ticket.project, TITLE),
    labels: (ticket?.labels ?? []).slice(0, 20).map((one) => oneLine(one, TITLE)),
    run: row.run_id,
    because: row.kind === 'report' ? 'reported' : row.because,
    text: oneLine(said, TEXT),
  };
}

/** The same question of the same turn is told once, however often its ticket was healed and asked for again meanwhile.
 *  Anything else is known by its moment: a board that was restored gives its numbers anew. */
function identity(row: ActivityRow, kind: Told, ticket: Ticket | null): string {
  const { ticket_id, run_id, at_ms, text } = row;
  const turn = kind === 'needs_input' ? (ticket?.reason_turn ?? null) : null;
  return turn === null
    ? idOf(kind, ticket_id, run_id, row.kind, at_ms, text)
    : idOf(kind, ticket_id, run_id, turn, text);
}
