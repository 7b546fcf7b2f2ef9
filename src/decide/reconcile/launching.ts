import type { RunEnd } from '../../model/plan.ts';
import type { Runtime } from '../../model/runtime.ts';
import {
  type Cell,
  end,
  exitOf,
  handOver,
  type Pair,
  retry,
  type Scene,
  sameClaim,
  sightingOf,
  skip,
  together,
} from './cell.ts';
import { refreshed } from './refresh.ts';

/** A row that waits for its launcher to register. It ends once no agent can come of it, and after the deadline in any case. */
export function launching({ seen, view: { ticket } }: Pair, scene: Scene): Cell {
  const { row } = seen;
  const launching_ms = row.launching_ms + sinceClaim(row, scene);
  const because = failure(seen, launching_ms, scene);
  if (because === null)
    return together(
      refreshed(seen, { alive: false, silent_ms: 0, launching_ms }, scene),
      skip(ticket.id, row.id, { because: 'launching', evidence: { launching_ms } }),
    );
  const ending: RunEnd = { end_reason: because, ...exitOf(seen) };
  if (ticket.status === 'in_progress' && sameClaim(row, ticket) && sightingOf(ticket, scene) === null)
    return retry(row, ticket, because, ending, seen, scene);
  return together(end(row, ticket, because, ending), handOver(row, ticket, scene));
}

/** Why no agent comes of this launch; null = one may still. */
function failure({ row, pane, abandoned }: Pair['seen'], launching_ms: number, { world, policy }: Scene) {
  // No launcher survives a reboot, and none of them is to blame for it.
  if (row.boot_id !== null && world.boot_id !== null && row.boot_id !== world.boot_id) return 'rebooted';
  // The launcher exited without registering: it can't become an agent any more.
  if (pane?.dead === true) return 'launch_failed';
  if (abandoned) return 'tick_died';
  return launching_ms >= policy.limits.launch_deadline_seconds * 1000 ? 'launch_deadline' : null;
}

/** What this tick adds to the time of a launch. The first look adds no more than has passed since the claim: a tick that was killed
 *  stored nothing, so that the observed time began with one before it. */
function sinceClaim(
  { launching_ms, claimed_at_ms }: Runtime,
  { world: { delta_ms, now_ms } }: Scene,
): number {
  return launching_ms > 0 ? delta_ms : Math.min(delta_ms, Math.abs(now_ms - claimed_at_ms));
}
