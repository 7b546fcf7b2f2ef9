/** What a headless client prints is kept in so much room and no more: its beginning and its end, which says why it died. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { outputText } from '../../src/runs/output.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

const MB = 1024 * 1024;
/** Prints so many megabytes as fast as it can, and says last why it ends. */
const CHATTY = `#!/bin/sh
notes=$MC_PICKUP_STATE_DIR/../notes; mkdir -p $notes
echo "the first line"
head -c "$1" /dev/zero | tr '\\000' 'x' | fold -w 4095
echo "why it died" >&2
echo over >$notes/$MC_TICKET_ID.over
exit 7
`;

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  const agent = join(rig.box.dir, 'chatty.sh');
  writeFileSync(agent, CHATTY, { mode: 0o755 });
  const profile = (name: string, bytes: number): string =>
    `[agent.${name}]\nkind = "command"\nmode = "headless"\nargv = [${JSON.stringify(agent)}, "${bytes}"]\n`;
  rig.configure({ more: `${profile('chatty', 40 * MB)}${profile('terse', 1000)}` });
});
afterEach(() => rig.box.destroy());

async function ended(
  agent: string,
): Promise<{ readonly id: string; readonly own: string; readonly text: string }> {
  const id = rig.add('x', '--agent', agent);
  expect((await rig.tickHere()).dispatch).toMatchObject([{ result: 'launched' }]);
  const { id: run, pid } = rig.run(id);
  await rig.gone(pid);
  const own = join(rig.box.state, 'own', run);
  // Whoever writes it down has read it to its end.
  const text = () => outputText(join(rig.box.state, 'runs', run), 64 * MB) ?? '';
  const over = () => !logsOf(own).includes('output.new') && text().includes('why it died');
  expect(await until(over)).toBe(true);
  return { id, own, text: text() };
}

const logsOf = (own: string): string[] => readdirSync(own).filter((name) => name.startsWith('output'));

it('of forty megabytes the first and the last four and more are kept, and explain says what is not', async () => {
  const { id, own, text } = await ended('chatty');
  const all = logsOf(own).reduce((sum, name) => sum + statSync(join(own, name)).size, 0);
  expect(all).toBeLessThan(13 * MB);
  expect(all).toBeGreaterThan(8 * MB);
  expect(text).toMatch(/^the first line\n/);
  expect(text).toMatch(/\n\[32 MB are left out here\]\n/);
  expect(text).toMatch(/why it died\n$/);
  expect((await rig.box.here(['explain', id])).out.replace(/\s+/g, ' ')).toMatch(/output: .*left out/);
  expect((await rig.tickHere('reconcile')).reconcile[0]).toMatchObject({
    because: 'agent_exited',
    evidence: { exit_code: 7 },
  });
});

it('what is short is one file as before, and nobody is left who writes', async () => {
  const { id, own } = await ended('terse');
  expect(await until(() => logsOf(own).join() === 'output.log')).toBe(true);
  expect(readFileSync(join(own, 'output.log'), 'utf8')).toMatch(/^the first line\nx+why it died\n$/);
  expect((await rig.box.here(['transcript', id])).out).toContain('why it died');
  expect((await rig.box.here(['explain', id])).out).not.toContain('left out');
  const writers = () => spawnSync('pgrep', ['-f', `mc-output ${own}`]).stdout.toString();
  expect(await until(() => writers() === '')).toBe(true);
});

it('without room on the disk its client is neither held up nor ended: it goes on to its own end', async (context) => {
  const own = join(rig.box.state, 'own');
  mkdirSync(own, { recursive: true, mode: 0o700 });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'tmpfs', own]).status !== 0)
    context.skip('mounting a small file system is not allowed here: run it as root');
  try {
    const id = rig.add('x', '--agent', 'chatty');
    expect((await rig.tickHere()).dispatch).toMatchObject([{ result: 'launched' }]);
    await rig.gone(rig.run(id).pid);
    expect(readFileSync(join(rig.box.dir, 'notes', `${id}.over`), 'utf8')).toBe('over\n');
    expect((await rig.tickHere('reconcile')).reconcile[0]).toMatchObject({ evidence: { exit_code: 7 } });
  } finally {
    await rig.endAll();
    spawnSync('umount', ['-l', own]);
  }
});
