/** What people and agents do to tickets, and what a tick may do about it: trust, moves, limits, mass death. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { move } from '../../src/commands/ticket-move.ts';
import { makeContext } from '../../src/context.ts';
import { Rig } from '../support/rig.ts';
import { LIMITS } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

describe('trust', () => {
  it('a ticket that an agent adds is not launched, and no agent moves it; once a person moves it, it is', async () => {
    const { box } = rig;
    const agent = { MC_RUN_ID: 'MC-9-e1-abcdef01' };
    const words = ['--project', 'demo', '--agent', 'scripted', '--title', 'More', '--body', 'behave: hold'];
    const added = await box.here(['ticket', 'add', ...words, '--json'], '', agent);
    const { id } = JSON.parse(added.out) as { id: string };
    const skipped = async () => {
      const report = await rig.tickHere();
      expect(report.dispatch).toEqual([]);
      return report.skipped;
    };
    expect(rig.ticket(id)).toMatchObject({ trusted: 0, status: 'todo' });
    expect(await skipped()).toMatchObject([{ ticket: id, because: 'untrusted' }]);
    expect((await box.here(['ticket', 'move', id, 'todo'], '', agent)).code).toBe(77);
    expect(rig.ticket(id)).toMatchObject({ trusted: 0, status: 'todo' });
    expect(await skipped()).toMatchObject([{ ticket: id, because: 'untrusted' }]);
    expect((await box.here(['ticket', 'move', id, 'todo'])).code).toBe(0);
    expect(rig.ticket(id).trusted).toBe(1);
    expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
  });
});

describe('ticket move', () => {
  it('that loses its race says so, exit 75, and the winner stands', async () => {
    const id = rig.add('hold');
    const { env, state } = rig.box;
    const context = makeContext({ quiet: true }, env);
    const db = new Database(join(state, 'board.sqlite'));
    // Asked for the reason between its look at the ticket and its write: the moment in which somebody else is faster.
    const options = {
      get why() {
        db.prepare("UPDATE tickets SET status = 'cancelled', version = version + 1 WHERE id = ?").run(id);
        return 'mine';
      },
    };
    await expect(move(context, id, 'done', options)).rejects.toMatchObject({
      exit: 75,
      message: expect.stringMatching(new RegExp(`${id} was changed by somebody else`)),
    });
    db.close();
    expect(rig.ticket(id)).toMatchObject({ status: 'cancelled', version: 2 });
    expect(rig.box.sql("SELECT * FROM activity WHERE kind = 'moved'")).toEqual([]);
  });

  it.each(['todo', 'needs_input'])(
    'to %s while the agent lives warns that the next tick takes it back',
    async (to) => {
      const id = rig.add('hold');
      const quiet = await rig.box.here(['ticket', 'move', id, to]);
      expect(quiet).toMatchObject({ code: 0, err: '' });
      rig.box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
      await rig.tickHere();
      await rig.holding(id);
      const { id: run } = rig.run(id);
      const moved = await rig.box.here(['ticket', 'move', id, to]);
      expect(moved.code).toBe(0);
      expect(moved.err).toContain(`the agent of ${id} is still there (run ${run})`);
      expect(moved.err).toContain(`mc-pickup stop ${id}`);
      expect(rig.ticket(id).status).toBe(to);
      await rig.tickHere('reconcile');
      expect(rig.ticket(id).status).toBe('in_progress');
    },
  );
});

describe('limits of one tick', () => {
  it('--max and --project are obeyed, and who was passed over is told why', async () => {
    const other = `[project.other]\nrepo = ${JSON.stringify(rig.box.repo)}\nbase = "main"\nfetch = false\n`;
    rig.configure({ more: other });
    const ids = [rig.add('hold'), rig.add('hold'), rig.add('hold')];
    const elsewhere = rig.add('hold', '--project', 'other');
    const inOther = await rig.tickHere('dispatch', '--project', 'other');
    expect(inOther.dispatch).toMatchObject([{ ticket: elsewhere, result: 'launched' }]);
    expect(inOther.skipped).toMatchObject(ids.map((ticket) => ({ ticket, because: 'other_project' })));
    expect((await rig.tickHere('dispatch', '--max', '0')).dispatch).toEqual([]);
    const one = await rig.tickHere('dispatch', '--max=1');
    expect(one.dispatch).toMatchObject([{ ticket: ids[0], result: 'launched' }]);
    expect(one.skipped).toMatchObject(ids.slice(1).map((ticket) => ({ ticket, because: 'launch_limit' })));
    expect(ids.map((id) => rig.ticket(id).status)).toEqual(['in_progress', 'todo', 'todo']);
    // The same through the real parser, which a dry run takes.
    const dry = await rig.tickHere('dispatch', '--dry-run', '--max', '1', '--project', 'demo');
    expect(dry.dispatch).toMatchObject([{ ticket: ids[1] }]);
  });
});

describe('the scope of a switch', () => {
  const on = async (scope: string) => await rig.box.here(['killswitch', 'on', '--scope', scope]);

  it('is one that is there: else nothing is switched, and the known names are told', async () => {
    rig.add('hold');
    expect(await on('project:dem')).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /no project "dem" in .*did you mean "demo".*nothing was switched; known: demo/,
      ),
    });
    expect(await on('agent:nobody')).toMatchObject({
      code: 2,
      err: expect.stringContaining('known: scripted'),
    });
    expect((await rig.box.here(['killswitch', 'status'])).out).toBe('killswitch off\n');
    expect((await on('project:demo')).code).toBe(0);
  });

  it('may be any while the configuration is broken: the switch must work then too', async () => {
    await rig.box.here(['init']);
    rig.configure({ more: '[nonsense]\n' });
    expect(await on('project:gone')).toMatchObject({
      code: 0,
      out: expect.stringContaining('scope project:gone'),
      err: expect.stringContaining('whether there is project "gone" can\'t be told'),
    });
  });
});

describe('mass death', () => {
  it('of three agents within a minute switches dispatch off, for ticks to come as well; a person switches it on', async () => {
    const ids = [rig.add('die'), rig.add('die'), rig.add('die')];
    const waits = rig.add('hold', '--priority', '4');
    expect((await rig.tickHere('dispatch', '--max', '3')).dispatch.map(({ ticket }) => ticket)).toEqual(ids);
    for (const id of ids) await rig.working(id);
    for (const id of ids) await rig.gone(rig.runs(id)[0]?.pid ?? 0);
    const report = await rig.tickHere();
    expect(report.reconcile).toContainEqual(
      expect.objectContaining({ kind: 'trip', because: 'mass_death', result: 'done' }),
    );
    expect(report.dispatch).toEqual([]);
    expect(report.skipped).toContainEqual(expect.objectContaining({ ticket: waits, because: 'mass_death' }));
    const file = readFileSync(join(rig.box.state, 'killswitch.json'), 'utf8');
    expect(file).toMatch(/"level": ?"dispatch"/);
    expect(file).toMatch(/"scope": ?"agent:scripted"/);
    expect((await rig.box.here(['status'])).out.replace(/\s+/g, ' ')).toContain(
      'to release it: mc-pickup killswitch off --scope agent:scripted',
    );
    for (const id of ids) await rig.due(id);
    expect((await rig.box.here(['killswitch', 'status'])).out).toContain('mc-pickup');
    const next = await rig.tickHere();
    expect(next.dispatch).toEqual([]);
    expect(next.skipped).toContainEqual(expect.objectContaining({ ticket: waits, because: 'killswitch' }));
    await rig.box.here(['killswitch', 'off']);
    expect((await rig.tickHere('dispatch', '--max', '1')).dispatch).toMatchObject([{ result: 'launched' }]);
    const told = rig.box.sql<{ because: string; text: string }>(
      "SELECT because, text FROM activity WHERE kind = 'killswitch' ORDER BY id",
    );
    expect(told.map(({ because }) => because)).toEqual(['mass_death', 'released']);
    expect(told[0]?.text).toContain('mc-pickup killswitch off --scope agent:scripted');
    expect((await rig.box.here(['status'])).out).toContain('no longer count for mass_death');
  });

  it('does not come again by one death after the release, together with those before it', async () => {
    const ids = [rig.add('die'), rig.add('die'), rig.add('die')];
    await rig.tickHere();
    for (const id of ids) await rig.gone(rig.run(id).pid);
    expect((await rig.tickHere()).reconcile.map(({ kind }) => kind)).toContain('trip');
    await rig.box.here(['killswitch', 'off']);
    const one = rig.add('die', '--priority', '0');
    await rig.tickHere('dispatch', '--max', '1');
    await rig.gone(rig.run(one).pid);
    const after = await rig.tickHere('dispatch', '--max', '1');
    expect(after.reconcile[0]).toMatchObject({ kind: 'retry', ticket: one, because: 'agent_exited' });
    expect(after.reconcile.map(({ kind }) => kind)).not.toContain('trip');
    expect(JSON.parse((await rig.box.here(['killswitch', 'status', '--json'])).out)).toMatchObject({
      on: false,
    });
  });
});

describe('the killswitch, released', () => {
  it.each([
    ['all', 'a tick that ends at the gate'],
    ['dispatch', 'a tick that only reconciles'],
  ])('level %s (%s): the queue is taken up by one, two, four, not by all at once', async (level) => {
    rig.configure({ limits: LIMITS.replace(/max_agents = \d+/, 'max_agents = 50') });
    await rig.box.here(['init']);
    await rig.box.here(['killswitch', 'on', '--level', level, '--reason', 'release day']);
    const ids = Array.from({ length: 9 }, () => rig.add('hold'));
    expect((await rig.box.here(['dispatch'])).code).toBe(0);
    await rig.box.here(['killswitch', 'off']);
    const launched = async () =>
      (await rig.tickHere()).dispatch.filter(({ result }) => result === 'launched').length;
    expect([await launched(), await launched(), await launched(), await launched()]).toEqual([1, 2, 4, 2]);
    expect(rig.box.sql("SELECT id FROM tickets WHERE status = 'in_progress'")).toHaveLength(ids.length);
  });
});
