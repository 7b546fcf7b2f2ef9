import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type UserError, unavailableError, usageError } from '../model/errors.ts';

/** By the mark in its first bytes a file is known to be one of ours, which may be replaced. */
export interface OwnFile {
  readonly marks: readonly string[];
  readonly what: string;
  readonly example: string;
}

const PAGE_FILE: OwnFile = {
  marks: ['<meta name="generator" content="mc-pickup page">'],
  ...{ what: 'page of mc-pickup', example: 'board.html' },
};
export const METRICS_FILE: OwnFile = {
  marks: ['# HELP mc_pickup_'],
  ...{ what: 'file of metrics of mc-pickup', example: 'mc_pickup.prom' },
};
const HEAD_BYTES = 1024;

/** Refuses what must not be replaced: a directory, a device, a file that is something else. */
export function refuseFile(file: string, { marks, what, example }: OwnFile = PAGE_FILE): void {
  const stat = of(file, () => statSync(file, { throwIfNoEntry: false }));
  if (stat === undefined) {
    if (lstatSync(file, { throwIfNoEntry: false }) !== undefined)
      throw usageError(`${file} is a symbolic link that leads nowhere: remove it, or name another file`);
    if (of(file, () => statSync(dirname(file), { throwIfNoEntry: false }))?.isDirectory() === true) return;
    throw usageError(`${file}: there is no directory ${dirname(file)}: make it first`);
  }
  if (stat.isDirectory())
    throw usageError(`${file} is a directory: name a file in it, such as ${file}/${example}`);
  if (!stat.isFile()) throw usageError(`${file} is no regular file: use - for stdout`);
  const begins = stat.size === 0 ? '' : of(file, () => head(file));
  if (stat.size > 0 && !marks.some((mark) => begins.includes(mark)))
    throw usageError(`${file} is no ${what}, and is left as it is: name another file, or remove that one`);
}

/** Puts a text in its place in one step, so that nobody ever reads half of it. A file that was there keeps its mode; a new
 *  one gets `mode`, whatever the umask. Where the name is a link, what it leads to is replaced. Returns the file. Without `flush`
 *  a power cut may leave an empty one. */
export function replaceFile(
  file: string,
  text: string,
  { mode = 0o600, flush = true }: { readonly mode?: number; readonly flush?: boolean } = {},
): string {
  const known = of(file, () => statSync(file, { throwIfNoEntry: false }));
  const target = known === undefined ? file : of(file, () => realpathSync.native(file));
  const temp = `${target}.tmp${process.pid}-${process.hrtime.bigint()}`;
  try {
    writeFileSync(temp, text, { mode: 0o600, flag: 'wx', flush });
    chmodSync(temp, known === undefined ? mode : known.mode & 0o777);
    // One that has come meanwhile is somebody else's.
    if (known === undefined) linkSync(temp, target);
    else renameSync(temp, target);
    rmSync(temp, { force: true });
    return target;
  } catch (error) {
    rmSync(temp, { force: true });
    throw cannot(file, error);
  }
}

function head(file: string): string {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}

function of<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw cannot(file, error);
  }
}

function cannot(file: string, error: unknown): UserError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return unavailableError(
    `${file} can't be written (${code}): look at the directory's owner, mode and free space`,
  );
}
