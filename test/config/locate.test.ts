import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { locator } from '../../src/config/locate.ts';
import { draws, fc } from '../support/draws.ts';

const TEXT = `top = 1 # [not.a.table]
'quoted key' = 2
[limits] # a comment
  max_agents = 4
[project."a.b"]
repo = """
[limits]
ttl_minutes = 1
"""
after_create = { argv = ["x", "y # z"], timeout_seconds = 1 }
hooks.deep."er" = [
  "one", # first
  { two = 2 },
]
[[route]]
agent = "a"
[[route]]
agent = "b"
[route.sub]
key = 1
[[route]]
`;

test.each([
  [['top'], '1:1'],
  [['quoted key'], '2:1'],
  [['limits'], '3:2'],
  [['limits', 'max_agents'], '4:3'],
  [['limits', 'ttl_minutes'], '3:2'],
  [['project', 'a.b'], '5:10'],
  [['project', 'a.b', 'repo'], '6:1'],
  [['project', 'a.b', 'after_create', 'argv', '1'], '10:31'],
  [['project', 'a.b', 'after_create', 'timeout_seconds'], '10:41'],
  [['project', 'a.b', 'hooks', 'deep', 'er'], '11:12'],
  [['project', 'a.b', 'hooks', 'deep', 'er', '1', 'two'], '13:5'],
  [['route', '0', 'agent'], '16:1'],
  [['route', '1', 'agent'], '18:1'],
  [['route', '1', 'sub', 'key'], '20:1'],
  [['route', '2', 'agent'], '21:3'],
  [['nowhere'], '1:1'],
])('%j is found where it stands', (path, where) => {
  const { line, column } = locator(TEXT)(path);
  expect(`${line}:${column}`).toBe(where);
});

test('every key of a text that parses is found on a word of its own', () => {
  const name = fc.stringMatching(/^[a-z]{1,3}$/);
  const value = fc.constantFrom(
    '1',
    '"a = 1 # b"',
    "'''\n[x]\n'''",
    '[1, [2, 3]]',
    '{ z = "}" }',
    '2020-01-01 10:00:00',
  );
  const line = fc.oneof(
    fc.tuple(name, value).map(([key, one]) => `${key} = ${one}`),
    name.map((one) => `[${one}]`),
    name.map((one) => `[[${one}]]`),
    fc.constant('# a = 1'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = lines.join('\n');
      let table: unknown;
      try {
        table = parse(text);
      } catch {
        return;
      }
      const find = locator(text);
      const visit = (one: unknown, path: readonly string[]): void => {
        if (typeof one !== 'object' || one === null || one instanceof Date) return;
        for (const [key, inner] of Object.entries(one)) {
          const { line, column } = find([...path, key]);
          const there = text.split('\n')[line - 1]?.slice(column - 1) ?? '';
          if (!/^\d+$/.test(key)) expect(there.startsWith(key), `${[...path, key]} in ${text}`).toBe(true);
          visit(inner, [...path, key]);
        }
      };
      visit(table, []);
    }),
    { numRuns: draws(2000) },
  );
});

test('no text makes it throw, or run for ever', () => {
  const bit = fc.constantFrom('[', ']', '{', '}', '"', "'", '"""', '=', '.', ',', '\n', '\\', '#', 'a', ' ');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(bit).map((bits) => bits.join('')),
      ),
      (text) => {
        expect(locator(text)(['a', 'b']).line).toBeGreaterThan(0);
      },
    ),
    { numRuns: draws(2000) },
  );
});
