import { renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { at, inDirAt, letGo, lookAtName, MOST_BYTES, namesAt } from '../machine/foreign.ts';
import { registered } from './own.ts';

/** In these git keeps what is half done; whoever adds a worktree has it look there in all others. */
const HALF_DONE = ['', 'rebase-merge', 'rebase-apply', 'sequencer', 'info', 'logs', 'reftable'];
/** Beside these, nothing in a git dir is read whole. */
const MAY_BE_LARGE: ReadonlySet<string> = new Set(['index', 'logs/HEAD', 'info/sparse-checkout']);

/**
 * Whatever adds a worktree, or asks which branch is checked out, reads in the git dirs of all worktrees: a pipe or a device in one of
 * them would hold up git for every other ticket. Such a thing holds no work: it is moved aside under a name that git does not
 * read. What it was called.
 */
export function moveOddAside(common: string): string[] {
  const found: string[] = [];
  for (const { own } of registered(common))
    for (const folder of HALF_DONE) {
      const dir = folder === '' ? own : join(own, folder);
      for (const name of namesAt(dir, MOST_FILES)) {
        if (name.endsWith(ODD) || !holdsUp(join(dir, name), MAY_BE_LARGE.has(join(folder, name)))) continue;
        inDirAt(dir, (open) => {
          if (open.path !== dir) return;
          renameSync(at(open, name), at(open, `${name}${ODD}`));
          letGo(open, `${name}${ODD}`);
        });
        found.push(join(dir, name));
      }
    }
  return found;
}

const STUCK_MS = 1000;

/** Works with git in a repository. While that takes long, what is odd in a worktree's git dir is moved aside again: an agent may make it anew
 *  at any moment, and git waits without end for a pipe that nobody writes to. */
export async function unstuck<T>(common: string, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    try {
      moveOddAside(common);
    } catch {
      // What can't be moved holds up git until its own bound.
    }
  }, STUCK_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** What git reads in a repository whatever it is asked. */
const READ_ALWAYS = [
  ...['HEAD', 'config', 'packed-refs', 'shallow', 'reftable/tables.list'],
  ...['info/exclude', 'info/attributes', 'objects/info/alternates'],
];
/** Where a launch has git write: the branch of a ticket, and the log of it. */
const WRITTEN = [
  ...['refs', 'refs/heads', 'refs/heads/mc', 'reftable'],
  ...['logs', 'logs/refs', 'logs/refs/heads', 'logs/refs/heads/mc'],
];

/** What in a repository's own git dir would hold up git, or lead what a launch writes there to another file: an agent can put it
 *  there, and git follows it. It is named, and left: unlike in a worktree's git dir it may be somebody's arrangement. */
export function oddInRepository(common: string): string | null {
  const of = (names: readonly string[]): string[] => names.map((name) => join(common, name));
  const below = of(['refs/heads/mc', 'logs/refs/heads/mc']).flatMap((dir) =>
    namesAt(dir).map((name) => join(dir, name)),
  );
  const stuck = of(READ_ALWAYS).find((path) => holdsUp(path, path.endsWith('packed-refs')));
  let link = of(['config', ...WRITTEN]).find((path) => lookAtName(path)?.isSymbolicLink());
  // There may be many: each is looked at but once.
  for (const path of stuck === undefined ? below : []) {
    const seen = lookAtName(path);
    if (seen === null || seen.isDirectory() || (seen.isFile() && seen.size <= MOST_BYTES)) continue;
    if (!seen.isSymbolicLink() || holdsUp(path, false)) return waitsFor(path);
    link ??= path;
  }
  if (stuck !== undefined) return waitsFor(stuck);
  return link === undefined
    ? null
    : `${link} is a link: git would write to what it leads to, so put what it leads to in its place`;
}

function waitsFor(path: string): string {
  return `${path} is no plain file: git would wait for it, so put a plain one in its place`;
}

const ODD = '.mc-pickup-odd';
const MOST_FILES = 500;

/** Whether git would wait for it, or read it without end: no matter what leads there. */
function holdsUp(path: string, large: boolean): boolean {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return false;
    return stat.isFile() ? !large && stat.size > MOST_BYTES : !stat.isDirectory();
  } catch {
    return false; // A link that leads in a circle, say: git finds nothing.
  }
}
