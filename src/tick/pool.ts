import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { TickLock } from '../machine/lock.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { takeTurn } from '../machine/take.ts';
import { asUser } from '../machine/umask.ts';
import { poolBoundMs } from '../model/bounds.ts';
import type { Policy, Project } from '../model/policy.ts';
import { isWanting } from '../workspace/slots.ts';

const FILLING = {
  name: 'the lock of those that make worktrees ready',
  goesOn: 'another one',
  stands: 'no worktree is made ready ahead of time',
};

/** At the end of a tick: somebody else is to make slots, if any is missing. The tick does not wait for it. */
export async function startFilling(context: Context, policy: Policy): Promise<void> {
  const { places, node, bin, env } = context;
  const wanting = [...policy.projects.values()].some((project) => {
    const root = rootOf(project, places.worktrees);
    // Where nothing was ever launched there may be no directory yet: then all are missing.
    return Array.from({ length: project.pool }, (_, n) => n + 1).some(
      (n) => !existsSync(root) || isWanting(root, n, project, Date.now()),
    );
  });
  if (!wanting) return;
  const lock = await fillingTurn(context, policy);
  if (lock === null) return; // One is at it.
  lock.release();
  const args = [bin, 'pool', '--state-dir', places.state, '--config', places.config];
  const child = asUser(() =>
    spawn(node, args, {
      env: { ...env, MC_PICKUP_STATE_DIR: places.state },
      detached: true,
      stdio: 'ignore',
    }),
  );
  child.on('error', () => undefined); // The next tick tries again.
  child.unref();
}

/** The right to make slots; null = another process makes some. */
export function fillingTurn({ places, out }: Context, policy: Policy): Promise<TickLock | null> {
  return takeTurn({
    ...{ file: places.filling, words: FILLING, me: lookAtSelf(hostId(places.state) ?? '') },
    ...{ what: 'pool', bound_ms: poolBoundMs(policy), warn: (text) => out.warn(text) },
  });
}

/** Where the worktrees of a project are. */
export function rootOf({ worktrees, name }: Project, all: string): string {
  return worktrees ?? join(all, name);
}
