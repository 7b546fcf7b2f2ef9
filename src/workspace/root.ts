import { lstatSync, mkdirSync, realpathSync, rmdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { lookAtName } from '../machine/foreign.ts';
import type { Project } from '../model/policy.ts';
import { no, type Refused } from './prepared.ts';

/** Where the worktrees of a project go, `root` unless it says otherwise, and how many last parts of that path are ours, and no
 *  symlinks. What lies above is the user's choice (a state dir on another disk). */
export function rootOf(
  { worktrees }: Pick<Project, 'worktrees'>,
  root: string,
): { readonly root: string; readonly own: number } {
  return worktrees === null ? { root, own: 2 } : { root: worktrees, own: 1 };
}

/** Makes the root and returns its real path, unless one of its last `own` parts is a symlink. */
export function realRoot({ root, own }: ReturnType<typeof rootOf>): string | Refused {
  // Looked at before mkdir, which would go through the link.
  const before = linkAmong({ root, own });
  if (before !== null) return leads(before);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const after = linkAmong({ root, own });
  return after === null ? realpathSync.native(root) : leads(after);
}

/** How many last parts of a root there are not yet, of those that are ours. */
export function missingOf({ root, own }: ReturnType<typeof rootOf>): number {
  let [at, missing] = [resolve(root), 0];
  for (; missing < own && lookAtName(at) === null; at = dirname(at)) missing++;
  return missing;
}

/** Takes as many last parts of a root away again, as far as nothing is in them. */
export function dropRoot(root: string, missing: number): void {
  let at = resolve(root);
  try {
    for (let n = 0; n < missing; n++, at = dirname(at)) rmdirSync(at);
  } catch {
    // Somebody has put something there meanwhile.
  }
}

/** The first of the last `own` parts of a path, from its end, that is a symlink; null = none. */
export function linkAmong({ root, own }: ReturnType<typeof rootOf>): string | null {
  let at = resolve(root);
  for (let n = 0; n < own; n++, at = dirname(at))
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) return at;
  return null;
}

function leads(path: string): Refused {
  return no(
    'worktree_symlink',
    `${path} is a symlink: worktrees go only where the configuration says, name the real path`,
  );
}
