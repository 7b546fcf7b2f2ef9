import { describe, expect, it } from 'vitest';
import type { HistoryEvent, HistoryRun, HistoryTick } from '../../src/board/port/index.ts';
import { SENTENCES } from '../../src/model/sentences.ts';
import { bins, endingOf, gaps, slots, throughput } from '../../src/page/derive.ts';
import { escapeText, html } from '../../src/page/html.ts';
import { clockOf, DAY, HOUR, MINUTE, span } from '../../src/page/time.ts';
import { dollars, meaning, short } from '../../src/page/words.ts';
import { NOW } from '../support/builders.ts';

const run = (id: string, claimed_at_ms: number, ended_at_ms: number | null, host_id = 'h1'): HistoryRun => ({
  ...{ id, ticket_id: `MC-${id}`, title: id, agent: 'a', project: 'p', host_id, branch: null, attempt: 1 },
  ...{ phase: ended_at_ms === null ? 'running' : 'ended', activity: 'busy', registered_at_ms: claimed_at_ms },
  ...{ claimed_at_ms, ended_at_ms, end_reason: ended_at_ms === null ? null : 'finished' },
  ...{ exit_code: null, exit_signal: null },
});
const tick = (at: number, took = 50): HistoryTick => ({
  ...{ id: `t${at}`, host_id: 'h1', started_at_ms: at, finished_at_ms: at + took, outcome: 'ok' },
  ...{ reconciled: 0, launched: 0, skipped: 0, live: 0 },
});

describe('text', () => {
  it('is inert as markup and in an attribute, without control and bidi characters', () => {
    const text = escapeText(`<script>"'\`&\0\u001b[31m\u202eevil\u2066</style>`);
    expect(text).not.toMatch(/[<>"'`\0\u001b\u202e\u2066]/);
    expect(text).toBe('&#60;script&#62;&#34;&#39;&#96;&#38;[31mevil&#60;/style&#62;');
  });

  it('is escaped by the template unless it is markup that the template made', () => {
    const list = ['<i>', html`<b>${'<'}</b>`];
    expect(html`<p title="${'"'}">${list}${null}${false}${0}</p>`.text).toBe(
      '<p title="&#34;">&#60;i&#62;<b>&#60;</b>0</p>',
    );
  });
});

describe('worker slots', () => {
  const placed = (...runs: HistoryRun[]) => slots(runs).map(({ run: { id }, slot }) => `${id}:${slot}`);

  it('a run takes the lowest that is free when it starts', () => {
    expect(placed(run('a', 0, 10), run('b', 5, 20), run('c', 10, 30), run('d', 12, null))).toEqual([
      ...['a:0', 'b:1', 'c:0', 'd:2'],
    ]);
  });

  it('one that lives keeps its slot', () => {
    expect(placed(run('a', 0, null), run('b', 1, 2), run('c', 3, 4))).toEqual(['a:0', 'b:1', 'c:1']);
  });

  it('each host has its own; the order of what is given does not matter', () => {
    expect(placed(run('b', 5, 9, 'h2'), run('a', 0, 9))).toEqual(['a:0', 'b:0']);
  });

  it('a run that ended for a reason unknown to us has ended, no more; a person or the machine is no failure', () => {
    expect(endingOf(run('a', 0, null))).toBe('lives');
    expect(endingOf(run('a', 0, 1))).toBe('finished');
    expect(endingOf({ ...run('a', 0, 1), end_reason: 'me' })).toBe('ended');
    expect(endingOf({ ...run('a', 0, 1), end_reason: null })).toBe('ended');
    expect(endingOf({ ...run('a', 0, 1), end_reason: 'rebooted' })).toBe('stopped');
    expect(endingOf({ ...run('a', 0, 1), end_reason: 'agent_dead' })).toBe('failed');
  });
});

describe('gaps between ticks', () => {
  const every = (from: number, to: number) =>
    Array.from({ length: Math.round((to - from) / MINUTE) }, (_, n) => tick(from + n * MINUTE));

  it('three intervals are none, more are one', () => {
    const ticks = [tick(0, 0), tick(3 * MINUTE, 0), tick(6 * MINUTE + 1, 0)];
    expect(gaps(ticks, MINUTE, 7 * MINUTE)).toEqual([
      { from_ms: 3 * MINUTE, to_ms: 6 * MINUTE + 1, open: false },
    ]);
  });

  it('a tick that takes long leaves none', () => {
    expect(gaps([tick(0, 10 * MINUTE), tick(MINUTE), tick(11 * MINUTE)], MINUTE, 12 * MINUTE)).toEqual([]);
  });

  it('the last is open while no tick comes', () => {
    expect(gaps(every(0, HOUR), MINUTE, 2 * HOUR)).toEqual([
      { from_ms: 59 * MINUTE + 50, to_ms: 2 * HOUR, open: true },
    ]);
  });

  it('no ticks have none', () => {
    expect(gaps([], MINUTE, HOUR)).toEqual([]);
  });

  it('a part of the day without a tick is empty, not zero', () => {
    const [first, second] = bins([tick(1, 10), tick(2, 30), tick(3, 500)], 0, 2 * HOUR, 2);
    expect(first).toMatchObject({ count: 3, median: 30, longest: 500 });
    expect(second).toMatchObject({ count: 0, median: null, longest: null });
  });
});

describe('throughput', () => {
  const event = (at_ms: number, to: string, ticket_id = 'MC-1'): HistoryEvent => ({
    ...{ id: at_ms, at_ms, ticket_id, run_id: null, kind: 'moved', because: to, to },
  });
  const clock = clockOf(NOW, 'UTC');

  it('counts a ticket once a day, and every day is there', () => {
    const all = throughput(
      [event(NOW, 'done'), event(NOW - 1, 'done'), event(NOW - DAY, 'in_review'), event(NOW, 'todo')],
      clock,
      14,
    );
    expect(all).toHaveLength(14);
    expect(all.at(-1)).toMatchObject({ done: 1, in_review: 0, label: clock.day(NOW) });
    expect(all.at(-2)).toMatchObject({ done: 0, in_review: 1 });
  });

  it('goes by the hour where it is about a day or two', () => {
    expect(throughput([], clock, 1).length).toBeGreaterThanOrEqual(24);
    expect(throughput([], clock, 2).length).toBeGreaterThanOrEqual(48);
  });

  it('knows the days of a zone that has 23 and 25 hours of them', () => {
    const spring = clockOf(Date.UTC(2026, 2, 31, 10), 'Europe/Berlin');
    expect(throughput([], spring, 5).map(({ label }) => label)).toEqual([
      ...['27 Mar', '28 Mar', '29 Mar', '30 Mar', '31 Mar'],
    ]);
  });
});

it('says spans, numbers and money as people do', () => {
  expect([0, 12, 1500, 45_000, 12 * MINUTE, 2 * HOUR, 2 * HOUR + 5 * MINUTE, 2 * DAY].map(span)).toEqual([
    ...['0 ms', '12 ms', '1.5 s', '45 s', '12 min', '2 h', '2 h 5 min', '2 d'],
  ]);
  expect([0, 999, 1234, 34_000, 5_600_000, 2e9].map(short)).toEqual([
    ...['0', '999', '1.2k', '34k', '5.6M', '2G'],
  ]);
  expect([0.5, 12.345, 1234].map(dollars)).toEqual(['$0.50', '$12.35', '$1234']);
});

it('a reason that is known says what it means, and none speaks of what is not known', () => {
  expect(meaning('agent_alive')).toBe('its agent is alive');
  expect(meaning('agent_exited')).toBe('the agent ended without a report');
  expect(meaning('made_up')).toBe('a reason of another program');
  expect(meaning('toString')).toBe('a reason of another program');
  for (const because of Object.keys(SENTENCES)) expect(meaning(because)).not.toMatch(/undefined|unknown\)/);
});
