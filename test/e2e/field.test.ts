/**
 * Field regressions: faults that tools of this kind were seen to have, each done to this one. The names say what went
 * wrong elsewhere.
 */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HOLDING_HOOK, Rig, state } from '../support/rig.ts';
import { AGENT, BIN, git, LIMITS, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

it.each([
  ["can't find session: MC-1", 1],
  ['no server running on /tmp/tmux.sock', 1],
  ['error connecting to tmux.sock (Permission denied)', 1],
  ['error connecting to tmux.sock (Resource temporarily unavailable)', 1],
  ['server exited unexpectedly', 1],
  ['lost server', 1],
  ['open terminal failed: not a terminal', 1],
  ['', 127],
  ['', 0],
])(
  'any tmux error read as "session missing": 9 live agents killed in one night (%j, exit %i)',
  async (words, code) => {
    const ids = await rig.held(3);
    const fake = join(rig.box.dir, 'fake');
    mkdirSync(fake);
    writeFileSync(
      join(fake, 'tmux'),
      `#!/bin/sh\necho '${words.replaceAll("'", `'\\''`)}' >&2\nexit ${code}\n`,
    );
    chmodSync(join(fake, 'tmux'), 0o755);
    const before = rig.box.sql('SELECT id, status, version FROM tickets');
    for (let n = 0; n < 2; n++) {
      await rig.box.here(['dispatch'], '', { PATH: `${fake}:${rig.box.env.PATH}` });
      expect(rig.box.sql('SELECT id, status, version FROM tickets')).toEqual(before);
    }
    for (const id of ids) expect([rig.agents(id), rig.started(id)]).toEqual([[rig.run(id).pid], 1]);
    expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
  },
);

it('healthy agents restarted every 3 minutes, because the name of the process is a version string', async () => {
  // As a client that calls itself by its version: the kernel then shows "2.1.330" as the name.
  const renaming = join(rig.box.dir, 'client');
  writeFileSync(renaming, `#!/bin/sh\nprintf 2.1.330 >/proc/$$/comm\n. ${JSON.stringify(AGENT)}\n`);
  chmodSync(renaming, 0o755);
  rig.configure({
    limits: `${LIMITS}`,
    more: `[agent.versioned]\nkind = "command"\nargv = [${JSON.stringify(renaming)}]`,
  });
  const id = rig.add('hold', '--agent', 'versioned');
  await rig.tickHere();
  await rig.holding(id);
  const { pid } = rig.run(id);
  expect(readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).toBe('2.1.330');
  for (let n = 0; n < 5; n++) expect(await rig.tickHere()).toMatchObject({ reconcile: [], dispatch: [] });
  expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
});

it('two misses within a second: an agent whose pane is not found twice in a row is declared dead', async () => {
  const [id = ''] = await rig.held(1);
  const { pid, tmux_pane, mark } = rig.run(id);
  for (const name of ['@mc_run', '@mc_ticket'])
    expect(rig.box.tmux('set-option', '-p', '-u', '-t', tmux_pane, name).code).toBe(0);
  for (let n = 0; n < 4; n++)
    expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
  expect(rig.run(id)).toMatchObject({ pid, mark, ended_at_ms: null });
  expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
});

/** None of a process that has ended meanwhile. */
function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

it('a lock descriptor inherited by the tmux server: no tick ever runs again', async () => {
  await rig.held(1);
  const held_ = (pid: number): string[] =>
    descriptors(pid).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    });
  for (const pid of rig.box.processes())
    expect(
      held_(pid).filter((path) => /lock|board\.sqlite/.test(path)),
      `process ${pid}`,
    ).toEqual([]);
  expect(held_(rig.tmuxPid()).filter((path) => /lock|board\.sqlite/.test(path))).toEqual([]);

  // Nor is it kept by what a killed tick leaves running.
  rig.configure({ project: HOLDING_HOOK });
  const id = rig.add('hold');
  const running = await rig.heldTick(id);
  running.kill();
  await running.done;
  expect((await rig.tickHere()).outcome).toBe('ok');
  rig.letGo(id);
});

it("the scheduler's process group is killed, and the tmux server with it", async () => {
  const id = rig.add('hold');
  const slow = rig.add('hold');
  rig.configure({ project: HOLDING_HOOK });
  rig.box.signal(`${slow}.held`);
  // As a scheduler starts it: a group of its own, which is killed as a whole.
  const tick = spawn(process.execPath, [BIN, 'dispatch'], {
    env: rig.box.env,
    stdio: 'ignore',
    detached: true,
  });
  await rig.holding(id);
  process.kill(-(tick.pid ?? 0), 'SIGKILL');
  await new Promise((end) =>
    tick.exitCode === null && tick.signalCode === null ? tick.once('exit', end) : end(null),
  );
  rig.letGo(slow);
  const { pid } = rig.run(id);
  expect(state(rig.tmuxPid())).not.toBeNull();
  expect(await rig.tickHere()).toMatchObject({ code: 0 });
  expect([rig.agents(id), rig.started(id)]).toEqual([[pid], 1]);
});

it.each(['done', 'cancelled', 'todo'])(
  'cleanup deletes unmerged work: the ticket is moved to %s',
  async (to) => {
    const [id = ''] = await rig.held(1);
    const { worktree, pid } = rig.run(id);
    writeFileSync(join(worktree, 'committed.txt'), 'committed, not merged\n');
    git(rig.box, '-C', worktree, 'add', '-A');
    git(rig.box, '-C', worktree, 'commit', '-qm', 'not merged');
    writeFileSync(join(worktree, 'dirty.txt'), 'never committed\n');
    await rig.kill(pid);
    await rig.tickHere();
    expect((await rig.box.here(['ticket', 'move', id, to, '--why', 'test'])).code).toBe(0);
    for (let n = 0; n < 3; n++) await rig.tickHere();
    expect(readFileSync(join(worktree, 'dirty.txt'), 'utf8')).toBe('never committed\n');
    expect(git(rig.box, 'log', '--all', '--format=%s')).toContain('not merged');
  },
);

it('`claimed` with no pid is invisible for hours: it is shown, and given back after the deadline', async () => {
  rig.configure({ project: HOLDING_HOOK });
  const id = rig.add('hold');
  const running = await rig.heldTick(id);
  running.kill();
  await running.done;
  rig.letGo(id);
  expect(rig.run(id)).toMatchObject({ phase: 'launching', pid: null });
  expect((await rig.box.here(['status'])).out).toMatch(new RegExp(`${id}\\b.*launch`));
  await rig.ticksUntilStarted(id, 1);
  expect(rig.agents(id)).toHaveLength(1);
});

it('37 agents are resumed at once after a pause: they come by one, two, four', async () => {
  rig.configure({
    limits: LIMITS.replace('max_agents = 8', 'max_agents = 50').replace('per_tick = 8', 'per_tick = 50'),
  });
  await rig.box.here(['init']);
  await rig.box.here(['killswitch', 'on', '--reason', 'pause']);
  for (let n = 0; n < 37; n++) rig.add('review');
  await rig.box.here(['dispatch']);
  await rig.box.here(['killswitch', 'off']);
  const launched = async () =>
    (await rig.tickHere()).dispatch.filter(({ result }) => result === 'launched').length;
  expect([await launched(), await launched(), await launched()]).toEqual([1, 2, 4]);
});

it('a resend storm to a busy session: each is refused, and nothing of it ever arrives', async () => {
  const [id = ''] = await rig.held(1);
  const { tmux_pane } = rig.run(id);
  const sent = await Promise.all(
    Array.from({ length: 12 }, (_, n) => rig.box.start(['send', id, `storm ${n % 3}`])),
  );
  for (const { code } of sent) expect(code).toBe(75);
  expect(sent.some(({ err }) => err.includes('RuntimeBusyError'))).toBe(true);
  expect(rig.box.tmux('capture-pane', '-p', '-S', '-', '-t', tmux_pane).out).not.toContain('storm');
  rig.box.signal(`${id}.go`);
  await rig.settle(id, 'in_review');
  expect(rig.box.note(`${id}.answers`)).toBe('');
  // Noted by the agent once its report command has come back.
  expect(await until(() => existsSync(join(rig.box.state, 'notes', `${id}.reports`)))).toBe(true);
});
