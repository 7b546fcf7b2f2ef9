import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keyOf } from './branches.ts';
import { git } from './git.ts';
import { START } from './head.ts';
import { MARKER as HOOK_DONE } from './hooks.ts';
import { lockFor, lockText } from './lock.ts';
import { ownDir, READY } from './own.ts';
import { neverGiven } from './pool.ts';
import type { Site } from './prepared.ts';
import { giveRights, writeNote } from './rights.ts';

/** Whether `git worktree add` was killed before its checkout ended, so that the tree was never given to anybody.
 *  Git writes the index last: where there is one, the checkout ended or somebody has worked here. */
export function halfMade({ common, target }: Pick<Site, 'common' | 'target'>): boolean {
  const own = ownDir(common, target);
  if (own === null) return false;
  if (neverGiven(own)) return true;
  if (lockText(own) !== 'initializing') return false;
  return ![READY, HOOK_DONE, 'index'].some((name) => existsSync(join(own, name)));
}

/** From here on it may be somebody's work, and is this state dir's. */
export function markReady({ common, target, ticket, me }: Site): void {
  const own = ownDir(common, target);
  if (own === null) return;
  giveRights(common, own);
  // Whose it is, wherever HEAD goes: the branch alone would no longer tell.
  writeNote(join(own, READY), `${keyOf(ticket)}\n`);
  if (me !== null) lockFor(own, me, ticket.id);
}

/** Notes which commit the work begins at: `fresh`, the commit of a branch that was made just now, or the fork from the base, also
 *  where an earlier attempt's branch is taken up. */
export async function markStart(
  { common, target }: Site,
  { base, fresh }: { readonly base: string | undefined; readonly fresh: string | undefined },
): Promise<void> {
  const own = ownDir(common, target);
  if (own === null || existsSync(join(own, START))) return;
  const args = base === undefined ? ['rev-parse', 'HEAD'] : ['merge-base', 'HEAD', base];
  const found = fresh === undefined ? await git(target, args) : { ok: true, stdout: fresh };
  if (found.ok) writeNote(join(own, START), `${found.stdout}\n`);
}
