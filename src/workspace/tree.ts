import {
  accessSync,
  constants,
  type Dirent,
  lstatSync,
  readdirSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inDirAt } from '../machine/foreign.ts';
import { isUnnameable, openShut } from '../machine/remove-tree.ts';
import { codeOf } from '../model/errors.ts';

/** What lies in a directory, links not followed. */
export interface TreeFacts {
  readonly bytes: number;
  /** Repositories of their own below it: what is committed there is nowhere else, for all that can be told. */
  readonly repositories: readonly string[];
  /** Other file systems that are mounted below it: to delete through them would reach what is not ours. */
  readonly mounts: readonly string[];
  /** Directories of this user's that lack its own rights, as package caches do: what is in them goes once they are opened (`openTree`). */
  readonly shut: readonly string[];
  /** Those of them that can't be looked into. */
  readonly blind: readonly string[];
  /** What this user can't delete, the uppermost of each. */
  readonly stuck: readonly Stuck[];
}

export interface Stuck {
  readonly path: string;
  /** `foreign`: it is full, and another user's, as what a container leaves is. `immutable`: it is marked so that nobody changes it. */
  readonly because: 'foreign' | 'immutable';
  readonly uid: number;
}

const FEW = 5;
const OWNER = 0o700;
const STICKY = 0o1000;

/** Walks a directory. What can't be seen of it is in `shut` or in `stuck`. */
export function lookAtTree(dir: string): TreeFacts {
  const { dev } = lstatSync(dir);
  const found = { bytes: 0, repositories: [] as string[], mounts: mountedBelow(dir) };
  const [shut, blind, stuck]: [string[], string[], Stuck[]] = [[], [], []];
  const open: { path: string; bytes: Place; below: boolean }[] = [{ path: dir, bytes: dir, below: false }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { path: here, bytes } = at;
    const stat = lstatSync(bytes);
    const entries = entriesOf(bytes);
    const closed = isOurs(stat) && (stat.mode & OWNER) !== OWNER;
    if (closed) shut.push(here);
    if (closed && entries === null) blind.push(here);
    const why = closed || at.below ? null : whyStuck(at, stat, entries);
    if (why !== null) stuck.push(why);
    if (here !== dir && basename(here) !== '.git' && isRepository(entries ?? []))
      found.repositories.push(here);
    for (const one of entries ?? []) {
      const path = join(here, String(one.name));
      const place = placeIn(bytes, one.name);
      const below = lstatSync(place);
      if (!one.isDirectory()) {
        found.bytes += below.size;
        if (one.isFile() && why === null && isImmutable(place, below))
          stuck.push({ path, because: 'immutable', uid: below.uid });
      } else if (below.dev === dev) open.push({ path, bytes: place, below: at.below || why !== null });
      else if (!found.mounts.includes(path)) found.mounts.push(path);
    }
  }
  const few = <T>(all: readonly T[]): T[] => all.slice(0, FEW);
  return { ...found, mounts: few(found.mounts), shut, blind, stuck: few(stuck) };
}

/** Gives directories of this user's (below it, and itself) their rights back, so that all can be seen, or else be deleted as well. */
export function openTree(dir: string, which: 'shut' | 'blind'): TreeFacts {
  const tried = new Set<string>();
  for (;;) {
    const facts = lookAtTree(dir);
    // What is opened may have more of them below it.
    const shut = facts[which].filter((path) => !tried.has(path));
    if (shut.length === 0) return facts;
    for (const path of shut) {
      tried.add(path);
      inDirAt(dirname(path), (at) => at.path === dirname(path) && openShut(at, basename(path)));
    }
  }
}

/** Why not all of a directory can go, in words, with what to do; '' = it can. `nameOf`: where a path of it belongs. */
export function inTheWay(
  { mounts, stuck }: Pick<TreeFacts, 'mounts' | 'stuck'>,
  nameOf: (path: string) => string = String,
): string {
  const [mount] = mounts;
  if (mount === undefined) return stuckWords(stuck, nameOf);
  return `something is mounted at ${nameOf(mount)}, and to delete through it would reach what is not its own: run sudo umount ${quoted(nameOf(mount))}`;
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}

/** In words, with what to do; `nameOf`: where a path of it belongs. */
function stuckWords(stuck: readonly Stuck[], nameOf: (path: string) => string): string {
  const [first] = stuck;
  if (first === undefined) return '';
  const same = stuck.filter(({ because, uid }) => because === first.because && uid === first.uid);
  const words = same.map(({ path }) => quoted(nameOf(path))).join(' ');
  if (first.because === 'immutable') return `nobody may change it before you run sudo chattr -i -- ${words}`;
  return `it has files of another user (uid ${first.uid}), which a container may have made, and this user can't delete them: look at them, then run sudo rm -rf -- ${words}`;
}

function isOurs({ uid }: Stats): boolean {
  return uid === process.geteuid?.();
}

/** A path; as bytes, where a name in it is no text: to Linux any bytes are a name. */
type Place = string | Buffer;
type Entry = Dirent | Dirent<Buffer>;

/** null = it can't be looked into. */
function entriesOf(dir: Place): readonly Entry[] | null {
  if (mayNot(dir, constants.R_OK | constants.X_OK) === 'EACCES') return null;
  const entries = readdirSync(dir, { withFileTypes: true });
  return entries.some(({ name }) => isUnnameable(name))
    ? readdirSync(dir, { withFileTypes: true, encoding: 'buffer' })
    : entries;
}

function placeIn(dir: Place, name: string | Buffer): Place {
  if (typeof dir === 'string' && typeof name === 'string') return join(dir, name);
  return Buffer.concat([Buffer.from(dir as string), Buffer.from('/'), Buffer.from(name as string)]);
}

/** Why nothing that is in a directory can be taken out of it; null = it can. An empty one goes as a file does. */
function whyStuck(
  { path, bytes }: { readonly path: string; readonly bytes: Place },
  stat: Stats,
  entries: readonly Entry[] | null,
): Stuck | null {
  const denied = mayNot(bytes, constants.W_OK | constants.X_OK);
  if (denied === 'EPERM') return { path, because: 'immutable', uid: stat.uid };
  const foreign: Stuck = { path, because: 'foreign', uid: stat.uid };
  if (denied !== null) return entries?.length === 0 ? null : foreign;
  const kept = (stat.mode & STICKY) !== 0 && !isOurs(stat) && process.geteuid?.() !== 0;
  return kept && entries?.some(({ name }) => !isOurs(lstatSync(placeIn(bytes, name)))) ? foreign : null;
}

/** Only of what this user may write, or root: anything else the kernel denies for another reason first. */
function isImmutable(path: Place, stat: Stats): boolean {
  const writable = (stat.mode & 0o200) !== 0 && isOurs(stat);
  return (writable || process.geteuid?.() === 0) && mayNot(path, constants.W_OK) === 'EPERM';
}

function mayNot(path: Place, what: number): string | null {
  try {
    accessSync(path, what);
    return null;
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
}
/** A `.git` of any kind, or a bare repository. */
function isRepository(entries: readonly Entry[]): boolean {
  const names = new Set(entries.map(({ name }) => String(name)));
  return names.has('.git') || (names.has('HEAD') && names.has('objects') && names.has('refs'));
}

/** By the kernel's list, which also knows a directory of the same file system that is mounted at another place. */
function mountedBelow(dir: string): string[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return []; // Another system: the device numbers tell.
  }
  return text
    .split('\n')
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
    .filter((at) => at.startsWith(`${dir}/`));
}

/** A path of the kernel's lists of mounts, where a space is `\040`. */
export function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
