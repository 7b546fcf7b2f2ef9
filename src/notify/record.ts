/*
 * `notified.json`: how far the log of the board was read, what was told, and what waits for each channel. It is written
 * before anything is sent, and again after: whoever dies in between sends the same message, with the same id, once more.
 */

import { existsSync } from 'node:fs';
import type { ActivityRow } from '../board/port/index.ts';
import { numberOf, readObject, textOf, writeAtomic } from '../machine/files.ts';
import { asObject } from '../model/json.ts';
import type { NotifySpec } from '../model/policy.ts';
import type { Switch } from '../model/world.ts';
import { idOf, type TellEvent } from './event.ts';

const SCHEMA = 'mc-pickup.notified/1';
/** Ids that are remembered, the newest. */
const MOST_TOLD = 2000;
/** What waits for one channel, at most. */
export const MOST_WAITING = 200;
const DAY_MS = 86_400_000;

/** The last line of the log that was read: its id alone would not know a board that was restored. */
export type Position = Pick<ActivityRow, 'id' | 'at_ms'>;

/** When a tick was here last, by both clocks. */
export interface TickSeen {
  readonly finished_at_ms: number;
  readonly mono_ms: number;
  readonly boot_id: string;
}

/** Since when it waits: what happened long ago may have become known just now. */
export interface Waiting {
  readonly event: TellEvent;
  readonly since_ms: number;
}

export interface Batch {
  readonly id: string;
  readonly since_ms: number;
  readonly events: readonly TellEvent[];
  readonly more: number;
  readonly dropped: number;
}

export interface ChannelState {
  readonly name: string;
  /** Being sent: the same again until it has got through. */
  batch: Batch | null;
  waiting: Waiting[];
  more: number;
  dropped: number;
  failures: number;
  failing_since_ms: number | null;
  error: string | null;
  next_at_ms: number;
  sent_at_ms: number | null;
}

export interface Notified {
  /** null = from the present on. */
  position: Position | null;
  told: string[];
  switches: readonly Switch[];
  tick: TickSeen | null;
  channels: Record<string, ChannelState>;
}

/** `first`: nothing was ever told here. `unusable`: there is a file, and nothing can be made of it. */
export type Read =
  | { readonly kind: 'known'; readonly record: Notified }
  | { readonly kind: 'first' }
  | { readonly kind: 'unusable' };

export function readNotified(file: string): Read {
  const raw = readObject(file);
  if (raw === null) return { kind: existsSync(file) ? 'unusable' : 'first' };
  const position = asObject(raw.position);
  const [id, at_ms] = [numberOf(position, 'id'), numberOf(position, 'at_ms')];
  if (textOf(raw, 'schema') !== SCHEMA) return { kind: 'unusable' };
  const channels = Object.entries(asObject(raw.channels) ?? {}).flatMap(([key, one]) => {
    const state = channelIn(one);
    return state === null ? [] : [[key, state] as const];
  });
  const record: Notified = {
    position: id === null || at_ms === null ? null : { id, at_ms },
    told: list(raw.told).filter((one) => typeof one === 'string'),
    switches: list(raw.switches).filter((one) => textOf(asObject(one), 'scope') !== null) as Switch[],
    tick: tickIn(raw.tick),
    channels: Object.fromEntries(channels),
  };
  return { kind: 'known', record };
}

/** Throws where the disk does. */
export function writeNotified(file: string, record: Notified): void {
  const told = record.told.slice(-MOST_TOLD);
  writeAtomic(file, `${JSON.stringify({ schema: SCHEMA, ...record, told })}\n`);
}

/** A channel is the same as long as it leads to the same place and takes the same tickets. */
export function channelKey({ channel, project, label }: NotifySpec): string {
  const { timeout_seconds: _, ...place } = { timeout_seconds: 0, ...channel };
  return idOf(JSON.stringify(place), project, label);
}

/** How a channel is called in messages: never by its whole address, which may be a secret. */
export function channelName({ channel }: NotifySpec): string {
  switch (channel.kind) {
    case 'command':
      return `command ${channel.argv[0] ?? ''}`;
    case 'webhook':
      return `webhook ${URL.parse(channel.url)?.origin ?? ''}`;
    case 'desktop':
      return 'desktop';
  }
}

export function freshChannel(name: string): ChannelState {
  return {
    ...{ name, batch: null, waiting: [], more: 0, dropped: 0 },
    ...{ failures: 0, failing_since_ms: null, error: null, next_at_ms: 0, sent_at_ms: null },
  };
}

/** Puts what is new behind what waits; the oldest give way, and are counted. */
export function enqueue(state: ChannelState, events: readonly TellEvent[], now_ms: number): void {
  const all = [...state.waiting, ...events.map((event) => ({ event, since_ms: now_ms }))];
  const old = (one: { readonly since_ms: number }): boolean => now_ms - one.since_ms > DAY_MS;
  const young = all.filter((one) => !old(one));
  state.dropped += all.length - young.length;
  state.more += Math.max(0, young.length - MOST_WAITING);
  state.waiting = young.slice(-MOST_WAITING);
  if (state.batch !== null && old(state.batch)) {
    state.dropped += state.batch.events.length + state.batch.more + state.batch.dropped;
    state.batch = null;
  }
}

function channelIn(raw: unknown): ChannelState | null {
  const one = asObject(raw);
  const name = textOf(one, 'name');
  if (one === null || name === null) return null;
  const batch = asObject(one.batch);
  const id = textOf(batch, 'id');
  return {
    name,
    batch:
      batch === null || id === null
        ? null
        : {
            id,
            since_ms: numberOf(batch, 'since_ms') ?? 0,
            events: list(batch.events).filter(isEvent),
            more: numberOf(batch, 'more') ?? 0,
            dropped: numberOf(batch, 'dropped') ?? 0,
          },
    waiting: list(one.waiting).filter(
      (each): each is Waiting =>
        numberOf(asObject(each), 'since_ms') !== null && isEvent(asObject(each)?.event),
    ),
    more: numberOf(one, 'more') ?? 0,
    dropped: numberOf(one, 'dropped') ?? 0,
    failures: numberOf(one, 'failures') ?? 0,
    failing_since_ms: numberOf(one, 'failing_since_ms'),
    error: textOf(one, 'error'),
    next_at_ms: numberOf(one, 'next_at_ms') ?? 0,
    sent_at_ms: numberOf(one, 'sent_at_ms'),
  };
}

/** Ours, as long as nobody wrote to the file by hand: what has no id is left out. */
function isEvent(one: unknown): one is TellEvent {
  const event = asObject(one);
  return textOf(event, 'id') !== null && numberOf(event, 'at_ms') !== null && Array.isArray(event?.labels);
}

function tickIn(raw: unknown): TickSeen | null {
  const one = asObject(raw);
  const [finished_at_ms, mono_ms] = [numberOf(one, 'finished_at_ms'), numberOf(one, 'mono_ms')];
  const boot_id = textOf(one, 'boot_id');
  return finished_at_ms === null || mono_ms === null || boot_id === null
    ? null
    : { finished_at_ms, mono_ms, boot_id };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** How many events of a channel have not got through yet. */
export function waitingOf({ batch, waiting }: Pick<ChannelState, 'batch' | 'waiting'>): number {
  return (batch?.events.length ?? 0) + (batch?.more ?? 0) + waiting.length;
}
