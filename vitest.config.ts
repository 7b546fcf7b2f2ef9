import { defineConfig } from 'vitest/config';
import { Ending } from './test/support/ending.ts';
import { UNIT, WHOLE } from './test/support/projects.ts';
import './test/support/scratch.ts';

export default defineConfig({
  test: {
    // Only for what hangs: no bound that a slow machine can reach decides over a test.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: [new Ending(), 'default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: UNIT,
          isolate: false,
          setupFiles: ['test/support/no-processes.ts'],
        },
      },
      { extends: true, test: { name: 'whole', include: WHOLE } },
    ],
  },
});
