import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { manualPage } from '../../scripts/man.ts';
import { examplesOf } from '../../src/cli/define.ts';
import { define } from '../../src/cli/index.ts';
import { BIN } from '../support/sandbox.ts';

interface Known {
  readonly name: string;
  readonly command: Command;
}

/** A fresh command line; `chosen` counts how often a command was reached. */
function fresh(): { readonly program: Command; readonly chosen: () => number } {
  let chosen = 0;
  const program = new Command('mc-pickup');
  define(program, async () => {
    chosen += 1;
  });
  program.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  return { program, chosen: () => chosen };
}

function visible(command: Command, path = ''): Known[] {
  const all = command.createHelp().visibleCommands(command);
  return all
    .filter((one) => one.name() !== 'help')
    .flatMap((one) => {
      const name = `${path} ${one.name()}`.trim();
      return [{ name, command: one }, ...visible(one, name)];
    });
}

/** The words that a shell makes of a line. */
function words(line: string): string[] {
  const done = spawnSync('/bin/sh', ['-c', `printf '%s\\0' ${line}`], {
    encoding: 'utf8',
    env: { HOME: '/home/ann' },
  });
  return done.stdout.split('\0').slice(0, -1);
}

const all = visible(fresh().program);

describe('the help', () => {
  it.each(all)(
    'of $name says what it does, what each option means, and gives examples',
    ({ name, command }) => {
      expect(command.description()).not.toBe('');
      for (const option of command.options) expect([option.flags, option.description]).not.toContain('');
      const group = command.commands.length > 0 && command.registeredArguments.length === 0;
      if (examplesOf(command).length === 0) expect([name, group]).toEqual([name, true]);
      // At 80 columns and with nobody's terminal.
      const text = command.helpInformation();
      expect(text).toContain(command.description().split(' ')[0]);
    },
  );

  it.each(all.flatMap(({ command }) => examplesOf(command).map(({ line }) => line)))(
    'takes its own example: %s',
    async (line) => {
      if (!line.startsWith('mc-pickup ')) return;
      const { program, chosen } = fresh();
      await program.parseAsync(words(line).slice(1), { from: 'user' });
      expect(chosen()).toBe(1);
    },
  );
});

describe('help with several words', () => {
  const asked = (...words: string[]) =>
    spawnSync(process.execPath, [BIN, 'help', ...words], { encoding: 'utf8', env: { HOME: '/nonexistent' } });

  it('is the help of that very command', () => {
    expect(asked('ticket', 'add').stdout).toContain('Usage: mc-pickup ticket add [options]');
    expect(asked('ticket').stdout).toContain('Usage: mc-pickup ticket [options] [command]');
    expect(asked('agents', 'ready')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage: mc-pickup agents ready'),
    });
  });

  it.each([
    [['ticket', 'ad'], 'unknown command \'ad\' (did you mean "add"?)\n(see mc-pickup ticket --help)'],
    [['nope'], "unknown command 'nope'\n(see mc-pickup --help)"],
  ])('of no command is a complaint that leads on: %j', (line, says) => {
    expect(asked(...line)).toMatchObject({ status: 2, stderr: expect.stringContaining(says) });
  });
});

describe('the manual page', () => {
  const page = manualPage();

  it('has every command, option and example of the help', () => {
    const plain = page
      .replaceAll('\\-', '-')
      .replaceAll('\\(dq', '"')
      .replaceAll('\\(aq', "'")
      .replaceAll('\\(ti', '~');
    for (const { name, command } of all) {
      expect(plain).toContain(`.SS ${name}`);
      for (const { long } of command.options) expect(plain).toContain(long);
      for (const { line } of examplesOf(command)) expect(plain).toContain(line);
    }
  });

  // CI installs mandoc, Debian's package of that name.
  const there = spawnSync('mandoc', ['-h']).error === undefined;
  it.skipIf(!there && !process.env.CI)('is one that mandoc finds no fault with', () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: page, encoding: 'utf8' });
    const faults = lint.stdout.split('\n').filter((line) => line !== '' && !/date/.test(line));
    expect(faults).toEqual([]);
  });
});
