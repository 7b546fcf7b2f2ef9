/* Takes whole trees away that lie where agents write: by the rules of `foreign.ts`, and however deep or wide they are. */
import { renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { uniqueName } from '../model/hash.ts';
import { at, type Dir, inDirAt, namesIn, removeIn } from './foreign.ts';

/** How many names may still be removed. */
export interface Budget {
  left: number;
}

/** So many names of a directory are looked at before they go. */
const BATCH = 5000;
/** More than any worktree has: whoever goes on to add to one is not waited for. */
const MOST_REMOVED = 50_000_000;

/**
 * Takes a name away with all that is below it; links go, not what they lead to. What lies deeper is moved up into the one directory that
 * is emptied, so that no depth, and no path that is too long, keeps anything from going. false = the budget is used up, and the
 * rest is for another time. Throws where something can't be removed.
 */
export function removeTreeIn(dir: Dir, name: string, budget: Budget = { left: MOST_REMOVED }): boolean {
  if (removeIn(dir, name)) return true;
  const empty = inDirAt(at(dir, name), (top) => {
    for (;;) {
      const { names } = namesIn(top, BATCH);
      if (names.length === 0) return true;
      for (const one of names) {
        if (budget.left <= 0) return false;
        budget.left -= 1;
        if (removeIn(top, one) || removeEmpty(top, one)) continue;
        if (inDirAt(at(top, one), (sub) => raise(sub, top)) === null)
          throw new Error(`${join(top.path, one)} can't be opened, so it can't be emptied`);
      }
    }
  });
  if (empty === null) throw new Error(`${join(dir.path, name)} can't be opened, so it can't be emptied`);
  return empty && removeEmpty(dir, name);
}

/** Moves what is in a directory into the one above. */
function raise(sub: Dir, top: Dir): true {
  for (const name of namesIn(sub, BATCH).names) renameSync(at(sub, name), at(top, `.raised${uniqueName()}`));
  return true;
}

function removeEmpty(dir: Dir, name: string): boolean {
  try {
    rmdirSync(at(dir, name));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}
