import { expect, test } from 'vitest';
import { boardComplaint, boardServer } from '../../src/config/board.ts';

const TABLE = '[board]\nkind = "mission-control"\n';

test.each([
  [`${TABLE}`, '1:2', 'board.url', 'is missing'],
  [`${TABLE}url = "ftp://x"\n`, '3:1', 'board.url', 'not an http address'],
  [`${TABLE}url = "http://example.net"\n`, '3:1', 'board.url', 'http is for this machine alone'],
  [`${TABLE}url = "https://u:p@x"\n`, '3:1', 'board.url', 'without a name'],
  [
    `${TABLE}url = "https://x"\ntoken_env = "T"\ntoken_file = "t"\n`,
    '4:1',
    'board.token_env',
    'use one of them',
  ],
  [`${TABLE}url = "https://x"\ntoken_env = "T"\n`, '4:1', 'board.token_env', 'the environment has no T'],
  [`${TABLE}url = "https://x"\ntoken_file = "none"\n`, '4:1', 'board.token_file', 'ENOENT'],
  ['[board]\nkind = "postgres"\n', '2:1', 'board.kind', 'must be sqlite or mission-control'],
])('%j is refused where it stands', (text, where, key, says) => {
  const found = boardComplaint('/nowhere/config.toml', text, {});
  expect(found).toMatchObject({ key });
  expect(`${found?.line}:${found?.column}`).toBe(where);
  expect(found?.says).toContain(says);
  expect(() => boardServer('/nowhere/config.toml', text, {})).toThrow(
    `/nowhere/config.toml:${where}: ${key}: `,
  );
});
