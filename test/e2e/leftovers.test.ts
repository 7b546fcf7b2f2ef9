/** What runs that have ended left behind is shown, and ended by a person's word alone. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig, state } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

/** Starts a tool that outlives it, and holds. */
const LEAVES = `#!/bin/sh
n=$MC_PICKUP_STATE_DIR/notes; mkdir -p $n
setsid sleep 600 >/dev/null 2>&1 &
echo $! >>$n/$MC_TICKET_ID.tool
while :; do sleep 0.05; done
`;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  const file = join(rig.box.dir, 'leaves.sh');
  writeFileSync(file, LEAVES, { mode: 0o755 });
  rig.configure({ more: `[agent.leaves]\nkind = "command"\nargv = [${JSON.stringify(file)}]\n` });
});
afterEach(async () => {
  await rig.box.destroy();
});

interface Left {
  readonly pid: number;
  readonly run: string;
  readonly ticket: string;
  readonly program: string;
  readonly age_ms: number;
  readonly rss_bytes: number;
}

async function json<T>(...words: string[]): Promise<T> {
  return JSON.parse((await rig.box.here([...words, '--json'])).out) as T;
}

const left = async () => (await json<{ leftovers: Left[] }>('status')).leftovers;

/** A ticket whose agent has died and left its tool; its pid. */
async function leaves(): Promise<{ id: string; tool: number; run: string }> {
  const words = ['--project', 'demo', '--agent', 'leaves', '--title', 'Do', '--body', 'x'];
  const { id } = await json<{ id: string }>('ticket', 'add', ...words);
  await rig.tickHere();
  expect(await until(() => rig.box.note(`${id}.tool`) !== '')).toBe(true);
  const tool = Number(rig.box.note(`${id}.tool`));
  expect((await left()).map(({ pid }) => pid)).not.toContain(tool); // its agent lives
  const run = rig.run(id);
  expect((await rig.box.here(['ticket', 'move', id, 'blocked'])).code).toBe(0);
  await rig.kill(run.pid);
  expect((await rig.tickHere()).reconcile[0]).toMatchObject({ kind: 'end', ticket: id, result: 'done' });
  return { id, tool, run: run.id };
}

it('status, explain and doctor show it with its age and memory; no tick ends it; stop --leftovers does, and ends no other', async () => {
  const one = await leaves();
  const other = await leaves();
  const [living = ''] = await rig.held(1);
  const agent = rig.run(living).pid;
  for (let n = 0; n < 3; n++) await rig.tickHere();
  const shown = (await left()).find(({ pid }) => pid === one.tool);
  expect(shown).toMatchObject({ run: one.run, ticket: one.id, program: 'sleep' });
  expect(shown?.age_ms).toBeGreaterThanOrEqual(0);
  expect(shown?.rss_bytes).toBeGreaterThan(0);
  expect((await rig.box.here(['status'])).out).toMatch(
    new RegExp(
      `left by runs that have ended[^]*${one.id} +sleep \\(pid ${one.tool}, \\d+\\w old, [\\d.]+ \\wB\\)`,
    ),
  );
  const explained = (await rig.box.here(['explain', one.id])).out;
  expect(explained).toContain(`left: sleep (pid ${one.tool}`);
  expect(explained).toContain(`mc-pickup stop ${one.id} --leftovers`);
  expect(explained).not.toContain(`pid ${other.tool}`);
  expect((await json<{ leftovers: Left[] }>('explain', one.id)).leftovers).toMatchObject([{ pid: one.tool }]);
  expect((await rig.box.here(['doctor'])).out).toContain(`sleep (pid ${one.tool}`);
  expect([state(one.tool), state(other.tool)]).not.toContain(null);

  const done = await json<{ ended: Left[]; left: Left[] }>('stop', one.id, '--leftovers');
  expect(done).toMatchObject({ ticket: one.id, ended: [{ pid: one.tool }], left: [] });
  await rig.gone(one.tool);
  expect([state(other.tool), state(agent)]).not.toContain(null);
  expect(await json('stop', one.id, '--leftovers')).toMatchObject({ ended: [], left: [] });
  expect((await rig.box.here(['log', '--ticket', one.id])).out).toContain('sleep');
  expect(await json('stop', living, '--leftovers')).toMatchObject({ ended: [] });
  expect(state(agent)).not.toBeNull();
});

it('clean proposes it, and ends it with --yes', async () => {
  const { id, tool } = await leaves();
  const words = ['clean', '--only', 'runtimes'];
  const items = (
    await json<{ items: { kind: string; name: string; ticket: string; result: string }[] }>(...words)
  ).items;
  expect(items.filter(({ kind }) => kind === 'process')).toMatchObject([
    { name: `process ${tool}`, ticket: id, result: 'planned', because: 'leftover' },
  ]);
  expect(state(tool)).not.toBeNull();
  expect(await rig.box.here([...words, '--yes'])).toMatchObject({ code: 0 });
  await rig.gone(tool);
  expect(await left()).toEqual([]);
});
