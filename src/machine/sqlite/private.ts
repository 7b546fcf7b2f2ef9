import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../../model/errors.ts';

/** Makes an empty private file (0600, its directory 0700) where there is none. Only a file that is new may be
 *  opened outside SQLite: closing any descriptor of a file drops this process's POSIX locks on it. */
export function createPrivate(path: string): void {
  if (existsSync(path)) return;
  if (path.includes('\ufffd')) throw new Error(`${path} is not UTF-8`); // another directory than the one that was named
  const dir = dirname(path);
  if (dir.includes(':') && !existsSync(dir)) throw new Error(`${dir} has a colon`); // the state dir says why not
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}
