import { noGit, noProgram } from '../act/launch/unlaunchable.ts';
import { begun } from '../model/hold.ts';
import type { Policy } from '../model/policy.ts';
import type { World } from '../model/world.ts';

/** A world as the first launch would find it: without git, or the program of its profile, nothing comes of it, and a look that launches
 *  nothing says so. A tick meets it, and notes it. */
export function rehearsed(world: World, { agents }: Policy, env: NodeJS.ProcessEnv): World {
  const faults = [noGit(env), ...[...agents.values()].map((profile) => noProgram(profile, env))];
  const met = faults
    .filter((one) => one !== null)
    .filter((one) => !world.holds.some(({ scope }) => scope === one.scope));
  return { ...world, holds: [...world.holds, ...met.map((one) => begun(one, '', world.now_ms))] };
}
