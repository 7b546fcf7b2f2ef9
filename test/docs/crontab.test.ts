/** Every line that the documents give for a crontab, as cron starts it: with nothing of a shell's set-up, and a PATH of its own. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOCUMENTS } from './blocks.ts';
import { makeWorld, type World } from './world.ts';

interface Line {
  readonly where: string;
  readonly command: string;
  /** What the lines above it set. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Fields of time, or a word for them, and a command: by itself in its line, or in a sentence. */
const LINE = /(?:^|`)\s*(?:@[a-z]+|[\d*,/-]+(?: [\d*,/-]+){4}) ([^`]+)/;

function linesOf(file: string): Line[] {
  const variables: Record<string, string> = {};
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((text, n) => {
      const [, name, value = ''] = /^([A-Z_]+)=(.*)$/.exec(text) ?? [];
      if (name !== undefined && file === 'crontab.example') variables[name] = value;
      const command = LINE.exec(text)?.[1];
      return command === undefined
        ? []
        : [{ where: `${file}:${n + 1}`, command, variables: { ...variables } }];
    });
}

const LINES = ['crontab.example', ...DOCUMENTS].flatMap(linesOf);

let world: World;
let home: string;
beforeAll(async () => {
  world = await makeWorld('fresh');
  home = join(world.box.dir, 'home');
  expect(world.box.run(['init', '--project'], '', world.env)).toMatchObject({ code: 0, err: '' });
});
afterAll(() => world.destroy());

it('there are such lines', () => {
  expect(LINES.map(({ command }) => command).join('\n')).toMatch(
    / dispatch [\s\S]* reconcile [\s\S]* backup /,
  );
});

describe('a line for a crontab works as cron starts it', () => {
  it.each(LINES)('$where', ({ command, variables }) => {
    const here = (text: string) => text.replaceAll('/home/ann', home);
    const set = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, here(value)]));
    const env = { HOME: home, LOGNAME: 'ann', SHELL: '/bin/sh', PATH: '/usr/bin:/bin', ...set };
    const done = spawnSync('/bin/sh', ['-c', here(command).replaceAll('\\%', '%')], {
      env,
      cwd: home,
      encoding: 'utf8',
    });
    expect({ code: done.status, out: done.stdout, err: done.stderr }).toEqual({ code: 0, out: '', err: '' });
    const log = join(home, '.local/state/mc-pickup/tick.log');
    if (command.includes(' >> ')) expect(readFileSync(log, 'utf8')).toBe('');
  });
});
