/** A hold: when it is looked at again, and what it covers. */
import { expect, it } from 'vitest';
import { begun, configOf, type Fault, foundAgain, holdOn, isDue, todoOf } from '../../src/model/hold.ts';
import { aPolicy, aProject } from '../support/builders.ts';

const MINUTE = 60_000;
const FAULT: Fault = { scope: 'project:house', because: 'base_gone', says: 'no such ref' };

it('is looked at after a minute, then after twice as long each time, at most half an hour', () => {
  let hold = begun(FAULT, 'c', 0);
  const waits = [hold.next_at_ms];
  for (let n = 0; n < 7; n++) {
    const now = hold.next_at_ms;
    hold = foundAgain(hold, FAULT, 'c', now);
    waits.push(hold.next_at_ms - now);
  }
  expect(waits.map((ms) => ms / MINUTE)).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  expect(hold).toMatchObject({ since_at_ms: 0, tries: 8 });
});

it.each(['git_missing', 'program_missing', 'repo_missing', 'worktrees_root_missing'] as const)(
  'is looked at by every tick where one look at a file tells: %s',
  (because) => {
    const hold = foundAgain(begun({ ...FAULT, because }, 'c', 0), { ...FAULT, because }, 'c', 10);
    expect(isDue(hold, 'c', 11)).toBe(true);
  },
);

it.each([
  ['before its time', 59_999, 'c', false],
  ['at its time', MINUTE, 'c', true],
  ['when the configuration of its scope has changed', 1, 'other', true],
  ['when its clock ran ahead', -1, 'c', true],
])('is due or not: %s', (_, now_ms, config, due) => {
  expect(isDue(begun(FAULT, 'c', 0), config, now_ms)).toBe(due);
});

it('covers its own scope alone, and the host covers all', () => {
  const on = (scope: Fault['scope']) =>
    [holdOn([{ ...FAULT, scope }], 'house', 'robot'), holdOn([{ ...FAULT, scope }], 'moon', 'other')].map(
      (one) => one !== null,
    );
  expect(on('host')).toEqual([true, true]);
  expect(on('project:house')).toEqual([true, false]);
  expect(on('agent:robot')).toEqual([true, false]);
  expect(on('agent:house')).toEqual([false, false]);
});

it('knows what the configuration says of its scope by that table alone', () => {
  const at = (over: object) => configOf('project:house', aPolicy({ projects: [aProject(over)] }));
  expect(at({})).toBe(at({}));
  expect(at({ base: 'trunk' })).not.toBe(at({}));
  expect(configOf('project:gone', aPolicy())).toBeNull();
  expect(todoOf(FAULT)).toContain('project.house.base');
});
