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
