import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { startPane } from '../../src/tmux/pane.ts';
import { pasteText, pressKeys } from '../../src/tmux/paste.ts';
import type { Tmux } from '../../src/tmux/tmux.ts';
import { ownTmux } from '../support/own-tmux.ts';
import { waitFor } from '../support/wait.ts';

let dir: string;
let tmux: Tmux;
beforeEach(() => {
  const own = ownTmux('mc-rt-');
  ({ dir, tmux } = own);
  return own.gone;
});

/** A client that notes every key as it comes, Enter included. */
async function client(): Promise<string> {
  const argv = ['sh', '-c', 'stty -icanon -echo; echo client; : >typed; exec cat >>typed'];
  const made = await startPane(tmux, { name: 'mc-1', run: 'r-1', ticket: 'MC-1', cwd: dir, argv });
  if (!made.ok) throw new Error(made.error);
  await waitFor(() => existsSync(join(dir, 'typed')));
  return made.pane;
}
const typed = () => readFileSync(join(dir, 'typed'), 'utf8');

test('Enter is pressed only if it may be, asked after the paste has arrived', async () => {
  const pane = await client();
  let seen = '';
  const mayEnter = (may: boolean) => () => {
    seen = typed();
    return may;
  };
  const paste = { pane, run: 'r-1', enterDelayMs: 300 };
  expect(await pasteText(tmux, { ...paste, text: 'one', mayEnter: mayEnter(false) })).toBe('held');
  expect(seen).toBe('one');
  expect(await pasteText(tmux, { ...paste, text: ' two', mayEnter: mayEnter(true) })).toBe('pasted');
  expect(seen).toBe('one two');
  await waitFor(() => typed() === 'one two\n');
});

test.each(['copy-mode', 'clock-mode'])(
  'keys reach the client, not %s, which a person has left on',
  async (mode) => {
    const pane = await client();
    const on = () => spawnSync('tmux', ['-S', tmux.socket, mode, '-t', pane]).status;
    expect(on()).toBe(0);
    expect(await pasteText(tmux, { pane, run: 'r-1', text: 'one', enterDelayMs: 0 })).toBe('pasted');
    await waitFor(() => typed() === 'one\n');
    spawnSync('tmux', ['-S', tmux.socket, 'send-keys', '-l', '-t', pane, 'Yes']);
    await waitFor(() => typed() === 'one\nYes');
    expect(on()).toBe(0);
    expect(await pressKeys(tmux, { pane, run: 'r-1', shows: 'client', keys: ['y'] })).toBe('pressed');
    await waitFor(() => typed() === 'one\nYesy');
  },
);

test('nothing is pasted into a pane whose input is switched off', async () => {
  const pane = await client();
  spawnSync('tmux', ['-S', tmux.socket, 'select-pane', '-d', '-t', pane]);
  const paste = { pane, run: 'r-1', text: 'one', enterDelayMs: 0 };
  expect(await pasteText(tmux, paste)).toBe('refused');
  spawnSync('tmux', ['-S', tmux.socket, 'select-pane', '-e', '-t', pane]);
  expect(await pasteText(tmux, paste)).toBe('pasted');
  await waitFor(() => typed() === 'one\n');
});

test('a buffer that could not be loaded reached no pane', async () => {
  const nowhere = { ...tmux, binary: join(dir, 'nowhere') };
  expect(await pasteText(nowhere, { pane: '%0', run: 'r-1', text: 'x', enterDelayMs: 0 })).toMatchObject({
    error: expect.stringContaining('tmux'),
    untouched: true,
  });
});
