/**
 * fast-check with a seed that is always the same: whether `npm test` is green says something of the program, not of what was
 * drawn. `npm run test:fuzz` draws another seed and prints it; `FUZZ_SEED=N` runs it again.
 */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';

const wished = process.env.FUZZ_SEED;
export const SEED = wished === 'random' ? randomInt(2 ** 31) : Number(wished ?? 20_260_101);
if (wished !== undefined) process.stdout.write(`seed ${SEED} (FUZZ_SEED=${SEED} runs it again)\n`);

fc.configureGlobal({ seed: SEED });

export { fc };
