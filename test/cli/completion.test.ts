import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { define } from '../../src/cli/index.ts';
import { completionOf } from '../../src/commands/complete.ts';
import { makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

const program = new Command('mc-pickup');
define(program, async () => undefined);
const offered = (...words: string[]) => completionOf(program, words);
const names = (...words: string[]) => offered(...words).words.map(({ word }) => word);

describe('what can follow', () => {
  it('begins with the commands, hidden ones left out, each with its description', () => {
    expect(names('')).toContain('dispatch');
    expect(names('')).not.toContain('register');
    expect(names('')).not.toContain('complete');
    expect(offered('').words.every(({ says }) => says.length > 0)).toBe(true);
  });

  it.each([
    [
      ['ticket', ''],
      ['add', 'list', 'show', 'edit', 'move', 'comment'],
    ],
    [
      ['killswitch', 'on', '--level', ''],
      ['dispatch', 'all'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['report', ''],
      ['review', 'needs-input', 'done', 'blocked'],
    ],
    [
      ['--state-dir', '/x', 'killswitch', ''],
      ['on', 'off', 'status'],
    ],
  ])('%j: %j', (words, expected) => {
    for (const one of expected) expect(names(...words)).toContain(one);
  });

  it.each([
    [['explain', ''], 'tickets'],
    [['ticket', 'move', 'M'], 'tickets'],
    [['ticket', 'add', '--depends-on', ''], 'tickets'],
    [['ticket', 'add', '--depends-on=M'], 'tickets'],
    [['ticket', 'add', '--agent', ''], 'agents'],
    [['dispatch', '--project', ''], 'projects'],
    [['init', '--project', ''], 'nothing'],
    [['killswitch', 'on', '--scope', ''], 'scopes'],
    [['agents', 'ready', ''], 'agents'],
    [['--config', ''], 'files'],
    [['--state-dir', ''], 'directories'],
    [['ticket', 'add', '--title', ''], 'nothing'],
    [['explain', 'MC-1', ''], 'nothing'],
  ])('%j is looked up among the %s', (words, kind) => {
    expect(offered(...words).kind).toBe(kind);
  });

  it('offers statuses where one is moved to, and none behind --', () => {
    expect(names('ticket', 'move', 'MC-1', '')).toContain('in_review');
    expect(names('ticket', 'list', '--status', '')).toContain('needs_input');
    expect(names('dispatch', '--', '--d')).toEqual([]);
    expect(names('dispatch', '--d')).toContain('--dry-run');
  });

  it('remembers which board is meant', () => {
    expect(offered('--state-dir', '/a', '--config=/b', 'explain', '').globals).toEqual({
      stateDir: '/a',
      config: '/b',
    });
  });
});

describe('in a real shell', () => {
  let box: Sandbox;
  let terminals = 0;
  beforeEach(() => {
    box = makeSandbox();
    expect(box.run(['init']).code).toBe(0);
    const title = `One; $(touch ${box.dir}/never) \`touch ${box.dir}/never\` %F{red} "q"`;
    expect(box.run(['ticket', 'add', '--project', 'demo', '--title', title]).code).toBe(0);
  });
  afterEach(() => box.destroy());

  /** What the screen shows once the keys have been typed and something has changed; the marks end each wait. */
  async function typed(
    shell: readonly string[],
    setup: string,
    keys: string,
    expected: RegExp,
  ): Promise<string> {
    const path = `${join(box.state, 'bin')}:${process.env.PATH}`;
    // A session of its own each time, kept to the end: a server that ends with its last session turns the next client away.
    const session = `typing-${++terminals}`;
    const start = ['new-session', '-d', '-s', session, '-x', '120', '-y', '30'];
    expect(box.tmux('-f', '/dev/null', ...start, 'env', `PATH=${path}`, ...shell)).toMatchObject({ code: 0 });
    const screen = () => box.tmux('capture-pane', '-p', '-t', `=${session}:`).out;
    const keyboard = (text: string, ...more: string[]) =>
      box.tmux('send-keys', '-t', `=${session}:`, '-l', text).code === 0 &&
      (more.length === 0 || box.tmux('send-keys', '-t', `=${session}:`, ...more).code === 0);
    await until(() => screen().trim() !== '');
    keyboard(setup, 'Enter');
    keyboard('echo rea""dy', 'Enter');
    await until(() => /^ready/m.test(screen()));
    // Bash lists at the second key press.
    keyboard(keys, 'Tab', ...(shell[0] === 'bash' ? ['Tab'] : []));
    await until(() => expected.test(screen()));
    return screen();
  }

  const SHELLS = [
    ['bash', ['bash', '--norc', '--noprofile'], 'source <(mc-pickup completion bash)'],
    ['zsh', ['zsh', '-f'], 'autoload -Uz compinit && compinit -D -u && source <(mc-pickup completion zsh)'],
    ['fish', ['fish', '--no-config'], 'mc-pickup completion fish | source'],
  ] as const;

  for (const [name, argv, setup] of SHELLS) {
    const there = spawnSync(name, ['--version']).error === undefined;
    // CI installs all three; elsewhere a shell may be missing: its Debian package has the shell's name.
    it.skipIf(!there && !process.env.CI)(`${name} completes a command, a ticket and an option`, async () => {
      // The second key press of bash completes the only ticket, if it is there already.
      expect(await typed(argv, setup, 'mc-pickup expl', /mc-pickup explain/)).toMatch(
        /mc-pickup explain( MC-1)?\s*$/m,
      );
      expect(await typed(argv, setup, 'mc-pickup explain M', /explain MC-1/)).toMatch(/explain MC-1/);
      expect(await typed(argv, setup, 'mc-pickup killswitch on --scope project:d', /project:demo/)).toMatch(
        /--scope project:demo/,
      );
      expect(await typed(argv, setup, 'mc-pickup ticket list --status=in_r', /in_review/)).toMatch(
        /--status=in_review/,
      );
    });

    it.skipIf(!there && !process.env.CI)(
      `${name} lists several, and runs nothing of their titles`,
      async () => {
        expect(box.run(['ticket', 'add', '--project', 'demo', '--title', 'Two']).code).toBe(0);
        const keys = 'mc-pickup ticket show MC-';
        const both = /MC-2[\s\S]*MC-1|MC-1[\s\S]*MC-2/;
        const shown = await typed(argv, setup, keys, both);
        expect(shown).toMatch(both);
        if (name !== 'bash') expect(shown).toMatch(/todo: One; \$\(touch/);
        expect(existsSync(join(box.dir, 'never'))).toBe(false);
      },
    );
  }
});

it('a completion never complains, whatever is typed and whatever is missing', async () => {
  const box = makeSandbox();
  try {
    box.configure('not toml [');
    for (const words of [
      [''],
      ['explain', ''],
      ['--state-dir', '/nowhere', 'explain', ''],
      ['nope', 'x', ''],
      ['--config'],
    ])
      expect(box.run(['complete', 'zsh', '--', ...words])).toMatchObject({ code: 0, err: '' });
    expect(box.run(['completion', 'tcsh'])).toMatchObject({ code: 2, out: '' });
  } finally {
    await box.destroy();
  }
});
