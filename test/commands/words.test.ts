import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeSandbox, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

const add = async () => expect((await box.here(['ticket', 'add', '--title', 'One'])).code).toBe(0);

it('a misspelt status is answered with the one that was meant: exit 2', async () => {
  await add();
  const done = await box.here(['ticket', 'move', 'MC-1', 'to-do']);
  expect(done.code).toBe(2);
  expect(done.err).toMatch(/"to-do" is no status \(did you mean "todo"\?\): use one of todo, needs_input/);
  expect((await box.here(['ticket', 'move', 'MC-1', 'In-Review'])).code).toBe(0);
});

it('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(await box.here(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
});

it('stop without an agent says a next step', async () => {
  await add();
  const done = await box.here(['stop', 'MC-1']);
  expect(done.code).toBe(69);
  expect(done.err).toMatch(
    /MC-1 has no living agent.*mc-pickup explain MC-1.*mc-pickup ticket move MC-1 blocked/,
  );
});

it('a launch that is under way is told as such, never as a living agent', async () => {
  await add();
  const { host_id } = JSON.parse((await box.here(['reconcile', '--json'])).out) as { host_id: string };
  box.sql(
    "INSERT INTO runtime_sessions (id, ticket_id, claim_epoch, host_id, claimed_at_ms) VALUES ('r-1', 'MC-1', 0, ?, 0)",
    host_id,
  );
  const moved = await box.here(['ticket', 'move', 'MC-1', 'todo']);
  expect(moved.code).toBe(0);
  expect(moved.err).toBe(
    'mc-pickup: MC-1 is being launched since 1970-01-01T00:00:00.000Z (run r-1); given up after the launch deadline if no agent registers\n',
  );
  const told = (await box.here(['explain', 'MC-1'])).out;
  // Nobody holds the tick lock, so that whoever claimed it has ended.
  expect(told).toMatch(/now: its agent is being launched[\s\S]*next tick: end, .*\[tick_died\]/);
  expect(told).not.toContain('alive');
});

it('a row whose process is dead is no living agent either', async () => {
  await add();
  const { host_id } = JSON.parse((await box.here(['reconcile', '--json'])).out) as { host_id: string };
  box.sql(
    `INSERT INTO runtime_sessions (id, ticket_id, claim_epoch, host_id, phase, boot_id, pid, pid_start)
     VALUES ('r-1', 'MC-1', 0, ?, 'running', 'another boot', 1, '1')`,
    host_id,
  );
  expect((await box.here(['ticket', 'move', 'MC-1', 'todo'])).err).toMatch(
    /the agent of MC-1 has died \(run r-1\)/,
  );
});
