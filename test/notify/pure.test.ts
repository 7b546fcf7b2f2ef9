/** What needs no tick: signatures, gaps, what waits for a channel, the file that remembers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NotifySpec } from '../../src/model/policy.ts';
import { sign } from '../../src/notify/channels.ts';
import type { TellEvent } from '../../src/notify/event.ts';
import { gather } from '../../src/notify/gather.ts';
import {
  channelKey,
  channelName,
  enqueue,
  freshChannel,
  MOST_WAITING,
  readNotified,
  writeNotified,
} from '../../src/notify/record.ts';
import { cameBack, type TickNow } from '../../src/notify/stopped.ts';
import { switchEvents } from '../../src/notify/switches.ts';
import { lineOf } from '../../src/notify/words.ts';
import { memoryBoard } from '../explorer/board.ts';
import { draws, fc } from '../support/draws.ts';

const DAY = 86_400_000;
const event = (over: Partial<TellEvent> = {}): TellEvent => ({
  ...{ id: 'e-1', kind: 'blocked', at_ms: 0, ticket: 'MC-1', title: 'Fix', project: 'demo', labels: [] },
  ...{ run: null, because: 'reported', text: 'No key.' },
  ...over,
});

it('the signature is the one that the documentation computes with openssl', () => {
  const text = readFileSync('docs/notifications.md', 'utf8');
  const [, secret = '', timestamp = '', body = ''] =
    /^secret=(\S+) timestamp=(\S+) body='(.*)'$/m.exec(text) ?? [];
  const [, given = ''] = /^given=(\S+)$/m.exec(text) ?? [];
  expect(given).toMatch(/^sha256=[0-9a-f]{64}$/);
  expect(sign(secret, timestamp, body)).toBe(given);
});

describe('a gap between ticks', () => {
  const before = { finished_at_ms: 1_000_000, mono_ms: 500_000, boot_id: 'b' };
  const now = (over: Partial<TickNow> = {}): TickNow => ({
    ...{ started_at_ms: 1_600_000, mono_ms: 1_100_000, boot_id: 'b', halts: null },
    ...over,
  });
  const o = { interval_ms: 60_000, host: 'h' };

  it.each<readonly [string, TickNow, boolean]>([
    ['of ten minutes is told', now(), true],
    ['of three intervals is none', now({ started_at_ms: 1_180_000, mono_ms: 680_000 }), false],
    ['in which the machine slept is none', now({ mono_ms: 560_000 }), false],
    ['in which the clock was set on is none', now({ started_at_ms: 9_000_000, mono_ms: 560_000 }), false],
    ['in which the clock was set back is none', now({ started_at_ms: 1_000 }), false],
    ['over a reboot is none', now({ boot_id: 'c' }), false],
    ['that was a halt is none', now({ halts: { first_ms: 1_060_000, last_ms: 1_540_000 } }), false],
    ['after a halt is told', now({ halts: { first_ms: 1_060_000, last_ms: 1_120_000 } }), true],
  ])('%s', (_, tick, told) => {
    expect(cameBack(before, tick, o) !== null).toBe(told);
  });

  it('before the first tick there is none', () => expect(cameBack(null, now(), o)).toBeNull());
});

describe('what waits for a channel', () => {
  it('is bounded, and what gave way is counted', () => {
    const state = freshChannel('x');
    const many = Array.from({ length: 250 }, (_, n) => event({ id: `e-${n}` }));
    enqueue(state, many, 1000);
    expect(state.waiting).toHaveLength(MOST_WAITING);
    expect(state.waiting.at(-1)?.event.id).toBe('e-249');
    expect(state).toMatchObject({ more: 50, dropped: 0 });
  });

  it('is dropped after a day of waiting, however old it was when it became known', () => {
    const state = freshChannel('x');
    enqueue(state, [event({ at_ms: -9 * DAY })], 0);
    enqueue(state, [event({ id: 'e-2' })], DAY);
    expect(state).toMatchObject({ dropped: 0 });
    state.batch = { id: 'm', since_ms: 0, events: [event({ id: 'e-0' })], more: 4, dropped: 0 };
    enqueue(state, [], DAY + 1);
    expect(state.waiting.map((one) => one.event.id)).toEqual(['e-2']);
    expect(state).toMatchObject({ dropped: 6, batch: null });
  });
});

describe('notified.json', () => {
  let dir = '';
  let file = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'mc-notified-'));
    file = join(dir, 'notified.json');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is read as it was written', () => {
    const state = freshChannel('desktop');
    enqueue(state, [event()], 7);
    state.batch = { id: 'm', since_ms: 1, events: [event({ id: 'e-9' })], more: 1, dropped: 2 };
    const record = {
      ...{ position: { id: 4, at_ms: 5 }, told: ['a'], switches: [], channels: { k: state } },
      tick: { finished_at_ms: 1, mono_ms: 2, boot_id: 'b' },
    };
    writeNotified(file, record);
    expect(readNotified(file)).toEqual({ kind: 'known', record });
  });

  it('may hold anything at all without an error', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (one, other) => {
        const channel = `{"name":"x","waiting":[${one}],"batch":${other}}`;
        for (const text of [
          one,
          `{"schema":"mc-pickup.notified/1","channels":{"k":${channel}},"told":${one},"switches":${other}}`,
        ]) {
          writeFileSync(file, text);
          const read = readNotified(file);
          if (read.kind !== 'known') continue;
          for (const state of Object.values(read.record.channels)) enqueue(state, [event()], 1);
          switchEvents(read.record.switches, [], { host: 'h', now_ms: 1 });
        }
      }),
      { numRuns: draws(500) },
    );
  });
});

it('two channels are the same only where they lead to the same place and take the same tickets', () => {
  const spec = (over: Partial<NotifySpec>): NotifySpec => ({
    ...{ on: ['blocked'], project: null, label: null, channel: { kind: 'desktop' } },
    ...over,
  });
  const hook = (url: string, timeout_seconds = 1): NotifySpec =>
    spec({ channel: { kind: 'webhook', url, secret: null, timeout_seconds } });
  const keys = [
    spec({}),
    spec({ label: 'x' }),
    spec({ project: 'x' }),
    hook('https://x/a'),
    hook('https://x/b'),
  ];
  expect(new Set(keys.map(channelKey)).size).toBe(keys.length);
  expect(channelKey(hook('https://x/a', 9))).toBe(channelKey(hook('https://x/a')));
  expect(channelKey(spec({ on: ['done'] }))).toBe(channelKey(spec({})));
  expect(channelName(hook('https://x/a-secret?b=c'))).toBe('webhook https://x');
});

it('an event is one line without anything that a chat or a terminal acts on', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (title, text) => {
      const line = lineOf(event({ title: `${title}<@here>`, text: `${text}\n<b>\u001b[2J` }));
      expect(line).not.toMatch(/[<>@\n\u001b]/);
      expect(line.length).toBeLessThanOrEqual(300);
    }),
  );
});

it('a hold is told when it begins, once, and the tickets that it gives back are not', async () => {
  const { board } = memoryBoard();
  const row = { ticket_id: null, run_id: 'r', actor: 'tick:t' };
  const text = 'project:shop is held: no such filter; mend it';
  await board.log({ ...row, at_ms: 1, kind: 'held', because: 'checkout_fails', text });
  await board.log({ ...row, at_ms: 2, kind: 'let_go', because: 'checkout_fails', text: 'no more' });
  const { events } = await gather(board, { id: 0, at_ms: 0 });
  expect(events).toMatchObject([{ kind: 'held', ticket: null, text }]);
  expect(events.map(lineOf)).toEqual([text]);
  await board.close();
});
