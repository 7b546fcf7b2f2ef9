import { join } from 'node:path';
import type { Context } from '../context.ts';
import { isLocked } from '../machine/lock.ts';
import { startedWith } from '../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import type { LaunchStep } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { HeldUp } from '../model/world.ts';
import type { BeingMade } from './decided.ts';
import type { Eyes } from './observe/eyes.ts';

/** What a tick, a dry one, or `explain` can know of the ticks before it. */
export interface Earlier {
  readonly claimersEnded: Eyes['claimersEnded'];
  readonly beingMade: BeingMade;
}

/** `locked`: the tick lock is held, so no other tick lives. `serverStarts`: a server starts the runtimes, and may still do so for a tick
 *  that has ended. */
export function earlierTicks(
  { places }: Pick<Context, 'places'>,
  policy: Policy,
  { locked, serverStarts }: { readonly locked: boolean; readonly serverStarts: boolean },
): Earlier {
  return {
    claimersEnded: async () => {
      if (serverStarts || locked) return !serverStarts;
      return isLocked(places.lock) === false;
    },
    beingMade: async (launches, tickets) => {
      const { leftAtWork } = await import('../workspace/index.ts');
      const me = lookAtSelf(hostId(places.state) ?? '');
      const processes = { me, lookAt, startedWith, notes: places.hooks };
      const byId = new Map(tickets.map(({ ticket }) => [ticket.id, ticket]));
      const look = async ({ ticket: id, project: name }: LaunchStep): Promise<[string, HeldUp | null]> => {
        const project = policy.projects.get(name);
        const ticket = byId.get(id);
        if (project === undefined || ticket === undefined) return [id, null];
        const where = { project, ticket, root: join(places.worktrees, name), state: places.state };
        return [id, await leftAtWork(where, processes, locked)];
      };
      const found = await Promise.all(launches.map(look));
      return Object.fromEntries(found.filter((one): one is [string, HeldUp] => one[1] !== null));
    },
  };
}
