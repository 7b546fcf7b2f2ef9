import { clean } from '../model/text.ts';
import { jsonLine, lostOutput } from './now.ts';
import { isTerminal } from './terminal.ts';

/** Where words for people and JSON go. The only part of the program that prints. */
export interface Out {
  readonly color: boolean;
  /** Nobody reads any more: `log --follow | head` is over. */
  readonly closed: boolean;
  /** `--quiet`: nothing but errors and JSON. */
  readonly quiet: boolean;
  line(text: string): void;
  /** A line with colours of our own in it; whatever else a terminal would act on is gone. */
  painted(text: string): void;
  json(value: unknown): void;
  warn(text: string): void;
}

/* Whatever a command prints was written by anybody: names are refused where they come in, but other programs write
 * to the board too, so every line is cleaned once more on its way out. */

/** `NO_COLOR`, `--no-color` and a pipe turn colour off; `--quiet` leaves errors and JSON. */
export function outFor(options: { quiet: boolean; color: boolean }, env: NodeJS.ProcessEnv): Out {
  return {
    color: options.color && !env.NO_COLOR && isTerminal(1),
    get closed() {
      return readerGone;
    },
    quiet: options.quiet,
    painted(text) {
      if (!options.quiet) calmStdout().write(`${cleanPainted(text)}\n`);
    },
    line(text) {
      if (!options.quiet) calmStdout().write(`${clean(text)}\n`);
    },
    json(value) {
      documents += 1;
      calmStdout().write(jsonLine(value));
    },
    warn(text) {
      clearFirst?.();
      calmStderr().write(`mc-pickup: ${clean(text)}\n`);
    },
  };
}

/** A complaint of the command-line parser: it repeats what was typed, or what a script put there. */
export function complain(text: string): void {
  calmStderr().write(clean(text));
}

/** stderr, whose terminal may be gone: a warning that nobody can read ends no tick. */
export function calmStderr(): NodeJS.WriteStream {
  if (process.stderr.listenerCount('error') === 0) process.stderr.on('error', () => undefined);
  return process.stderr;
}

/** Takes a line of progress away before anything else is printed. */
let clearFirst: (() => void) | null = null;

/** What is to be done before each line that is printed; null = nothing any more. */
export function beforePrinting(clear: (() => void) | null): void {
  clearFirst = clear;
}

/** Node revives a stdout that failed, and so forgets it. */
let readerGone = false;
/** What went into a file is lost: its disk is full, or fails. */
let unwritten = false;
/** Of JSON: of more than one, as a log has, a reader may have had enough; of a single one it has had nothing. */
let documents = 0;

/** Whether stdout could not be written, but for a reader that went away. Asked once all is printed: it tells a moment later. */
export async function isUnwritten(): Promise<boolean> {
  await new Promise((told) => setImmediate(told));
  return unwritten;
}

/** stdout, which a reader such as `head` may close early: that is no error of ours. Nor is a full disk one that takes back what
 *  was done: it is said once, and the exit code is that of the work. */
export function calmStdout(): NodeJS.WriteStream {
  clearFirst?.();
  if (process.stdout.listenerCount('error') === 0)
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      const first = !readerGone;
      readerGone = true; // whatever the reason: nothing that follows is read
      // A terminal that is gone is a reader that is gone.
      const gone = error.code === 'EPIPE' || error.code === 'EIO';
      if (!gone) unwritten = true;
      if (first && (!gone || documents === 1)) calmStderr().write(lostOutput(error.code ?? error.message));
    });
  return process.stdout;
}

/** Clean text, but for what sets a colour. Names cannot bring any: they are cleaned before they are painted. */
export function cleanPainted(text: string): string {
  return text
    .split(/(\u001b\[[0-9;]*m)/)
    .map((part, n) => (n % 2 === 1 ? part : clean(part)))
    .join('');
}
