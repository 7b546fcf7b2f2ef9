import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { adapterOf } from '../../src/agents/index.ts';
import { AGENT_KINDS } from '../../src/model/policy.ts';
import { paneTitle, searched, showsText, startPane } from '../../src/tmux/pane.ts';
import { pressEnter, pressKeys } from '../../src/tmux/paste.ts';
import type { Tmux } from '../../src/tmux/tmux.ts';
import { ownTmux } from '../support/own-tmux.ts';
import { waitFor } from '../support/wait.ts';

let dir: string;
let tmux: Tmux;
beforeEach(() => {
  const own = ownTmux('mc-keys-');
  ({ dir, tmux } = own);
  return own.gone;
});

it('keys answer a dialog only while the pane shows it and is of that run', async () => {
  const script = 'echo "May it? ❯ 1. Yes, go (y)"; read -r a; clear; echo "got $a" | tee got; exec sleep 300';
  const made = await startPane(tmux, {
    name: 'r',
    run: 'r-1',
    ticket: 'T-1',
    cwd: dir,
    argv: ['sh', '-c', script],
  });
  if (!made.ok) throw new Error(made.error);
  const at = { pane: made.pane, run: 'r-1', shows: '❯ 1. Yes, go (y)', keys: ['y', 'Enter'] };
  await waitFor(() => showsText(tmux, made.pane, at.shows), 'the dialog');
  expect(await pressKeys(tmux, { ...at, shows: 'Another dialog' })).toBe('refused');
  expect(await pressKeys(tmux, { ...at, run: 'r-2' })).toBe('refused');
  expect(await pressEnter(tmux, { ...at, unless: at.shows })).toBe('refused'); // Enter would answer it
  expect(await pressKeys(tmux, at)).toBe('pressed');
  await waitFor(() => showsText(tmux, made.pane, 'got y'), 'the answer');
  expect(readFileSync(join(dir, 'got'), 'utf8')).toBe('got y\n');
  expect(await pressKeys(tmux, at)).toBe('refused'); // it is gone: nothing is pressed again
  expect(await pressEnter(tmux, { ...at, unless: at.shows })).toBe('pasted');
});

it('a title is text, whatever it holds; a search is for words of ours alone', async () => {
  const script = "printf '\\033]2;a|b #{pid} x\\033\\\\'; exec sleep 300";
  const made = await startPane(tmux, {
    name: 'r',
    run: 'r-1',
    ticket: 'T-1',
    cwd: dir,
    argv: ['sh', '-c', script],
  });
  if (!made.ok) throw new Error(made.error);
  expect(
    await waitFor(
      async () => (await paneTitle(tmux, made.pane))?.startsWith('a|b') && paneTitle(tmux, made.pane),
    ),
  ).toBe('a|b #{pid} x');
  for (const bad of ['', 'a#{b}', 'x;y', '*', "it's", 'a\nb']) expect(() => searched(bad)).toThrow();
});

it.each(AGENT_KINDS)('the permission dialog of %s can be searched for on a pane', async (kind) => {
  const { permission } = adapterOf(kind);
  if (permission === undefined) return expect(kind).toBe('command');
  const made = await startPane(tmux, {
    name: 'r',
    run: 'r-1',
    ticket: 'T-1',
    cwd: dir,
    argv: ['sh', '-c', 'printf "%s\\n" "$1"; exec sleep 300', 'sh', permission.shows],
  });
  if (!made.ok) throw new Error(made.error);
  await waitFor(() => showsText(tmux, made.pane, permission.shows), 'the dialog');
  for (const keys of [permission.allow, permission.deny])
    expect(keys.every((key) => /^[A-Za-z0-9-]+$/.test(key))).toBe(true);
});
