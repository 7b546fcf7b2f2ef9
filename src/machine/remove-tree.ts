/* Takes whole trees away that lie where agents write: by the rules of `foreign.ts`, and however deep or wide they are. */
import { isUtf8 } from 'node:buffer';
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { uniqueName } from '../model/hash.ts';
import { at, BY_DESCRIPTOR, type Dir, inDirAt, lookAtName, namesIn, removeIn } from './foreign.ts';

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
 * is emptied, so that no depth, and no path that is too long, keeps anything from going. A directory of this user's that lacks its own rights, as package caches
 * do, gets them. false = the budget is used up, and the rest is for another time. Throws where something can't be removed.
 */
export function removeTreeIn(dir: Dir, name: string, budget: Budget = { left: MOST_REMOVED }): boolean {
  if (removeIn(dir, name)) return true;
  openShut(dir, name);
  const empty = inDirAt(at(dir, name), (top) => {
    for (;;) {
      nameable(top);
      const { names } = namesIn(top, BATCH);
      if (names.length === 0) return true;
      for (const one of names) {
        if (budget.left <= 0) return false;
        budget.left -= 1;
        if (removeIn(top, one) || removeEmpty(top, one)) continue;
        openShut(top, one);
        if (inDirAt(at(top, one), (sub) => raise(sub, top, budget)) === null)
          throw new Error(`${join(top.path, one)} can't be opened, so it can't be emptied`);
      }
    }
  });
  if (empty === null) throw new Error(`${join(dir.path, name)} can't be opened, so it can't be emptied`);
  return empty && removeEmpty(dir, name);
}

/** Takes away what is in a directory, and moves what is full into the one above. */
function raise(sub: Dir, top: Dir, budget: Budget): true {
  nameable(sub);
  for (const name of namesIn(sub, BATCH).names) {
    budget.left -= 1;
    // To move a directory takes the right to write in it, and to remove an empty one does not.
    if (removeIn(sub, name) || removeEmpty(sub, name)) continue;
    openShut(sub, name);
    renameSync(at(sub, name), at(top, `.raised${uniqueName()}`));
  }
  return true;
}

/** Names what no text can name anew: to Linux a name is any bytes, and one that is no UTF-8 would be found in no list, and never go. */
function nameable(dir: Dir): void {
  const { names } = namesIn(dir, BATCH);
  if (!names.some(isUnnameable)) return;
  const path = at(dir, '');
  for (const name of readdirSync(path, { encoding: 'buffer' }))
    if (!isUtf8(name)) renameSync(Buffer.concat([Buffer.from(path), name]), at(dir, `.named${uniqueName()}`));
}

/** Whether a name was read that may stand for another one, whose bytes are no text. */
export function isUnnameable(name: string): boolean {
  return name.includes('\ufffd');
}

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Opens a directory that can't be read. Node has no name for it. */
const O_PATH = 0o10000000;

/** Gives a directory of this user's its owner's rights back; a link, or another's, stays what it is. */
export function openShut(dir: Dir, name: string): void {
  const path = at(dir, name);
  if (!isShut(lookAtName(path))) return;
  if (!BY_DESCRIPTOR) return chmodSync(path, 0o700);
  const fd = openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    const stat = fstatSync(fd);
    if (isShut(stat)) chmodSync(`/proc/self/fd/${fd}`, (stat.mode & 0o7777) | OWNER);
  } finally {
    closeSync(fd);
  }
}

const OWNER = 0o700;

function isShut(stat: Stats | null): boolean {
  return stat?.isDirectory() === true && stat.uid === process.geteuid?.() && (stat.mode & OWNER) !== OWNER;
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
