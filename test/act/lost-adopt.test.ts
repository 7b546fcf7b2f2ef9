/** A file says that another row's process works on this ticket: it is not adopted, and the claim is given back. */
import { expect, it } from 'vitest';
import { claim, launch } from '../../src/act/launch/index.ts';
import type { Hands } from '../../src/act/outcome.ts';
import type { Outside } from '../../src/act/outside.ts';
import type { LaunchStep } from '../../src/model/plan.ts';
import { memoryBoard } from '../explorer/board.ts';
import { AGENT, POLICY, PROJECT, sighting } from '../explorer/ticks.ts';
import { aWorld, HOST, NOW } from '../support/builders.ts';

it('a claim whose adoption is lost is given back at once, at no attempt', async () => {
  const { db, board } = memoryBoard();
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: PROJECT, labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const [busy, asked] = [
    await board.addTicket({ ...ticket, ...from }, { now_ms: NOW }),
    await board.addTicket({ ...ticket, ...from }, { now_ms: NOW }),
  ];
  db.exec(`INSERT INTO runtime_sessions (id, ticket_id, phase, host_id, boot_id, pid, pid_start)
    VALUES ('other', '${busy.id}', 'running', '${HOST}', 'b-1', 77, 's77')`);
  const me = { host_id: HOST, boot_id: 'b-1', pid_ns: null, time_ns: null, self_readable: true };
  const look = {
    ...{ boot: 1, readable: true, marks: {}, registered: {}, activity: {}, kept: {} },
    processes: [{ pid: 77, start: 's77', run: '', client: true, zombie: false }],
  };
  const seen = sighting(`${asked.id}-e9-0`, 77, { pid: 77, start: 's77', boot: 1 }, me, look, {}, null);
  const outside = {
    token: () => '0',
    halted: () => false,
    prepare: async () => ({ ok: true, where: { worktree: '/wt' }, answers: [] }),
    neighbours: async () => ({ ok: true, sightings: [seen] }),
  } as unknown as Outside;
  const hands: Hands = { board, policy: POLICY, tick_id: 't', clock: () => NOW, outside };
  const { status, owner, claim_epoch, version } = asked;
  const step: LaunchStep = {
    ...{
      kind: 'launch',
      ticket: asked.id,
      because: 'next_in_order',
      evidence: { priority: 2, attempt: 1, agent: 'robot' },
      attempt: 1,
    },
    ...{ guard: { status, owner, claim_epoch, version }, agent: AGENT, project: PROJECT },
  };
  const claimed = await claim(step, aWorld(), hands);
  if (!('run' in claimed && 'ticket' in claimed)) throw new Error('not claimed');
  expect(await launch(claimed, aWorld(), hands)).toMatchObject({ result: 'released', after: 'todo' });
  expect(await board.ticket(asked.id)).toMatchObject({ status: 'todo', attempts: 0 });
  expect((await board.liveRuntimes()).map(({ id }) => id)).toEqual(['other']);
  db.close();
});
