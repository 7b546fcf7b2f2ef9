import { describe, expect, it } from 'vitest';
import { cutTo, flow, table, width, wrap } from '../../src/report/table.ts';

const plain = { color: false } as const;
const cells = (...texts: string[]) => texts.map((text) => ({ text }));

describe('the width of a text is what a terminal shows', () => {
  it.each([
    ['abc', 3],
    ['', 0],
    ['日本語', 6],
    ['한글', 4],
    ['ｆ', 2],
    ['é', 1],
    ['e\u0301', 1],
    ['🎉', 2],
    ['👩‍👩‍👧', 2],
    ['👍🏽', 2],
    ['🇩🇪', 2],
    ['✔️', 2],
    ['…', 1],
    ['\u200b', 0],
  ])('%s', (text, columns) => {
    expect(width(text)).toBe(columns);
  });

  it('and a cut never makes it wider, or half a character', () => {
    const text = 'a日本👩‍👩‍👧語e\u0301🎉z';
    for (let n = 0; n <= 14; n++)
      for (const cut of ['end', 'start'] as const) {
        const short = cutTo(text, n, cut);
        expect(width(short)).toBeLessThanOrEqual(n);
        expect(short).not.toMatch(/\p{Surrogate}/u);
      }
    expect(cutTo('/a/long/path', 6, 'start')).toBe('…/path');
    expect(cutTo('short', 9)).toBe('short');
  });
});

describe('a table', () => {
  const rows = [cells('MC-1', '日本語のタイトル', '5s'), cells('MC-100', 'x', '12m'), cells('MC-2', '', '')];
  const shape = [{}, { grows: true }, { right: true }];

  it('stands in columns whatever is in it, and has no blanks at its ends', () => {
    expect(table(rows, shape, { ...plain, columns: 80 })).toEqual([
      'MC-1    日本語のタイトル   5s',
      'MC-100  x                 12m',
      'MC-2',
    ]);
  });

  it('is never wider than it may be', () => {
    for (let columns = 1; columns < 40; columns++)
      for (const line of table(rows, shape, { ...plain, columns }))
        expect(width(line), `${columns}: ${line}`).toBeLessThanOrEqual(columns);
  });

  it('holds one line a row, and nothing that a terminal would act on', () => {
    const [line] = table([cells('a\nb\u001b[2J\u202e', 'c')], [{}, {}], { color: true, columns: 80 });
    expect(line).toBe('a b[2J  c');
  });
});

it('words flow on as many lines as they need', () => {
  expect(flow(cells('todo 1', 'done 2', 'blocked 3'), 16, '', false)).toEqual([
    'todo 1  done 2',
    'blocked 3',
  ]);
});

it('a paragraph is wrapped at spaces, a long word where it must be', () => {
  expect(wrap('hello wörld this is 日本語のタイトル', 12)).toEqual([
    'hello wörld',
    'this is',
    '日本語のタイ',
    'トル',
  ]);
  expect(wrap('one\n\ntwo', 12)).toEqual(['one', '', 'two']);
  for (const line of wrap('x'.repeat(50), 12)) expect(line.length).toBeLessThanOrEqual(12);
});

it('a table of hundreds of thousands of rows is laid out', () => {
  const rows = Array.from({ length: 200_000 }, (_, n) => cells(`${n}`, 'x'));
  const lines = [...table(rows, [{}, {}], { columns: 80, ...plain })];
  expect([lines.length, lines[0]]).toEqual([200_000, expect.stringMatching(/^0 +x$/)]);
});
