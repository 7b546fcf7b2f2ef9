import { join } from 'node:path';
import { adapterOf } from '../../agents/index.ts';
import { findProgram, lookedIn } from '../../machine/programs.ts';
import { spaceAt } from '../../machine/room.ts';
import { agentScope, type Fault, type HoldScope, projectScope } from '../../model/hold.ts';
import type { AgentProfile, Policy, Project } from '../../model/policy.ts';
import { isShort, needWords, roomWords } from '../../model/room.ts';
import { checkoutFiles } from '../../workspace/index-file.ts';
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

/** Too little room for one more worktree of a project: on the disk of the state dir, or on that of the project's worktrees. */
export function noSpace(
  { name, repo, worktrees }: Pick<Project, 'name' | 'repo' | 'worktrees'>,
  at: Pick<Here, 'places' | 'policy'>,
): Fault | null {
  const root = worktrees ?? join(at.places.worktrees, name);
  return noSpaceHere(at) ?? shortAt(root, projectScope(name), at.policy, checkoutFiles(repo));
}

/** The same for the state dir alone, whose disk every launch needs. */
export function noSpaceHere({ places, policy }: Pick<Here, 'places' | 'policy'>): Fault | null {
  return shortAt(places.state, 'host', policy, 0);
}

/** What is all gone is told as what it is. */
function shortAt(path: string, scope: HoldScope, { limits }: Policy, files: number): Fault | null {
  const space = spaceAt(path);
  if (space === null || !isShort(space, limits.min_free_disk_mb, files)) return null;
  const gone = space.bavail === 0 || (space.files > 0 && space.ffree === 0);
  const room = roomWords(space, path);
  if (gone) return { scope, because: 'disk_full', says: room };
  return {
    scope,
    because: 'disk_low',
    says: `${room}, and ${needWords(space, limits.min_free_disk_mb, files)}`,
  };
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
