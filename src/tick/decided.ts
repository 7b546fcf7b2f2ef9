import { decide } from '../decide/index.ts';
import { lacking } from '../decide/room.ts';
import { lookAtRoom } from '../machine/room.ts';
import type { DecideOptions, LaunchStep, Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import { starterOf, type World } from '../model/world.ts';

/** Of these launches those whose workspace can't be had just now, by ticket, and why. */
export type BeingMade = (
  launches: readonly LaunchStep[],
  tickets: World['tickets'],
) => Promise<World['being_made']>;

/** The plan for a world. Only the tickets that it would launch are looked at for what keeps their workspace; where there is
 *  something, it is decided anew without them, and each that comes in their place is looked at as well. What the machine has left is looked
 *  at only where something would be launched. */
export async function decided(
  seen: World,
  policy: Policy,
  options: DecideOptions,
  beingMade: BeingMade,
): Promise<{ readonly world: World; readonly plan: Plan }> {
  const looked = new Set<string>();
  for (let world = seen; ; ) {
    const plan = decide(world, policy, options);
    const launches = plan.dispatch.filter(
      (step): step is LaunchStep => step.kind === 'launch' && !looked.has(step.ticket),
    );
    if (launches.length > 0 && world.room === undefined) {
      const room = lookAtRoom(starterOf(world.tmux), policy.limits);
      world = { ...world, room };
      if (lacking(room, policy.limits) !== null) continue;
    }
    const found = launches.length === 0 ? {} : await beingMade(launches, world.tickets);
    if (Object.keys(found).length === 0) return { world, plan };
    for (const { ticket } of launches) looked.add(ticket);
    world = { ...world, being_made: { ...world.being_made, ...found } };
  }
}
