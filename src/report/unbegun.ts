import type { Switch } from '../model/world.ts';
import type { TickReport } from './tick.ts';

/** The report of a tick that did not begin: halted by this switch, or given way to another tick. */
export function unbegun(tick_id: string | null, dry_run: boolean, stop: Switch | null): TickReport {
  return {
    schema: 'mc-pickup.tick/1',
    tick_id,
    host_id: null,
    dry_run,
    outcome: stop === null ? 'overlap' : 'halted',
    gate: { open: stop === null, reason: stop?.reason ?? null, level: stop?.level ?? null },
    reconcile: [],
    dispatch: [],
    skipped: [],
    counts: {},
    duration_ms: 0,
  };
}
