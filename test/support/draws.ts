/**
 * fast-check with a seed that is always the same: whether `npm test` is green says something of the program, not of what was
 * drawn. `npm run test:fuzz` draws another seed and prints it; `FUZZ_SEED=N` runs it again.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';

const wished = process.env.FUZZ_SEED;
export const SEED = wished === 'random' ? randomInt(2 ** 31) : Number(wished ?? 20_260_101);
if (wished !== undefined) process.stdout.write(`seed ${SEED} (FUZZ_SEED=${SEED} runs it again)\n`);

/** `npm test` has the first tenth of the draws of `npm run test:deep` and `npm run test:fuzz`; `FUZZ_TIMES=N` has so many times those. */
const TIMES = Number(process.env.FUZZ_TIMES ?? 0.1);

/** How often a property that takes seconds is drawn, by how often it is in the deep run. */
export function draws(deep: number): number {
  return Math.ceil(deep * TIMES);
}

fc.configureGlobal({ seed: SEED });

export { fc };
