/** What holds launches of this host, and its file: whole, private, and nothing where it can't be read. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { changeHolds, forgive, lookAtOnce, readHolds, strike } from '../../src/machine/holds.ts';
import { begun, type Fault, isDue } from '../../src/model/hold.ts';
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

it('is looked at no later than its wait is long, and at once where somebody asks, whatever the clock does', () => {
  const [HOUR, NOW] = [3_600_000, 1e12];
  const due = (noted_ms: number, now_ms: number): boolean => isDue(begun(FAULT, '', noted_ms), '', now_ms);
  // A minute is its wait; the clock goes on as it should, jumps ahead, and back to before it was noted.
  expect([due(NOW, NOW + 1000), due(NOW, NOW + 60_000), due(NOW, NOW + HOUR)]).toEqual([false, true, true]);
  expect(due(NOW + HOUR, NOW)).toBe(true);
  // Asked for while the clock is ahead.
  const places = { holds: fresh() };
  changeHolds(places, () => ({ holds: [begun(FAULT, '', NOW)] }));
  lookAtOnce(places);
  expect(readHolds(places).holds.map((one) => isDue(one, '', NOW + 1000))).toEqual([true]);
});
