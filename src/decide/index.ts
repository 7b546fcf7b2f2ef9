import type { DecideOptions, Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { World } from '../model/world.ts';
import { decideDispatch } from './dispatch.ts';
import { decideReconcile } from './reconcile/index.ts';
import { givingWay } from './reconcile/settled.ts';

/** The whole decision of one tick. Pure: the same world and policy give the same plan, in a dry run too. */
export function decide(world: World, policy: Policy, options: DecideOptions): Plan {
  if (world.tmux.kind === 'unknown') return blind(world);
  const reconciled = decideReconcile(world, policy);
  const dispatched = options.dispatch
    ? decideDispatch(world, policy, reconciled, options)
    : { steps: [], skipped: [], wants_room: 0 };
  const giving = givingWay(reconciled.offers, reconciled.steps, dispatched.wants_room);
  const gives = new Set(giving.map(({ ticket }) => ticket));
  return {
    reconcile: [...reconciled.steps, ...giving],
    dispatch: dispatched.steps,
    skipped: [...reconciled.skipped.filter(({ ticket }) => !gives.has(ticket)), ...dispatched.skipped],
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
