import {
  closeSync,
  existsSync,
  fchmodSync,
  linkSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { realOf } from '../machine/files.ts';
import {
  at,
  bytesOf,
  inDirAt,
  isPlainDir,
  lookAtName,
  MOST_BYTES,
  namesAt,
  textAt,
} from '../machine/foreign.ts';

/** In the worktree's own git dir: its making ended, and somebody may have worked in it since. */
export const READY = 'mc-pickup-ready';

/** Beyond any path. */
const MOST_LINE = 64 * 1024;
/** A repository of a million branches. */
export const MOST_REFS = 128 * 1024 * 1024;

/*
 * What can be read from git's files without a process: gitrepository-layout(5) describes them. A process costs more than
 * all the rest of a launch's reading together.
 */

/** The git dir that all worktrees of a repository share, by the path of any of them or of a bare repository; null = git
 *  itself has to be asked. */
export function commonDir(repo: string): string | null {
  const own = gitDir(repo);
  if (own === null) return null;
  const common = commonOf(own);
  const whole = ['HEAD', 'objects', 'refs'].every((name) => existsSync(join(common, name)));
  return whole ? realpathSync(common) : null;
}

/** What a git dir shares with others; itself where it shares nothing. */
export function commonOf(own: string): string {
  return resolve(own, lineOf(join(own, 'commondir')) || '.');
}

/** The git dir of a worktree, its own where it is not the main one; null = there is none. */
export function gitDir(worktree: string): string | null {
  const dot = join(worktree, '.git');
  if (isDirectory(dot)) return dot;
  const [, path] = /^gitdir: ([\s\S]+)$/.exec(lineOf(dot)) ?? [];
  if (path === undefined) return null;
  const own = resolve(worktree, path);
  return isDirectory(own) ? own : null;
}

/** The git dir of a worktree beside the main one, if the two name each other: whoever writes there writes in this worktree's own.
 *  null = there is none, or it is another's. */
export function ownGitDir(worktree: string): string | null {
  const named = isPlainDir(join(worktree, '.git')) ? null : gitDir(worktree);
  if (named === null) return null;
  return inDirAt(named, (dir) => {
    if (basename(dirname(dir.path)) !== 'worktrees') return null;
    const back = dirname(resolve(dir.path, lineOf(at(dir, 'gitdir'))));
    return back === worktree || realOf(back) === realOf(worktree) ? dir.path : null;
  });
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** The worktrees that a repository knows beside its main one, whether they are on disk or not. */
export function registered(common: string): { readonly path: string; readonly own: string }[] {
  const all = join(common, 'worktrees');
  return namesAt(all).map((name) => {
    const own = join(all, name);
    return { own, path: placeOf(own) };
  });
}

/** Where a worktree is, by its own git dir. */
function placeOf(own: string): string {
  return dirname(resolve(own, lineOf(join(own, 'gitdir'))));
}

/** The git dir of the worktree that is registered at a path, whether it is on disk or not. */
export function ownDir(common: string, target: string): string | null {
  // One that is there names it: no need to look through those of all others.
  const named = gitDir(target);
  if (named !== null && dirname(named) === join(common, 'worktrees') && placeOf(named) === target)
    return named;
  return registered(common).find(({ path }) => path === target)?.own ?? null;
}

/** Whether a ticket may have a branch of ours, `mc/ID` or `mc/ID-...`; true where the files can't tell. The loose refs come first:
 *  git packs a ref before it takes the loose one away. */
export function mayHaveBranch(common: string, id: string): boolean {
  if (existsSync(join(common, 'reftable'))) return true;
  const mine = (name: string): boolean => name === id || name.startsWith(`${id}-`);
  const loose = join(common, 'refs', 'heads', 'mc');
  if (namesAt(loose).some(mine) || isOdd(loose, isPlainDir(loose))) return true;
  const file = join(common, 'packed-refs');
  const text = textAt(file, { most: MOST_REFS, encoding: 'latin1' });
  if (text === null) return isOdd(file, false);
  const packed = `refs/heads/mc/${id}`;
  return text.split('\n').some((line) => line.endsWith(packed) || line.includes(`${packed}-`));
}

/** Something stands there, and not what belongs there. */
function isOdd(path: string, fits: boolean): boolean {
  return !fits && lookAtName(path) !== null;
}

/**
 * Adds a section at the end of a repository's configuration by git's own protocol: who makes `config.lock`, alone may put a new file
 * in place. The new file is written whole under a name of our own first, and the lock is a link to it, so that the next of us knows
 * a lock that was left by one that was killed in between. false = it could not be, and git has to be asked. Each word of the section
 * must be one that needs no quoting.
 */
export function addToConfig(common: string, section: string): boolean {
  let made: string | null = null;
  let lock: string | null = null;
  try {
    const file = realpathSync(join(common, 'config'));
    const before = bytesOf(file);
    if (before === null) return false;
    // A backslash at the very end would take our first line into its own.
    if (!/^$|[^\\\r]\n$/.test(before.subarray(-2).toString('latin1'))) return false;
    const mine = `${file}.mc-pickup-${process.pid}`;
    const fd = openSync(mine, 'wx');
    made = mine;
    try {
      writeFileSync(fd, Buffer.concat([before, Buffer.from(section)]));
      fchmodSync(fd, statSync(file).mode & 0o7777);
    } finally {
      closeSync(fd);
    }
    linkSync(mine, `${file}.lock`);
    lock = `${file}.lock`;
    if (bytesOf(file)?.equals(before) !== true) return false; // somebody was faster
    renameSync(lock, file);
    lock = null;
    return true;
  } catch {
    if (lock === null) letGo(common);
    return false;
  } finally {
    if (lock !== null) rmSync(lock, { force: true });
    if (made !== null) rmSync(made, { force: true });
  }
}

/** Adding takes microseconds: what is older was left by one that was killed. */
const LEFT_MS = 60_000;

/** Takes a lock away that one of us has left: it is a link to a file of ours. */
function letGo(common: string): void {
  try {
    const file = realpathSync(join(common, 'config'));
    const lock = statSync(`${file}.lock`, { throwIfNoEntry: false });
    for (const name of readdirSync(dirname(file)).filter((one) => one.startsWith('config.mc-pickup-'))) {
      const path = join(dirname(file), name);
      const { ino, dev, mtimeMs } = statSync(path);
      if (Date.now() - mtimeMs < LEFT_MS) continue;
      if (lock?.ino === ino && lock.dev === dev) rmSync(`${file}.lock`, { force: true });
      rmSync(path, { force: true });
    }
  } catch {
    // Then git says what is in its way.
  }
}

/** In these git keeps what is half done; whoever adds a worktree has it look there in all others. */
const HALF_DONE = ['', 'rebase-merge', 'rebase-apply', 'sequencer', 'info', 'logs'];
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
        inDirAt(dir, (open) => open.path === dir && renameSync(at(open, name), at(open, `${name}${ODD}`)));
        found.push(join(dir, name));
      }
    }
  return found;
}

/** What git reads in a repository whatever it is asked. */
const READ_ALWAYS = [
  ...['HEAD', 'config', 'packed-refs', 'shallow'],
  ...['info/exclude', 'info/attributes', 'objects/info/alternates'],
];
/** Where a launch has git write: the branch of a ticket, and the log of it. */
const WRITTEN = [
  ...['refs', 'refs/heads', 'refs/heads/mc'],
  ...['logs', 'logs/refs', 'logs/refs/heads', 'logs/refs/heads/mc'],
];

/** What in a repository's own git dir would hold up git, or lead what a launch writes there to another file: an agent can put it
 *  there, and git follows it. It is named, and left: unlike in a worktree's git dir it may be somebody's arrangement. */
export function oddInRepository(common: string): string | null {
  const paths = (names: readonly string[], dir = common): string[] => names.map((name) => join(dir, name));
  const below = ['refs/heads/mc', 'logs/refs/heads/mc'].flatMap((dir) =>
    paths(namesAt(join(common, dir)), join(common, dir)),
  );
  const stuck = [...paths(READ_ALWAYS), ...below].find((path) => holdsUp(path, path.endsWith('packed-refs')));
  if (stuck !== undefined)
    return `${stuck} is no plain file: git would wait for it, so put a plain one in its place`;
  const link = [...paths(['config', ...WRITTEN]), ...below].find(
    (path) => lookAtName(path)?.isSymbolicLink() === true,
  );
  return link === undefined
    ? null
    : `${link} is a link: git would write to what it leads to, so put what it leads to in its place`;
}

const ODD = '.mc-pickup-odd';
const MOST_FILES = 500;

/** Whether git would wait for it, or read it without end: no matter what leads there. */
function holdsUp(path: string, large: boolean): boolean {
  try {
    const stat = statSync(path);
    return stat.isFile() ? !large && stat.size > MOST_BYTES : !stat.isDirectory();
  } catch {
    return false; // A link to nothing, say: git finds nothing.
  }
}

/** What a file says, trimmed; '' = nothing can be read. */
export function textOf(file: string): string {
  return lineOf(file).trim();
}

/** The same where it may be a path, which may begin or end with a space and have line breaks in it. */
function lineOf(file: string): string {
  return textAt(file, { most: MOST_LINE })?.replace(/\n$/, '') ?? '';
}
