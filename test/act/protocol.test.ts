/** PROTOCOL.md tells the launch protocol alone: it names each failpoint of the code, in its order, and each phase of the board. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
const protocol = readFileSync(join(SRC, 'act/launch/PROTOCOL.md'), 'utf8');

const names = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, one = '']) => one);
const told = names(protocol, /`((?:claim|prepare|launch|register)-[a-z-]+)`/g);
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
const inCode = files.map((path) => ({
  path,
  points: names(
    readFileSync(join(SRC, path), 'utf8'),
    /failpoint\('((?:claim|prepare|launch|register)-[a-z-]+)'\)/g,
  ),
}));

it('names each failpoint of a launch once, and no other', () => {
  expect(told.length).toBeGreaterThan(30);
  expect([...told].sort()).toEqual(inCode.flatMap(({ points }) => points).sort());
});

it('names them in the order of the code', () => {
  for (const { path, points } of inCode)
    expect([path, ...told.filter((one) => points.includes(one))]).toEqual([path, ...points]);
});

it('names each phase that the board knows', () => {
  const schema = readFileSync(join(SRC, 'board/sqlite/schema.ts'), 'utf8');
  const phases = names(/phase IN \([^)]*\)/.exec(schema)?.[0] ?? '', /'([a-z]+)'/g);
  expect(phases).toContain('launching');
  const [, diagram = ''] = /```text\n(.*?)```/s.exec(protocol) ?? [];
  for (const phase of phases) expect(diagram).toMatch(new RegExp(`\\b${phase}\\b`));
});
