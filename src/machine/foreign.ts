/*
 * All that lies where agents write: run directories, worktrees and their git dirs, the clients' own records. An agent may put
 * anything there, at any moment: a link to a file of the user's, a pipe that nobody writes to, a device, a file without end, a
 * million names. So nothing here follows a link, waits, or reads more than it was told to:
 *   - a file is opened without following a link and without waiting, and read only if it is a regular file of this user's (or root's);
 *   - a directory is opened first, the kernel is asked where it really is, and what is in it is reached through the open directory
 *     (`/proc/self/fd/N/name`), so that nobody can put another one in its place in between;
 *   - a file is written under a new name and renamed: what was there, a link or a hard link, is replaced and never written to.
 * Where there is no `/proc/self/fd` (macOS), the directory's device and inode are compared before and after; what is swapped in
 * between for less than that can't be told (`mc-pickup doctor` says so).
 */
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../model/errors.ts';
import { uniqueName } from '../model/hash.ts';

const { O_RDONLY, O_WRONLY, O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
const READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
/** The same through links, for files of the user's own that may be kept elsewhere. */
const READ_THROUGH = O_RDONLY | O_NONBLOCK | O_NOCTTY;
const APPEND = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
const FILL = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
const LOOK_INTO = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK;

/** A whole file that is larger is not read. */
export const MOST_BYTES = 16 * 1024 * 1024;
/** So many names of a directory are looked at. */
export const MOST_NAMES = 20_000;
/** A directory that takes more than this may have too many names to list them all at once. */
const LARGE_DIR = 1024 * 1024;

/** Whether a directory that is open can be reached by its descriptor. Else a swap within one look can't be told. */
export const BY_DESCRIPTOR = process.platform === 'linux';

/** Files of this user's, or of root's, who needs no trick. */
function ours({ uid }: Pick<Stats, 'uid'>): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** An open file, and what the kernel says of it. */
export interface OpenFile {
  readonly fd: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Opens a regular file of this user's, and nothing else; null = there is none that may be read. The caller closes it. */
export function openForeign(path: string, through: 'links' | null = null): OpenFile | null {
  const fd = opened(path, through === null ? READ : READ_THROUGH);
  if (fd === null) return null;
  const stat = fstatSync(fd);
  if (stat.isFile() && ours(stat)) return { fd, size: stat.size, mtimeMs: stat.mtimeMs };
  closeSync(fd);
  return null;
}

/** null = it can't be opened, which is no error here. So no stack is taken: that takes ten times as long as the call. */
function opened(path: string, flags: number): number | null {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return openSync(path, flags);
  } catch {
    return null;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Opens it, closes it whatever happens; null = there is none that may be read, or reading it failed. */
export function withForeign<T>(path: string, use: (file: OpenFile) => T): T | null {
  const file = openForeign(path);
  if (file === null) return null;
  try {
    return use(file);
  } catch {
    return null;
  } finally {
    closeSync(file.fd);
  }
}

/** A whole file; null = it is not there, may not be read, or is larger than `most`. */
export function bytesOf(path: string, most = MOST_BYTES, through: 'links' | null = null): Buffer | null {
  const file = openForeign(path, through);
  if (file === null) return null;
  try {
    return file.size > most ? null : part(file.fd, 0, file.size);
  } catch {
    return null;
  } finally {
    closeSync(file.fd);
  }
}

/** The same as text. */
export function textAt(
  path: string,
  { most = MOST_BYTES, encoding = 'utf8' }: { most?: number; encoding?: 'utf8' | 'latin1' } = {},
): string | null {
  return bytesOf(path, most)?.toString(encoding) ?? null;
}

/** The end of a file, at most so many bytes of it, and whether it begins before that. */
export function tailAt(
  path: string,
  most: number,
  through: 'links' | null = null,
): { readonly text: string; readonly cut: boolean } | null {
  const file = openForeign(path, through);
  if (file === null) return null;
  try {
    const from = Math.max(0, file.size - most);
    return { text: part(file.fd, from, file.size - from).toString('utf8'), cut: from > 0 };
  } catch {
    return null;
  } finally {
    closeSync(file.fd);
  }
}

/** Never more than was there when it was opened: a file that grows while it is read would never end. */
function part(fd: number, from: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  return buffer.subarray(0, readSync(fd, buffer, 0, length, from));
}

/** What stands under a name, links not followed; null = nothing, or it can't be looked at. */
export function lookAtName(path: string, precisely: true): BigIntStats | null;
export function lookAtName(path: string): Stats | null;
export function lookAtName(path: string, bigint = false): Stats | BigIntStats | null {
  try {
    return lstatSync(path, { bigint, throwIfNoEntry: false }) ?? null;
  } catch {
    return null;
  }
}

/** Whether a regular file stands there. */
export function isPlainFile(path: string): boolean {
  return lookAtName(path)?.isFile() === true;
}

/** Whether a directory stands there, and no link to one. */
export function isPlainDir(path: string): boolean {
  return lookAtName(path)?.isDirectory() === true;
}

/** A directory that is held open. */
export interface Dir {
  readonly fd: number;
  /** Where the kernel says that it is. */
  readonly path: string;
}

/** Opens a directory whose last name is no link, and asks the kernel where it is; null = there is none. */
function openDir(path: string): Dir | null {
  const fd = opened(path, LOOK_INTO);
  if (fd === null) return null;
  try {
    if (BY_DESCRIPTOR) return { fd, path: readlinkSync(`/proc/self/fd/${fd}`) };
    const dir = { fd, path: realpathSync.native(path) };
    if (isStill(dir)) return dir;
  } catch {
    // It is gone again, or can't be told.
  }
  closeSync(fd);
  return null;
}

/** Where there are no descriptors to go by: what is at the path now is what was opened. */
function isStill({ fd, path }: Dir): boolean {
  const [now, then] = [lookAtName(path), fstatSync(fd)];
  return now !== null && now.dev === then.dev && now.ino === then.ino;
}

/** The path of a name in an open directory. */
export function at(dir: Dir, name: string): string {
  if (BY_DESCRIPTOR) return `/proc/self/fd/${dir.fd}/${name}`;
  if (!isStill(dir)) throw new Error(`${dir.path} was replaced while it was used`);
  return `${dir.path}/${name}`;
}

/** Whoever has opened this pipe to read, and waits for somebody to write, reads the end of it. */
export function letGo(dir: Dir, name: string): void {
  try {
    closeSync(openSync(at(dir, name), constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW));
  } catch {
    // Nobody has, or it is no pipe.
  }
}

/** Uses the directory that a path leads to, wherever that is: only for those that are known by what is in them. */
export function inDirAt<T>(path: string, use: (dir: Dir) => T): T | null {
  const dir = openDir(path);
  if (dir === null) return null;
  try {
    return use(dir);
  } finally {
    closeSync(dir.fd);
  }
}

const realPaths = new Map<string, string>();

/** The root may be behind links, by the user's choice; what is below it may not. */
function realPathOf(root: string): string | null {
  const known = realPaths.get(root);
  if (known !== undefined) return known;
  try {
    const real = realpathSync.native(root);
    realPaths.set(root, real);
    return real;
  } catch {
    return null;
  }
}

/** Uses a directory below a root; null = it is not there, or a link leads to it. What `use` throws is thrown. */
export function inDir<T>(root: string, below: string, use: (dir: Dir) => T): T | null {
  const real = realPathOf(root);
  if (real === null) return null;
  const expected = join(real, below);
  return inDirAt(expected, (dir) => (dir.path === expected ? use(dir) : null));
}

/** Makes a directory below a root (which is made where there is none), each part of it in the one before, and uses it. Throws where
 *  a part is something else than a directory of its own. */
export function inMadeDir<T>(root: string, below: string, use: (dir: Dir) => T): T {
  let used = false;
  const once = (dir: Dir): T => {
    used = true;
    return use(dir);
  };
  const there = inDir(root, below, once);
  if (used) return there as T;
  makeDirs(root, below);
  const made = inDir(root, below, once);
  if (!used) throw notOurs(join(root, below));
  return made as T;
}

function makeDirs(root: string, below: string): void {
  if (realPathOf(root) === null) mkdirSync(root, { recursive: true, mode: 0o700 });
  const parts = below.split('/').filter((one) => one !== '');
  for (const [n, name] of parts.entries()) {
    const made = inDir(root, parts.slice(0, n).join('/'), (dir) => {
      try {
        if (!isPlainDir(at(dir, name))) mkdirSync(at(dir, name), { mode: 0o700 });
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return true;
        mustBePermitted(dir.path);
        throw error;
      }
      return true;
    });
    if (made === null) throw notOurs(join(root, ...parts.slice(0, n)));
  }
}

/** This user may not enter a directory that has to be there, or may not write into it. */
export class NotPermitted extends Error {
  readonly code = 'EACCES';
}

/** Throws where this user may not use a directory; what is not there is another matter. */
export function mustBePermitted(path: string): void {
  if (lookAtName(path)?.isDirectory() !== true) return;
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (!/^(EACCES|EPERM|EROFS)$/.test(codeOf(error) ?? '')) return;
    throw new NotPermitted(
      `${codeOf(error)}: ${path} may not be read and written by this user: give it back its owner and its permissions (chmod u+rwx)`,
    );
  }
}

function notOurs(path: string): Error {
  mustBePermitted(path);
  return new Error(
    `ENOTDIR: ${path} is no directory of its own (a link, or something else): look at it and remove it`,
  );
}

/** At most so many names in a directory, and whether there are more. */
export function namesIn(
  dir: Dir,
  most = MOST_NAMES,
): { readonly names: readonly string[]; readonly cut: boolean } {
  const path = BY_DESCRIPTOR ? `/proc/self/fd/${dir.fd}` : dir.path;
  const names: string[] = [];
  const listing = opendirSync(path, { bufferSize: 256 });
  try {
    for (let one = listing.readSync(); one !== null; one = listing.readSync()) {
      if (names.length === most) return { names, cut: true };
      names.push(one.name);
    }
    return { names, cut: false };
  } finally {
    listing.closeSync();
  }
}

/** The names in a directory that is only read from, wherever it is; none where it can't be listed. `seen`: what stood there, where the
 *  caller has looked already. */
export function namesAt(
  path: string,
  most = MOST_NAMES,
  seen: Stats | BigIntStats | null = lookAtName(path),
): readonly string[] {
  if (seen?.isDirectory() !== true) return [];
  try {
    if (seen.size > LARGE_DIR) return inDirAt(path, (dir) => namesIn(dir, most).names) ?? [];
    const names = readdirSync(path);
    return names.length > most ? names.slice(0, most) : names;
  } catch {
    return [];
  }
}

/** Puts a file in its place in a directory: a reader sees the old or the new one, and what stood there is never written to. */
export function writeIn(dir: Dir, name: string, text: string | Uint8Array, mode = 0o600): void {
  const temp = `.tmp${uniqueName()}`;
  try {
    const fd = openSync(at(dir, temp), 'wx', mode & 0o700);
    try {
      writeFileSync(fd, text);
      // Whatever the umask.
      if ((mode & 0o077) !== 0) fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
    renameSync(at(dir, temp), at(dir, name));
  } catch (error) {
    removeIn(dir, temp);
    throw error;
  }
}

/** Makes a private file where nothing stands yet; false = something does, and stays. */
export function createIn(dir: Dir, name: string, bytes: Uint8Array): boolean {
  const fd = unlessThere(() => openSync(at(dir, name), 'wx', 0o600));
  if (fd === null) return false;
  try {
    writeFileSync(fd, bytes);
    return true;
  } catch (error) {
    removeIn(dir, name);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Makes a link where nothing stands yet; false = something does, and stays. */
export function linkIn(dir: Dir, name: string, target: string): boolean {
  return unlessThere(() => symlinkSync(target, at(dir, name)) ?? true) !== null;
}

function unlessThere<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return null;
    throw error;
  }
}

/** Where a link leads; null = none stands there. */
export function linkTargetOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Writes into the very bytes of a file of ours that has the length of the text, so that no room is needed for it. */
export function fillIn(dir: Dir, name: string, text: string): void {
  const fd = openSync(at(dir, name), FILL);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || !ours(stat) || stat.nlink !== 1 || stat.size !== Buffer.byteLength(text))
      throw new Error(`${dir.path}/${name} is not as it was made`);
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Sees to it that a file and its name outlive a loss of power; what can't be synced is left to the system. */
export function syncIn(dir: Dir, name: string): void {
  withForeign(at(dir, name), ({ fd }) => fsyncSync(fd));
  try {
    fsyncSync(dir.fd);
  } catch {
    // A file system that syncs no directory.
  }
}

/** Whether names can be taken away from a directory, so that what is in it can be dealt with once and for all. */
export function mayWriteIn(dir: Dir): boolean {
  try {
    accessSync(BY_DESCRIPTOR ? `/proc/self/fd/${dir.fd}` : dir.path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Takes a name away that is not a directory's; a link goes, not what it leads to. false = it is still there. */
export function removeIn(dir: Dir, name: string): boolean {
  try {
    unlinkSync(at(dir, name));
    return true;
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}

/** Writes a file at a path whose directories are no links; throws where one of them is. */
export function writeFileAt(path: string, text: string, mode = 0o600): void {
  const folder = dirname(path);
  const done = inDirAt(folder, (dir) => {
    if (dir.path !== folder) return null;
    writeIn(dir, basename(path), text, mode);
    return true;
  });
  if (done === null) throw notOurs(folder);
}

/** Takes a file away at a path whose directories are no links. */
export function removeFileAt(path: string): void {
  const folder = dirname(path);
  inDirAt(folder, (dir) => dir.path === folder && removeIn(dir, basename(path)));
}

/** Opens a log to add to: a file of its own, and nobody else's by another name. Throws where there is something else. `fresh_above`: one
 *  that is larger begins anew. */
export function openLog(path: string, fresh_above = Number.POSITIVE_INFINITY): OpenFile {
  const fd = openSync(path, APPEND, 0o600);
  const stat = fstatSync(fd);
  if (stat.isFile() && ours(stat) && stat.nlink === 1) {
    const fresh = stat.size > fresh_above;
    if (fresh) ftruncateSync(fd);
    return { fd, size: fresh ? 0 : stat.size, mtimeMs: stat.mtimeMs };
  }
  closeSync(fd);
  throw new Error(`${path} is no file of its own: remove it`);
}

/** Moves a name from one directory to another. */
export function moveIn(from: Dir, name: string, to: Dir, as: string): void {
  renameSync(at(from, name), at(to, as));
}
