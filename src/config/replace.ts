import { chmodSync, chownSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';

/** Puts a text in the place of a configuration, whole or not at all: written beside it and moved over it, with the owner and
 *  the mode that it had. Where a symbolic link leads, as it may into a repository of dot files: the link stays. */
export function replaceConfiguration(path: string, text: string): void {
  const file = realpathSync(path);
  const next = `${file}.new${process.pid}`;
  const { mode, uid, gid } = statSync(file);
  try {
    writeFileSync(next, text, { flag: 'wx', flush: true });
    // Root may edit what is somebody else's, whose ticks have to read it afterwards.
    if (process.getuid?.() === 0) chownSync(next, uid, gid);
    chmodSync(next, mode & 0o777);
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    // A disk that fills says so without the name of the file.
    throw error instanceof Error ? Object.assign(error, { path: file }) : error;
  }
}
