import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { shellQuote } from '../machine/files.ts';
import { keyOf, shortName } from './branches.ts';
import { saysOf, whoseLock } from './lock.ts';
import { ownDir, READY, registered, textOf } from './own.ts';
import { no, type Refused, type Site } from './prepared.ts';

/** A branch that is checked out in another worktree can't be had. */
export function elsewhere(
  kept: { readonly ref: string; readonly worktree: string } | undefined,
  { common, target, ticket, me }: Site,
): Refused | null {
  if (kept === undefined || kept.worktree === target) return null;
  const name = shortName(kept.ref);
  const where = kept.worktree === '' ? inOperation(common, name, target) : kept.worktree;
  if (where === null) return null;
  const own = ownDir(common, where);
  const whose = whoseLock(own, me);
  if (whose.kind === 'other') return no('other_board', saysOf(where, whose));
  // It would begin without what is in there.
  if (own !== null && existsSync(where) && textOf(join(own, READY)) === keyOf(ticket))
    return no(
      'branch_elsewhere',
      `${name} is checked out in ${where}, the ticket's own worktree, which was moved, or made before its place was set to another: mkdir -p ${shellQuote(dirname(target))} && git -C ${shellQuote(common)} worktree move --force --force ${shellQuote(where)} ${shellQuote(target)}`,
    );
  const gone = existsSync(where)
    ? kept.worktree === ''
      ? ''
      : `: git -C ${shellQuote(where)} switch --detach, or another branch there, lets it go`
    : ', which is missing: if it is gone for good, run git worktree unlock and git worktree prune';
  return no('branch_elsewhere', `${name} is checked out in ${where}${gone}`);
}

/** The other worktree in which a rebase or a bisect of this branch goes on: git holds it for that, though HEAD names no branch. */
function inOperation(common: string, branch: string, target: string): string | null {
  const main = { own: common, path: basename(common) === '.git' ? dirname(common) : common };
  const held = ({ own }: { readonly own: string }): boolean =>
    textOf(join(own, 'BISECT_START')) === branch ||
    ['rebase-merge', 'rebase-apply'].some(
      (dir) => textOf(join(own, dir, 'head-name')) === `refs/heads/${branch}`,
    );
  return [main, ...registered(common)].find((one) => one.path !== target && held(one))?.path ?? null;
}
