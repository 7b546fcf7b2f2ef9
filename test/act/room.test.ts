/** Between the launches of one tick it is asked again what the machine has left: what has just been launched may have taken it. */
import { expect, it } from 'vitest';
import { dispatch } from '../../src/act/launch/index.ts';
import type { Hands } from '../../src/act/outcome.ts';
import type { Outside } from '../../src/act/outside.ts';
import { decide } from '../../src/decide/index.ts';
import { memoryBoard } from '../explorer/board.ts';
import { POLICY, PROJECT } from '../explorer/ticks.ts';
import { aView, aWorld, NOW } from '../support/builders.ts';

it('the second launch waits, unclaimed, when the first has taken the memory', async () => {
  const { db, board } = memoryBoard();
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: PROJECT, labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const add = () => board.addTicket({ ...ticket, ...from }, { now_ms: NOW });
  const world = aWorld({ tickets: [aView(await add()), aView(await add())] });
  let looks = 0;
  const outside = {
    token: () => '0',
    halted: () => false,
    held: () => null,
    expect: async () => undefined,
    unlaunchable: async () => null,
    refused: () => true,
    tries: () => {},
    over: () => null,
    lacks: () => (looks++ === 0 ? null : 'only 3 MB'),
    prepare: async () => ({ ok: false, because: 'environment', error: 'no matter' }),
  } as unknown as Outside;
  const hands: Hands = { board, policy: POLICY, tick_id: 't', clock: () => NOW, outside };
  const plan = decide(world, POLICY, { dispatch: true, max: null, project: null });
  expect(await dispatch(plan, world, hands)).toMatchObject([
    { step: { ticket: 'MC-1' }, error: 'no matter' },
    { step: { ticket: 'MC-2' }, run: null, result: 'declined', error: 'only 3 MB' },
  ]);
  expect(await board.ticket('MC-2')).toMatchObject({ status: 'todo', claim_epoch: 0 });
  db.close();
});
