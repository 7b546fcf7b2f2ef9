/** A server that starts the runtimes itself: we claim, it sends; what it says is busy is believed once the kernel agrees. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { Served } from '../support/mission-control/served.ts';
import type { Options } from '../support/mission-control/server.ts';
import { Rig, type RunRow } from '../support/rig.ts';
import { AGENT, end, LIMITS, SHORT_DEADLINE, until } from '../support/sandbox.ts';

let server: Served;
let rig: Rig;
beforeEach(async () => {
  server = await Served.start();
  rig = new Rig({ server, sends: true, limits: `${LIMITS}${SHORT_DEADLINE}` });
  await restart();
});

/** The same server again, with nothing of what it had in memory. */
async function restart(more: Options = {}): Promise<void> {
  const { PATH = '', ...env } = rig.box.env as Record<string, string>;
  await server.kill();
  // The wrapper that tells agents where mc-pickup is comes with the first launch.
  await server.up({
    runner: { argv: [AGENT], env: { ...env, PATH: `${join(rig.box.state, 'bin')}:${PATH}` } },
    ...more,
  });
}

/** A holding agent that only the server knows of: off the board, its ticket in `todo`, and without the mark that a tick
 *  leaves, as if that tick had been killed before. */
async function reverted(): Promise<{ id: string; agent: RunRow }> {
  const id = rig.add('hold');
  await rig.tickHere();
  await rig.holding(id);
  const agent = rig.run(id);
  revert(id);
  rmSync(join(rig.box.state, 'marks', `${id}.json`));
  return { id, agent };
}

function revert(id: string): void {
  rig.box.sql(
    "UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = 1, end_reason = 'reverted' WHERE ended_at_ms IS NULL",
  );
  rig.box.sql(
    "UPDATE tickets SET status = 'todo', version = version + 1, worker_pid = NULL WHERE id = ?",
    id,
  );
}

afterEach(async () => {
  // No tmux hangs these up: they are the server's, and known by this sandbox in their environment.
  for (const pid of rig.box.processes()) end(pid);
  await rig.box.destroy();
  expect(await server.destroy()).toEqual([]);
});

it('a ticket goes from todo to in_review: claimed here, started there, one agent, one prompt', async () => {
  const id = rig.add('review');
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
  await rig.settle(id, 'in_review');
  await rig.gone(rig.run(id).pid);
  await rig.tickHere();
  expect([rig.started(id), rig.live(id)]).toEqual([1, undefined]);
  expect(rig.box.sql('SELECT outcome FROM deliveries')).toEqual([{ outcome: 'started' }]);
});

it('the split brain: put back to todo and off the board while its agent works. 409, and it is adopted within that tick', async () => {
  const { id, agent } = await reverted();
  const { pid, pid_start, mark } = agent;
  expect((await rig.tickHere()).dispatch).toMatchObject([
    { ticket: id, result: 'adopted', after: 'in_progress' },
  ]);
  expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid, attempts: 0 });
  expect(rig.run(id)).toMatchObject({ mark, pid, pid_start, phase: 'running' });
  expect(rig.box.sql('SELECT outcome FROM deliveries ORDER BY at_ms, id')).toContainEqual({
    outcome: 'busy',
  });
  expect(await rig.tickHere()).toMatchObject({ reconcile: [], dispatch: [] });
  expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
  rig.box.signal(`${id}.go`);
  await rig.settle(id, 'in_review');
});

it('a storm of 409: whatever the ticket is put back to, nobody gets a second agent', async () => {
  const { id, agent } = await reverted();
  for (let n = 0; n < 4; n++) {
    if (n > 0) revert(id);
    // The first by its 409; then its mark is known, and the reconcile pass comes before.
    const { reconcile, dispatch } = await rig.tickHere();
    expect([...reconcile, ...dispatch]).toMatchObject([{ ticket: id, result: 'adopted' }]);
  }
  expect([rig.agents(id), rig.started(id)]).toEqual([[agent.pid], 1]);
});

it('a server that has forgotten whom it started: the mark of the launch tells, no second agent is sent for', async () => {
  const id = rig.add('hold');
  await rig.tickHere();
  await rig.holding(id);
  const { pid } = rig.run(id);
  revert(id);
  await restart();
  expect(await rig.tickHere()).toMatchObject({
    reconcile: [{ kind: 'adopt', ticket: id, result: 'adopted' }],
    dispatch: [],
  });
  expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
});

it('a runtime that is called busy and is dead by the kernel is not adopted: the claim goes back, no attempt spent', async () => {
  await restart({ stubborn: true });
  const { id, agent } = await reverted();
  await rig.kill(agent.pid);
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'released', after: 'todo' }]);
  expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, worker_pid: null });
  expect(rig.live(id)).toBeUndefined();
});

it('a text whose answer is lost is never sent a second time, though the server has forgotten its key', async () => {
  await restart({ forgets: true });
  const id = rig.add('ask');
  await rig.tickHere();
  await rig.settle(id, 'needs_input');
  await server.fail({ kind: 'reset-after', times: 1, operation: 'send' });
  const { pid } = rig.run(id);
  process.kill(pid, 'SIGSTOP'); // it reads what it is given when all has been said
  const first = await rig.box.here(['send', id, 'mauve']);
  expect(first).toMatchObject({ code: 4, out: expect.stringContaining('indeterminate') });
  expect(await rig.box.here(['send', id, 'mauve'])).toMatchObject({ code: 75 });
  process.kill(pid, 'SIGCONT');
  await rig.settle(id, 'in_review');
  expect(rig.box.note(`${id}.answers`)).toBe('mauve\n');
});

it('an agent that dies is found dead by its process, and started anew', async () => {
  const id = rig.add('hold');
  await rig.tickHere();
  await rig.holding(id);
  await rig.kill(rig.run(id).pid);
  expect((await rig.tickHere()).reconcile[0]).toMatchObject({
    kind: 'retry',
    ticket: id,
    because: 'agent_dead',
  });
  await rig.due(id);
  await rig.ticksUntilStarted(id, 2);
  expect(rig.agents(id)).toHaveLength(1);
});

it('an answer that is lost after the server has started the runtime: found by its key, started once', async () => {
  const id = rig.add('hold');
  await server.fail({ kind: 'reset-after', times: 1, operation: 'send' });
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
  await rig.holding(id);
  expect(rig.started(id)).toBe(1);
});

it('no answer at all: the ticket stays claimed, and the runtime that was started is found by its registration', async () => {
  const id = rig.add('hold');
  await server.fail({ kind: 'reset-after', times: 99, operation: 'send' });
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'failed' }]);
  await rig.holding(id);
  await rig.tickHere();
  expect([rig.agents(id), rig.started(id)]).toEqual([[rig.run(id).pid], 1]);
  expect(rig.ticket(id)).toMatchObject({ status: 'in_progress' });
});

it('a tick killed between claim and send: the server may start it yet, so its claim stands until the deadline', async () => {
  const id = rig.add('hold');
  const once = join(rig.box.dir, 'hit');
  const env = { MC_PICKUP_FAILPOINT: `launch-staged:kill:${once}` };
  await rig.box.begin(['dispatch', '--json'], env, FAIL_BIN).done;
  const { id: run } = rig.run(id);
  expect(await rig.tickHere()).toMatchObject({
    dispatch: [],
    skipped: [{ ticket: id, because: 'launching' }],
  });
  expect(await until(async () => (await rig.tickHere()).reconcile.length > 0)).toBe(true);
  expect(rig.runs(id)[0]).toMatchObject({ id: run, phase: 'ended', end_reason: 'launch_deadline' });
  expect(rig.ticket(id).attempts).toBe(0);
});

it('a question is answered through the server; while the agent works a text is refused as busy', async () => {
  const [asks, works] = [rig.add('ask'), rig.add('hold')];
  await rig.tickHere();
  await rig.settle(asks, 'needs_input');
  await rig.holding(works);
  const busy = await rig.box.here(['send', works, 'hello']);
  expect(busy).toMatchObject({ code: 75, err: expect.stringContaining('RuntimeBusyError') });
  expect(await rig.box.here(['answer', asks, 'green'])).toMatchObject({ code: 0, err: '' });
  await rig.settle(asks, 'in_review');
  expect(rig.box.note(`${asks}.answers`)).toBe('green\n');
});

it('stop ends an agent that the server has started, and no tick starts another', async () => {
  const id = rig.add('hold');
  await rig.tickHere();
  await rig.holding(id);
  const { pid } = rig.run(id);
  expect(await rig.box.here(['stop', id, '--grace', '1'])).toMatchObject({ code: 0 });
  await rig.gone(pid);
  await rig.tickHere();
  expect([rig.agents(id), rig.started(id)]).toEqual([[], 1]);
});
