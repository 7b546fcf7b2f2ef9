import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { bytesOf } from '../machine/foreign.ts';

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
    const file = realpathSync.native(join(common, 'config'));
    const before = bytesOf(file);
    if (before === null) return false;
    // A backslash at the very end would take our first line into its own.
    if (!/^$|[^\\\r]\n$/.test(before.subarray(-2).toString('latin1'))) return false;
    const mine = `${file}.mc-pickup-${process.pid}`;
    const fd = openSync(mine, 'wx');
    made = mine;
    try {
      writeFileSync(fd, Buffer.concat([before, Buffer.from(section)]));
      keepRights(fd, statSync(file));
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

/** The file that comes in another's place is of the same group, as far as this user may say so, and is as open. */
function keepRights(fd: number, { mode, gid }: Stats): void {
  try {
    if (fstatSync(fd).gid !== gid) fchownSync(fd, -1, gid);
  } catch {
    // Git could not either.
  }
  fchmodSync(fd, mode & 0o7777);
}

/** Adding takes microseconds: what is older was left by one that was killed. */
const LEFT_MS = 60_000;

/** Takes a lock away that one of us has left: it is a link to a file of ours. */
function letGo(common: string): void {
  try {
    const file = realpathSync.native(join(common, 'config'));
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
