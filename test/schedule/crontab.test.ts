import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { blockOf, cronBlock, cronTimes, withBlock } from '../../src/schedule/crontab.ts';
import { diff } from '../../src/schedule/diff.ts';
import type { Wish } from '../../src/schedule/wish.ts';
import { cronWord, shown } from '../../src/schedule/words.ts';
import { fc } from '../support/draws.ts';
import { wish } from './wish.ts';

const id = wish.id;
const block = cronBlock(wish);
const OTHERS = [
  '',
  'x\n',
  'no newline',
  'MAILTO=ann\r\n* * * * * a\r\n',
  '\n\n# mine\n\n5 4 * * * b\n',
  '\0\xff\n',
];

describe('the block in a crontab', () => {
  it.each(OTHERS)('comes and goes, and every other byte stays: %j', (crontab) => {
    const installed = withBlock(crontab, id, block);
    expect(installed.endsWith(crontab)).toBe(true);
    expect(blockOf(installed, id)).toBe(block);
    expect(withBlock(installed, id, null)).toBe(crontab);
    expect(withBlock(installed, id, block)).toBe(installed);
  });

  it('comes and goes in any text', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '# >>> mc-pickup 00000000',
        '# <<< mc-pickup 00000000: x',
        `# >>> mc-pickup ${id}0`,
        'A=b',
        '\r',
        '',
      ),
    );
    const text = fc.array(line).map((lines) => Buffer.from(lines.join('\n'), 'utf8').toString('latin1'));
    fc.assert(
      fc.property(text, fc.nat(), (crontab, at) => {
        const installed = withBlock(crontab, id, block);
        expect(withBlock(installed, id, null)).toBe(crontab);
        expect(withBlock(installed, id, block)).toBe(installed);
        // Wherever a person has put it, an older one is replaced in place.
        const newline = crontab.indexOf('\n', at % (crontab.length + 1)) + 1;
        const older = withBlock('', id, `# >>> mc-pickup ${id}: older\nx\n# <<< mc-pickup ${id}\r\n`);
        const moved = crontab.slice(0, newline) + older + crontab.slice(newline);
        expect(withBlock(moved, id, block)).toBe(crontab.slice(0, newline) + block + crontab.slice(newline));
        expect(withBlock(moved, id, null)).toBe(crontab);
      }),
      { numRuns: 500 },
    );
  });

  it('of another state dir is none of ours', () => {
    const other: Wish = { ...wish, id: 'ffffffff' };
    const both = withBlock(withBlock('x\n', id, block), other.id, cronBlock(other));
    expect(withBlock(both, id, null)).toBe(`${cronBlock(other)}x\n`);
    expect(withBlock(both, other.id, null)).toBe(`${block}x\n`);
  });

  const begin = `# >>> mc-pickup ${id}\n`;
  const end = `# <<< mc-pickup ${id}\n`;
  it.each([
    ['without its end', `${begin}x\n`],
    ['without its beginning', `x\n${end}`],
    ['the wrong way round', `${end}${begin}`],
    ['twice', `${block}${block}`],
    ['with another beginning', `${begin}${begin}${end}`],
  ])('%s is refused and never guessed', (_, crontab) => {
    expect(() => withBlock(crontab, id, block)).toThrow(/nothing was changed/);
    expect(() => withBlock(crontab, id, null)).toThrow(/crontab -e/);
    expect(() => blockOf(crontab, id)).toThrow();
  });

  it('has no variable that would hold for the lines below it', () => {
    const lines = block.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line).toMatch(/^(#|\* \* \* \* \* \/usr\/bin\/env |@reboot |0 4 )/);
  });

  it('that cron could not read is refused', () => {
    expect(() => cronBlock({ ...wish, path: `/${'x'.repeat(900)}` })).toThrow(/--with systemd/);
    expect(() => cronBlock({ ...wish, state: '/a\\b' })).toThrow(/backslash/);
  });
});

/** What cron makes of a command before it gives it to the shell, and what the shell makes of it. */
function asCronReads(command: string): string[] {
  let text = '';
  for (let at = 0; at < command.length && command[at] !== '%'; at++) {
    if (command[at] === '\\' && command[at + 1] === '%') at++;
    text += command[at];
  }
  const done = spawnSync('/bin/sh', ['-c', `printf '%s\\n' ${text}`], { encoding: 'utf8' });
  return done.stdout.slice(0, -1).split('\n');
}

describe('a word in a crontab', () => {
  it.each([
    '/a b',
    "/it's",
    '/100%',
    "/'%'",
    '/$HOME',
    '/`id`',
    '/a;b|c&d',
    '/"q"',
    '/*',
    '/#x',
    '~',
    '',
    '/é',
    '/a%%b',
  ])('reaches the program as it is: %j', (word) => {
    expect(asCronReads(cronWord(word))).toEqual([word]);
  });

  it('of any characters that a path may have reaches the program as it is', () => {
    const char = fc.constantFrom(...`ab %'"$\`;&|<>(){}[]*?!#~=é-`);
    fc.assert(
      fc.property(fc.string({ unit: char }), (word) => {
        expect(asCronReads(cronWord(`/${word}`))).toEqual([`/${word}`]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the times in a crontab', () => {
  it.each([
    [60, '* * * * *', null],
    [120, '*/2 * * * *', null],
    [1800, '*/30 * * * *', null],
    [3600, '0 * * * *', null],
    [7200, '0 */2 * * *', null],
    [86_400, '0 0 * * *', null],
    [30, '* * * * *', /shortest is a minute/],
    [90, '* * * * *', /interval_seconds is 90/],
    [420, '*/7 * * * *', /that 7 divides/],
    [5400, '0 * * * *', /hour/],
    [18_000, '0 */5 * * *', /that 5 divides/],
  ])('for %d seconds are %s', (seconds, fields, note) => {
    const times = cronTimes(seconds);
    expect(times.fields).toBe(fields);
    if (note === null) expect(times.note).toBeNull();
    else expect(times.note).toMatch(note);
  });
});

describe('the change that is shown', () => {
  it('has the changed lines and two on each side', () => {
    expect(diff('f', 'a\nb\nc\nd\ne\nf\n', 'a\nb\nc\nX\ne\nf\n')).toEqual([
      ...['--- f', '+++ f', '@@ -2,5 +2,5 @@', ' b', ' c', '-d', '+X', ' e', ' f'],
    ]);
    expect(diff('f', null, 'a\n')).toEqual(['--- (nothing)', '+++ f', '@@ -0,0 +1,1 @@', '+a']);
    expect(diff('f', 'a\n', null)).toEqual(['--- f', '+++ (nothing)', '@@ -1,1 +0,0 @@', '-a']);
    expect(diff('f', 'a\n', 'a\n')).toEqual([]);
  });

  it('is what patch makes the one text from the other by', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 });
    const text = lines.map((all) => all.map((line) => `${line}\n`).join(''));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const shownLines = diff('f', before, after);
        const kept = (sign: string) =>
          shownLines.slice(3).filter((line) => line.startsWith(sign) || line.startsWith(' '));
        const [, from = '0', minus = '0', , plus = '0'] =
          /-(\d+),(\d+) \+(\d+),(\d+)/.exec(shownLines[2] ?? '') ?? [];
        expect(kept('-')).toHaveLength(Number(minus));
        expect(kept('+')).toHaveLength(Number(plus));
        const all = before.split('\n').slice(0, -1);
        const at = minus === '0' ? Number(from) : Number(from) - 1;
        if (shownLines.length > 0) all.splice(at, Number(minus), ...kept('+').map((line) => line.slice(1)));
        expect(all.map((line) => `${line}\n`).join('')).toBe(after);
      }),
    );
  });

  it('is text again where the crontab is bytes', () => {
    expect(shown(cronBlock({ ...wish, state: '/é' }))).toContain('MC_PICKUP_STATE_DIR=/é');
  });
});
