import type { HistoryEvent, HistoryRun, HistoryTick, UsageRow } from '../board/port/index.ts';
import { STOPPED_AFTER } from '../model/bounds.ts';
import { type CameOut, cameOut } from '../model/ends.ts';
import { type Clock, DAY, HOUR, utcDay } from './time.ts';

export interface Placed {
  readonly run: HistoryRun;
  /** From 0, on its host. */
  readonly slot: number;
}

/** Gives each run the lowest slot of its host that is free when it starts: slots have no names, but so many were used. */
export function slots(runs: readonly HistoryRun[]): Placed[] {
  const free = new Map<string, number[]>();
  return [...runs]
    .sort((a, b) => a.claimed_at_ms - b.claimed_at_ms)
    .map((run) => {
      const ends = free.get(run.host_id) ?? [];
      free.set(run.host_id, ends);
      const found = ends.findIndex((end) => end <= run.claimed_at_ms);
      const slot = found < 0 ? ends.length : found;
      ends[slot] = run.ended_at_ms ?? Number.POSITIVE_INFINITY;
      return { run, slot };
    });
}

/** How a run came out, for the eye. */
export type Ending = 'lives' | CameOut;

export function endingOf({ ended_at_ms, end_reason }: HistoryRun): Ending {
  return ended_at_ms === null ? 'lives' : cameOut(end_reason);
}

export interface Gap {
  readonly from_ms: number;
  readonly to_ms: number;
  /** It has not ended yet: no tick came since. */
  readonly open: boolean;
}

/** Times without a tick that are longer than three intervals. */
export function gaps(ticks: readonly HistoryTick[], interval_ms: number, now_ms: number): Gap[] {
  const found: Gap[] = [];
  let last: number | null = null;
  for (const { started_at_ms, finished_at_ms } of ticks) {
    if (last !== null && started_at_ms - last > STOPPED_AFTER * interval_ms)
      found.push({ from_ms: last, to_ms: started_at_ms, open: false });
    last = Math.max(last ?? 0, finished_at_ms);
  }
  if (last !== null && now_ms - last > STOPPED_AFTER * interval_ms)
    found.push({ from_ms: last, to_ms: now_ms, open: true });
  return found;
}

export interface Bin {
  readonly from_ms: number;
  readonly count: number;
  /** Milliseconds; null = no tick. */
  readonly median: number | null;
  readonly longest: number | null;
}

/** How long ticks took, in so many equal parts of a span. */
export function bins(ticks: readonly HistoryTick[], from_ms: number, to_ms: number, parts: number): Bin[] {
  const width = (to_ms - from_ms) / parts;
  const taken: number[][] = Array.from({ length: parts }, () => []);
  for (const one of ticks) {
    const part = Math.min(parts - 1, Math.floor((one.started_at_ms - from_ms) / width));
    taken[part]?.push(Math.max(1, one.finished_at_ms - one.started_at_ms));
  }
  return taken.map((all, n) => {
    const sorted = all.sort((a, b) => a - b);
    const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
    return { from_ms: from_ms + n * width, count: sorted.length, median, longest: sorted.at(-1) ?? null };
  });
}

export interface Through {
  readonly label: string;
  readonly in_review: number;
  readonly done: number;
}

/** Tickets that came to review and that were done, each once in a day (in an hour, where the page looks back a day or two). */
export function throughput(events: readonly HistoryEvent[], clock: Clock, days: number): Through[] {
  const hourly = days <= 2;
  const key = (ms: number): string =>
    hourly ? `${clock.day(ms)} ${clock.time(ms).slice(0, 2)}` : clock.day(ms);
  const found = new Map<string, { in_review: Set<string>; done: Set<string> }>();
  // By steps smaller than what is counted in, since days may have 23 hours.
  for (
    let ms = clock.now_ms - (hourly ? days * DAY - HOUR : (days - 1) * DAY);
    ms < clock.now_ms;
    ms += HOUR / 2
  )
    if (!found.has(key(ms))) found.set(key(ms), { in_review: new Set(), done: new Set() });
  found.set(key(clock.now_ms), found.get(key(clock.now_ms)) ?? { in_review: new Set(), done: new Set() });
  for (const { at_ms, to, ticket_id } of events)
    if (to === 'in_review' || to === 'done') found.get(key(at_ms))?.[to].add(ticket_id ?? '');
  return [...found].map(([label, { in_review, done }]) => ({
    label: hourly ? `${label.slice(-2)}:00` : label,
    in_review: in_review.size,
    done: done.size,
  }));
}

export interface Used {
  readonly day: string;
  readonly agent: string;
  /** As budgets count: without what was read from a cache. */
  readonly tokens: number;
  readonly cache_read: number;
  readonly turns: number;
  /** null = the client does not tell. */
  readonly usd: number | null;
}

/** By UTC day and profile, in that order. */
export function used(rows: readonly UsageRow[]): Used[] {
  const found = new Map<string, Used>();
  for (const row of rows) {
    const key = `${row.day} ${row.agent}`;
    const before = found.get(key);
    found.set(key, {
      day: row.day,
      agent: row.agent,
      tokens: (before?.tokens ?? 0) + row.input_tokens + row.output_tokens + row.cache_write_tokens,
      cache_read: (before?.cache_read ?? 0) + row.cache_read_tokens,
      turns: (before?.turns ?? 0) + row.turns,
      usd: row.cost_usd === null ? (before?.usd ?? null) : (before?.usd ?? 0) + row.cost_usd,
    });
  }
  return [...found.values()].sort((a, b) => (a.day + a.agent < b.day + b.agent ? -1 : 1));
}

/** Every UTC day that the page shows, the last one today. */
export function utcDays(now_ms: number, days: number): string[] {
  return Array.from({ length: days }, (_, n) => utcDay(now_ms - (days - 1 - n) * DAY));
}

export interface Reason {
  readonly because: string;
  readonly count: number;
  readonly last: HistoryEvent;
}

/** The same reasons counted, the most frequent first. */
export function reasons(events: readonly HistoryEvent[]): Reason[] {
  const found = new Map<string, { count: number; last: HistoryEvent }>();
  for (const one of events) {
    const because = one.because ?? 'unknown';
    found.set(because, { count: (found.get(because)?.count ?? 0) + 1, last: one });
  }
  return [...found]
    .map(([because, { count, last }]) => ({ because, count, last }))
    .sort((a, b) => b.count - a.count || (a.because < b.because ? -1 : 1));
}
