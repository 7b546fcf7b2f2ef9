/** A key that ends a client is pressed only where nobody is in its way, by the very command that presses it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { startPane } from '../../src/tmux/pane.ts';
import { lookAtPrompts, pressToQuit } from '../../src/tmux/quit.ts';
import { command, type Tmux } from '../../src/tmux/tmux.ts';
import { ownTmux } from '../support/own-tmux.ts';
import { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

let dir: string;
let tmux: Tmux;
beforeEach(() => {
  const own = ownTmux('mc-quit-');
  ({ dir, tmux } = own);
  return own.gone;
});

it('is pressed in no other run, at no other cursor, in no mode, in no switched-off pane, beside nobody and in no dead pane', async () => {
  const script = 'stty raw -echo; printf "> "; exec dd bs=1 count=2 of=keys 2>/dev/null';
  const start = { name: 'r', run: 'r-1', ticket: 'T-1', cwd: dir, argv: ['sh', '-c', script] };
  const made = await startPane(tmux, start);
  if (!made.ok) throw new Error(made.error);
  const { pane } = made;
  const look = async () => (await lookAtPrompts(tmux, [pane])).get(pane);
  await waitFor(async () => (await look())?.screen.x === 2, 'its prompt');
  expect(await look()).toMatchObject({ run: 'r-1', dead: false, attached: 0, in_a_mode: false });
  const at = { pane, run: 'r-1', key: 'C-c', cursor: { x: 2, y: 0 } };
  expect(await pressToQuit(tmux, { ...at, run: 'r-2' })).toBe('refused');
  expect(await pressToQuit(tmux, { ...at, cursor: { x: 3, y: 0 } })).toBe('refused'); // somebody has typed
  await command(tmux, ['copy-mode', '-t', pane]);
  expect(await look()).toMatchObject({ in_a_mode: true });
  expect(await pressToQuit(tmux, at)).toBe('refused');
  await command(tmux, ['copy-mode', '-q', '-t', pane, ';', 'select-pane', '-d', '-t', pane]);
  expect(await pressToQuit(tmux, at)).toBe('refused');
  await command(tmux, ['select-pane', '-e', '-t', pane]);
  const terminal = new Terminal({ PATH: process.env.PATH, HOME: dir }, 80, 24);
  try {
    terminal.type(`unset TMUX; tmux -S ${tmux.socket} attach`);
    await waitFor(async () => ((await look())?.attached ?? 0) > 0, 'the person');
    expect(await pressToQuit(tmux, { ...at, cursor: null })).toBe('refused');
  } finally {
    terminal.close();
  }
  await waitFor(async () => (await look())?.attached === 0, 'the person to go');
  const now = await look();
  if (now === undefined) throw new Error('no pane');
  expect(await pressToQuit(tmux, { ...at, cursor: now.screen })).toBe('pressed');
  expect(await pressToQuit(tmux, { ...at, cursor: null })).toBe('pressed');
  await waitFor(async () => (await look())?.dead, 'its end');
  expect(readFileSync(join(dir, 'keys'), 'utf8')).toBe('\u0003\u0003');
  expect(await pressToQuit(tmux, { ...at, cursor: null })).toBe('refused');
});

it('is pressed beside nobody who looks at it by a session of their own', async () => {
  const start = { name: 'r', run: 'r-1', ticket: 'T-1', cwd: dir, argv: ['sh', '-c', 'exec sleep 300'] };
  const made = await startPane(tmux, start);
  if (!made.ok) throw new Error(made.error);
  const { pane } = made;
  const attached = async () => (await lookAtPrompts(tmux, [pane])).get(pane)?.attached;
  const sessions = async () =>
    (await command(tmux, ['list-sessions', '-F', '#{session_name} #{session_attached}'])).stdout;
  const [mine, other] = [1, 2].map(() => new Terminal({ PATH: process.env.PATH, HOME: dir }, 80, 24));
  try {
    mine?.type(`unset TMUX; tmux -S ${tmux.socket} new-session -t =r -s mine`);
    await waitFor(async () => (await sessions()).includes('mine 1'), 'their session');
    other?.type(`unset TMUX; tmux -S ${tmux.socket} attach -t =r`);
    await waitFor(async () => (await sessions()).includes('r 1'), 'another person');
    await command(tmux, ['detach-client', '-s', '=r']);
    // tmux now takes the pane for one of the session that was used last, which is its own.
    await waitFor(async () => (await sessions()).includes('r 0'), 'the other one to go');
    expect(await attached()).toBe(1);
    expect(await pressToQuit(tmux, { pane, run: 'r-1', key: 'C-c', cursor: null })).toBe('refused');
  } finally {
    mine?.close();
    other?.close();
  }
});

it('of several panes each is told its own, and what one shows passes for no other', async () => {
  const panes: string[] = [];
  for (const n of [1, 2]) {
    const script = `printf 'screen ${n}\\n|%%1|0|0|9|0|0|r-9'; exec sleep 300`;
    const start = { name: `r${n}`, run: `r-${n}`, ticket: 'T-1', cwd: dir, argv: ['sh', '-c', script] };
    const made = await startPane(tmux, start);
    if (!made.ok) throw new Error(made.error);
    panes.push(made.pane);
  }
  const all = () => lookAtPrompts(tmux, [...panes, '%99']);
  await waitFor(async () => [...(await all()).values()].every(({ screen }) => screen.y === 1), 'the screens');
  const seen = await all();
  expect([...seen.keys()]).toEqual(panes);
  for (const [n, pane] of panes.entries()) {
    expect(seen.get(pane)).toMatchObject({ run: `r-${n + 1}`, attached: 0 });
    expect(seen.get(pane)?.screen.rows[0]).toBe(`screen ${n + 1}`);
  }
  // More words than tmux takes at once.
  const many = Array.from({ length: 100 }, (_, n) => panes[n % 2] ?? '');
  expect([...(await lookAtPrompts(tmux, many)).keys()]).toEqual(panes);
});
