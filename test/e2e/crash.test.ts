/** Real SIGKILL of the tick, of the launcher and of its registration, at each point of the launch protocol. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOLDING_HOOK, Rig } from '../support/rig.ts';
import { BIN, BOUND_MS, LIMITS, SHORT_DEADLINE, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ project: HOLDING_HOOK, limits: `${LIMITS}${SHORT_DEADLINE}` });
});
afterEach(async () => {
  await rig.box.destroy();
});

/** Ticks until the ticket's present claim is given back; at no time does it have more than one agent. */
async function ticksUntil(id: string, done: () => boolean): Promise<string[]> {
  const said: string[] = [];
  const reached = await until(() => {
    const { reconcile, dispatch } = rig.tick();
    for (const step of [...reconcile, ...dispatch]) {
      if (step.ticket === id) said.push(`${step.kind} ${step.because} ${step.result}`);
    }
    expect(rig.agents(id).length).toBeLessThanOrEqual(1);
    expect(rig.runs(id).filter(({ ended_at_ms }) => ended_at_ms === null).length).toBeLessThanOrEqual(1);
    return done();
  });
  expect(reached, said.join(', ')).toBe(true);
  return said;
}

async function finishes(id: string): Promise<void> {
  await rig.holding(id);
  expect(rig.agents(id)).toHaveLength(1);
  rig.box.signal(`${id}.go`);
  await rig.settle(id, 'in_review');
  await rig.gone(rig.run(id).pid);
  const { reconcile, dispatch } = rig.tick();
  expect(reconcile.filter(({ kind }) => kind !== 'close_pane')).toMatchObject([{ kind: 'end', ticket: id }]);
  expect(dispatch).toEqual([]);
  expect(rig.ticket(id).status).toBe('in_review');
}

describe('a tick that is killed', () => {
  it('while its hook runs: its claim ends at once, and beside that hook nothing is claimed, launched or charged', async () => {
    const id = rig.add('hold');
    const running = await rig.heldTick(id);
    const claim = rig.run(id);
    running.kill();
    await running.done;
    const dry = rig.tick('dispatch', '--dry-run');
    const next = rig.tick();
    expect(next).toMatchObject({
      code: 0,
      reconcile: [{ kind: 'retry', ticket: id, because: 'tick_died', after: 'todo', result: 'done' }],
      dispatch: [],
      skipped: [{ ticket: id, because: 'still_being_made' }],
    });
    expect(next.skipped[0]?.evidence).toMatchObject({ what: expect.stringContaining('still runs') });
    expect(dry).toMatchObject({
      reconcile: [{ kind: 'retry', because: 'tick_died', result: 'planned' }],
      dispatch: [],
      skipped: next.skipped,
    });
    expect(rig.tick().skipped).toEqual(next.skipped);
    expect(rig.box.run(['explain', id]).out).toContain('still_being_made');
    expect(rig.runs(id)).toMatchObject([{ id: claim.id, phase: 'ended', end_reason: 'tick_died' }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
    expect(rig.box.note(`${id}.inside`).trim().split('\n')).toHaveLength(1);
    expect(rig.started(id)).toBe(0);

    rig.letGo(id);
    await ticksUntil(id, () => rig.live(id)?.phase === 'running');
    expect(rig.started(id)).toBe(1);
    await finishes(id);
  });

  it('between claim and launch: the next tick gives the claim back and launches; its own launcher, late, loses', async () => {
    const id = rig.add('hold');
    const running = await rig.heldTick(id);
    const claim = rig.run(id);
    expect(claim).toMatchObject({ phase: 'launching', pid: null });
    // What belongs to a dry run, or to any other command, is no tick: only the holder of the lock knows that this one is dead.
    expect(rig.tick('dispatch', '--dry-run').skipped).toMatchObject([{ ticket: id, because: 'launching' }]);
    expect(rig.box.run(['explain', id]).out).toContain('[launching]');
    running.kill();
    await running.done;
    rig.letGo(id);
    await rig.gone(Number(rig.box.note(`${id}.inside`)));
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', claim_epoch: 1 });

    expect(rig.tick()).toMatchObject({
      code: 0,
      outcome: 'ok',
      reconcile: [{ kind: 'retry', because: 'tick_died', after: 'todo', result: 'done' }],
      dispatch: [{ ticket: id, result: 'launched', evidence: { attempt: 1 } }],
    });
    expect(rig.runs(id)).toMatchObject([
      { id: claim.id, phase: 'ended', end_reason: 'tick_died' },
      { ended_at_ms: null },
    ]);

    // What that tick had staged is started now, as by a tmux that was slow: it registers too late.
    const late = spawnSync('/bin/sh', [join(rig.box.state, 'own', claim.id, 'launch')], {
      env: rig.box.env,
      timeout: BOUND_MS,
    });
    expect(late.status).toBe(75);
    await finishes(id);
    expect(rig.started(id)).toBe(1);
  });

  it('after registration: the next tick finds the agent alive, records it as running and sends nothing again', async () => {
    const id = rig.add('hold');
    const second = rig.add('hold');
    // The second launch stands still, so that the tick is inside while the first agent works.
    const running = await rig.heldTick(second);
    await rig.holding(id);
    const { pid, id: run } = rig.run(id);
    running.kill();
    await running.done;
    rig.letGo(second);
    expect(rig.run(id).phase).toBe('registered');
    expect(rig.box.sql('SELECT id FROM ticks')).toEqual([]);

    const next = rig.tick();
    expect(next.code).toBe(0);
    expect([...next.reconcile, ...next.dispatch].filter(({ ticket }) => ticket === id)).toEqual([]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid, attempts: 0 });
    expect(rig.run(id)).toMatchObject({ id: run, phase: 'running', pid });
    await ticksUntil(second, () => rig.live(second)?.phase === 'running');
    expect(rig.ticket(second).attempts).toBe(0);
    expect([rig.started(id), rig.started(second)]).toEqual([1, 1]);
    expect(rig.box.sql('SELECT run_id FROM deliveries WHERE ticket_id = ?', id)).toEqual([{ run_id: run }]);
    await finishes(id);
    await finishes(second);
  });
});

describe('a tick that is killed between launch and registration', () => {
  /** The program, but `register` stands still before (or after) its work, until the test lets it go. */
  function program(when: 'before' | 'after'): string {
    const file = join(rig.box.dir, 'slow-register.mjs');
    const notes = join(rig.box.state, 'notes');
    writeFileSync(
      file,
      `import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
const hold = async () => {
  mkdirSync(${JSON.stringify(notes)}, { recursive: true });
  writeFileSync(${JSON.stringify(join(notes, 'register'))}, process.pid + ' ' + process.ppid + ' ');
  while (!existsSync(${JSON.stringify(join(notes, 'register.on'))})) await pause(20);
};
const slow = process.argv.includes('register');
if (slow && ${when === 'before'}) await hold();
if (slow) process.exit = () => {}; // it leaves by the shortest way
await import(${JSON.stringify(BIN)});
if (slow && ${when === 'after'}) await hold();
`,
    );
    return file;
  }

  /** A tick killed while the launcher of its run stands in `register`, as one does that no tick answers. */
  async function killed(id: string, when: 'before' | 'after') {
    rig.launchersAlone();
    const running = rig.box.begin(['dispatch', '--json'], {}, program(when));
    const pids = () => rig.box.note('register').split(' ').slice(0, 2).map(Number);
    expect(await until(() => pids().length === 2 && pids().every((pid) => pid > 1))).toBe(true);
    // The program is only begun by its import: that it has registered is seen on the board.
    if (when === 'after') expect(await until(() => rig.run(id).phase === 'registered')).toBe(true);
    const run = rig.run(id);
    running.kill();
    await running.done;
    const [register = 0, launcher = 0] = pids();
    expect(rig.panes(id)).toEqual([expect.stringMatching(new RegExp(` ${launcher} 0$`))]);
    return { run, register, launcher };
  }

  it('(or not: one that lives registers its launchers, and none starts a program for that)', async () => {
    const id = rig.add('hold');
    const done = await rig.box.begin(['dispatch', '--json'], {}, program('before')).done;
    expect(JSON.parse(done.out).dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    await rig.holding(id);
    expect(rig.box.note('register')).toBe('');
    expect(rig.run(id)).toMatchObject({ phase: 'registered', pid: rig.agents(id)[0] });
  });

  it('and the launcher with it: its pane tells, a back-off but no attempt, then one agent', async () => {
    const id = rig.add('hold');
    const { run, register, launcher } = await killed(id, 'before');
    expect(run.phase).toBe('launching');
    await rig.kill(launcher);
    await rig.killLeft(register);
    const { reconcile } = rig.tick();
    expect(reconcile[0]).toMatchObject({
      kind: 'retry',
      ticket: id,
      because: 'launch_failed',
      after: 'todo',
    });
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, worker_pid: null });
    expect(rig.ticket(id).not_before_at_ms).not.toBeNull();
    expect(rig.started(id)).toBe(0);
    await ticksUntil(id, () => rig.live(id)?.phase === 'running');
    expect(rig.started(id)).toBe(1);
    await finishes(id);
  });

  it('while the launcher lives and registers in time: that agent is kept, and no other started', async () => {
    const id = rig.add('hold');
    const { run, launcher } = await killed(id, 'before');
    expect(rig.tick().skipped).toMatchObject([{ ticket: id, because: 'launching' }]);
    rig.box.signal('register.on');
    await rig.holding(id);
    expect(rig.tick()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: launcher, attempts: 0 });
    expect(rig.run(id)).toMatchObject({ id: run.id, phase: 'running', pid: launcher });
    expect(rig.started(id)).toBe(1);
    await finishes(id);
  });

  it('while the launcher lives on past the deadline: it loses its registration, no agent of it ever runs', async () => {
    const id = rig.add('hold');
    const { run, launcher } = await killed(id, 'before');
    const said = await ticksUntil(id, () => rig.runs(id)[0]?.ended_at_ms !== null);
    expect(said).toEqual(['retry launch_deadline done']);
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0 });
    expect(rig.ticket(id).not_before_at_ms).not.toBeNull();
    rig.box.signal('register.on');
    await rig.gone(launcher);
    expect(rig.started(id)).toBe(0);
    await ticksUntil(id, () => rig.live(id)?.phase === 'running');
    expect(rig.started(id)).toBe(1);
    expect(rig.run(id).id).not.toBe(run.id);
    await finishes(id);
  });

  it('registered, and killed before it became the agent: dead, the retry table, then one agent', async () => {
    const id = rig.add('hold');
    const { register, launcher } = await killed(id, 'after');
    expect(rig.run(id)).toMatchObject({ phase: 'registered', pid: launcher });
    await rig.kill(launcher);
    await rig.killLeft(register);
    const { reconcile } = rig.tick();
    expect(reconcile[0]).toMatchObject({ kind: 'retry', ticket: id, because: 'agent_killed', after: 'todo' });
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 1, worker_pid: null });
    await ticksUntil(id, () => rig.live(id)?.phase === 'running');
    expect(rig.started(id)).toBe(1);
    await finishes(id);
  });
});
