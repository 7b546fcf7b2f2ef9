import type { Board, HistoryRun, HistoryTick, UsageRow } from '../board/port/index.ts';
import type { StatusFacts } from '../model/status.ts';
import type { Ticket, TicketStatus } from '../model/ticket.ts';
import type { TickFacts } from '../report/brief.ts';

const DAY_MS = 86_400_000;
/** Runs and ticks of the last day that are read, each: a day of ticks is 1440. */
const MOST = 3000;
/** Tickets of one status that are told by project; of more than these only the sum is told. */
const MOST_TICKETS = 2000;
const MOST_RETRIES = 1000;

export const OPEN = ['todo', 'needs_input', 'in_progress', 'in_review', 'blocked'] as const;

/** What is known besides the board's history. */
export interface Known {
  readonly now_ms: number;
  readonly host_id: string;
  readonly version: string;
  /** The schema of the board's file; null = a server has it. */
  readonly schema: number | null;
  readonly interval_ms: number;
  readonly status: Omit<StatusFacts, 'leftovers' | 'in_vain'>;
  /** Every profile of the configuration. */
  readonly agents: readonly string[];
  /** Those of them whose program is not found. */
  readonly without_program: readonly string[];
  readonly channels: readonly {
    readonly name: string;
    readonly failing: boolean;
    readonly waiting: number;
  }[];
  /** The figures go into a file, which somebody reads later: what only holds at this moment is left out. */
  readonly kept: boolean;
  /** The tick that ends now, where it could not work; null = the last one is that of the board. */
  readonly over: TickFacts['last'];
}

export interface MetricsData extends Known {
  /** Of those statuses that could be read whole. */
  readonly open: ReadonlyMap<TicketStatus, readonly Pick<Ticket, 'project' | 'attempts'>[]>;
  readonly retries: number;
  /** This host's, of the last day. */
  readonly ticks: readonly HistoryTick[];
  /** Of the last day, of every host. */
  readonly runs: readonly HistoryRun[];
  /** Of this UTC day. */
  readonly usage: readonly UsageRow[];
  readonly since_ms: number;
}

/** Reads what the figures are made of. Bounded, whatever the size of the board. */
export async function gather(board: Board, known: Known): Promise<MetricsData> {
  const { now_ms, host_id, status } = known;
  const since_ms = now_ms - DAY_MS;
  const open = new Map<TicketStatus, readonly Ticket[]>();
  for (const one of OPEN) {
    if (status.counts[one] > MOST_TICKETS) continue;
    const found = await board.tickets({ status: [one], limit: MOST_TICKETS });
    // A server that gives fewer than it counts would make wrong figures.
    if (found.length >= status.counts[one]) open.set(one, found);
  }
  const history = await board.history({ since_ms, limit: MOST });
  return {
    ...known,
    open,
    retries: (await board.retries({ now_ms, limit: MOST_RETRIES })).length,
    ticks: history.ticks.filter((one) => one.host_id === host_id),
    runs: history.runs,
    usage: await board.usage({ since_day: new Date(now_ms).toISOString().slice(0, 10) }),
    since_ms,
  };
}
