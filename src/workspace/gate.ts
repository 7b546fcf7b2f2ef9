/*
 * A program that outlives us when we are killed is found again by a note of its process id. Between its start and that
 * note there is a moment in which it would be known to nobody, and the next tick would start another beside it. So
 * it is started as a shell that waits for a line, and that becomes the program (the same process, and the same start
 * time) once the note is written. When we die first, the shell reads the end of its input, and ends.
 */
import type { Writable } from 'node:stream';

/** A command and its arguments, to be started with a pipe as its standard input and let through by `letThrough`. */
export function gated(file: string, args: readonly string[]): readonly [string, readonly string[]] {
  return ['/bin/sh', ['-c', 'IFS= read -r go && exec "$@" </dev/null', 'mc-pickup', file, ...args]];
}

/** Notes who waits, then lets it become its program, which reads nothing from us. When the note can't be written the
 *  program never begins, and the error is thrown. */
export function letThrough(
  child: { readonly pid?: number | undefined; readonly stdin: Writable },
  note: (pid: number) => void,
): void {
  // Killed meanwhile: its end is told by its exit.
  child.stdin.on('error', () => undefined);
  try {
    if (child.pid !== undefined) note(child.pid);
  } catch (error) {
    child.stdin.destroy();
    throw error;
  }
  child.stdin.end('go\n');
}
