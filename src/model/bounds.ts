import type { Policy, Project } from './policy.ts';

/** After so many intervals without one, ticks have stopped. */
export const STOPPED_AFTER = 3;
/** What stands around the fetch, the checkout and the hooks of a launch. */
const LAUNCH_SECONDS = 30;
/** What a tick is given beside its launches: a board that is brought forward, hundreds of heals, a server that answers slowly. */
const REST_MS = 10 * 60_000;
/** The bound of a tick before its configuration has told of a longer one. */
export const TICK_BOUND_MS = 40 * 60_000;
/** A person's command may take longer than any tick: it may delete hundreds of worktrees. */
export const COMMAND_BOUND_MS = 2 * 3_600_000;

/** After how long alarm is given: how long a tick may take at most where its launches go side by side. */
export function longestTickMs({ limits, projects }: Policy): number {
  const seconds = Math.max(0, ...[...projects.values()].map(launchSeconds)) + limits.register_wait_seconds;
  return (STOPPED_AFTER * limits.interval_seconds + seconds) * 1000;
}

/** After how long a tick is ended that still has the tick lock. Longer than any that works: by the bounds of all that it may do, as
 *  if its launches waited for each other. */
export function tickBoundMs(policy: Policy): number {
  const launch = Math.max(0, ...[...policy.projects.values()].map(launchSeconds)) * 1000;
  // One more: what is held is looked at by a trial before the launches.
  const all = longestTickMs(policy) + launch * policy.limits.max_launches_per_tick + REST_MS;
  return Math.max(TICK_BOUND_MS, all);
}

/** After how long a process is ended that makes worktrees ready ahead of time: it makes one of each project at most. */
export function poolBoundMs({ projects }: Policy): number {
  const seconds = (one: Project): number => launchSeconds(one) + (one.pool_setup?.timeout_seconds ?? 0);
  const all = [...projects.values()].reduce((sum, one) => sum + seconds(one), 0);
  return Math.max(TICK_BOUND_MS, all * 1000 + REST_MS);
}

function launchSeconds(project: Project): number {
  const { fetch_timeout_seconds, checkout_timeout_seconds, after_create, before_run } = project;
  const hooks = (after_create?.timeout_seconds ?? 0) + (before_run?.timeout_seconds ?? 0);
  return LAUNCH_SECONDS + fetch_timeout_seconds + checkout_timeout_seconds + hooks;
}
