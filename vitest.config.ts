import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { Ending } from './test/support/ending.ts';
import { WaitingFirst } from './test/support/order.ts';
import { ALONE, SLOW, UNIT, WHOLE } from './test/support/projects.ts';
import './test/support/scratch.ts';

/** A start of a program copies the tables of all memory that its starter has: a worker that is half as large starts one in half the time. */
const SMALL = ['--max-semi-space-size=2'];

export default defineConfig({
  test: {
    // Only for what hangs: no bound that a slow machine can reach decides over a test.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    pool: 'forks',
    // Two more than processors: nearly half of the time of a worker goes into waiting.
    maxWorkers: availableParallelism() + 2,
    sequence: { sequencer: WaitingFirst },
    // A worker goes on with its modules: what a file changes of its process it puts back.
    isolate: false,
    reporters: [new Ending(), 'default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: UNIT,
          setupFiles: ['test/support/no-processes.ts'],
        },
      },
      { extends: true, test: { name: 'whole', include: WHOLE, execArgv: SMALL } },
      { extends: true, test: { name: 'alone', include: ALONE, execArgv: SMALL, isolate: true } },
      { extends: true, test: { name: 'slow', include: Object.keys(SLOW) } },
    ],
  },
});
