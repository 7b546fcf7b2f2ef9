import { adapterOf } from '../../agents/index.ts';
import { findProgram } from '../../machine/programs.ts';
import type { LaunchStep } from '../../model/plan.ts';
import type { Here } from '../here.ts';

/** What keeps every launch of this profile from coming to anything, known before anything is claimed: then no attempt
 *  is spent on it. null = nothing. */
export async function unlaunchable(step: LaunchStep, hands: Here): Promise<string | null> {
  const { policy, env } = hands;
  const profile = policy.agents.get(step.agent);
  if (profile === undefined) return `there is no agent "${step.agent}" in the configuration`;
  const adapter = adapterOf(profile.kind);
  if (findProgram('git', env.PATH) === null)
    return 'git is not installed or not on PATH: install it, for example apt-get install git';
  const [word = profile.kind] = profile.argv;
  const path = profile.env.PATH ?? env.PATH;
  if (findProgram(word, path) === null)
    return `the program "${word}" of agent ${profile.name} was not found (PATH ${path ?? 'is empty'}): install it, or name its full path in argv`;
  return adapter.minVersion === undefined
    ? null
    : (await import('../versions.ts')).tooOld(profile, adapter, hands);
}
