import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { git, makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

interface Row {
  readonly id: string;
  readonly status: string;
  readonly worker_pid: number | null;
  readonly attempts: number;
  readonly claim_epoch: number;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly not_before_at_ms: number | null;
}

interface Run {
  readonly id: string;
  readonly phase: string;
  readonly pid: number;
  readonly tmux_pane: string;
  readonly ended_at_ms: number | null;
  readonly end_reason: string | null;
}

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

function add(behave: string, ...more: string[]): string {
  const done = box.run([
    'ticket',
    'add',
    '--project',
    'demo',
    '--agent',
    'scripted',
    '--title',
    `Do ${behave}`,
    '--body',
    `behave: ${behave}`,
    '--json',
    ...more,
  ]);
  expect(done).toMatchObject({ code: 0, err: '' });
  return (JSON.parse(done.out) as { id: string }).id;
}
function ticket(id: string): Row {
  const row = box.sql<Row>('SELECT * FROM tickets WHERE id = ?', id)[0];
  if (row === undefined) throw new Error(`no ${id}`);
  return row;
}
function runs(id: string): Run[] {
  return box.sql<Run>('SELECT * FROM runtime_sessions WHERE ticket_id = ? ORDER BY claimed_at_ms', id);
}
function live(id: string): Run | undefined {
  return runs(id).find(({ ended_at_ms }) => ended_at_ms === null);
}
function started(id: string): number {
  return box.note(`${id}.started`).split('\n').filter(Boolean).length;
}
interface Report {
  readonly outcome: string;
  readonly reconcile: readonly { kind: string; ticket: string; because: string; result: string }[];
  readonly dispatch: readonly { kind: string; ticket: string; because: string; result: string }[];
  readonly skipped: readonly { ticket: string; because: string }[];
}
function tick(command = 'dispatch', ...more: string[]): Report & { code: number | null } {
  const done = box.run([command, '--json', ...more]);
  if (done.out === '') throw new Error(`${command}: exit ${done.code}: ${done.err}`);
  return { ...(JSON.parse(done.out) as Report), code: done.code };
}
async function settle(id: string, status: string): Promise<void> {
  const reached = await until(() => ticket(id).status === status);
  expect(reached, `${id} is ${ticket(id).status}, not ${status}`).toBe(true);
}
async function working(id: string): Promise<void> {
  expect(await until(() => started(id) > 0), 'the agent never started').toBe(true);
}
async function gone(pid: number): Promise<void> {
  const dead = () => {
    try {
      return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return true;
    }
  };
  expect(await until(dead)).toBe(true);
}

describe('the whole tick through the real program', () => {
  it('takes three tickets from todo to in_review, each with one agent in its own worktree', async () => {
    const ids = [add('review'), add('review'), add('review')];
    const report = tick();
    expect(report.dispatch.map(({ result }) => result)).toEqual(['launched', 'launched', 'launched']);
    for (const id of ids) await settle(id, 'in_review');
    for (const id of ids) {
      expect(started(id)).toBe(1);
      expect(git(box, 'log', '--format=%s', `mc/${id}-do-review`, '-1').trim()).toBe(`Work on ${id}`);
    }
    await gone(runs(ids[0] ?? '')[0]?.pid ?? 0);
    tick();
    expect(ids.map((id) => ticket(id).status)).toEqual(['in_review', 'in_review', 'in_review']);
  });

  it('heals a split brain within one tick: todo with a living agent goes back to in_progress, and no second agent starts', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const { pid } = runs(id)[0] ?? {};
    box.sql("UPDATE tickets SET status = 'todo', worker_pid = NULL WHERE id = ?", id);
    const report = tick();
    expect(report.reconcile).toMatchObject([
      { kind: 'normalize', ticket: id, because: 'agent_alive', result: 'done' },
    ]);
    expect(report.dispatch).toEqual([]);
    expect(ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid, claim_epoch: 1 });
    expect(started(id)).toBe(1);
    expect(tick('reconcile').reconcile).toEqual([]);
    box.signal(`${id}.go`);
    await settle(id, 'in_review');
  });

  it('normalizes needs_input that the run never asked for', async () => {
    const id = add('hold');
    tick();
    await working(id);
    box.sql("UPDATE tickets SET status = 'needs_input' WHERE id = ?", id);
    tick('reconcile');
    expect(ticket(id).status).toBe('in_progress');
  });

  it.each([
    [
      'a row ended by hand',
      "UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = 1, end_reason = 'by hand'",
    ],
    ['a board restored from a backup', 'DELETE FROM runtime_sessions'],
  ])(
    'adopts the busy runtime after %s: in_progress, its pid recorded, nothing sent twice',
    async (_name, sql) => {
      const id = add('hold');
      tick();
      await working(id);
      const pid = live(id)?.pid;
      box.sql(sql);
      box.sql("UPDATE tickets SET status = 'todo', worker_pid = NULL WHERE id = ?", id);
      tick();
      expect(ticket(id)).toMatchObject({ status: 'in_progress', worker_pid: pid });
      expect(live(id)).toMatchObject({ phase: 'running', pid });
      expect(started(id)).toBe(1);
      expect(tick().reconcile).toEqual([]);
      box.signal(`${id}.go`);
      await settle(id, 'in_review'); // the adopted run still reports under the run id that it carries
    },
  );

  it('does not adopt a ghost pane: the shell lives on, the agent is gone', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const run = live(id);
    process.kill(run?.pid ?? 0, 'SIGKILL');
    await gone(run?.pid ?? 0);
    box.tmux('respawn-pane', '-t', run?.tmux_pane ?? '', 'sleep 1000');
    box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
    const report = tick('reconcile');
    expect(report.reconcile.map(({ kind }) => kind)).not.toContain('normalize');
    expect(ticket(id).status).toBe('todo');
    expect(live(id)).toBeUndefined();
  });

  it('never regresses in_review, and leaves the row of its living agent', async () => {
    const id = add('stay');
    tick();
    await settle(id, 'in_review');
    const report = tick();
    expect(report.reconcile).toEqual([]);
    expect(report.skipped).toContainEqual(
      expect.objectContaining({ ticket: id, because: 'alive_though_settled' }),
    );
    expect(ticket(id).status).toBe('in_review');
    expect(live(id)).toBeDefined();
  });

  it('steals no ticket whose owner changed: neither healed nor retried', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const run = live(id);
    box.sql("UPDATE tickets SET owner = 'alice', status = 'todo' WHERE id = ?", id);
    expect(tick().reconcile).toEqual([]);
    expect(ticket(id).status).toBe('todo');
    process.kill(run?.pid ?? 0, 'SIGKILL');
    await gone(run?.pid ?? 0);
    box.sql("UPDATE tickets SET status = 'in_progress' WHERE id = ?", id);
    tick();
    expect(ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0 });
    expect(live(id)).toBeUndefined();
  });

  it('retries an agent that died with a back-off, and blocks after the last attempt', async () => {
    const id = add('die');
    for (const attempt of [1, 2, 3]) {
      await until(() => (ticket(id).not_before_at_ms ?? 0) <= Date.now());
      tick();
      expect(await until(() => started(id) === attempt)).toBe(true);
      await gone(runs(id).at(-1)?.pid ?? 0);
      tick('reconcile');
      expect(ticket(id)).toMatchObject({ attempts: attempt, status: attempt === 3 ? 'blocked' : 'todo' });
    }
    expect(ticket(id).reason_text).toContain('exit code 7');
    expect(started(id)).toBe(3);
  });

  it('asks, waits, is answered, and goes on', async () => {
    const id = add('ask');
    tick();
    await settle(id, 'needs_input');
    tick();
    expect(ticket(id)).toMatchObject({
      status: 'needs_input',
      reason_text: 'Which colour shall the button have?',
    });
    const sent = box.run(['send', id, 'Blue; `touch x` $(id)', '--json']);
    expect(sent).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(sent.out)).toMatchObject({ outcome: 'delivered' });
    await settle(id, 'in_review');
    expect(box.note(`${id}.answers`)).toBe('Blue; `touch x` $(id)\n');
  });

  it('refuses to send to a busy runtime: RuntimeBusyError, exit 75, nothing pasted', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const sent = box.run(['send', id, 'hello']);
    expect(sent.code).toBe(75);
    expect(sent.err).toContain('RuntimeBusyError');
    expect(box.tmux('capture-pane', '-p', '-t', live(id)?.tmux_pane ?? '').out).not.toContain('hello');
  });

  it('leaves a ticket alone that a person took to in_progress after its agent had asked and ended', async () => {
    const id = add('ask');
    tick();
    await settle(id, 'needs_input');
    process.kill(live(id)?.pid ?? 0, 'SIGKILL');
    await gone(live(id)?.pid ?? 0);
    tick();
    expect(live(id)).toBeUndefined();
    expect(box.run(['ticket', 'move', id, 'in_progress', '--why', 'mine']).code).toBe(0);
    for (let i = 0; i < 3; i++) tick();
    expect(ticket(id)).toMatchObject({ status: 'in_progress', attempts: 0 });
    expect(started(id)).toBe(1);
  });

  it('stop ends the agent, and no tick starts another until a person says so', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const pid = live(id)?.pid ?? 0;
    expect(box.run(['stop', id, '--grace', '1'])).toMatchObject({ code: 0, err: '' });
    await gone(pid);
    tick();
    expect(ticket(id)).toMatchObject({ status: 'needs_input', reason_text: 'stopped' });
    expect(runs(id)).toMatchObject([{ phase: 'ended', end_reason: 'stopped' }]);
    expect(started(id)).toBe(1);
  });

  it('marks the very pane that it made, whatever session tmux thinks is current', async () => {
    const ids = [add('hold'), add('hold'), add('hold')];
    tick();
    for (const id of ids) await working(id);
    const panes = box.tmux(
      'list-panes',
      '-a',
      '-F',
      '#{pane_pid} #{@mc_run} #{@mc_ticket} #{session_name}',
    ).out;
    const expected = ids.map((id) => `${live(id)?.pid} ${live(id)?.id} ${id} ${live(id)?.id}`);
    expect(panes.trim().split('\n').sort()).toEqual(expected.sort());
  });

  it('finds the launchable ticket behind six hundred that are not', () => {
    add('review');
    box.sql("UPDATE tickets SET title = 'crowd', trusted = 0");
    box.sql(
      "INSERT INTO tickets (title, project, trusted, created_at_ms) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) SELECT 'crowd', 'demo', 0, i FROM n",
    );
    const id = add('review');
    expect(tick().dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
  });

  it('lets a superseded run change nothing: exit 75', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const run = live(id);
    process.kill(run?.pid ?? 0, 'SIGKILL');
    await gone(run?.pid ?? 0);
    tick();
    await until(() => (ticket(id).not_before_at_ms ?? 0) <= Date.now());
    tick();
    expect(live(id)?.id).not.toBe(run?.id);
    const late = box.run(['report', 'done', '--message', 'me too'], '', { MC_RUN_ID: run?.id });
    expect(late.code).toBe(75);
    expect(ticket(id).status).toBe('in_progress');
  });

  it('dry run: the very plan of the real tick that follows, and not a byte of the state dir changes', async () => {
    const healed = add('hold');
    tick();
    await working(healed);
    box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", healed);
    add('review');
    add('review', '--owner', 'alice');
    const hash = () =>
      createHash('sha256')
        .update(readFileSync(join(box.state, 'board.sqlite')))
        .digest('hex');
    const before = [hash(), box.sql('SELECT count(*) AS n FROM activity')];
    const listing = () => JSON.stringify(box.tmux('list-panes', '-a', '-F', '#{pane_id} #{@mc_run}').out);
    const panes = listing();
    const planned = tick('dispatch', '--dry-run');
    expect([hash(), box.sql('SELECT count(*) AS n FROM activity')]).toEqual(before);
    expect(listing()).toBe(panes);
    const real = tick();
    const shape = ({ reconcile, dispatch, skipped }: Report) => ({
      reconcile: reconcile.map(({ kind, ticket: id, because }) => ({ kind, id, because })),
      dispatch: dispatch.map(({ kind, ticket: id, because }) => ({ kind, id, because })),
      skipped,
    });
    expect(JSON.stringify(shape(planned))).toBe(JSON.stringify(shape(real)));
  });

  it('a tick with nothing to do prints nothing and exits 0', () => {
    box.run(['init']);
    expect(box.run(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
    expect(box.run(['reconcile'])).toEqual({ code: 0, out: '', err: '' });
  });

  it('two ticks at once: one works, the other is an overlap, and no ticket gets two agents', async () => {
    const ids = [add('review'), add('review')];
    const both = await Promise.all([box.start(['dispatch', '--json']), box.start(['dispatch', '--json'])]);
    const outcomes = both.map(({ out }) => (JSON.parse(out) as Report).outcome);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(outcomes).toContain('ok');
    for (const id of ids) {
      await settle(id, 'in_review');
      expect(started(id)).toBe(1);
    }
  });

  it('leaves chat rows alone, alive or dead', () => {
    box.run(['init']);
    box.sql(
      "INSERT INTO runtime_sessions (id, mark, ticket_id, phase, host_id, boot_id, pid, pid_start, agent, project) VALUES ('chat-1', 'chat-1', NULL, 'running', 'h', 'b', 4194000, '1', 'scripted', 'demo')",
    );
    const before = box.sql('SELECT * FROM runtime_sessions');
    tick();
    expect(box.sql('SELECT * FROM runtime_sessions')).toEqual(before);
  });
});

describe('a killed tick', () => {
  it('after the claim and before the launch: the next one ends the row, and the ticket is tried again at no cost', async () => {
    const id = add('review');
    box.sql("UPDATE tickets SET status = 'in_progress', claim_epoch = 1 WHERE id = ?", id);
    box.run(['reconcile']); // the host is known, and observed time begins
    const host = box.sql<{ host_id: string }>('SELECT host_id FROM hosts')[0]?.host_id ?? '';
    box.sql(
      "INSERT INTO runtime_sessions (id, mark, ticket_id, claim_epoch, phase, host_id, agent, project) VALUES ('r-crashed', 'r-crashed', ?, 1, 'launching', ?, 'scripted', 'demo')",
      id,
      host,
    );
    expect(tick('reconcile').reconcile).toMatchObject([{ kind: 'retry', ticket: id, because: 'tick_died' }]);
    expect(ticket(id)).toMatchObject({ status: 'todo', not_before_at_ms: null });
    // A launcher of the dead claim that wakes up now loses: no agent.
    expect(box.run(['register', 'r-crashed', String(process.pid)]).code).toBe(75);
    tick();
    await settle(id, 'in_review');
    expect(started(id)).toBe(1);
  });

  it('after the registration: the next tick finds the agent alive and starts no other', async () => {
    const id = add('hold');
    const first = box.start(['dispatch']);
    await working(id); // registered, and the tick may still be waiting
    await first;
    const report = tick();
    expect(report.reconcile).toEqual([]);
    expect(started(id)).toBe(1);
  });
});

describe('the gate', () => {
  it('halts a tick before anything is looked at: exit 0, nothing printed on a pipe, recorded in a file', () => {
    const id = add('review');
    expect(box.run(['killswitch', 'on', '--level', 'all', '--reason', 'maintenance']).code).toBe(0);
    expect(box.run(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
    expect(tick()).toMatchObject({ outcome: 'halted' });
    expect(readFileSync(join(box.state, 'gate.json'), 'utf8')).toContain('maintenance');
    expect(ticket(id).status).toBe('todo');
    box.run(['killswitch', 'off']);
    expect(tick().dispatch).toHaveLength(1);
  });

  it('an unreadable switch is on', () => {
    box.run(['init']);
    writeFileSync(join(box.state, 'killswitch.json'), '{"level":');
    expect(tick()).toMatchObject({ outcome: 'halted' });
  });

  it('level dispatch launches nothing, and reconcile goes on', async () => {
    const id = add('hold');
    tick();
    await working(id);
    const other = add('review');
    box.run(['killswitch', 'on', '--reason', 'pause']);
    box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
    const report = tick();
    expect(report.reconcile).toMatchObject([{ kind: 'normalize', ticket: id }]);
    expect(report.skipped).toContainEqual(expect.objectContaining({ ticket: other, because: 'killswitch' }));
  });
});

describe('when tmux cannot be seen', () => {
  it.each([
    ['fails with EAGAIN', '#!/bin/sh\necho "fork failed: Resource temporarily unavailable" >&2\nexit 1\n'],
    ['is not what it was', '#!/bin/sh\necho "garbage"\n'],
  ])('tmux that %s is unknown: nothing is written, nothing launched, exit 69', async (_name, script) => {
    const id = add('hold');
    tick();
    await working(id);
    add('review');
    process.kill(live(id)?.pid ?? 0, 'SIGKILL');
    await gone(live(id)?.pid ?? 0);
    const fake = join(box.dir, 'fake');
    mkdirSync(fake);
    writeFileSync(join(fake, 'tmux'), script);
    chmodSync(join(fake, 'tmux'), 0o755);
    const before = box.sql('SELECT id, status, version FROM tickets');
    const done = box.run(['dispatch'], '', { PATH: `${fake}:${box.env.PATH}` });
    expect(done.code).toBe(69);
    expect(box.sql('SELECT id, status, version FROM tickets')).toEqual(before);
    expect(live(id)).toBeDefined();
    tick();
    expect(live(id)).toBeUndefined();
  });

  it('heals a deleted tmux socket, and takes no agent for dead', async () => {
    const id = add('hold');
    tick();
    await working(id);
    rmSync(box.socket);
    const report = tick();
    expect(report.outcome).toBe('ok');
    expect(ticket(id).status).toBe('in_progress');
    expect(existsSync(box.socket)).toBe(true);
  });
});

describe('broken configuration', () => {
  it('stops dispatch, not reconcile: exit 78, with file and line', async () => {
    const id = add('hold');
    tick();
    await working(id);
    add('review');
    box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
    box.configure('[limits]\nmax_agnets = 3\n');
    const done = box.run(['dispatch']);
    expect(done.code).toBe(78);
    expect(done.out).toMatch(/config\.toml:2.*max_agnets.*max_agents/);
    expect(ticket(id).status).toBe('in_progress');
  });
});
