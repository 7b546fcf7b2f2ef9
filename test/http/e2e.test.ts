/** The whole program against a Mission Control server, over real HTTP, with real tmux and git. */

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookAtSelf } from '../../src/machine/process.ts';
import { Served } from '../support/mission-control/served.ts';
import { Rig, state } from '../support/rig.ts';
import { git, until } from '../support/sandbox.ts';

let server: Served;
let rig: Rig;
beforeEach(async () => {
  server = await Served.start();
  rig = new Rig({ server });
});
afterEach(async () => {
  await rig.box.destroy();
  expect(await server.destroy()).toEqual([]);
});

describe('the whole tick over HTTP', () => {
  it('takes tickets from todo to in_review, and makes no board of its own', async () => {
    const typed = rig.add('review', '--priority', '2'); // by `ticket add`: so it goes by the server too
    const ids = [typed, rig.add('review'), rig.add('review')];
    expect(await rig.tickHere()).toMatchObject({ code: 0, outcome: 'ok' });
    for (const id of ids) await rig.settle(id, 'in_review');
    for (const id of ids) {
      await rig.gone(rig.run(id).pid);
      expect(git(rig.box, 'log', '--format=%s', '-1', `mc/${id}-do-review`).trim()).toBe(`Work on ${id}`);
    }
    await rig.tickHere();
    for (const id of ids) expect([rig.started(id), rig.live(id)]).toEqual([1, undefined]);
    expect(existsSync(join(rig.box.state, 'board.sqlite'))).toBe(false);
  });

  it('has worktrees kept ready, as with a board of its own', async () => {
    rig.configure({ project: 'pool = 1' });
    await rig.tickHere();
    const slot = join(rig.box.state, 'worktrees', 'demo', '.pool-1.json');
    expect(await until(() => existsSync(slot))).toBe(true);
    expect(await until(() => rig.box.processes().length === 0)).toBe(true);
  });

  it('heals a split brain within one tick: the living agent is believed, no second one starts', async () => {
    const id = rig.add('hold');
    await rig.tickHere();
    await rig.holding(id);
    const { pid } = rig.run(id);
    rig.box.sql("UPDATE tickets SET status = 'todo', version = version + 1 WHERE id = ?", id);
    expect(await rig.tickHere()).toMatchObject({
      reconcile: [{ kind: 'normalize', ticket: id, result: 'done' }],
      dispatch: [],
    });
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid });
    expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
  });

  it('a report while the server is away is kept: the tick that finds it again tells it, and no attempt is spent', async () => {
    const id = rig.add('hold');
    rig.tick();
    await rig.holding(id);
    const { mark: run, pid } = rig.run(id);
    await server.kill();
    // Most of this test is the patience that a report has with a server.
    const said = rig.box.run(['report', 'review', '--message', 'All is well.'], '', { MC_RUN_ID: run });
    expect(said, said.err).toMatchObject({
      code: 0,
      out: expect.stringContaining(`kept: ${id} -> in_review`),
    });
    await rig.kill(pid);
    await server.up();
    expect(rig.tick().reconcile).toMatchObject([{ kind: 'report', because: 'report_kept', result: 'done' }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', attempts: 0, reason_text: 'All is well.' });
  });

  it('a dead agent is retried, and its question is asked and answered', async () => {
    const [died, asks] = [rig.add('hold'), rig.add('ask')];
    await rig.tickHere();
    await rig.holding(died);
    await rig.settle(asks, 'needs_input');
    await rig.kill(rig.run(died).pid);
    expect(await rig.box.here(['answer', asks, 'blue'])).toMatchObject({ code: 0 });
    await rig.settle(asks, 'in_review');
    expect(rig.box.note(`${asks}.answers`)).toBe('blue\n');
    await rig.tickHere();
    await rig.due(died);
    await rig.ticksUntilStarted(died, 2);
    expect(rig.agents(died)).toHaveLength(1);
  });

  it('dry run, status, explain and log read from the server, and a dry run writes nothing to it', async () => {
    const id = rig.add('hold');
    const before = rig.box.sql('SELECT * FROM tickets');
    expect((await rig.box.here(['dispatch', '--dry-run'])).out).toContain(id);
    for (const args of [
      ['status'],
      ['explain', id],
      ['log'],
      ['ticket', 'show', id],
      ['ticket', 'list'],
      ['agents'],
    ])
      expect(await rig.box.here(args), args.join(' ')).toMatchObject({ code: 0, err: '' });
    expect(rig.box.sql('SELECT * FROM tickets')).toEqual(before);
    expect(rig.box.sql('SELECT * FROM ticks')).toEqual([]);
  });
});

it('a configuration that is broken elsewhere stops dispatch, not reconcile, and the board stays the server', async () => {
  const id = rig.add('hold');
  await rig.tickHere();
  await rig.holding(id);
  rig.add('hold');
  rig.box.sql("UPDATE tickets SET status = 'todo', version = version + 1 WHERE id = ?", id);
  rig.configure({ more: '[nonsense]\nx = 1\n' });
  const report = await rig.tickHere();
  expect(report).toMatchObject({ code: 78, reconcile: [{ kind: 'normalize', ticket: id }], dispatch: [] });
  expect(rig.started(id)).toBe(1);
});

it('a server of contract 1.3 is told nothing of what came later, and its agents live', async () => {
  await server.kill();
  await server.up({ before14: true });
  const id = rig.add('hold');
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
  await rig.holding(id);
  for (let n = 0; n < 2; n++)
    expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
  rig.box.sql('DELETE FROM runtime_sessions');
  expect((await rig.tickHere()).reconcile).toMatchObject([{ kind: 'adopt', result: 'adopted' }]);
  expect(rig.agents(id)).toHaveLength(1);
  // The same board, spoken to in today's words: what it lacks is filled in.
  await server.kill();
  await server.up({ before14: false });
  const noted = () =>
    rig.box.sql<{ time_ns: string | null }>('SELECT time_ns FROM runtime_sessions')[0]?.time_ns;
  expect(noted()).toBeNull();
  expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
  expect(noted()).toBe(lookAtSelf('').time_ns);
});

describe('a server that is not there', () => {
  it('is seen and no more: exit 69, one line, nothing launched, agents work on; when it is back all is as it was', async () => {
    const id = rig.add('hold');
    await rig.tickHere();
    await rig.holding(id);
    rig.add('hold');
    const { pid } = rig.run(id);
    await server.kill();
    const done = await rig.box.here(['dispatch']);
    expect(done.code).toBe(69);
    expect(`${done.out}${done.err}`.trim().split('\n')).toHaveLength(1);
    expect(done.err).toContain('cannot be reached');
    expect(state(pid)).not.toBeNull();
    await server.up();
    const report = await rig.tickHere();
    expect(report).toMatchObject({ code: 0, reconcile: [], dispatch: [{ result: 'launched' }] });
    expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
  });

  it('while a launcher wants to register: no agent ever runs, and the ticket is tried again', async () => {
    const id = rig.add('hold');
    await server.fail({ kind: 503, times: 99, operation: 'register' });
    expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launching' }]);
    expect(rig.started(id)).toBe(0);
    await server.kill();
    await server.up();
    await rig.ticksUntilStarted(id, 1);
    expect(rig.agents(id)).toHaveLength(1);
  });
});

describe('a server that was restored from an older backup', () => {
  it('has lost the run and the claim: the agent that lives is adopted by its mark, and no second one starts', async () => {
    const id = rig.add('hold');
    await rig.tickHere();
    await rig.holding(id);
    const { pid } = rig.run(id);
    await server.kill();
    rig.lose(id);
    rig.box.sql('UPDATE tickets SET version = 1 WHERE id = ?', id);
    await server.up();
    const { reconcile, dispatch } = await rig.tickHere();
    expect(reconcile).toMatchObject([{ kind: 'adopt', ticket: id, result: 'adopted' }]);
    expect(dispatch).toEqual([]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid });
    expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
  });
});

describe('a server of contract 1.3', () => {
  it('is sent no program, and frees no ticket whose client lives on: it is only not followed', async () => {
    await server.kill();
    await server.up({ before14: true });
    const file = join(rig.box.dir, 'client.sh');
    const text = `#!/bin/sh
[ "$1" = inner ] || { "$0" inner; exit; }
trap '' HUP; n=$MC_PICKUP_STATE_DIR/notes; mkdir -p $n; echo $$ >>$n/inner
exec >/dev/null 2>&1; while :; do sleep 0.05; done
`;
    writeFileSync(file, text, { mode: 0o755 });
    rig.configure({ more: `[agent.own]\nkind = "command"\nargv = [${JSON.stringify(file)}]\n` });
    const words = ['--project', 'demo', '--agent', 'own', '--title', 'Do', '--body', 'x', '--json'];
    const { id } = JSON.parse((await rig.box.here(['ticket', 'add', ...words])).out) as { id: string };
    await rig.tickHere();
    expect(await until(() => rig.box.note('inner') !== '')).toBe(true);
    expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
    await rig.kill(rig.run(id).pid);
    for (let n = 0; n < 2; n++) {
      expect((await rig.tickHere()).reconcile).toMatchObject([
        { kind: 'follow', ticket: id, result: 'lost_race' },
      ]);
      expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0 });
    }
    expect(rig.box.note('inner').split('\n').filter(Boolean)).toHaveLength(1);
  });
});

describe('clocks that differ by an hour', () => {
  it.each([3_600_000, -3_600_000])('(%i ms) change nothing, and doctor says so', async (ahead_ms) => {
    await server.kill();
    await server.up({ ahead_ms });
    const id = rig.add('hold');
    await rig.tickHere();
    await rig.holding(id);
    expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
    expect((await rig.box.here(['doctor'])).out).toMatch(/warn board .*its clock is 1h.* (ahead|behind)/);
    await rig.kill(rig.run(id).pid);
    await rig.tickHere();
    await rig.due(id);
    await rig.ticksUntilStarted(id, 2);
  });
});

describe('two hosts on one server', () => {
  it('neither judges the runtimes of the other, and no ticket gets two agents', async () => {
    const other = new Rig({ server });
    try {
      const ids = Array.from({ length: 6 }, () => rig.add('hold'));
      const [one, two] = [
        rig.box.begin(['dispatch', '--json', '--max', '3']),
        other.box.begin(['dispatch', '--json', '--max', '3']),
      ];
      await Promise.all([one.done, two.done]);
      expect(
        await until(async () => {
          await rig.tickHere();
          other.tick();
          return ids.every((id) => rig.started(id) + other.started(id) === 1);
        }),
      ).toBe(true);
      const mine = ids.filter((id) => rig.started(id) === 1);
      for (const id of mine) await rig.holding(id);
      const victim = mine[0] ?? '';
      expect(victim).not.toBe('');
      const { pid, id: run } = rig.run(victim);
      await rig.kill(pid);
      expect(other.tick().skipped).toContainEqual(
        expect.objectContaining({ ticket: victim, because: 'not_mine' }),
      );
      expect(rig.live(victim)).toMatchObject({ id: run });
      expect((await rig.tickHere()).reconcile[0]).toMatchObject({ kind: 'retry', ticket: victim });
    } finally {
      await other.box.destroy();
    }
  });
});
