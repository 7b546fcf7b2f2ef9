import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  clearHalt,
  clearSwitch,
  halted,
  parseDuration,
  readSwitches,
  recordHalt,
  writeSwitch,
} from '../../src/machine/killswitch.ts';
import { blocks } from '../../src/model/world.ts';
import { fc } from '../support/draws.ts';

let dir = '';
let file = '';
const one = { level: 'all', scope: '*', reason: 'r', author: 'a', at_ms: 1, expires_at_ms: null } as const;
const read = (env: NodeJS.ProcessEnv = {}, now = 1000) => readSwitches({ killswitch: file }, env, now);
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-ks-'));
  file = join(dir, 'killswitch.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('a missing file is off, anything unusable is on for everything', () => {
  expect(read()).toEqual([]);
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '1',
    '{"level":"some"}',
    '{"switches":{}}',
    '{"switches":[1]}',
    '{"level":"all","scope":"x"}',
    '{"level":"dispatch","expires_at_ms":"soon"}',
  ]) {
    writeFileSync(file, text);
    expect(halted(read())?.reason, text).toContain(file);
  }
});

test('a directory, a dangling link and a file without permission are on', () => {
  mkdirSync(file);
  expect(halted(read())).not.toBeNull();
  const link = join(dir, 'link');
  symlinkSync(join(dir, 'nowhere'), link);
  expect(halted(read({ MC_PICKUP_KILLSWITCH: link }))).not.toBeNull();
  const shut = join(dir, 'shut');
  writeFileSync(shut, '{"switches":[]}');
  chmodSync(shut, 0);
  if (process.getuid?.() !== 0) expect(halted(read({ MC_PICKUP_KILLSWITCH: shut }))).not.toBeNull();
});

test('both formats, expiry and scopes', () => {
  writeFileSync(file, '{"level":"dispatch","expires_at_ms":2000}');
  expect(read()).toMatchObject([{ level: 'dispatch', scope: '*' }]);
  expect(read({}, 2000)).toEqual([]);
  writeSwitch(file, { ...one, scope: 'project:p' });
  expect(halted(read({}, 3000))).toBeNull();
  expect(blocks(read({}, 3000), 'p', 'x')).not.toBeNull();
  expect(blocks(read({}, 3000), 'q', 'x')).toBeNull();
});

test('the environment', () => {
  for (const word of ['1', 'on', 'TRUE', 'yes', 'all', 'disptach'])
    expect(halted(read({ MC_PICKUP_KILLSWITCH: word }))).not.toBeNull();
  for (const word of ['', '0', 'off', 'false', 'no'])
    expect(read({ MC_PICKUP_KILLSWITCH: word })).toEqual([]);
  expect(read({ MC_PICKUP_KILLSWITCH: 'dispatch' })).toMatchObject([{ level: 'dispatch' }]);
  writeSwitch(file, one);
  expect(read({ MC_PICKUP_KILLSWITCH: join(dir, 'other') })).toEqual([]);
});

test('write merges by scope, privately; clear takes one scope or all', () => {
  writeSwitch(file, { ...one, scope: 'agent:a' });
  writeSwitch(file, one);
  writeSwitch(file, { ...one, level: 'dispatch' });
  expect(read().map(({ level, scope }) => [level, scope])).toEqual([
    ['all', 'agent:a'],
    ['dispatch', '*'],
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(['killswitch.json']);
  expect(clearSwitch(file, '*')).toBe(true);
  expect(clearSwitch(file, '*')).toBe(false);
  expect(clearSwitch(file, null)).toBe(true);
  expect(read()).toEqual([]);
});

test('a narrower write does not open a broken file; clearing removes it', () => {
  writeFileSync(file, '{');
  writeSwitch(file, { ...one, level: 'dispatch', scope: 'project:p' });
  expect(halted(read())).not.toBeNull();
  writeFileSync(file, '{');
  expect(clearSwitch(file, 'project:p')).toBe(false);
  expect(clearSwitch(file, null)).toBe(true);
  expect(readdirSync(dir)).toEqual([]);
});

test('any content at all is read without throwing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      writeFileSync(file, text);
      expect(Array.isArray(read())).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('durations and the gate note', () => {
  expect(['2h', '30m', '1d', '45s', '0s', '2', 'h', '-1h', '1.5h'].map(parseDuration)).toEqual([
    7_200_000,
    1_800_000,
    86_400_000,
    45_000,
    null,
    null,
    null,
    null,
    null,
  ]);
  const gate = join(dir, 'gate.json');
  recordHalt(gate, one, 5);
  recordHalt(gate, one, 9);
  expect(JSON.parse(readFileSync(gate, 'utf8'))).toEqual({
    first_halted_at_ms: 5,
    last_halted_at_ms: 9,
    ticks: 2,
    reason: 'r',
    level: 'all',
  });
  clearHalt(gate);
  clearHalt(gate);
  recordHalt(join(dir, 'no', 'gate.json'), one, 5);
  expect(readdirSync(dir)).toEqual([]);
});
