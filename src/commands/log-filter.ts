import type { ActivityRow, Board } from '../board/port/index.ts';
import { parseDuration } from '../machine/killswitch.ts';
import { ACTIVITY_KINDS } from '../model/activity.ts';
import { usageError } from '../model/errors.ts';
import { hint } from '../model/hint.ts';

export interface LogFilter {
  readonly kind?: readonly string[];
  readonly actor?: string;
  readonly run?: string;
  readonly because?: string;
  readonly since?: string;
  readonly until?: string;
}

export interface Matcher {
  /** Nothing is asked for but the newest. */
  readonly all: boolean;
  readonly since_ms: number;
  readonly until_ms: number;
  fits(row: ActivityRow): boolean;
}

/** What `log` was asked for; whatever cannot be meant is a usage error. */
export function matcherOf(o: LogFilter, now_ms: number): Matcher {
  for (const one of o.kind ?? []) {
    if ((ACTIVITY_KINDS as readonly string[]).includes(one)) continue;
    throw usageError(`--kind: "${one}" is no kind${hint(one, ACTIVITY_KINDS)}: ${ACTIVITY_KINDS.join(', ')}`);
  }
  const kinds = new Set(o.kind);
  const since_ms = o.since === undefined ? Number.NEGATIVE_INFINITY : timeOf('--since', o.since, now_ms);
  const until_ms = o.until === undefined ? Number.POSITIVE_INFINITY : timeOf('--until', o.until, now_ms);
  if (since_ms > until_ms) throw usageError('--since is after --until: nothing can be between');
  const same = (asked: string | undefined, is: string | null): boolean => asked === undefined || asked === is;
  return {
    all: kinds.size === 0 && [o.actor, o.run, o.because, o.since, o.until].every((one) => one === undefined),
    since_ms,
    until_ms,
    fits: (row) =>
      (kinds.size === 0 || kinds.has(row.kind)) &&
      // All ticks are one actor to a person, and each has a name of its own.
      (same(o.actor, row.actor) || (o.actor !== undefined && row.actor.startsWith(`${o.actor}:`))) &&
      same(o.run, row.run_id) &&
      same(o.because, row.because) &&
      row.at_ms >= since_ms &&
      row.at_ms <= until_ms,
  };
}

/** `2h` = so long ago, or a time such as `2026-11-25T10:00Z`; without a zone it is UTC, as all times are shown. */
function timeOf(option: string, text: string, now_ms: number): number {
  const span = parseDuration(text);
  if (span !== null) return now_ms - span;
  const shape = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;
  const zoned = /(Z|[+-]\d\d:\d\d)$/.test(text) || text.length <= 10 ? text : `${text}Z`;
  const at = shape.test(text) ? Date.parse(zoned.replace(' ', 'T')) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw usageError(`${option} "${text}" is no time: such as 30m, 2h, 7d or 2026-11-25T10:00Z`);
}

const BATCH = 500;
/** Clocks of several hosts, and of one that was set back, are not in one order with the lines. */
const SLACK_MS = 24 * 3_600_000;

/** The newest lines that fit, at most `limit`, in the order of time; and the number of the newest line at all. The log is
 *  walked back by its numbers, in parts that grow where little is found. */
export async function newestThatFit(
  board: Board,
  of: { readonly ticket?: string },
  match: Matcher,
  limit: number,
): Promise<{ readonly rows: ActivityRow[]; readonly newest: number; readonly any: boolean }> {
  // One at least, to know where `--follow` begins.
  const first = await board.activity({ ...of, limit: Math.max(1, match.all ? limit : BATCH) });
  const newest = first.at(-1)?.id ?? 0;
  const found = first.filter((row) => match.fits(row)).toReversed();
  let part: readonly ActivityRow[] = first;
  let end = first[0]?.id ?? 0;
  let span = 2 * BATCH;
  while (!match.all && found.length < limit && end > 1) {
    const latest = Math.max(...part.map(({ at_ms }) => at_ms));
    if (part.length > 0 && latest < match.since_ms - SLACK_MS) break;
    const from = Math.max(0, end - 1 - span);
    part = await between(board, of, from, end);
    found.push(...part.filter((row) => match.fits(row)).toReversed());
    end = from + 1;
    span = part.length < BATCH ? Math.min(span * 4, 2 ** 40) : 2 * BATCH;
  }
  return { rows: limit === 0 ? [] : found.slice(0, limit).toReversed(), newest, any: first.length > 0 };
}

/** The lines with numbers between these two, in order. */
async function between(
  board: Board,
  of: { readonly ticket?: string },
  from: number,
  end: number,
): Promise<ActivityRow[]> {
  const rows: ActivityRow[] = [];
  for (let after = from; ; ) {
    const page = await board.activity({ ...of, after, limit: BATCH });
    rows.push(...page.filter(({ id }) => id < end));
    const last = page.at(-1)?.id ?? end;
    if (page.length < BATCH || last >= end - 1) return rows;
    after = last;
  }
}
