import type { Refresh } from '../../model/plan.ts';
import type { ActivityView, ObservedRuntime } from '../../model/world.ts';
import { type Cell, NOTHING, type Scene } from './cell.ts';

/** What is kept of a look at a row that lives or is being launched, whatever else is decided about it. */
export function refreshed(
  seen: ObservedRuntime,
  now: { readonly alive: boolean; readonly silent_ms: number; readonly launching_ms: number },
  { world: { time_ns } }: Scene,
): Cell {
  const { row } = seen;
  if (row.phase === 'ended') return NOTHING;
  const phase = now.alive && row.phase === 'registered' ? 'running' : row.phase;
  const fills = now.alive && row.time_ns === null && time_ns !== null;
  const quiet = !fills && seen.program === null && phase === row.phase && sameAsBefore(seen);
  return {
    refresh: {
      run: row.id,
      phase,
      seen: keptOf(seen.seen),
      output_at_s: seen.pane?.output_at_s ?? row.output_at_s,
      ...now,
      ...(fills ? { time_ns } : {}),
      ...(seen.program === null ? {} : { program: seen.program }),
      ...(quiet ? { quiet: true as const } : {}),
    },
  };
}

/** What only this look is told goes to no board. */
function keptOf(seen: ActivityView): Refresh['seen'] {
  if (seen.said === undefined && seen.trouble === undefined && seen.answered === undefined) return seen;
  const { said, trouble, answered, ...kept } = seen;
  return kept;
}

/** All that a look finds, but what is counted anew each time: a field that is forgotten here does not compile. */
const KEPT: Readonly<Record<Exclude<keyof Refresh['seen'], 'fresh' | 'cursor' | 'level_ms'>, true>> = {
  ...{ activity: true, question: true, turn: true, client_session: true },
  ...{ level: true, limited_until_ms: true, not_ready: true },
};
const KEPT_KEYS = Object.keys(KEPT) as (keyof typeof KEPT)[];

/** What a look has found is what the row has. */
function sameAsBefore({ row, seen }: ObservedRuntime): boolean {
  return (
    seen.fresh === 0 && seen.cursor === row.events_cursor && KEPT_KEYS.every((key) => seen[key] === row[key])
  );
}
