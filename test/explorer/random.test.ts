import { expect, it } from 'vitest';
import { draws, SEED } from '../support/draws.ts';
import { randomWalks } from './random.ts';

it('random walks over three tickets, two ticks at once and every fault: never two agents, no living one freed, always back in three ticks', async () => {
  await expect(randomWalks(draws(150), 80, SEED)).resolves.toBeUndefined();
});
