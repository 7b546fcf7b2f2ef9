import type { Board, History, UsageRow } from '../board/port/index.ts';
import type { HoldFacts } from '../model/hold.ts';
import type { Limits, Policy } from '../model/policy.ts';
import type { Ticks } from '../model/status.ts';
import type { Ticket, TicketStatus } from '../model/ticket.ts';
import type { AccountView, Switch } from '../model/world.ts';
import { DAY, utcDay } from './time.ts';

/** Columns of the board that somebody or something still has to do with. */
export const OPEN = ['todo', 'in_progress', 'needs_input', 'in_review', 'blocked'] as const;
export type Open = (typeof OPEN)[number];

/** Runs, ticks and events that are read, each: a day of ticks is 1440. */
export const MOST = 3000;
const MOST_TICKETS = 500;
const MOST_SETTLED = 8;

/** What is known besides the board. */
export interface Facts {
  readonly now_ms: number;
  /** The time zone of this machine's people, such as `Europe/Berlin`. */
  readonly zone: string;
  /** How many days back it looks. */
  readonly days: number;
  /** Where the board is: a file, or a server's address. */
  readonly board: string;
  readonly host: { readonly id: string; readonly name: string };
  /** How often a tick writes this page; null = it was asked for by hand. */
  readonly every_minutes: number | null;
  readonly limits: Limits;
  /** How many slots of this host are taken. */
  readonly slots_used: number;
  readonly holds: readonly HoldFacts[];
  readonly switches: readonly Switch[];
  readonly broken: Policy['broken'];
  /** Whether ticks come, from the end of the last one on the board: those that the killswitch halts are known here alone. */
  readonly ticksOf: (finished_at_ms: number | null) => TicksSeen;
}

export type TicksSeen = Pick<Ticks, 'coming' | 'because' | 'last_at_ms'>;

/** Everything that the page shows. */
export interface PageData extends Facts {
  readonly counts: Readonly<Record<TicketStatus, number>>;
  readonly open: Readonly<Record<Open, readonly Ticket[]>>;
  /** Done or cancelled lately, the newest first. */
  readonly settled: readonly Ticket[];
  /** This host's. */
  readonly last_tick: { readonly finished_at_ms: number; readonly outcome: string } | null;
  readonly ticks: TicksSeen;
  readonly accounts: readonly AccountView[];
  readonly history: History;
  readonly usage: readonly UsageRow[];
}

/** Reads from the board what the page shows. Bounded, whatever the size of the board. */
export async function gather(board: Board, facts: Facts): Promise<PageData> {
  const { now_ms, days, host } = facts;
  const history = await board.history({ since_ms: now_ms - days * DAY, limit: MOST });
  const open: Record<Open, readonly Ticket[]> = {
    ...{ todo: [], in_progress: [], needs_input: [], in_review: [], blocked: [] },
  };
  for (const status of OPEN)
    open[status] = inOrder(status, await board.tickets({ status: [status], limit: MOST_TICKETS }));
  const last_tick = await board.lastTick(host.id);
  return {
    ...facts,
    counts: await board.counts(),
    open,
    settled: await settled(board, history),
    last_tick,
    ticks: facts.ticksOf(last_tick?.finished_at_ms ?? null),
    accounts: await board.accounts(),
    history,
    usage: await board.usage({ since_day: utcDay(now_ms - (days - 1) * DAY) }),
  };
}

/** What waits stands in the order of dispatch; elsewhere what changed last is what people look for. */
function inOrder(status: Open, tickets: readonly Ticket[]): Ticket[] {
  return [...tickets].sort((a, b) =>
    status === 'todo'
      ? a.priority - b.priority || a.created_at_ms - b.created_at_ms
      : b.updated_at_ms - a.updated_at_ms,
  );
}

/** A board may hold a hundred thousand that are done: the newest are known from what happened. */
async function settled(board: Board, { events }: History): Promise<Ticket[]> {
  const ids = events
    .filter(({ to }) => to === 'done' || to === 'cancelled')
    .map((one) => one.ticket_id ?? '');
  const found: Ticket[] = [];
  for (const id of new Set(ids.reverse())) {
    if (found.length >= MOST_SETTLED) break;
    const ticket = await board.ticket(id);
    if (ticket?.status === 'done' || ticket?.status === 'cancelled') found.push(ticket);
  }
  return found;
}
