import { writeSync } from 'node:fs';

/** Writes a whole text at once, without Node's streams, which cost more than the killswitch gate; null = done, else what went
 *  wrong. */
export function writeNow(fd: 1 | 2, text: string): string | null {
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EAGAIN') return code ?? String(error);
    // A pipe that another program has made non-blocking, and that is full: the streams wait for it.
    (fd === 1 ? process.stdout : process.stderr).on('error', () => undefined).write(rest);
    return null;
  }
}

/** What is said on stderr, once, when stdout takes no more. */
export function lostOutput(code: string): string {
  return `mc-pickup: stdout takes no more (${code}): what was to be printed is lost, what was done stands\n`;
}

/** What `JSON.stringify` leaves as it is though a terminal may act on it: C1 controls, bidi controls, line separators. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A value as one line of JSON that a terminal does not act on. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value).replace(UNSAFE, escaped)}\n`;
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
