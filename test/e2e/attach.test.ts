import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { BIN } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';
import { waitFor } from '../support/wait.ts';

let rig: Rig;
let terminal: Terminal | undefined;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  terminal?.close();
  terminal = undefined;
  await rig.box.destroy();
});

const MC = `${process.execPath} ${BIN}`;

async function asking(): Promise<string> {
  const id = rig.add('ask');
  rig.tick();
  await rig.settle(id, 'needs_input');
  return id;
}

describe('attach', () => {
  it('hands the terminal over, says first how to leave it, and comes back with 0', async () => {
    const id = await asking();
    terminal = new Terminal(rig.box.env, 80, 24);
    terminal.type(`unset TMUX; ${MC} attach ${id}; echo left with $?`);
    await terminal.shows(/\[MC-1-e1/);
    terminal.type('blue');
    await rig.settle(id, 'in_review');
    expect(rig.box.note(`${id}.answers`)).toBe('blue\n');
    terminal.press('C-b', 'd');
    expect(await terminal.shows(/left with 0/)).toMatch(/MC-1: leave it with C-b d; the agent works on/);
  });

  it('from inside tmux is left by the very keys that it says, and leaves the outer one alone', async () => {
    const id = await asking();
    const outer = new Terminal(rig.box.env, 80, 24);
    try {
      // The person's terminal, in it their tmux, in that the agent's.
      terminal = new Terminal(rig.box.env, 80, 24);
      terminal.type(`unset TMUX; tmux -S ${outer.socket} attach`);
      await terminal.shows(/\[t\]/);
      terminal.type(`${MC} attach ${id}; echo left with $?`);
      await terminal.shows(/\[MC-1-e1/);
      terminal.press('C-b', 'C-b', 'd');
      expect(await terminal.shows(/left with 0/)).toMatch(
        /leave it with C-b C-b d \(tmux in tmux; or use --window\)/,
      );
      expect(terminal.screen()).toMatch(/\[t\]/);
      terminal.type(`clear; tmux set -g prefix C-a; ${MC} attach ${id}; echo left with $?`);
      await terminal.shows(/\[MC-1-e1/);
      terminal.press('C-b', 'd');
      expect(await terminal.shows(/left with 0/)).toMatch(/leave it with C-b d \(tmux in tmux/);
    } finally {
      outer.close();
    }
  });

  it('--window opens one in the tmux of the person, which closes when it is left', async () => {
    const id = await asking();
    terminal = new Terminal(rig.box.env, 80, 24);
    terminal.type(`${MC} attach ${id} --window; echo left with $?`);
    const windows = () =>
      terminal?.tmux('list-windows', '-t', 't', '-F', '#{window_name}').trim().split('\n') ?? [];
    await waitFor(() => windows().includes(id), 'the window');
    await terminal.shows(/\[MC-1-e1/);
    terminal.press('C-b', 'd');
    await waitFor(() => windows().length === 1, 'the window to be closed');
    expect(await terminal.shows(/left with 0/)).toContain('MC-1: in a window of your tmux');
  });

  it('--read-only lets no key through but those that leave', async () => {
    const id = await asking();
    terminal = new Terminal(rig.box.env, 80, 24);
    terminal.type(`unset TMUX; ${MC} attach ${id} --read-only; echo left with $?`);
    await terminal.shows(/\[MC-1-e1/);
    terminal.type('red');
    terminal.press('C-b', 'd');
    await terminal.shows(/left with 0/);
    expect(rig.box.run(['answer', id, 'blue']).code).toBe(0);
    await rig.settle(id, 'in_review');
    expect(rig.box.note(`${id}.answers`)).toBe('blue\n');
  });

  it('says why there is nothing to attach to, and what to do instead', async () => {
    const id = await asking();
    const says = (code: number, what: RegExp, ...args: string[]): void => {
      const done = rig.box.run(['attach', ...args]);
      expect(done).toMatchObject({ code, out: '' });
      expect(done.err).toMatch(what);
    };
    says(2, /attach needs a terminal: .*mc-pickup transcript MC-1 --follow/, id);
    says(2, /--window opens a window of the tmux you are in, and this is none/, id, '--window');
    says(69, /MC-2 has no living agent .*mc-pickup transcript MC-2.*mc-pickup explain MC-2/, rig.add('hold'));
    rig.box.sql('UPDATE runtime_sessions SET headless = 1');
    says(69, /MC-1 is headless, there is nothing to attach to: mc-pickup transcript MC-1 --follow/, id);
    rig.box.sql("UPDATE runtime_sessions SET headless = 0, host_id = 'h-far'");
    says(69, /MC-1 runs on another host \(h-far\): attach to it there/, id);
    rig.box.sql('DELETE FROM runtime_sessions');
  });
});

describe('progress', () => {
  it('is one line of a person at a terminal, after a second, and gone at the end; a pipe never sees it', async () => {
    rig.configure({ project: 'before_run = ["sleep", "3"]' });
    const id = rig.add('hold');
    terminal = new Terminal(rig.box.env, 80, 24);
    terminal.type(`clear; ${MC} dispatch; echo ended with $?`);
    await terminal.shows(/^preparing MC-1 \.\.\. \d s$/m);
    const after = await terminal.shows(/ended with 0/);
    expect(after).toMatch(/MC-1: launch todo -> in_progress \[launched\]/);
    expect(after).not.toContain('preparing');
    rig.add('hold');
    const piped = rig.box.run(['dispatch']);
    expect(piped).toMatchObject({ code: 0, err: '' });
    expect(piped.out).not.toMatch(/preparing|\u001b|\r/);
    await rig.holding(id);
  });
});
