/** Whole programs, timed side by side. Each round runs every subject once, one after the other and each time beginning with
 *  another one, so that a busy machine slows all of them and none always finds the warmer caches. */
import { spawnSync } from 'node:child_process';
import type { Scratch } from './scratch.ts';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly input?: string;
  /** It has something to say; what prints otherwise has not done what was to be measured. */
  readonly talks?: boolean;
}

/** One thing to measure; what stands around a run is not part of it. */
export interface Subject {
  readonly name: string;
  ready(): Command | Promise<Command>;
  /** Looks whether the run did what it should have done, and cleans up. */
  done?(): void | Promise<void>;
}

/** A subject that needs nothing around its runs. */
export function plain(name: string, command: Command): Subject {
  return { name, ready: () => command };
}

/** `node -e 0` on the binary that the program runs on: what every ratio is against unless it says otherwise. */
export function emptyNode(env: NodeJS.ProcessEnv): Subject {
  return plain('node -e 0', { file: process.execPath, args: ['-e', '0'], env });
}

/** Milliseconds of each subject's run in each round. */
export async function rounds(
  subjects: readonly Subject[],
  count: number,
  warmUp: number,
  scratch: Scratch,
): Promise<number[][]> {
  const times: number[][] = subjects.map(() => []);
  spawnSync('sync'); // a board that was just filled would still be on its way to the disk
  for (let round = -warmUp; round < count; round++) {
    for (let n = 0; n < subjects.length; n++) {
      const which = (((n + round) % subjects.length) + subjects.length) % subjects.length;
      const subject = subjects[which];
      if (subject === undefined) continue;
      await scratch.breathe();
      const ms = timed(subject.name, await subject.ready());
      await subject.done?.();
      if (round >= 0) times[which]?.push(ms);
    }
  }
  return times;
}

/** Milliseconds of one whole process; throws unless it exits with 0, and in silence unless it may talk. */
export function timed(what: string, { file, args, env, input, talks }: Command): number {
  const start = performance.now();
  const done = spawnSync(file, args, {
    ...{ env, encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28 },
    ...(input === undefined ? {} : { input }),
  });
  const ms = performance.now() - start;
  if (done.status === 0 && done.stderr === '' && (talks === true || done.stdout === '')) return ms;
  const why = done.error?.message ?? `exit ${done.status ?? done.signal}`;
  throw new Error(`${what}: ${why}, printed ${JSON.stringify((done.stdout + done.stderr).slice(0, 2000))}`);
}

export interface Spread {
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly min: number;
  readonly max: number;
}

/** The ratios of one column of times to another, round by round. */
export function ratios(times: readonly number[], base: readonly number[]): Spread {
  return spreadOf(times.map((ms, round) => ms / (base[round] ?? Number.NaN)));
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => {
    const place = (sorted.length - 1) * part;
    const low = sorted[Math.floor(place)] ?? Number.NaN;
    const high = sorted[Math.ceil(place)] ?? Number.NaN;
    return rounded(low + (high - low) * (place - Math.floor(place)));
  };
  return { median: at(0.5), q1: at(0.25), q3: at(0.75), min: at(0), max: at(1) };
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
