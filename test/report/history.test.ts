import { expect, it } from 'vitest';
import type { ActivityRow, TickMention } from '../../src/board/port/index.ts';
import { evidenceWords, historyOf, toldLine } from '../../src/report/history.ts';
import { anEnded, NOW } from '../support/builders.ts';

const MIN = 60_000;
const row = (n: number, over: Partial<ActivityRow>): ActivityRow => ({
  ...{ id: n, at_ms: NOW + n * MIN, ticket_id: 'MC-1', run_id: null, actor: 'ann', kind: 'comment' },
  ...{ because: null, text: null },
  ...over,
});
const tick = (n: number, report: object): TickMention => ({
  ...{ tick: `t${n}`, host_id: 'h', at_ms: NOW + n * MIN, outcome: 'ok' },
  report: JSON.stringify({ reconcile: [], dispatch: [], skipped: [], ...report }),
});
const skip = (because: string, evidence: object = {}) => ({
  skipped: [{ ticket: 'MC-1', because, evidence }],
});

it('ticks that pass a ticket over for one reason are one line, until something happens or the reason changes', () => {
  const ticks = [
    tick(1, skip('no_slot', { used: 1 })),
    tick(2, skip('no_slot', { used: 4, max_agents: 4 })),
    tick(4, skip('no_slot')),
    tick(5, skip('not_before')),
  ];
  const told = historyOf([row(0, { kind: 'created', text: 'x' }), row(3, { text: 'hi' })], [], ticks);
  expect(told.map(({ kind, because, ticks: n }) => [kind, because, n])).toEqual([
    ['created', null, 0],
    ['skipped', 'no_slot', 2],
    ['comment', null, 0],
    ['skipped', 'no_slot', 1],
    ['skipped', 'not_before', 1],
  ]);
  expect(told[1]).toMatchObject({ at_ms: NOW + MIN, until_ms: NOW + 2 * MIN, evidence: { used: 4 } });
  expect(told.map(toldLine)[1]).toMatch(
    /^2 ticks until \d\d:\d\d:\d\dZ skipped: every slot is taken \[no_slot\] \(used 4, max agents 4\)$/,
  );
});

it('a line gets the evidence of the step of its own kind, whatever else the tick did', () => {
  const step = (kind: string, evidence: object) => ({
    ...{ kind, ticket: 'MC-1', because: 'agent_not_ready', result: 'done', evidence },
  });
  const log = [row(1, { actor: 'tick:t1', kind: 'retry', because: 'agent_not_ready' })];
  const told = historyOf(
    log,
    [],
    [tick(1, { reconcile: [step('unready', {}), step('retry', { pid: 42 })] })],
  );
  expect(told.map(({ kind, evidence }) => [kind, evidence])).toEqual([
    ['retry', { pid: 42 }],
    ['unready', {}],
  ]);
});

it('a step is told by the line that it left, with its evidence; one that left none by itself', () => {
  const run = anEnded({ id: 'r-1', exit_code: 7, end_reason: 'agent_exited' });
  const retry = {
    kind: 'retry',
    ticket: 'MC-1',
    because: 'agent_exited',
    result: 'done',
    evidence: { pid: 42 },
  };
  const failed = {
    kind: 'launch',
    ticket: 'MC-1',
    because: 'next_in_order',
    result: 'failed',
    evidence: {},
    error: 'no tmux',
  };
  const log = [
    row(2, { actor: 'tick:t1', kind: 'retry', because: 'agent_exited', run_id: 'r-1', text: 'it ended' }),
  ];
  const told = historyOf(
    log,
    [run],
    [tick(1, { reconcile: [retry], ...skip('not_before') }), tick(3, { dispatch: [failed] })],
  );
  expect(told.map(toldLine)).toEqual([
    expect.stringMatching(
      /^failed, tried again: it ended \[agent_exited\] \(exit code 7, lived .*, pid 42\)$/,
    ),
    // After what the same tick wrote, though that came later than the tick began.
    'skipped: its back-off is not over [not_before]',
    'launch failed: no tmux [next_in_order]',
  ]);
});

it('reports of other programs and reasons of other versions are told as far as they go', () => {
  const odd = ['7', 'null', '[]', '{"skipped":7,"reconcile":[null,7,{"because":3}]}', 'not json'];
  const ticks = odd.map((report, n) => ({ ...tick(n, {}), report }));
  expect(historyOf([], [], ticks)).toEqual([]);
  const [one] = historyOf([], [], [tick(1, skip('of_tomorrow', { deep: { a: 1 }, n: 1 }))]);
  expect(one).toMatchObject({ because: 'of_tomorrow', evidence: { n: 1 } });
  expect(toldLine(one ?? expect.fail())).toContain('of_tomorrow');
});

it('evidence is short words: times as times, and nothing that is null', () => {
  expect(
    evidenceWords({ pid: 42, exit_code: null, silent_ms: 90_000, not_before_at_ms: NOW, ok: true, run: 'r' }),
  ).toBe('pid 42, silent 1m, not before 2027-01-15 08:00:00Z, ok: yes');
});
