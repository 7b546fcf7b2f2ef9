/** The tests that were asked for by name: races, overlap, ghosts, chats. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookAtSelf } from '../../src/machine/process.ts';
import { HOLDING_HOOK, type Report, Rig } from '../support/rig.ts';
import { LIMITS, type Ran, until } from '../support/sandbox.ts';
import { startOf } from '../support/start.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ project: HOLDING_HOOK });
});
afterEach(async () => {
  await rig.box.destroy();
});

it('8 real ticks race for 200 tickets under a cap of 5: exactly the cap is won, nobody twice, again and again', async () => {
  const CAP = 5;
  const { box } = rig;
  rig.configure({
    limits: LIMITS.replace('max_agents = 8', `max_agents = ${CAP}`),
    project: HOLDING_HOOK,
  });
  await box.here(['init']);
  const addMany = (count: number, priority: number) =>
    box.sql(
      `INSERT INTO tickets (title, body, project, agent, trusted, priority)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
       SELECT 'race', 'behave: hold', 'demo', 'scripted', 1, ? FROM n`,
      count,
      priority,
    );
  addMany(200, 2);
  const eight = () => Array.from({ length: 8 }, () => box.begin(['dispatch', '--json']));
  const outcomes = async (ran: readonly Promise<Ran>[]) =>
    (await Promise.all(ran)).map(({ out }) => JSON.parse(out) as Report);
  const exactlyTheCap = async () => {
    const live = box.sql<{ ticket_id: string; id: string }>(
      'SELECT ticket_id, id FROM runtime_sessions WHERE ended_at_ms IS NULL',
    );
    expect(live).toHaveLength(CAP);
    expect(new Set(live.map(({ ticket_id }) => ticket_id)).size).toBe(CAP);
    expect(box.sql("SELECT id FROM tickets WHERE status = 'in_progress'")).toHaveLength(CAP);
    for (const { ticket_id } of live) {
      await rig.working(ticket_id);
      expect(rig.started(ticket_id)).toBe(1);
      expect(rig.agents(ticket_id)).toHaveLength(1);
    }
    const panes = box.tmux('list-panes', '-a', '-F', '#{pane_dead} #{@mc_run}').out.trim().split('\n');
    const living = panes.filter((line) => line.startsWith('0 ')).map((line) => line.slice(2));
    expect(living.sort()).toEqual(live.map(({ id }) => id).sort());
    return live;
  };

  // The first tick that comes in stands inside until the seven others are through: they overlap for certain.
  box.signal('MC-1.held');
  let through = 0;
  const ticks = eight();
  for (const { done } of ticks) void done.then(() => through++);
  expect(await until(() => through === 7 && box.note('MC-1.inside') !== '')).toBe(true);
  rig.letGo('MC-1');
  const first = await outcomes(ticks.map(({ done }) => done));
  expect(first.filter(({ outcome }) => !['ok', 'overlap'].includes(outcome))).toEqual([]);
  expect(first.map(({ outcome }) => outcome).sort()).toEqual(['ok', ...Array(7).fill('overlap')]);
  expect(first.flatMap(({ dispatch }) => dispatch.map(({ result }) => result))).toEqual(
    Array(CAP).fill('launched'),
  );
  const [one] = await exactlyTheCap();

  // More urgent ones come in meanwhile, and no slot is free.
  addMany(20, 0);
  const second = await outcomes(eight().map(({ done }) => done));
  expect(second.flatMap(({ dispatch }) => dispatch)).toEqual([]);
  await exactlyTheCap();

  // One agent dies: one slot, and eight that want it.
  await rig.kill(rig.run(one?.ticket_id ?? '').pid);
  const third = await outcomes(eight().map(({ done }) => done));
  expect(third.flatMap(({ dispatch }) => dispatch.map(({ result }) => result))).toEqual(['launched']);
  await exactlyTheCap();
});

it('a tick that finds another inside exits 0 at once as an overlap, prints nothing and starts nothing', async () => {
  const { box } = rig;
  const held = rig.add('hold');
  const running = await rig.heldTick(held);
  const other = rig.add('hold');
  const ticks = () => box.sql('SELECT id FROM ticks').length;
  const before = ticks();
  const row = rig.ticket(other);

  expect(await box.here(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
  expect(await box.here(['reconcile'])).toEqual({ code: 0, out: '', err: '' });
  expect(await rig.tickHere()).toMatchObject({
    code: 0,
    outcome: 'overlap',
    reconcile: [],
    dispatch: [],
    skipped: [],
  });

  expect(rig.ticket(other)).toEqual(row);
  expect(rig.runs(other)).toEqual([]);
  expect(rig.started(held)).toBe(0); // the first is inside still: nobody waited for it
  expect(ticks()).toBe(before);
  rig.letGo(held);
  expect(await rig.report(running)).toMatchObject({ code: 0, outcome: 'ok', dispatch: [{ ticket: held }] });
  expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: other, result: 'launched' }]);
  expect(rig.started(held)).toBe(1);
});

it.each([
  ['a shell', ['/bin/sh']],
  ['a program that sleeps', ['/bin/sleep', '1000']],
])(
  'a ghost pane, in which %s lives on, is adopted by none of three ticks: its ticket goes the retry table',
  async (_name, argv) => {
    const { box } = rig;
    const id = rig.add('hold');
    await rig.tickHere();
    await rig.working(id);
    const dead = rig.run(id);
    await rig.kill(dead.pid);
    expect(box.tmux('respawn-pane', '-t', dead.tmux_pane, ...argv).code).toBe(0);
    const ghost = () =>
      box.tmux('display-message', '-p', '-t', dead.tmux_pane, '#{pane_pid} #{pane_dead}').out;
    const [pid] = ghost().split(' ').map(Number);
    expect(ghost().trim()).toBe(`${pid} 0`);
    expect(pid).not.toBe(dead.pid);

    const kinds: string[] = [];
    for (let n = 1; n <= 3; n++) {
      const { reconcile, dispatch } = await rig.tickHere();
      kinds.push(...[...reconcile, ...dispatch].map(({ kind, result }) => `${kind}:${result}`));
      expect(rig.ticket(id).worker_pid).not.toBe(pid);
      expect(rig.live(id)?.pid ?? null).not.toBe(pid);
      expect(rig.agents(id).length).toBeLessThanOrEqual(1);
      if (n === 1) {
        expect(reconcile).toMatchObject([
          { kind: 'retry', ticket: id, because: 'agent_dead', after: 'todo' },
        ]);
        expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 1 });
        expect(rig.runs(id)).toMatchObject([{ phase: 'ended', end_reason: 'agent_dead' }]);
      }
      await rig.due(id);
    }
    expect(kinds.join(' ')).not.toContain('adopt');
    expect(kinds).toContain('launch:launched');
    expect(rig.started(id)).toBe(2);
    expect(rig.agents(id)).toEqual([rig.run(id).pid]);
    expect(ghost().trim()).toBe(`${pid} 0`); // nothing was done to it either
  },
);

it('no pass touches a chat row of this very host: alive, dead, launching or with a dead pane', async () => {
  const { box } = rig;
  const id = rig.add('hold');
  await rig.tickHere();
  await rig.working(id);
  const alive = rig.run(id);
  const insert = (name: string, phase: string, pid: string, start: string) =>
    box.sql(
      `INSERT INTO runtime_sessions (id, mark, ticket_id, phase, host_id, boot_id, pid_ns, time_ns, pid, pid_start, agent,
         project, tmux_server_pid, tmux_pane, silent_ms, launching_ms)
       SELECT ?, ?, NULL, ?, host_id, boot_id, pid_ns, time_ns, ${pid}, ${start}, agent, project, tmux_server_pid, NULL,
         999999999, 999999999 FROM runtime_sessions WHERE id = ?`,
      name,
      name,
      phase,
      alive.id,
    );
  insert('chat-alive', 'running', String(process.pid), `'${startOf(process.pid)}'`);
  insert('chat-dead', 'running', '4194303', "'1'");
  insert('chat-reused', 'parked', 'pid', "'1'");
  insert('chat-launching', 'launching', 'NULL', 'NULL');
  box.tmux('new-session', '-d', '-s', 'chat', '/bin/sh', '-c', 'exit 3');
  box.tmux('set-option', '-p', '-t', '=chat:', '@mc_run', 'chat-dead');
  const pane = () => box.tmux('list-panes', '-t', '=chat:', '-F', '#{pane_dead} #{@mc_run}').out.trim();
  expect(await until(() => pane() === '1 chat-dead')).toBe(true);
  const chats = () => box.sql("SELECT * FROM runtime_sessions WHERE id LIKE 'chat-%' ORDER BY id");
  const before = chats();
  expect(before).toHaveLength(4);

  for (const words of [['reconcile'], ['dispatch'], ['dispatch', '--dry-run'], ['reconcile'], ['dispatch']]) {
    const { reconcile, skipped } = await rig.tickHere(words[0], ...words.slice(1));
    expect(reconcile).toEqual([]);
    expect(skipped).toEqual([]);
  }
  expect(chats()).toEqual(before);
  expect(pane()).toBe('1 chat-dead');
  expect(rig.run(id)).toMatchObject({ phase: 'running', pid: alive.pid });
});

it("a file that names another's process as the agent of a ticket makes nothing of it: it is not adopted, and the ticket is launched", async () => {
  const { box } = rig;
  const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const [busy = ''] = await rig.held(1);
  const id = rig.add('hold');
  const { host_id } = rig.run(busy);
  const { boot_id, pid_ns, time_ns } = lookAtSelf('');
  const noted = (pid: number) =>
    writeFileSync(
      join(box.state, 'marks', `${id}.json`),
      JSON.stringify({
        ...{ ticket: id, run: `${id}-e1-0badf00d`, host_id, boot_id, pid_ns, time_ns, pid },
        pid_start: startOf(pid),
      }),
    );
  try {
    for (const pid of [stranger.pid ?? 0, rig.run(busy).pid]) {
      noted(pid);
      const { reconcile, dispatch } = await rig.tickHere();
      expect([...reconcile, ...dispatch].map(({ kind }) => kind)).not.toContain('adopt');
    }
    await rig.holding(id);
    expect([rig.started(id), rig.started(busy)]).toEqual([1, 1]);
    expect((await box.here(['stop', id])).code).toBe(0);
    expect(stranger.exitCode).toBeNull();
  } finally {
    stranger.kill();
  }
});
