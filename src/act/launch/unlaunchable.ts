import { adapterOf } from '../../agents/index.ts';
import { findProgram, lookedIn } from '../../machine/programs.ts';
import { agentScope, type Fault } from '../../model/hold.ts';
import type { AgentProfile } from '../../model/policy.ts';
import type { Here } from '../here.ts';

/** What keeps every launch of a profile from coming to anything, known before anything is claimed: a fault that holds it, or, told by a
 *  text, what the board has its account wait for. null = nothing. */
export async function unlaunchable(name: string, hands: Here): Promise<Fault | string | null> {
  const { policy, env } = hands;
  const profile = policy.agents.get(name);
  if (profile === undefined) return `there is no agent "${name}" in the configuration`;
  const adapter = adapterOf(profile.kind);
  const fault = noGit(env) ?? noProgram(profile, env);
  if (fault !== null || adapter.minVersion === undefined) return fault;
  return (await import('../versions.ts')).tooOld(profile, adapter, hands);
}

/** Without git nothing is launched on this host. */
export function noGit({ PATH }: NodeJS.ProcessEnv): Fault | null {
  if (findProgram('git', PATH) !== null) return null;
  return { scope: 'host', because: 'git_missing', says: `git was not found (${lookedIn('git', PATH)})` };
}

/** A profile's own program. */
export function noProgram(profile: AgentProfile, env: NodeJS.ProcessEnv): Fault | null {
  const [word = profile.kind] = profile.argv;
  const path = profile.env.PATH ?? env.PATH;
  if (findProgram(word, path) !== null) return null;
  const of = profile.env.PATH === undefined ? 'PATH' : `agent.${profile.name}.env.PATH`;
  const says = `the program "${word}" of agent ${profile.name} was not found (${lookedIn(word, path, of)})`;
  return { scope: agentScope(profile.name), because: 'program_missing', says };
}
