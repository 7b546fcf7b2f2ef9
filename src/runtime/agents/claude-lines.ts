import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { asObject } from '../files.ts';

/** One line of a transcript. */
export type Entry = Record<string, unknown>;

/** The last lines of a file, oldest first. */
export interface LastLines {
  readonly lines: readonly string[];
  /** Whether the file begins before them. */
  readonly cut: boolean;
}

const TAIL_BYTES = 256 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Beyond this a transcript is read no further: a tick must stay short. */
const MAX_BYTES = 512 * 1024 * 1024;
const NONE: LastLines = { lines: [], cut: false };

/** The whole lines of the last part of a file, oldest first. */
export function tailOf(path: string | null): LastLines {
  return withFile(path, NONE, (file, size) => {
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const read = readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString('utf8', 0, read).split('\n');
    const cut = size > buffer.length;
    return { lines: cut ? lines.slice(1) : lines, cut };
  });
}

/** The lines of a file, one character a byte: enough for numbers and ids, and no letter is cut at a chunk's end. */
export function* linesOf(path: string): Generator<string> {
  // The descriptor is closed by `return` too, which a loop that ends early calls.
  const file = open(path);
  if (file === null) return;
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    for (let done = 0; done < MAX_BYTES; ) {
      const read = readSync(file.fd, buffer, 0, buffer.length, null);
      if (read === 0) break;
      done += read;
      const lines = (rest + buffer.toString('latin1', 0, read)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest;
  } catch {
    // Unreadable half-way: what was read counts.
  } finally {
    closeSync(file.fd);
  }
}

/** The line as an object, or null where it is none. */
export function parseLine(line: string): Entry | null {
  try {
    return asObject(JSON.parse(line));
  } catch {
    return null;
  }
}

/** The blocks of the message in an entry. */
export function blocksOf(entry: Entry): Entry[] {
  const content = asObject(entry.message)?.content;
  return Array.isArray(content) ? content.map(asObject).filter((block) => block !== null) : [];
}

/** The names in a folder; none where it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function withFile<T>(path: string | null, otherwise: T, use: (fd: number, size: number) => T): T {
  const file = path === null ? null : open(path);
  if (file === null) return otherwise;
  try {
    return use(file.fd, file.size);
  } catch {
    return otherwise;
  } finally {
    closeSync(file.fd);
  }
}

/** Opens a plain file only: a pipe in its place must not hold a tick up. */
function open(path: string): { readonly fd: number; readonly size: number } | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isFile()) return { fd, size: stat.size };
    closeSync(fd);
  } catch {
    // Not there, or not ours to read.
  }
  return null;
}
