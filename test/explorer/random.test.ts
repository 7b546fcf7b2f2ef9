import { expect, it } from 'vitest';
import { randomWalks } from './random.ts';

it('random walks over three tickets, two ticks at once and every fault: never two agents, no living one freed, always back in three ticks', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
  process.stdout.write(`seed ${seed} (FUZZ_SEED runs it again)\n`);
  await expect(randomWalks(Number(process.env.RANDOM_WALKS ?? 150), 80, seed)).resolves.toBeUndefined();
}, 600_000);
