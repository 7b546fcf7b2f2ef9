import { defineConfig } from 'vitest/config';

/** The real clients: one at a time, since each takes a core and up to a gigabyte. */
export default defineConfig({
  test: {
    include: ['test/real-agents/**/*.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
