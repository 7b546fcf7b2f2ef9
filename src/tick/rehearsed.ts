import { begin } from '../act/hold.ts';
import { noGit, noProgram, noSpace } from '../act/launch/unlaunchable.ts';
import type { Hands } from '../act/outcome.ts';
import type { Context } from '../context.ts';
import { begun, type Fault } from '../model/hold.ts';
import type { Policy } from '../model/policy.ts';
import type { World } from '../model/world.ts';

/** A world as the first launch would find it: without git, or the program of its profile, nothing comes of it, and a look that launches
 *  nothing says so. A tick meets it, and notes it. */
export function rehearsed(
  world: World,
  policy: Policy,
  { env, places }: Pick<Context, 'env' | 'places'>,
): World {
  const faults = [
    noGit(env),
    ...[...policy.agents.values()].map((profile) => noProgram(profile, env)),
    ...[...policy.projects.values()].map((project) => noSpace(project, { places, policy })),
  ];
  return withHolds(world, unheld(faults, world));
}

/** The same of a tick that launches, for profiles in whose place another one works: it is noted before anything is decided, so that the other
 *  one has the tickets in this very tick. */
export async function stoodIn(world: World, hands: Hands, env: NodeJS.ProcessEnv): Promise<World> {
  const profiles = [...hands.policy.agents.values()].filter(({ fallback }) => fallback !== null);
  const faults = profiles.map((profile) => noProgram(profile, env));
  const met = unheld(faults, world);
  for (const fault of met) await begin(fault, null, hands);
  return withHolds(world, met);
}

function unheld(faults: readonly (Fault | null)[], { holds }: World): Fault[] {
  return faults
    .filter((one) => one !== null)
    .filter((one) => !holds.some(({ scope }) => scope === one.scope))
    .filter((one, n, all) => all.findIndex(({ scope }) => scope === one.scope) === n);
}

function withHolds(world: World, met: readonly Fault[]): World {
  return { ...world, holds: [...world.holds, ...met.map((one) => begun(one, '', world.now_ms))] };
}
