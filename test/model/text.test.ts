import { expect, test } from 'vitest';
import { clean, lastLines, oneLine, slug } from '../../src/model/text.ts';
import { fc } from '../support/draws.ts';

const any = fc.string({ unit: 'binary', maxLength: 200 });
const rough = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
  .map((units) => String.fromCharCode(...units));

test('clean strips controls, bidi and lone surrogates, and keeps the rest', () => {
  expect(clean('a\x1b[201~b\x00\x7f\x9bc\u202ed\u2066e\u061c\u200f')).toBe('a[201~bcde');
  expect(clean('a\r\nb\rc\td')).toBe('a\nb\nc\td');
  expect(clean('\ud800x\udc00 😀')).toBe('x 😀');
  expect(clean('\ud83d\x00\ude00')).toBe('');
});

test('clean holds its promise for any text', () => {
  fc.assert(
    fc.property(fc.oneof(any, rough), (text) => {
      const out = clean(text);
      expect(out).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
      expect(out.isWellFormed()).toBe(true);
      expect(clean(out)).toBe(out);
    }),
    { numRuns: 500 },
  );
});

test('slug and oneLine hold their promises for any text', () => {
  expect(slug('Fix: the `a;b|c` Ünit!')).toBe('fix-the-a-b-c-unit');
  expect(slug('日本')).toBe('');
  expect(oneLine('a\n b', 10)).toBe('a b');
  fc.assert(
    fc.property(fc.oneof(any, rough), fc.integer({ min: 0, max: 50 }), (text, max) => {
      expect(slug(text)).toMatch(/^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$/);
      const line = oneLine(text, max);
      expect(line.length).toBeLessThanOrEqual(max);
      expect(line.isWellFormed()).toBe(true);
      expect(line).not.toContain('\n');
    }),
    { numRuns: 500 },
  );
});

test('lastLines keeps the end', () => {
  expect(lastLines('a\nb\nc\n\n  \n', 2, 100)).toBe('b\nc');
  expect(lastLines('abcdef', 5, 3)).toBe('def');
});
