import { noGit, noProgram, noSpace } from '../act/launch/unlaunchable.ts';
import type { Context } from '../context.ts';
import { begun } from '../model/hold.ts';
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
  const met = faults
    .filter((one) => one !== null)
    .filter((one) => !world.holds.some(({ scope }) => scope === one.scope))
    .filter((one, n, all) => all.findIndex(({ scope }) => scope === one.scope) === n);
  return { ...world, holds: [...world.holds, ...met.map((one) => begun(one, '', world.now_ms))] };
}
