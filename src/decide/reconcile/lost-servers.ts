import { HELD_LOSSES, LOSSES_MS } from '../../model/breaker.ts';
import type { World } from '../../model/world.ts';

/** A run whose tmux server was lost, and when that was found. */
export interface Loss {
  readonly server: string;
  readonly ticket: string;
  readonly at_ms: number;
}

export interface Held {
  readonly losses: number;
  readonly until_ms: number;
  /** Tickets whose runs lived in each of the servers that were lost. */
  readonly tickets: readonly string[];
}

/**
 * What holds launches when one tmux server after the other was lost; null = nothing does. Something ends these servers, and every
 * agent in them: agents that are launched meanwhile would be lost as well. A server counts once, however many runs it had and over
 * however many ticks they are found, and for half an hour.
 */
export function heldByLosses({ recent, host_id, now_ms }: World, now: readonly Loss[]): Held | null {
  const before = recent.flatMap((row): Loss[] => {
    const { ticket, tmux_server_pid: pid, tmux_server_start: start, ended_at_ms: at_ms } = row;
    const counts = row.host_id === host_id && row.end_reason === 'tmux_server_lost' && pid !== null;
    return counts && at_ms > now_ms - LOSSES_MS ? [{ server: `${pid} ${start}`, ticket, at_ms }] : [];
  });
  const servers = new Map<string, { at_ms: number; tickets: Set<string> }>();
  for (const { server, ticket, at_ms } of [...before, ...now]) {
    const known = servers.get(server) ?? { at_ms, tickets: new Set<string>() };
    known.at_ms = Math.min(known.at_ms, at_ms);
    servers.set(server, { ...known, tickets: known.tickets.add(ticket) });
  }
  const lost = [...servers.values()].sort((a, b) => b.at_ms - a.at_ms);
  const third = lost[HELD_LOSSES - 1];
  if (third === undefined) return null;
  const [first] = lost;
  const tickets = [...(first?.tickets ?? [])].filter((one) => lost.every((each) => each.tickets.has(one)));
  return { losses: lost.length, until_ms: third.at_ms + LOSSES_MS, tickets };
}
