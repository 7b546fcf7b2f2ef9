/** Who is the agent of a run: the process that tmux has started for it, as long as any thread of it lives, and no other. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAIL_BIN } from '../crash/cell.ts';
import { Rig, state } from '../support/rig.ts';
import { BIN, until } from '../support/sandbox.ts';

const THREAD = resolve(import.meta.dirname, '../support/thread.py');
const python = spawnSync('python3', ['-c', 'import ctypes, sys; print(sys.executable)'], {
  encoding: 'utf8',
});

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

const row = (id: string): unknown => rig.box.sql('SELECT * FROM runtime_sessions WHERE ticket_id = ?', id);

describe.skipIf(process.platform !== 'linux')('who is the agent', () => {
  it.skipIf(python.status !== 0)(
    'an agent whose leader has ended while another thread works is alive: nothing beside it, and stop ends it whole',
    async () => {
      const file = join(rig.box.dir, 'work');
      const argv = JSON.stringify([python.stdout.trim(), THREAD, file]);
      rig.configure({ more: `[agent.threads]\nkind = "command"\nargv = ${argv}\n` });
      const id = rig.add('work', '--agent', 'threads');
      expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
      const { pid, id: run } = rig.run(id);
      expect(await until(() => state(pid) === 'Z')).toBe(true);
      const work = () => readFileSync(file).length;
      for (let n = 0; n < 3; n++) {
        const before = work();
        expect(await until(() => work() > before)).toBe(true);
        expect(rig.tick()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
      }
      expect(rig.run(id)).toMatchObject({ id: run, phase: 'running', pid });
      expect(rig.box.run(['stop', id])).toMatchObject({ code: 0, err: '' });
      const after = work();
      expect([null, 'Z']).toContain(state(pid));
      expect(rig.box.processes()).toEqual([]);
      expect(work()).toBe(after);
    },
  );

  it('no process but the launcher that tmux has started for a run is registered as it, whoever asks', async () => {
    const agent = rig.add('hold');
    rig.tick();
    await rig.holding(agent);
    const { id: own, pid, tmux_pane } = rig.run(agent);
    // A tick that is killed when all is staged and nothing has been started.
    const other = rig.add('hold');
    const hit = `launch-pane-before:kill:${join(rig.box.dir, 'hit')}`;
    await rig.box.begin(['dispatch'], { MC_PICKUP_FAILPOINT: hit }, FAIL_BIN).done;
    const { id: run } = rig.run(other);
    const before = [row(agent), row(other), rig.ticket(other), rig.box.sql('SELECT * FROM activity')];

    const launcher = join(rig.box.state, 'own', run, 'launch');
    const env = { ...rig.box.env, MC_RUN_ID: own, MC_TICKET_ID: agent, TMUX_PANE: tmux_pane };
    const said = (words: string) => spawnSync('/bin/sh', ['-c', words], { env, encoding: 'utf8' });
    const program = `'${process.execPath}' '${BIN}'`;
    const refused = { status: 75, stderr: expect.stringContaining('not the launcher that tmux has started') };
    const another = { status: 77, stderr: expect.stringContaining('for another run') };
    expect(said(`${program} register ${run} $$; exit $?`)).toMatchObject(another);
    expect(said(`${program} register ${run} ${pid}; exit $?`)).toMatchObject(another);
    // The same by who says that he is no agent.
    const alone = (words: string) =>
      spawnSync('/bin/sh', ['-c', words], { env: rig.box.env, encoding: 'utf8' });
    expect(alone(`${program} register ${run} $$; exit $?`)).toMatchObject(refused);
    expect(alone(`${program} register ${run} ${pid}; exit $?`)).toMatchObject(refused);
    // Its own launcher, started by somebody else; in a pane that tmux was asked for by somebody else.
    expect(said(`'${launcher}' clean`)).toMatchObject({ status: 75 });
    const pane = (...words: string[]): void => {
      const made = rig.box.tmux(...words, '-d', '-P', '-F', '#{pane_id}', '--', '/bin/sh', launcher, 'clean');
      expect(made).toMatchObject({ code: 0, err: '' });
    };
    pane('new-session', '-s', 'mine');
    pane('split-window', '-t', tmux_pane);
    // The marks of a pane are anybody's to set.
    expect(rig.box.tmux('set-option', '-p', '-t', '=mine:', '@mc_run', run).code).toBe(0);
    // tmux may have missed that a program has ended: it looks again when a child of its own ends.
    const dead = () => {
      rig.box.tmux('run-shell', 'true');
      return rig.box.tmux('list-panes', '-aF', '#{pane_dead} #{pane_dead_status}').out.trim().split('\n');
    };
    const refusedTwice = () => dead().filter((line) => line === '1 75').length === 2;
    expect(await until(refusedTwice), dead().join()).toBe(true);
    expect(said(`'${process.execPath}' '${BIN}' register ${own} $$; exit $?`)).toMatchObject(refused);
    expect([row(agent), row(other), rig.ticket(other), rig.box.sql('SELECT * FROM activity')]).toEqual(
      before,
    );
    expect(rig.started(other)).toBe(0);

    await rig.ticksUntilStarted(other, 1);
    expect(rig.agents(agent)).toEqual([pid]);
  });

  it('a launcher that registers by itself is the one that tmux has started', async () => {
    rig.launchersAlone();
    const id = rig.add('hold');
    expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    await rig.holding(id);
    const { pid, tmux_pane } = rig.run(id);
    expect(rig.panes(id)).toEqual([`${tmux_pane} ${pid} 0`]);
    expect(rig.box.sql('SELECT tmux_server_pid, time_ns FROM runtime_sessions')).toMatchObject([
      { tmux_server_pid: rig.tmuxPid(), time_ns: expect.stringMatching(/^time:/) },
    ]);
  });

  it('a tick in another time namespace frees nothing, and starts nothing beside', async ({ skip }) => {
    const words = ['--time', '--boottime', '1000', '--fork'];
    if (spawnSync('unshare', [...words, 'true']).status !== 0) skip('no time namespace here');
    const id = rig.add('hold');
    rig.tick();
    await rig.holding(id);
    const before = row(id);
    const args = [...words, process.execPath, BIN, 'dispatch', '--json'];
    const done = spawnSync('unshare', args, { env: rig.box.env, encoding: 'utf8' });
    expect(JSON.parse(done.stdout)).toMatchObject({
      ...{ outcome: 'ok', reconcile: [], dispatch: [] },
      skipped: [{ ticket: id, because: 'verdict_unknown', evidence: { because: 'other_time_namespace' } }],
    });
    expect(row(id)).toEqual(before);
    expect(
      spawnSync('unshare', [...words, process.execPath, BIN, 'stop', id], { env: rig.box.env }).status,
    ).toBe(69);
    expect(rig.tick()).toMatchObject({ code: 0, reconcile: [], skipped: [] });
    expect(rig.agents(id)).toHaveLength(1);
  });
});
