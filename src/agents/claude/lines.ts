import { closeSync, readSync } from 'node:fs';
import { asObject } from '../../machine/files.ts';
import { openForeign, tailAt } from '../../machine/foreign.ts';

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
/** A file with a longer line is no transcript, and is read no further. */
const MAX_LINE = 32 * 1024 * 1024;

/** The whole lines of the last part of a file, oldest first. */
export function tailOf(path: string | null): LastLines {
  const tail = path === null ? null : tailAt(path, TAIL_BYTES);
  if (tail === null) return { lines: [], cut: false };
  const lines = tail.text.split('\n');
  return { lines: tail.cut ? lines.slice(1) : lines, cut: tail.cut };
}

/** The lines of a file, one character a byte: enough for numbers and ids, and no letter is cut at a chunk's end. */
export function* linesOf(path: string): Generator<string> {
  // The descriptor is closed by `return` too, which a loop that ends early calls.
  const file = openForeign(path);
  if (file === null) return;
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const end = Math.min(file.size, MAX_BYTES);
    let rest = '';
    for (let done = 0; done < end; ) {
      const read = readSync(file.fd, buffer, 0, Math.min(buffer.length, end - done), null);
      if (read === 0) break;
      done += read;
      const [first = '', ...more] = buffer.toString('latin1', 0, read).split('\n');
      rest += first;
      if (rest.length > MAX_LINE) return;
      for (const line of more) {
        yield rest;
        rest = line;
      }
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
