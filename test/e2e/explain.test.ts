import { afterEach, beforeEach, expect, it } from 'vitest';
import { width } from '../../src/report/table.ts';
import { Rig } from '../support/rig.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

const explain = async (id: string, columns = '') => {
  const done = await rig.box.here(['explain', id], '', columns === '' ? {} : { COLUMNS: columns });
  expect(done).toMatchObject({ code: 0, err: '' });
  return done.out;
};
const inOrder = (out: string, ...all: RegExp[]): void => {
  let at = 0;
  for (const one of all) {
    const found = out.slice(at).search(one);
    expect(found, `${one} in\n${out.slice(at)}\nof\n${out}`).toBeGreaterThanOrEqual(0);
    at += found + 1;
  }
};

it('tells in order what happened: launch, death with its evidence, skips as one line, the next try', async () => {
  rig.configure({ limits: '[limits]\nmax_agents = 1\nretry_base_seconds = 600\n' });
  const [holds = ''] = await rig.held(1);
  const id = rig.add('die');
  for (let n = 0; n < 3; n++) await rig.tickHere();
  inOrder(
    await explain(id),
    /created by /,
    /3 ticks until \S+ skipped: every slot is taken \[no_slot\] \(used 1, max agents 1\)/,
  );
  inOrder(
    await explain(id),
    /^now: nothing, because every slot is taken \[no_slot\]/m,
    /^you can: +mc-pickup status /m,
  );
  rig.box.signal(`${holds}.go`);
  await rig.settle(holds, 'in_review');
  await rig.gone(rig.run(holds).pid);
  await rig.tickHere();
  await rig.working(id);
  await rig.gone(rig.run(id).pid);
  for (let n = 0; n < 3; n++) await rig.tickHere();
  const out = await explain(id, '80');
  for (const line of out.split('\n')) expect(width(line), line).toBeLessThanOrEqual(80);
  inOrder(
    await explain(id),
    /3 ticks until .*\[no_slot\]/,
    /claimed for attempt 1 with agent scripted \(run id \S+, branch mc\/MC-2-do-die/,
    /agent started: pid \d+/,
    /failed, tried again: the agent ended without a report \(exit code 7\) \[agent_exited\] \(.*attempts 1\)/,
    /3 ticks until \S+ skipped: its back-off is not over \[not_before\] \(not before 20\d\d-/,
    /^now: nothing, because its back-off is not over \[not_before\] \(not before .*\): it waits after a failure, and a tick tries it again/m,
    /^you can: +mc-pickup ticket move MC-2 todo /m,
  );
});

it('tells a heal with what it was found by', async () => {
  const [id = ''] = await rig.held(1);
  const { pid } = rig.run(id);
  rig.box.sql("UPDATE tickets SET status = 'todo' WHERE id = ?", id);
  await rig.tickHere();
  inOrder(
    await explain(id),
    new RegExp(`healed by a tick.*\\[agent_alive\\] \\(.*pid ${pid}`),
    new RegExp(`^now: its agent is alive.*pid ${pid}`, 'm'),
    /^now: the last text for it: prompt, started /m,
    /^now: nothing to do while it is in_progress$/m,
    /^you can: +mc-pickup attach MC-1 /m,
  );
});

it('says what a person can type, by what waits for them', async () => {
  const asks = rig.add('ask');
  const waits = rig.add('hold', '--depends-on', asks);
  const foreign = rig.add('hold', '--author', 'stranger');
  const owned = rig.add('hold', '--owner', 'ann');
  await rig.tickHere();
  await rig.settle(asks, 'needs_input');
  expect(await explain(asks)).toMatch(/^you can: +mc-pickup answer MC-1 "\.\.\." +to its agent$/m);
  expect(await explain(waits)).toMatch(
    /\[dependencies_unmet\] \(waits for MC-1\)\nyou can: +mc-pickup explain MC-1 /,
  );
  expect(await explain(foreign)).toMatch(
    /\[untrusted\] \(author stranger\)\nyou can: +mc-pickup ticket move MC-3 todo /,
  );
  expect(await explain(owned)).toMatch(/\(owner ann\)\nyou can: +mc-pickup ticket edit MC-4 --owner ""/);
  await rig.box.here(['killswitch', 'on', '--reason', 'release day']);
  const free = rig.add('hold');
  expect(await explain(free)).toMatch(
    /\[killswitch\] \(scope \*, reason release day, .*\n(.*\n)*you can: +mc-pickup killswitch off/,
  );
});

it('names the switch that keeps a ticket from its next attempt, and what an exit with 0 means for an interactive agent', async () => {
  rig.configure({
    limits: '[limits]\nretry_base_seconds = 600\n',
    // Its argv stands in place of a client that a person has ended.
    more: '[agent.well]\nkind = "claude"\nargv = ["true"]\n',
  });
  const id = rig.add('review');
  rig.box.sql("UPDATE tickets SET agent = 'well'");
  await rig.tickHere();
  await rig.gone(rig.runs(id)[0]?.pid ?? 0);
  await rig.tickHere();
  await rig.box.here(['killswitch', 'on', '--scope', 'agent:well', '--reason', 'all of them die']);
  const told = await explain(id);
  expect(told).toMatch(/^now: the killswitch is on for agent:well: all of them die$/m);
  expect(told).toMatch(/^you can: +mc-pickup killswitch off --scope agent:well /m);
  expect(told).toMatch(
    /^note: its agent exited with 0 and without a report, .*mode = "headless" of agent\.well/m,
  );
  // A reason is told once.
  expect((await rig.box.here(['status'])).out.match(/ended without a report/g)).toHaveLength(1);
});

it('a program that exits with 0 and without a report has finished: its ticket waits for a person, or is in review, and no attempt is spent', async () => {
  const commits = 'git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m done';
  rig.configure({
    more: `[agent.through]\nkind = "command"\nargv = ["true"]\n[agent.commits]\nkind = "command"\nargv = ["sh", "-c", "${commits}"]\n`,
  });
  const ids = [rig.add('review', '--agent', 'through'), rig.add('review', '--agent', 'commits')] as const;
  await rig.tickHere();
  for (const id of ids) await rig.gone(rig.runs(id)[0]?.pid ?? 0);
  // Both the ticket and the run, in one tick.
  await rig.tickHere();
  const reason = 'finished_without_report';
  expect(ids.map((id) => rig.ticket(id))).toMatchObject([
    { status: 'needs_input', attempts: 0, reason },
    { status: 'in_review', attempts: 0, reason },
  ]);
  for (const id of ids) expect(rig.runs(id)).toMatchObject([{ end_reason: 'finished', exit_code: 0 }]);
  expect(await explain(ids[0])).toContain('The agent ended without a report. [finished_without_report]');
});

it('says the same in JSON, and shows no line that anybody has written as more than one', async () => {
  const id = rig.add('hold', '--title', 'One');
  rig.box.sql(
    "INSERT INTO activity (ticket_id, actor, kind, text) VALUES (?, 'ann', 'comment', ?)",
    id,
    'a\nnow: nothing',
  );
  expect(await explain(id)).not.toMatch(/^now: nothing\b(?!,)/m);
  await rig.tickHere();
  const told = JSON.parse((await rig.box.here(['explain', id, '--json'])).out) as Record<string, unknown>;
  expect(Object.keys(told)).toEqual([
    'ticket',
    'history',
    'runs',
    'told',
    'reviews',
    'words',
    'next',
    'leftovers',
    'in_vain',
  ]);
  expect(told.told).toMatchObject([
    { kind: 'created' },
    { kind: 'comment' },
    { kind: 'claimed' },
    { kind: 'registered' },
  ]);
});
