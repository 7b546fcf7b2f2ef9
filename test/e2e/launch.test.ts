import { execFileSync } from 'node:child_process';
/** What happens between the claim and the agent: a busy runtime that appears, hooks, the switch, workspaces. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putTicket } from '../support/put.ts';
import { HOLDING_HOOK, Rig, type RunRow } from '../support/rig.ts';
import { git, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig({ project: HOLDING_HOOK });
});
afterEach(async () => {
  await rig.box.destroy();
});

/** What was handed over to the runs of a ticket. */
function deliveries(id: string): Record<string, unknown>[] {
  return rig.box.sql('SELECT run_id, outcome FROM deliveries WHERE ticket_id = ?', id);
}

describe('a busy runtime that appears between the look and the launch (409)', () => {
  /** A registered, living agent that the board has lost, out of sight; and a tick inside the launch of its ticket. */
  async function lost(id: string) {
    rig.tick();
    await rig.holding(id);
    const agent = rig.run(id);
    const reveal = rig.hide(id);
    rig.lose(id);
    return { agent, reveal };
  }

  it('is adopted by its mark alone: its tmux server is gone, and it lives on', async () => {
    const id = rig.add('hold');
    const { agent, reveal } = await lost(id);
    const running = await rig.heldTick(id);
    reveal();
    // As after the death of a server whose hang-up it ignores: no pane of ours shows it any more.
    for (const name of ['@mc_run', '@mc_ticket'])
      expect(rig.box.tmux('set-option', '-p', '-u', '-t', agent.tmux_pane, name).code).toBe(0);
    rig.letGo(id);
    expect((await rig.report(running)).dispatch).toMatchObject([{ ticket: id, result: 'adopted' }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: agent.pid, attempts: 0 });
    expect(rig.run(id)).toMatchObject({ pid: agent.pid, pid_start: agent.pid_start, tmux_pane: null });
    expect(rig.started(id)).toBe(1);
  });

  it('is adopted: the ticket stays in_progress, its pid is recorded, nothing is sent twice, one agent', async () => {
    const id = rig.add('hold');
    const { agent, reveal } = await lost(id);
    const running = await rig.heldTick(id);
    const claim = rig.run(id);
    expect(claim).toMatchObject({ phase: 'launching', pid: null });
    reveal();
    rmSync(join(rig.box.state, 'marks', `${id}.json`)); // adoption leaves a new one
    rig.letGo(id);
    const report = await rig.report(running);
    expect(report).toMatchObject({
      code: 0,
      dispatch: [{ kind: 'launch', ticket: id, result: 'adopted', after: 'in_progress' }],
    });
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: agent.pid, attempts: 0 });
    expect(rig.run(id)).toMatchObject({
      phase: 'running',
      mark: agent.mark,
      pid: agent.pid,
      pid_start: agent.pid_start,
      tmux_pane: agent.tmux_pane,
    });
    expect(rig.runs(id)).toContainEqual(expect.objectContaining({ id: claim.id, end_reason: 'gave_way' }));
    expect(deliveries(id)).toEqual([{ run_id: agent.id, outcome: 'started' }]);
    expect(rig.panes(id)).toEqual([`${agent.tmux_pane} ${agent.pid} 0`]);
    const marks = JSON.parse(readFileSync(join(rig.box.state, 'marks', `${id}.json`), 'utf8'));
    expect(marks).toMatchObject({ run: agent.mark, pid: agent.pid, pid_start: agent.pid_start });

    expect(rig.tick()).toMatchObject({ reconcile: [], dispatch: [] });
    expect(rig.started(id)).toBe(1);
    expect(rig.agents(id)).toEqual([agent.pid]);
    rig.box.signal(`${id}.go`);
    await rig.settle(id, 'in_review');
  });

  it('is declined when its process is dead: a new agent is launched, and no other pid recorded', async () => {
    const id = rig.add('hold');
    const { agent, reveal } = await lost(id);
    const running = await rig.heldTick(id);
    await rig.kill(agent.pid);
    reveal();
    rig.letGo(id);
    expect(await rig.report(running)).toMatchObject({ dispatch: [{ ticket: id, result: 'launched' }] });
    await rig.working(id, 2);
    const now = rig.run(id);
    expect(now.pid).not.toBe(agent.pid);
    expect(rig.ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: now.pid });
    expect(rig.agents(id)).toEqual([now.pid]);
  });

  it('is declined when the agent is dead and a shell lives in its pane', async () => {
    const id = rig.add('hold');
    const { agent, reveal } = await lost(id);
    const running = await rig.heldTick(id);
    await rig.kill(agent.pid);
    rig.box.tmux('respawn-pane', '-t', agent.tmux_pane, '/bin/sleep', '1000');
    reveal();
    rig.letGo(id);
    const report = await rig.report(running);
    const [pane = ''] = rig.panes(id).filter((line) => line.startsWith(`${agent.tmux_pane} `));
    const ghost = Number(pane.split(' ')[1]);
    expect(ghost).toBeGreaterThan(1);
    expect(report.dispatch.map(({ result }) => result)).not.toContain('adopted');
    expect(rig.ticket(id).worker_pid).not.toBe(ghost);
    expect(rig.runs(id).map(({ pid }) => pid)).not.toContain(ghost);
    expect(rig.agents(id).length).toBeLessThanOrEqual(1);
  });

  it('is left alone when it was claimed under another owner: nothing is launched, nothing of its own is changed', async () => {
    const id = rig.add('hold');
    rig.box.sql("UPDATE tickets SET owner = 'scripted' WHERE id = ?", id);
    const { agent, reveal } = await lost(id);
    rig.box.sql('UPDATE tickets SET owner = NULL WHERE id = ?', id);
    const running = await rig.heldTick(id);
    reveal();
    rig.letGo(id);
    const report = await rig.report(running);
    expect(report.dispatch).toMatchObject([{ ticket: id, result: 'declined' }]);
    expect(rig.ticket(id)).toMatchObject({ owner: null, worker_pid: null });
    for (let n = 0; n < 3; n++) {
      const { reconcile, dispatch } = rig.tick();
      expect([...reconcile, ...dispatch].map(({ kind }) => kind)).not.toContain('adopt');
      await rig.due(id);
    }
    expect(rig.started(id)).toBe(1);
    expect(rig.agents(id)).toEqual([agent.pid]);
    expect(rig.panes(id)).toEqual([`${agent.tmux_pane} ${agent.pid} 0`]);
    expect(deliveries(id)).toEqual([{ run_id: agent.id, outcome: 'started' }]);
  });

  it('of another ticket in our worktree: our claim is released with a back-off, theirs is untouched', async () => {
    const other = rig.add('wander');
    rig.tick();
    await rig.working(other);
    rig.tick('reconcile');
    const id = rig.add('hold');
    const running = await rig.heldTick(id);
    const ours = join(rig.box.state, 'worktrees', 'demo', id);
    // It goes to work in our worktree, and its run says so.
    const notes = join(rig.box.state, 'notes');
    rig.box.sql('UPDATE runtime_sessions SET worktree = ? WHERE ticket_id = ?', ours, other);
    const file = join(rig.box.state, 'own', rig.run(other).mark, 'run.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), worktree: ours }));
    writeFileSync(join(notes, `${other}.where`), ours);
    rig.box.signal(`${other}.wander`);
    expect(await until(() => existsSync(join(notes, `${other}.wandered`)))).toBe(true);
    const theirs: RunRow = rig.run(other);
    const ticket = rig.ticket(other);
    const before = Date.now();
    rig.letGo(id);
    const report = await rig.report(running);
    expect(report.dispatch).toMatchObject([{ ticket: id, result: 'released', after: 'todo' }]);
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, worker_pid: null });
    expect(rig.ticket(id).not_before_at_ms).toBeGreaterThan(before);
    expect(rig.runs(id)).toMatchObject([{ phase: 'ended', end_reason: 'runtime_busy' }]);
    expect(rig.started(id)).toBe(0);
    expect(rig.ticket(other)).toEqual(ticket);
    expect(rig.run(other)).toMatchObject({ id: theirs.id, phase: theirs.phase, pid: theirs.pid });
    expect(rig.agents(other)).toEqual([theirs.pid]);
  });
});

describe('the killswitch is read again right before each launch', () => {
  it.each([['*'], ['agent:scripted']])(
    'switched on (%s) while the worktree is made, it takes the claim back: no agent, no attempt, no back-off',
    async (scope) => {
      const id = rig.add('hold');
      const running = await rig.heldTick(id);
      expect(rig.ticket(id).status).toBe('in_progress');
      expect(rig.box.run(['killswitch', 'on', '--scope', scope, '--reason', 'stop now']).code).toBe(0);
      rig.letGo(id);
      expect(await rig.report(running)).toMatchObject({
        code: 0,
        dispatch: [{ ticket: id, result: 'halted', after: 'todo' }],
      });
      expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, not_before_at_ms: null });
      expect(rig.runs(id)).toMatchObject([{ phase: 'ended', end_reason: 'killswitch' }]);
      expect(rig.box.tmux('list-panes', '-a').out).toBe('');
      expect(deliveries(id)).toEqual([]);
      rig.box.run(['killswitch', 'off']);
      expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    },
  );
});

describe('hooks', () => {
  const sh = (name: string, script: string) =>
    `${name} = { argv = ["/bin/sh", "-c", ${JSON.stringify(script)}], timeout_seconds = 20 }\n`;

  it('after_create that fails is fatal: exit 3, the claim released with the error, its output kept, no agent', async () => {
    const script =
      'echo "the mirror is down"; echo $MC_RUN_ID >>$MC_PICKUP_STATE_DIR/created; exit $(cat $MC_PICKUP_STATE_DIR/exit)';
    rig.configure({ project: sh('after_create', script) });
    const id = rig.add('review');
    writeFileSync(join(rig.box.state, 'exit'), '9');
    expect(rig.tick()).toMatchObject({
      code: 3,
      outcome: 'partial',
      dispatch: [
        {
          ticket: id,
          result: 'failed',
          after: 'todo',
          error: expect.stringMatching(/after_create.*exit code 9/),
        },
      ],
    });
    const [run] = rig.runs(id);
    expect(run).toMatchObject({ phase: 'ended', end_reason: 'launch_failed' });
    expect(rig.ticket(id)).toMatchObject({
      status: 'todo',
      attempts: 0,
      reason: 'launch_failed',
      worker_pid: null,
    });
    expect(rig.ticket(id).reason_text).toMatch(/after_create.*exit code 9/);
    expect(rig.ticket(id).not_before_at_ms).not.toBeNull();
    expect(rig.runFile(run?.id ?? '', 'after_create.log')).toBe('the mirror is down\n');
    expect(rig.started(id)).toBe(0);

    // It never ran to its end, so the next attempt runs it again; from then on it is through.
    writeFileSync(join(rig.box.state, 'exit'), '0');
    await rig.due(id);
    expect(rig.tick()).toMatchObject({ code: 0, dispatch: [{ ticket: id, result: 'launched' }] });
    await rig.settle(id, 'in_review');
    const ran = () => readFileSync(join(rig.box.state, 'created'), 'utf8').trim().split('\n').length;
    expect(ran()).toBe(2);
    rig.box.run(['ticket', 'move', id, 'todo']);
    await rig.gone(rig.runs(id).at(-1)?.pid ?? 0);
    expect(rig.tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    expect(ran()).toBe(2);
  });

  it('before_run runs before every launch, in the worktree and with its run; its failure is told, and not fatal', async () => {
    const script = 'echo "$PWD $MC_TICKET_ID $MC_RUN_ID"; exit 4';
    rig.configure({ project: sh('before_run', script) });
    const id = rig.add('die-once');
    for (const attempt of [1, 2]) {
      await rig.due(id);
      expect(rig.tick()).toMatchObject({ code: 0, dispatch: [{ ticket: id, result: 'launched' }] });
      const run = rig.runs(id).at(-1)?.id ?? '';
      const worktree = join(rig.box.state, 'worktrees', 'demo', id);
      expect(rig.runFile(run, 'before_run.log')).toBe(`${worktree} ${id} ${run}\n`);
      const told = rig.box.sql("SELECT text FROM activity WHERE kind = 'warning' AND run_id = ?", run);
      expect(told).toMatchObject([{ text: expect.stringMatching(/before_run.*exit code 4/) }]);
      await rig.working(id, attempt);
      await rig.gone(rig.runs(id).at(-1)?.pid ?? 0);
      rig.tick('reconcile');
    }
    expect(rig.ticket(id)).toMatchObject({ status: 'in_review', attempts: 1 });
  });
});

describe('two projects that are folders of one repository', () => {
  it('start their agents and hooks there, and what each shows is its whole branch', async () => {
    const { repo, state } = rig.box;
    for (const name of ['app', 'lib']) {
      mkdirSync(join(repo, 'packages', name), { recursive: true });
      writeFileSync(join(repo, 'packages', name, 'file'), 'x');
    }
    git(rig.box, 'add', '.');
    git(rig.box, 'commit', '-qm', 'packages');
    const hook = 'after_create = ["/bin/sh", "-c", "pwd; pwd >../../created"]';
    rig.configure({
      project: `path = "packages/app/"\n${hook}`,
      more: `[project.lib]\nrepo = ${JSON.stringify(repo)}\nfetch = false\npath = "packages/lib"\n${hook}`,
    });
    const app = rig.add('review');
    const lib = putTicket(rig.box, { title: 'x', body: 'behave: review', project: 'lib', agent: 'scripted' });
    expect(rig.tick()).toMatchObject({ code: 0, dispatch: [{ result: 'launched' }, { result: 'launched' }] });
    for (const [id, project, folder] of [
      [app, 'demo', 'packages/app'],
      [lib, 'lib', 'packages/lib'],
    ] as const) {
      await rig.settle(id, 'in_review');
      const [run] = rig.runs(id);
      const worktree = join(state, 'worktrees', project, id);
      expect(run?.worktree).toBe(worktree);
      expect(rig.runFile(run?.id ?? '', 'after_create.log')).toBe(`${worktree}/${folder}\n`);
      expect(rig.runFile(run?.id ?? '', 'prompt.md')).toContain(`The project is its folder ${folder}`);
      const { files } = JSON.parse(rig.box.run(['diff', id, '--json']).out) as { files: { path: string }[] };
      expect(files.map(({ path }) => path)).toEqual(['created', `${folder}/work-${id}.txt`]);
    }
  });
});

describe('an attempt', () => {
  async function secondPrompt(behave: string): Promise<string> {
    const id = rig.add(behave);
    rig.tick();
    await rig.working(id);
    await rig.gone(rig.runs(id)[0]?.pid ?? 0);
    expect(rig.runFile(rig.runs(id)[0]?.id ?? '', 'prompt.md')).not.toContain('earlier attempt');
    rig.tick('reconcile');
    await rig.due(id);
    expect(rig.tick().dispatch).toMatchObject([{ result: 'launched', evidence: { attempt: 2 } }]);
    return rig.runFile(rig.runs(id)[1]?.id ?? '', 'prompt.md');
  }

  it('is told how the one before it ended, on which branch, and its last words', async () => {
    const prompt = await secondPrompt('die-talking');
    expect(prompt).toContain('attempt 2 of 3');
    expect(prompt).toMatch(/An earlier attempt ended: agent_exited \(exit code 7\)/);
    expect(prompt).toContain('on the branch mc/MC-1-do-die-talking');
    expect(prompt).toMatch(/<<<ticket-data [0-9a-f]{16}\nthought (?:.*\n)*?out of words\n/);
  });

  it('is told all that by a tmux (3.8) that tells the process of a living pane only', async () => {
    const bin = join(rig.box.dir, 'newer');
    mkdirSync(bin);
    const real = execFileSync('/bin/sh', ['-c', 'command -v tmux'], { encoding: 'utf8' }).trim();
    const script = `#!/bin/bash\nexec ${real} "\${@//'#{pane_pid}'/'#{?pane_dead,,#{pane_pid}}'}"\n`;
    writeFileSync(join(bin, 'tmux'), script, { mode: 0o755 });
    rig.box.env.PATH = `${bin}:${rig.box.env.PATH}`;
    expect(await secondPrompt('die-talking')).toMatch(/agent_exited \(exit code 7\)[\s\S]*out of words/);
  });

  it('is told the last words of one that said little: blank lines are no words', async () => {
    expect(await secondPrompt('die')).toContain('out of luck');
  });

  it('whose workspace cannot be made gives the claim back with the reason: exit 3, and what lay there is kept', async () => {
    const id = rig.add('review');
    const target = join(rig.box.state, 'worktrees', 'demo', id);
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, 'precious.txt'), 'mine');
    expect(rig.tick()).toMatchObject({
      code: 3,
      dispatch: [
        { ticket: id, result: 'failed', after: 'todo', error: expect.stringContaining('worktree_foreign') },
      ],
    });
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts: 0, reason: 'launch_failed' });
    expect(rig.ticket(id).reason_text).toContain(target);
    expect(rig.live(id)).toBeUndefined();
    expect(rig.started(id)).toBe(0);
    expect(readFileSync(join(target, 'precious.txt'), 'utf8')).toBe('mine');
  });

  it('that fails does not stop the others: one launched, one failed, exit 3', async () => {
    const bad = rig.add('review');
    const good = rig.add('review');
    mkdirSync(join(rig.box.state, 'worktrees', 'demo'), { recursive: true });
    writeFileSync(join(rig.box.state, 'worktrees', 'demo', bad), 'a file');
    const report = rig.tick();
    expect(report.code).toBe(3);
    expect(report.dispatch.map(({ ticket, result }) => [ticket, result])).toEqual([
      [bad, 'failed'],
      [good, 'launched'],
    ]);
    await rig.settle(good, 'in_review');
  });
});
