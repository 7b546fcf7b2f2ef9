import { join } from 'node:path';
import { startedWith } from '../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import type { Project } from '../model/policy.ts';
import { hookEnvironment } from '../runs/environment.ts';
import { runHook, startIn } from '../workspace/index.ts';
import type { Here } from './here.ts';

/** Runs the hook of a project that takes down what a ticket's work has put up (containers, databases), before its worktree goes. What went wrong,
 *  in words; null = nothing. */
export async function tearDown(
  { worktree, ticket }: { readonly worktree: string; readonly ticket: string },
  project: Project,
  { places, policy, env }: Pick<Here, 'places' | 'policy' | 'env'>,
): Promise<string | null> {
  const { before_remove: spec, name } = project;
  if (spec === null) return null;
  const logFile = join(places.state, 'clean', `${name}.log`);
  const ran = await runHook({
    ...{ spec, worktree, start: startIn(worktree, project) ?? worktree, logFile },
    env: { ...hookEnvironment(project, policy, places, env), MC_TICKET_ID: ticket },
    processes: {
      me: lookAtSelf(hostId(places.state) ?? ''),
      ...{ lookAt, startedWith, notes: places.hooks },
    },
  });
  return ran.ok ? null : `hook before_remove: ${ran.error ?? 'failed'} (output in ${logFile})`;
}
