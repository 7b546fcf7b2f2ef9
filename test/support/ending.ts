/** What a run of tests says before the runner's own summary: how long it took, what it left out and why, and what is no part of it. */
import { tmpdir } from 'node:os';
import type { Reporter, TestModule, TestSpecification } from 'vitest/node';

/** The scripts that check the program and are no part of `npm test`, each with what it is for. */
export const APART: Readonly<Record<string, string>> = {
  'test:deep': 'ten times the draws and walks of npm test, by the same seed',
  'test:fuzz': 'the same with another seed, which is printed',
  'test:model': 'every interleaving of ticks, crashes and events, over the real decide, act and SQL',
  'test:crash': 'every failpoint hit in five ways, alone and beside another tick',
  'test:soak': 'ticks killed at random beside agents that commit, and random walks',
  'test:kills': 'ticks a second apart, each killed, then one clean tick',
  'test:chaos': 'hostile agents beside well-behaved ones, checked from outside',
  'test:agents': 'the real clients from npm, against a stub of their model API',
  'test:install': 'packed, installed as a user does, and one ticket done with it',
  bench: 'what a tick costs, as a ratio to an empty program',
  'bench:growth': 'a month of ticks: sizes and tick time',
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
      `${this.#files} test files took ${seconds.toFixed(0)} s (scratch in ${tmpdir()}); the longest: ${slowest.join(', ')}`,
      ...left(modules),
      'no part of this run, each by npm run:',
      ...Object.entries(APART).map(([name, what]) => `  ${name.padEnd(13)} ${what}`),
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }
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
