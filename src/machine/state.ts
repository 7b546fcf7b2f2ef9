import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { codeOf, configError } from '../model/errors.ts';
import { attempt } from '../model/json.ts';

/** Why nothing in the state dir can be read, or null. One that does not exist yet is fine. Loaded by the gate:
 *  it imports nothing but the file system. */
export function stateFault(dir: string): string | null {
  // What stands in the place of bytes that are no text: another directory than the one that was named.
  if (dir.includes('\ufffd')) return `the path of the state dir ${dir} is not UTF-8: ${ELSEWHERE}`;
  try {
    if (!statSync(dir).isDirectory()) return `the state dir ${dir} is not a directory: ${ELSEWHERE}`;
    accessSync(dir, constants.R_OK | constants.X_OK);
    return null;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? null : cannot('read', dir, error);
  }
}

/** Makes the state dir where there is none; one that can't be used is the person's to mend. */
export function makeStateDir(dir: string): void {
  const fault = stateFault(dir);
  if (fault !== null) throw configError(fault);
  if (dir.includes(':') && !existsSync(dir)) throw configError(`${colonIn(dir)}: ${ELSEWHERE}`);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw configError(cannot('written', dir, error));
  }
}

/** Agents find `mc-pickup` and `mc-event` by their PATH, which a colon cuts in two: each of them would be an attempt that failed. */
export function colonIn(dir: string): string {
  return `the path of the state dir ${dir} has a colon, so that no agent finds mc-pickup on its PATH`;
}

/** Whoever else may write to the state dir or the board in it could have agents started in the owner's name. */
export function refuseOpenToOthers(...paths: readonly string[]): void {
  for (const path of paths) {
    // What can't be looked at is told by whoever opens it.
    const mode = attempt(() => statSync(path, { throwIfNoEntry: false })?.mode) ?? 0;
    if ((mode & 0o022) === 0) continue;
    throw configError(
      `${path} may be written by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')}): look at what is in it, then run chmod go-w ${path}`,
    );
  }
}

const ELSEWHERE = 'name another one with --state-dir or MC_PICKUP_STATE_DIR, or move that file away';

function cannot(what: 'read' | 'written', dir: string, error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return `the state dir ${dir} can't be used, a part of its path is not a directory: ${ELSEWHERE}`;
  return `the state dir ${dir} can't be ${what} (${code ?? error}): look at its owner and permissions`;
}
