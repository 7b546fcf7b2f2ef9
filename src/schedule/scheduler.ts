import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeAtomic } from '../machine/files.ts';
import { findProgram } from '../machine/programs.ts';
import { busyError } from '../model/errors.ts';

export const SCHEDULERS = ['cron', 'systemd', 'launchd'] as const;

export type With = (typeof SCHEDULERS)[number];

export type State = 'installed' | 'differs' | 'none' | 'unknown';

/** A text that a scheduler reads, in the form of `bytesOf`; null = there is none. */
export interface Document {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** What is run before or after the texts are written. */
export interface Step {
  readonly argv: readonly string[];
  /** It does where there is nothing to do. */
  readonly mayFail?: boolean;
  /** A question that is asked until its answer fits. */
  readonly until?: RegExp;
}

/** All that an installation or a removal would do; nothing in it = nothing to do. */
export interface Change {
  readonly first: readonly Step[];
  readonly documents: readonly Document[];
  readonly last: readonly Step[];
}

export const NO_CHANGE: Change = { first: [], documents: [], last: [] };

export interface Look {
  readonly state: State;
  readonly says: string;
  /** Throws where it can't be written down for this scheduler; what is there can still be removed. */
  readonly install: () => Change;
  readonly remove: Change;
}

/** One of the three, seen from one state dir. */
export interface Scheduler {
  readonly with: With;
  /** The environment in which its programs find it. */
  readonly env: NodeJS.ProcessEnv;
  /** Whether this machine has it at all. */
  readonly here: boolean;
  /** Why it can't be used now and what to do, or null. */
  fault(): string | null;
  /** Where to look for what ticks print: a file, or a command. */
  readonly log: string;
  /** What is there now, and what would be done. Writes nothing. */
  look(): Look;
  /** Puts one text in its place, refusing (75) where it is no longer what it was when it was looked at. Gives where the
   *  text before is kept, or null. */
  write(document: Document): string | null;
  /** What a person should know before relying on it. */
  notes(): readonly string[];
  /** What install would write, for showing. */
  texts(): readonly { readonly name: string; readonly text: string }[];
}

export interface Ran {
  readonly code: number | null;
  /** In the form of `bytesOf`. */
  readonly out: string;
  readonly err: string;
}

const TIMEOUT_MS = 10_000;
const MAX_OUTPUT = 16 * 1024 * 1024;

/** Runs one of a scheduler's programs to its end, with messages in English. One that can't be started or does not end has
 *  code null, and says why. */
export function ask(argv: readonly string[], env: NodeJS.ProcessEnv, input = ''): Ran {
  const [word = '', ...args] = argv;
  const done = spawnSync(findProgram(word, env.PATH) ?? word, args, {
    env: { ...env, LC_ALL: 'C' },
    input: Buffer.from(input, 'latin1'),
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL', // one that ignores a gentler one would hold us for ever
    maxBuffer: MAX_OUTPUT,
  });
  const err = done.stderr?.toString('utf8').trim() ?? '';
  if (done.error !== undefined || done.status === null)
    return { code: null, out: '', err: done.error?.message ?? `ended by ${done.signal}` };
  return { code: done.status, out: done.stdout.toString('latin1'), err };
}

/** The sentence for one that failed. */
export function failed(argv: readonly string[], { code, err }: Ran): string {
  return `${argv.join(' ')} failed: ${err || `exit ${code}`}`;
}

/** A unit or property list, or null where there is none. */
export function readFile(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** `Scheduler.write` for a file of ours. What was there before is kept in the state dir: somebody may have added to it. */
export function writeFile({ name, before, after }: Document, state: string): string | null {
  if (readFile(name) !== before)
    throw busyError(`${name} has changed meanwhile, it was left as it is: try again`);
  const kept = before === null ? null : join(state, `${basename(name)}.before`);
  if (kept !== null && before !== null) writeAtomic(kept, before, 0o600, 'latin1');
  if (after === null) rmSync(name, { force: true });
  else {
    mkdirSync(dirname(name), { recursive: true });
    // The user's own manager reads it, and nobody else has to.
    writeAtomic(name, after, 0o600, 'latin1');
  }
  return kept;
}

/** What of these would change anything. */
export function changed(documents: readonly Document[]): readonly Document[] {
  return documents.filter(({ before, after }) => before !== after);
}
