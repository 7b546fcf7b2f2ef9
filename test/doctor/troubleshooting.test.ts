/** docs/troubleshooting.md names reasons and checks by their literals: each must be one that the program has. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(ROOT, 'docs', 'troubleshooting.md'), 'utf8');
const source = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(ROOT, 'src', path), 'utf8'))
  .join('\n');

/** The literals in the first column of each table. */
const reasons = [...text.matchAll(/^\| (`[^|]*`) +\|/gm)].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([a-z_]+)`/g)].map(([, word = '']) => word),
);

describe('docs/troubleshooting.md', () => {
  it('is read at all', () => expect(reasons.length).toBeGreaterThan(30));

  it.each([...new Set(reasons)])('"%s" is a reason that the program gives', (word) => {
    expect(source).toMatch(new RegExp(`['"]${word}['"]|^ +${word}:`, 'm'));
  });

  it('has what to do for every reason for which a ticket in todo is passed over', () => {
    const decision = readFileSync(join(ROOT, 'src', 'decide', 'dispatch.ts'), 'utf8');
    const given = [...decision.matchAll(/(?:return|\?|because:|:) '([a-z]+_[a-z_]+)'/g)].map(
      ([, word]) => word,
    );
    expect(given.length).toBeGreaterThan(10);
    // What was asked for on the command line needs no cure.
    for (const word of new Set(given))
      if (!['other_project', 'next_in_order'].includes(word ?? '')) expect(text).toContain(`\`${word}\``);
  });

  it('leads to places that are there', () => {
    const headings = [...text.matchAll(/^##+ (.*)$/gm)].map(([, words = '']) =>
      words
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, at = ''] of text.matchAll(/\(#([^)]*)\)/g)) expect(headings).toContain(at);
  });

  it.each(['ticks', 'halted', 'recent ticks', 'gaps', 'tools', 'disk', 'clock', 'tmux group', 'linger'])(
    '"%s" is a check of doctor',
    (check) => {
      expect(text).toContain(`\`${check}\``);
      expect(source).toContain(`'${check}'`);
    },
  );
});
