import { join } from 'node:path';
import { tryWriting } from '../../machine/files.ts';
import { lookAtName, mustBePermitted } from '../../machine/foreign.ts';
import { readHolds } from '../../machine/holds.ts';
import { startedWith } from '../../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../../machine/process.ts';
import { type Fault, type Hold, nameOf, projectScope } from '../../model/hold.ts';
import type { Project } from '../../model/policy.ts';
import { hookEnvironment } from '../../runs/environment.ts';
import { whyNoServer } from '../../tmux/server.ts';
import type { Here } from '../here.ts';
import { faultOfHost, faultOfTmux, faultOfTrial } from './fault.ts';
import { noGit, noProgram, noSpace, noSpaceHere } from './unlaunchable.ts';

/** Looks whether what holds a scope is still so, by the same thing done for real, as far as the fault went; null = it is gone. */
export async function probe(
  { scope, because }: Pick<Hold, 'scope' | 'because'>,
  hands: Here,
): Promise<Fault | null> {
  const { policy, env } = hands;
  const [unnoted] = because === 'holds_unreadable' ? readHolds(hands.places).holds : [];
  if (unnoted?.because === because) return unnoted;
  if (scope === 'host' && because === 'disk_low') return noSpaceHere(hands);
  if (scope === 'host') return noGit(env) ?? noRoom(hands) ?? (await noTmux(because, hands));
  const name = nameOf(scope);
  const profile = policy.agents.get(name);
  if (scope.startsWith('agent:')) return profile === undefined ? null : noProgram(profile, env);
  const project = policy.projects.get(name);
  return project === undefined ? null : probeProject(project, because, hands);
}

/** What may have been mended on the remote. */
const FETCHED: ReadonlySet<string> = new Set(['fetch_fails', 'base_gone', 'base_missing', 'path_missing']);

async function probeProject(project: Project, because: Fault['because'], hands: Here): Promise<Fault | null> {
  if (because === 'disk_low') return noSpace(project, hands);
  const { tryOut } = await import('../../workspace/index.ts');
  const { name } = project;
  const tried = await tryOut({
    ...{ project, root: join(hands.places.worktrees, name) },
    fetch: FETCHED.has(because),
    ...(because === 'hook_fails'
      ? { inside: (worktree: string) => createdIn(worktree, project, hands) }
      : {}),
  });
  if (!tried.ok) return faultOfTrial(tried, name);
  if (tried.stale !== null) return faultOfTrial(tried.stale, name);
  return tried.inside === null
    ? null
    : { scope: projectScope(name), because: 'hook_fails', says: tried.inside };
}

async function createdIn(
  worktree: string,
  project: Project,
  { places, policy, env }: Here,
): Promise<string | null> {
  if (project.after_create === null) return null;
  const { placeFromMain, runHook, startIn, takeBack } = await import('../../workspace/index.ts');
  const processes = { me: lookAtSelf(hostId(places.state) ?? ''), lookAt, startedWith, notes: places.hooks };
  const logFile = join(places.state, 'trial', `${project.name}.log`);
  const hookEnv = hookEnvironment(project, policy, places, env);
  const start = startIn(worktree, project) ?? worktree;
  const notes = places.placed;
  await placeFromMain({ project, worktree, notes, created: true });
  const ran = await runHook({
    spec: project.after_create,
    worktree,
    start,
    logFile,
    env: hookEnv,
    processes,
  });
  takeBack(notes, worktree);
  return ran.ok ? null : `hook after_create: ${ran.error ?? 'failed'} (output in ${logFile})`;
}

async function noTmux(because: Fault['because'], { tmux }: Here): Promise<Fault | null> {
  if (because !== 'tmux_fails') return null;
  const why = await whyNoServer(tmux);
  return why === null ? null : faultOfTmux(why);
}

/** As much as the files of some launches take, and as many as they have open. */
const BYTES = 256 * 1024;
const FILES = 64;

/** What keeps the state dir from taking the files of a launch. */
export function noRoom({ places }: Here): Fault | null {
  try {
    const dirs = [places.runs, places.bin, join(places.state, 'own')];
    for (const dir of dirs) mustBePermitted(dir);
    // One of them may be a disk of its own.
    const disks = new Map(
      [...dirs, places.state].flatMap((dir) => {
        const dev = lookAtName(dir)?.dev;
        return dev === undefined ? [] : [[dev, dir] as const];
      }),
    );
    for (const dir of disks.values()) tryWriting(join(dir, 'room'), BYTES, FILES);
    return null;
  } catch (error) {
    return faultOfHost(error);
  }
}
