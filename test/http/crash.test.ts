/** Cells of the crash matrix with the board on a Mission Control server: real ticks, hit at one failpoint, over real HTTP. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCell } from '../crash/cell.ts';
import { Served } from '../support/mission-control/served.ts';

let server: Served;
beforeEach(async () => {
  server = await Served.start();
});
afterEach(async () => {
  expect(await server.destroy()).toEqual([]);
});

describe('crash cells, over HTTP', () => {
  it.each([
    ['claim-committed', 'kill'],
    ['claim-before', 'stop'],
    ['launch-staged', 'kill'],
    ['launch-asked', 'kill'],
    ['launch-pane-started', 'kill'],
    ['launch-pane-started', 'stop'],
    ['register-committed', 'kill'],
    ['register-identified', 'stop'],
    ['launch-registered-seen', 'busy'],
    ['heal-before', 'kill'],
    ['keep-before', 'kill'],
    ['keep-saved', 'enospc'],
  ] as const)('%s, %s: three clean ticks restore everything', async (point, kind) => {
    expect(await runCell({ point, kind, overlap: false }, server)).toBeNull();
  });
});
