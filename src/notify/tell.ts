/*
 * Tells people what happened, once a tick has ended and the next may begin. It goes by levels: what happened while no tick ran,
 * or by an agent's own report, is in the log of the board and is found there by the next look. Whatever goes wrong here is no
 * part of the tick: it is a line on stderr when a channel begins to fail and when it works again, and a finding of doctor.
 */
import { hostname } from 'node:os';
import { withBoard } from '../board/open.ts';
import type { Context } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { verbOf } from '../machine/holder.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { takeTurn } from '../machine/take.ts';
import { messageOf } from '../model/errors.ts';
import type { NotifySpec, Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import { secondsOf, send } from './channels.ts';
import { idOf, type Message, type TellEvent, wants } from './event.ts';
import { endedAt, gather } from './gather.ts';
import {
  type Batch,
  type ChannelState,
  channelKey,
  channelName,
  enqueue,
  freshChannel,
  type Notified,
  readNotified,
  writeNotified,
} from './record.ts';
import { cameBack, haveStopped, type TickNow } from './stopped.ts';
import { switchEvents } from './switches.ts';
import { wordsOf } from './words.ts';

/** What gives occasion to look. */
export type Occasion =
  | { readonly kind: 'tick'; readonly tick: TickNow }
  /** A tick that could not work. */
  | { readonly kind: 'failed' }
  /** The killswitch was changed by hand. */
  | { readonly kind: 'switch' }
  /** Somebody found that ticks have stopped. */
  | { readonly kind: 'stopped'; readonly last_at_ms: number | null };

/** Events that one message lists. */
const MOST_LISTED = 10;
/** Messages of one channel in one look, where some have piled up. */
const MOST_MESSAGES = 3;
/** All channels together. */
const BOUND_MS = 15_000;
/** Nobody tells for longer: the board is read within a minute, or the tick cuts it off. */
const TURN_BOUND_MS = 10 * 60_000;
const TELLING = { name: 'the lock of those that notify', goesOn: 'this one', stands: 'nobody is notified' };
const MOST_BACKOFF_MS = 30 * 60_000;
/** Others wait for the next tick; after a person's switch there may be none. */
const WAIT_MS: Readonly<Record<Occasion['kind'], number>> = {
  ...{ tick: 0, failed: 0, switch: 3000, stopped: 3000 },
};

/** Tells through every channel of the configuration what it has not been told. A channel that fails is noted, and keeps no other from being
 *  told; what keeps all of them from it is thrown. */
export async function tell(context: Context, policy: Policy, occasion: Occasion): Promise<void> {
  if (policy.notify.length === 0) return;
  const { places, out } = context;
  const lock = await takeTurn({
    ...{ file: places.notifyLock, words: TELLING, me: lookAtSelf(hostId(places.state) ?? '') },
    ...{
      what: verbOf(process.pid) ?? occasion.kind,
      bound_ms: TURN_BOUND_MS,
      wait_ms: WAIT_MS[occasion.kind],
    },
    warn: (text) => out.warn(text),
  });
  if (lock === null) return;
  try {
    await told(context, policy, occasion);
  } finally {
    lock.release();
  }
}

/** The same for a command, whose work is done whether or not anybody can be told. */
export async function tellNow(context: Context, policy: Policy, occasion: Occasion): Promise<void> {
  try {
    await tell(context, policy, occasion);
  } catch (error) {
    context.out.warn(`nobody could be notified: ${oneLine(messageOf(error), 300)}`);
  }
}

async function told(context: Context, policy: Policy, occasion: Occasion): Promise<void> {
  const { places, out } = context;
  const now_ms = Date.now();
  const record = recordOf(context, occasion, now_ms);
  const host = hostId(places.state) ?? '';
  const events = await eventsOf(context, policy, occasion, { record, host, now_ms });
  const known = new Set(record.told);
  const fresh = events.filter(({ id }) => !known.has(id));
  record.told.push(...fresh.map(({ id }) => id));
  const channels = policy.notify.map((spec) => {
    const key = channelKey(spec);
    const state = record.channels[key] ?? freshChannel(channelName(spec));
    return { key, spec, state };
  });
  record.channels = Object.fromEntries(channels.map(({ key, state }) => [key, state]));
  // Two entries that lead to the same place are one channel, which takes what either of them asks for.
  for (const [key, state] of Object.entries(record.channels)) {
    const specs = policy.notify.filter((one) => channelKey(one) === key);
    const some = fresh.filter((event) => specs.some((one) => wants(one, event)));
    enqueue(state, some, now_ms);
    state.batch ??= nextBatch(state);
  }
  writeNotified(places.notified, record);
  const save = (): void => writeNotified(places.notified, record);
  const end = monotonicMs() + BOUND_MS;
  const all = new Map(channels.map((one) => [one.key, one]));
  const interval_ms = policy.limits.interval_seconds * 1000;
  await Promise.all(
    [...all.values()].map(({ key, spec }) => {
      const state = record.channels[key];
      return state === undefined
        ? undefined
        : through(spec, state, { context, save, end, host, interval_ms, warn: out.warn });
    }),
  );
}

/** What is known; where nothing is, this very tick is where it begins. */
function recordOf({ places, env, out }: Context, occasion: Occasion, now_ms: number): Notified {
  const read = readNotified(places.notified);
  if (read.kind === 'known') return read.record;
  if (read.kind === 'unusable')
    out.warn(
      `${places.notified} cannot be understood: notifications begin anew, and what waited in it is not told`,
    );
  // A switch of this very moment is news.
  const since_ms = occasion.kind === 'tick' ? occasion.tick.started_at_ms : now_ms - 60_000;
  const switches = readSwitches(places, env, now_ms).filter(({ at_ms }) => (at_ms ?? 0) < since_ms);
  return { position: null, told: [], switches, tick: null, channels: {} };
}

/** Reads on in the record as far as it gets. */
async function eventsOf(
  context: Context,
  policy: Policy,
  occasion: Occasion,
  o: { readonly record: Notified; readonly host: string; readonly now_ms: number },
): Promise<TellEvent[]> {
  const { record, host, now_ms } = o;
  const { places, env } = context;
  const changed = switchEvents(record.switches, readSwitches(places, env, now_ms), { host, now_ms });
  record.switches = changed.seen;
  const events = [...changed.events];
  const interval_ms = policy.limits.interval_seconds * 1000;
  if (occasion.kind === 'stopped') events.push(haveStopped(occasion.last_at_ms, now_ms, host));
  if (occasion.kind === 'tick') {
    const back = cameBack(record.tick, occasion.tick, { interval_ms, host });
    if (back !== null) events.push(back);
    const { boot_id } = occasion.tick;
    record.tick = { finished_at_ms: now_ms, mono_ms: monotonicMs(), boot_id };
    const { position } = record;
    try {
      // The tick has just written to it: read without a trace, a large one would be copied each time.
      const found = await withBoard(context, async (board) =>
        gather(board, position ?? (await endedAt(board, occasion.tick.started_at_ms))),
      );
      record.position = found.position;
      events.push(...found.events);
    } catch (error) {
      // What is known already is told all the same; the rest is still there for the next tick.
      const why = messageOf(error);
      context.out.warn(`the board could not be read for notifications: ${oneLine(why, 300)}`);
    }
  }
  // It has come, though it could do nothing.
  if (occasion.kind === 'failed' && record.tick !== null)
    record.tick = { ...record.tick, finished_at_ms: now_ms, mono_ms: monotonicMs() };
  return events;
}

/** The next message of what waits; null = nothing does. What would make it too long is counted. */
function nextBatch(state: ChannelState): Batch | null {
  const { waiting, more, dropped } = state;
  if (waiting.length + more + dropped === 0) return null;
  const machine = (one: TellEvent): number =>
    one.kind === 'killswitch' || one.kind === 'ticks_stopped' || one.kind === 'held' ? 0 : 1;
  const since_ms = Math.min(Date.now(), ...waiting.map((one) => one.since_ms));
  const ordered = waiting
    .map(({ event }) => event)
    .sort((a, b) => machine(a) - machine(b) || a.at_ms - b.at_ms);
  const events = ordered.slice(0, MOST_LISTED);
  const batch = { events, more: more + ordered.length - events.length, dropped };
  Object.assign(state, { waiting: [], more: 0, dropped: 0 });
  const id = idOf('message', batch.more, batch.dropped, ...ordered.map((one) => one.id));
  return { id, since_ms, ...batch };
}

interface Way {
  readonly context: Context;
  readonly save: () => void;
  /** On the monotonic clock. */
  readonly end: number;
  readonly host: string;
  readonly interval_ms: number;
  readonly warn: (text: string) => void;
}

/** Sends what one channel has, and records what came of it. */
async function through(spec: NotifySpec, state: ChannelState, way: Way): Promise<void> {
  const due_in_ms = state.next_at_ms - Date.now();
  // Further off than any back-off: the clock was set back.
  if (due_in_ms > 0 && due_in_ms <= MOST_BACKOFF_MS) return;
  for (let n = 0; n < MOST_MESSAGES && state.batch !== null; n++) {
    const left_ms = way.end - monotonicMs();
    if (left_ms <= 0) return;
    const timeout_ms = Math.min(left_ms, secondsOf(spec.channel) * 1000);
    const message = notificationOf(state.batch, way.host);
    const { env } = way.context;
    const error = await send(spec.channel, message, { env, now_ms: Date.now(), timeout_ms });
    const name = oneLine(state.name, 100);
    if (error !== null) {
      state.failures += 1;
      state.failing_since_ms ??= Date.now();
      state.error = oneLine(error, 300);
      state.next_at_ms = Date.now() + backoff(state.failures, way.interval_ms);
      if (state.failures === 1)
        way.warn(
          `the notification by ${name} failed: ${state.error}; it is tried again, and mc-pickup doctor shows it`,
        );
      way.save();
      return;
    }
    if (state.failures > 0) way.warn(`notifications by ${name} get through again`);
    Object.assign(state, { failures: 0, failing_since_ms: null, error: null, next_at_ms: 0 });
    state.sent_at_ms = Date.now();
    state.batch = nextBatch(state);
    way.save();
  }
}

/** A message as it is sent. */
export function notificationOf(
  { id, events, more, dropped }: Omit<Batch, 'since_ms'>,
  host: string,
): Message {
  const from = { id: host, name: oneLine(hostname(), 100) };
  const words = wordsOf(events, more, dropped);
  return { schema: 'mc-pickup.notification/1', id, host: from, ...words, events, more, dropped };
}

/** Half an interval less, so that a tick that comes a moment early does not wait a whole one longer. */
function backoff(failures: number, interval_ms: number): number {
  return Math.min(MOST_BACKOFF_MS, interval_ms * 2 ** Math.min(20, failures - 1) - interval_ms / 2);
}
