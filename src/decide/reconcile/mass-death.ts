import { EARLY_MS, type RecentRun } from '../../model/breaker.ts';
import { cameOut, isDeath } from '../../model/ends.ts';
import type { Policy } from '../../model/policy.ts';
import type { World } from '../../model/world.ts';

/** An agent that died right after its start. */
export interface Death {
  readonly ticket: string;
  readonly agent: string;
  readonly project: string;
  readonly started_at_ms: number;
}

export interface Trip {
  readonly scope: string;
  readonly tickets: readonly string[];
}

/**
 * Agents of different tickets that die right after their start: something is wrong that more launches will not mend. What
 * they share is switched off, and no more: their profile, else their project, else everything.
 *
 * Two kinds of deaths do not count. Those before a person last released the switch of their profile, of their project or of everything: the
 * person has seen them. And those after which their profile has worked: a run of it finished, reported, or lived past a minute. Only a
 * death that this very tick has found trips.
 */
export function massDeaths(now: readonly Death[], world: World, { limits }: Policy): Trip[] {
  const { count, minutes } = limits.mass_death;
  if (count === 0 || now.length === 0) return [];
  const released = (agent: string, project: string): number =>
    Math.max(
      0,
      ...['*', `agent:${agent}`, `project:${project}`].map((one) => world.released_at_ms[one] ?? 0),
    );
  const isEarly = earlyWith(2 * limits.interval_seconds * 1000);
  const worked = lastSuccesses(world, isEarly);
  const before = world.recent.flatMap((row): Death[] => {
    const { ticket, agent, project, registered_at_ms: started_at_ms, ended_at_ms } = row;
    const counts =
      started_at_ms !== null &&
      isEarly(row) &&
      isDeath(row.end_reason) &&
      ended_at_ms > Math.max(world.now_ms - minutes * 60_000, released(agent, project));
    return counts ? [{ ticket, agent, project, started_at_ms }] : [];
  });
  const deaths = [...before, ...now].filter(
    ({ agent, started_at_ms }) => (worked.get(agent) ?? Number.NEGATIVE_INFINITY) < started_at_ms,
  );
  const fresh = now.filter((one) => deaths.includes(one));
  const enough = (scope: string, of: (one: Death) => boolean): Trip[] => {
    const tickets = [...new Set(deaths.filter(of).map(({ ticket }) => ticket))];
    return tickets.length >= count && fresh.some(of) ? [{ scope, tickets }] : [];
  };
  const agents = [...new Set(fresh.map(({ agent }) => agent))].filter((one) => one !== '');
  const projects = [...new Set(fresh.map(({ project }) => project))].filter((one) => one !== '');
  const narrow = [
    agents.flatMap((name) => enough(`agent:${name}`, ({ agent }) => agent === name)),
    projects.flatMap((name) => enough(`project:${name}`, ({ project }) => project === name)),
  ].find((trips) => trips.length > 0);
  return narrow ?? enough('*', () => true);
}

/** Whether a run ended within a minute of its start. A death is recorded when a tick looks: one that no tick ever saw alive may have
 *  been dead since the tick before. */
function earlyWith(unseen_ms: number): (row: RecentRun) => boolean {
  return ({ registered_at_ms, heartbeat_at_ms, ended_at_ms }) => {
    const lived_ms = ended_at_ms - (registered_at_ms ?? ended_at_ms);
    return lived_ms <= EARLY_MS || (heartbeat_at_ms === null && lived_ms < unseen_ms);
  };
}

/** When each profile was last seen to work. */
function lastSuccesses(
  { recent, runtimes, tickets, now_ms }: World,
  isEarly: (row: RecentRun) => boolean,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const note = (agent: string, at_ms: number): void => {
    found.set(agent, Math.max(found.get(agent) ?? 0, at_ms));
  };
  for (const row of recent) {
    const { agent, registered_at_ms, ended_at_ms, end_reason } = row;
    if (cameOut(end_reason) === 'finished') note(agent, ended_at_ms);
    else if (registered_at_ms !== null && !isEarly(row)) note(agent, registered_at_ms + EARLY_MS);
  }
  const views = new Map(tickets.map(({ ticket }) => [ticket.id, ticket]));
  for (const { row, judgement } of runtimes) {
    const minute_ms = row.registered_at_ms === null ? null : row.registered_at_ms + EARLY_MS;
    if (minute_ms === null) continue;
    const ticket = views.get(row.ticket_id ?? '');
    const reported =
      ticket?.reason_run === row.id && (ticket.reason === 'reported' || ticket.reason === 'asked');
    if (reported || (judgement?.verdict === 'alive' && minute_ms <= now_ms))
      note(row.agent, Math.min(minute_ms, now_ms));
  }
  return found;
}
