import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

it('a person frees a ticket whose agent cannot be judged from here; no tick does, and no living agent is released', async () => {
  const added = box.run([
    'ticket',
    'add',
    '--project',
    'demo',
    '--title',
    'x',
    '--body',
    'behave: hold',
    '--json',
  ]);
  const { id } = JSON.parse(added.out) as { id: string };
  expect(box.run(['dispatch']).code).toBe(0);
  const row = () =>
    box.sql<{ pid: number; ended_at_ms: number | null; end_reason: string | null }>(
      'SELECT pid, ended_at_ms, end_reason FROM runtime_sessions',
    )[0];
  expect(box.run(['stop', id, '--release'])).toMatchObject({ code: 2 });
  expect(row()?.ended_at_ms).toBeNull();

  // As after the restart of a container: the pid namespace is another, and what became of the process can't be seen.
  box.sql("UPDATE runtime_sessions SET pid_ns = 'pid:[1]'");
  expect(box.run(['dispatch']).code).toBe(0);
  const told = box.run(['stop', id]);
  expect(told.code).toBe(69);
  expect(told.err).toContain('--release');
  expect(row()?.ended_at_ms).toBeNull();

  expect(box.run(['stop', id, '--release'])).toMatchObject({ code: 0 });
  expect(row()).toMatchObject({ end_reason: 'released' });
  expect(box.sql('SELECT status, reason_text FROM tickets')).toEqual([
    { status: 'needs_input', reason_text: 'stopped' },
  ]);
  expect(existsSync(join(box.state, 'marks', `${id}.json`))).toBe(false);
  process.kill(row()?.pid ?? 0, 'SIGKILL'); // the sandbox's own agent, which was never signalled
  expect(
    await until(
      () =>
        !existsSync(`/proc/${row()?.pid}/environ`) ||
        box.tmux('list-panes', '-aF', '#{pane_dead}').out.includes('1'),
    ),
  ).toBe(true);
});

it('an agent that is ended while its ticket is in review leaves it there, and nobody is told to have it done once more', async () => {
  const body = ['--body', 'behave: hold'];
  expect((await box.here(['ticket', 'add', '--project', 'demo', '--title', 'x', ...body])).code).toBe(0);
  expect((await box.here(['dispatch'])).code).toBe(0);
  box.sql("UPDATE tickets SET status = 'in_review'");
  const { code, out } = await box.here(['stop', 'MC-1', '--grace', '0']);
  expect([code, out]).toEqual([0, expect.stringContaining('stays in_review (mc-pickup diff MC-1, then')]);
  expect(out).not.toContain('todo');
});
