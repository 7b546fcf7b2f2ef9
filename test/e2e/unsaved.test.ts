/** The board takes no more in the middle of a tick: what is done is done, and nobody says that nothing was. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { Rig } from '../support/rig.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});
const fail = (...words: string[]) =>
  rig.box.begin(words, { MC_PICKUP_FAILPOINT: `keep-before:enospc:${join(rig.box.dir, 'hit')}` }, FAIL_BIN)
    .done;

it('a tick that launched and cannot be saved is told with what it did: exit 3, and the next one goes on', async () => {
  const id = rig.add('hold');
  const done = await fail('dispatch', '--json');
  expect(done).toMatchObject({ code: 3, err: '' });
  expect(JSON.parse(done.out)).toMatchObject({
    outcome: 'partial',
    error: expect.stringMatching(/^what this tick did stands.*ENOSPC/),
    dispatch: [{ ticket: id, result: 'launched' }],
  });
  await rig.holding(id);
  expect(rig.tick()).toMatchObject({ code: 0, outcome: 'ok', dispatch: [] });
  expect(rig.agents(id)).toHaveLength(1);
});

it('one that did nothing has failed: exit 69', async () => {
  const done = await fail('dispatch');
  expect(done).toMatchObject({ code: 69, out: '' });
  expect(done.err).toContain('ENOSPC');
});
