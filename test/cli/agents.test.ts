/** Who may use which command: one table, and no command that is not in it. */
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FOR_AGENTS, nameOf } from '../../src/cli/agents.ts';
import { define } from '../../src/cli/index.ts';
import { fileCrontab } from '../support/crontab.ts';
import { makeSandbox, type Sandbox } from '../support/sandbox.ts';

const program = new Command('mc-pickup');
define(program, async () => undefined);

/** Every command that does something by itself. */
function all(command: Command): Command[] {
  const acts = (command as unknown as { readonly _actionHandler: unknown })._actionHandler != null;
  return [...(acts && command !== program ? [command] : []), ...command.commands.flatMap(all)];
}

/** The shortest line that the parser takes. */
function lineOf(command: Command): string[] {
  const words = command.registeredArguments
    .filter(({ required }) => required)
    .map((one) => one.argChoices?.[0] ?? 'MC-1');
  const options = command.options
    .filter(({ mandatory }) => mandatory)
    .flatMap(({ long }) => [long ?? '', 'x']);
  return [...nameOf(command).split(' '), ...words, ...options];
}

it('each command says whether it is for agents', () => {
  expect(all(program).map(nameOf).sort()).toEqual(Object.keys(FOR_AGENTS).sort());
});

describe('an agent', () => {
  let box: Sandbox;
  beforeEach(() => {
    box = makeSandbox();
    box.configure('');
    expect(box.run(['init']).code).toBe(0);
  });
  afterEach(() => box.destroy());

  it('is refused by every command that is not for it, in one line, before anything is done', () => {
    const before = box.sql('SELECT * FROM activity');
    for (const command of all(program).filter((one) => FOR_AGENTS[nameOf(one)] === 'no')) {
      // Where a refusal were missing, the machine's own crontab would be written.
      const PATH = `${fileCrontab(join(box.dir, 'bin'))}:${box.env.PATH}`;
      const done = box.run(lineOf(command), '', { MC_RUN_ID: 'MC-9-e1-abcdef01', PATH });
      expect([nameOf(command), done.code, done.out]).toEqual([nameOf(command), 77, '']);
      expect(done.err).toMatch(/^mc-pickup: an agent \(run MC-9-e1-abcdef01\) may not use .*report.*\n$/);
    }
    expect(box.sql('SELECT * FROM activity')).toEqual(before);
  }, 120_000);

  it.each(['x', '../../etc', ' ', '0'])('is whoever has a run id, also one that is none: "%s"', (run) => {
    expect(box.run(['killswitch', 'on'], '', { MC_RUN_ID: run }).code).toBe(77);
    expect(box.run(['dispatch'], '', { MC_RUN_ID: run }).code).toBe(77);
    expect(box.run(['dispatch', '--json', '--quiet'], '', { MC_RUN_ID: run }).code).toBe(77);
    expect(box.run(['killswitch', 'status'], '', { MC_RUN_ID: run }).code).toBe(0);
  });

  it('is nobody with an empty run id', () => {
    expect(box.run(['dispatch'], '', { MC_RUN_ID: '' }).code).toBe(0);
  });

  it.each([
    ['ticket', 'list'],
    ['status'],
    ['log'],
    ['agents'],
    ['config', 'show'],
    ['config', 'path'],
    ['metrics'],
    ['page', '--out', '-'],
    ['ticket', 'export'],
    ['completion', 'bash'],
    ['help', 'stop'],
    ['--version'],
  ])('reads: %s %s', (...line) => {
    expect(box.run(line, '', { MC_RUN_ID: 'x' }).code).toBe(0);
  });

  it.each([
    ['status', '--check', '--notify'],
    ['metrics', '--out', 'x.prom'],
    ['page', '--out', 'x.html'],
    ['ticket', 'export', 'x.jsonl'],
    ['ticket', 'add', '--title', 'x', '--project', 'p', '--author', 'ann'],
    ['ticket', 'add', '--title', 'x', '--project', 'p', '--owner', 'ann'],
  ])('writes nothing beside: %s %s %s', (...line) => {
    expect(box.run(line, '', { MC_RUN_ID: 'x' })).toMatchObject({ code: 77, out: '' });
    expect(box.sql('SELECT * FROM tickets')).toEqual([]);
  });
});
