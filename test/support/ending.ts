/** What a run of tests says before the runner's own summary: how long it took, what it left out and why, and what is no part of it. */
import { tmpdir } from 'node:os';
import type { Reporter, TestModule, TestSpecification } from 'vitest/node';
import { SLOW } from './projects.ts';

/** The scripts that check the program and are no part of `npm test`, each with what it is for, and how many minutes it takes at most on
 *  two quiet processors as it is called without words. */
export const APART: Readonly<Record<string, { readonly minutes: number; readonly what: string }>> = {
  'test:slow': {
    minutes: 5,
    what: 'the test files that take minutes, each for the reason that stands there',
  },
  'test:deep': { minutes: 2, what: 'ten times the draws and walks of npm test, by the same seed' },
  'test:fuzz': { minutes: 3, what: 'the same with another seed, which is printed' },
  'test:model': {
    minutes: 3,
    what: 'every interleaving of ticks, crashes and events, over the real decide, act and SQL',
  },
  'test:crash': { minutes: 15, what: 'every failpoint hit in five ways, alone and beside another tick' },
  'test:soak': { minutes: 60, what: 'ticks killed at random beside agents that commit, and random walks' },
  'test:kills': { minutes: 10, what: 'ticks a second apart, each killed, then one clean tick' },
  'test:chaos': { minutes: 2, what: 'hostile agents beside well-behaved ones, checked from outside' },
  'test:agents': { minutes: 60, what: 'the real clients from npm, against a stub of their model API' },
  'test:install': { minutes: 2, what: 'packed, installed as a user does, and one ticket done with it' },
  bench: { minutes: 5, what: 'what a tick costs, as a ratio to an empty program' },
  'bench:growth': { minutes: 15, what: 'a month of ticks: sizes and tick time' },
};

/** What a script of this runner takes at most, on two quiet processors. */
const BOUNDS_SECONDS: Readonly<Record<string, number>> = {
  test: 300,
  'test:unit': 20,
  'test:slow': (APART['test:slow']?.minutes ?? 0) * 60,
};

/** Figures of one run; the directory for scratch is said since a run on a disk takes longer. */
export class Ending implements Reporter {
  #began = performance.now();
  #files = 0;

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#began = performance.now();
    this.#files = specifications.length;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const seconds = (performance.now() - this.#began) / 1000;
    const slowest = [...modules]
      .map((module) => ({ name: module.relativeModuleId, ms: module.diagnostic().duration }))
      .sort((a, b) => b.ms - a.ms)
      .slice(0, 3)
      .map(({ name, ms }) => `${name} ${(ms / 1000).toFixed(0)} s`);
    const lines = [
      `${this.#files} test files took ${seconds.toFixed(0)} s${ofBound(seconds)} (scratch in ${tmpdir()}); the longest: ${slowest.join(', ')}`,
      ...left(modules),
      'no part of npm test, each by npm run, with the minutes that it takes at most on two quiet processors:',
      ...Object.entries(APART).flatMap(([name, { minutes, what }]) => [
        `  ${name.padEnd(13)} ${String(minutes).padStart(2)}  ${what}`,
        ...(name === 'test:slow' ? Object.entries(SLOW) : []).map(([file, why]) => `    ${file}: ${why}`),
      ]),
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }
}

/** How that compares with what the script of npm that this is may take. No verdict: another load of the machine is no fault of a test. */
function ofBound(seconds: number): string {
  const bound = BOUNDS_SECONDS[process.env.npm_lifecycle_event ?? ''];
  if (bound === undefined) return '';
  const over = seconds > bound ? ': too long, unless the machine has other work' : '';
  return ` of at most ${bound} on two quiet processors${over}`;
}

/** The skipped tests with their reasons. */
function left(modules: readonly TestModule[]): string[] {
  const skipped = modules.flatMap((module) =>
    [...module.children.allTests('skipped')].map((test) => {
      const result = test.result();
      const note = result.state === 'skipped' ? result.note : undefined;
      return `  ${module.relativeModuleId}: ${test.fullName}: ${note ?? 'not for this machine, by its condition'}`;
    }),
  );
  return [skipped.length === 0 ? 'left out: no test' : `left out: ${skipped.length}`, ...skipped];
}
