import type { DecideOptions, Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { World } from '../model/world.ts';
import { decideDispatch } from './dispatch.ts';
import { decideReconcile } from './reconcile/index.ts';

/** The whole decision of one tick. Pure: the same world and policy give the same plan, in a dry run too. */
export function decide(world: World, policy: Policy, options: DecideOptions): Plan {
  if (world.tmux.kind === 'unknown') return blind(world);
  const reconciled = decideReconcile(world, policy);
  const dispatched = options.dispatch
    ? decideDispatch(world, policy, reconciled, options)
    : { steps: [], skipped: [] };
  return {
    reconcile: reconciled.steps,
    dispatch: dispatched.steps,
    skipped: [...reconciled.skipped, ...dispatched.skipped],
    refresh: reconciled.refresh,
  };
}

/** When tmux did not answer, nothing is known, and nothing is written: not even what /proc seems to say. */
function blind(world: World): Plan {
  const error = world.tmux.kind === 'unknown' ? world.tmux.error : '';
  return {
    reconcile: [],
    dispatch: [],
    refresh: [],
    skipped: world.tickets.map(({ ticket }) => ({
      ticket: ticket.id,
      run: null,
      because: 'tmux_unreadable' as const,
      evidence: { error },
    })),
  };
}
