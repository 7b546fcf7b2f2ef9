/** What holds launches of this host, and its file: whole, private, and nothing where it can't be read. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { changeHolds, forgive, readHolds, strike } from '../../src/machine/holds.ts';
import { begun, type Fault } from '../../src/model/hold.ts';
import '../support/scratch.ts';

const dir = mkdtempSync(join(tmpdir(), 'mc-holds-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let n = 0;
const fresh = () => join(dir, `${n++}.json`);

const FAULT: Fault = {
  scope: 'project:house',
  because: 'checkout_fails',
  says: 'git worktree: no such filter',
};

it('is read as it was written, by its owner alone', () => {
  const places = { holds: fresh() };
  const hold = begun(FAULT, 'c', 5);
  changeHolds(places, () => ({ holds: [hold] }));
  expect(readHolds(places)).toEqual({ holds: [hold], strikes: [], unreadable: null });
  expect(statSync(places.holds).mode & 0o777).toBe(0o600);
});

it.each([
  ['nothing', null, null],
  ['half a line', '{"holds": [', expect.stringContaining('SyntaxError')],
  ['a list', '[]', 'not a JSON object'],
  ['words of another version', '{"holds": [{"scope": "moon", "because": "x"}, 7], "strikes": {}}', null],
  [
    'a scope that is a path',
    JSON.stringify({ holds: [{ ...begun(FAULT, '', 1), scope: 'project:../x' }] }),
    null,
  ],
])('holds nothing by %s', (_, text, unreadable) => {
  const places = { holds: fresh() };
  if (text !== null) writeFileSync(places.holds, text);
  expect(readHolds(places)).toEqual({ holds: [], strikes: [], unreadable });
});

it('tells a fault that came twice from one that another meets as well', () => {
  const places = { holds: fresh() };
  const by = (who: string, says = FAULT.says) => strike(places, { ...FAULT, says, who });
  expect([by('MC-1'), by('MC-1'), by('MC-2', 'another'), by('MC-2')]).toEqual([
    'first',
    'known',
    'first',
    'again',
  ]);
  forgive(places, FAULT);
  expect(by('MC-2')).toBe('first');
});
