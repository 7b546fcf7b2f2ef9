import { defineConfig } from 'vitest/config';
import './test/support/scratch.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/real-agents/**', 'node_modules/**'],
    // Only for what hangs: no bound that a slow machine can reach decides over a test.
    testTimeout: 900_000,
    hookTimeout: 900_000,
    globalSetup: [],
    pool: 'forks',
    maxWorkers: 2,
  },
});
