/*
 * What other machines say of the time, in answers that come anyway: a clock that is wrong by hours is found so, and nothing is asked for it.
 */
import { age } from '../model/times.ts';
import { numberOf, readObject, textOf } from './files.ts';
import type { Places } from './paths.ts';

/** A clock that differs from ours. */
export interface OtherClock {
  /** Who says so, for people. */
  readonly of: string;
  /** How far it is from ours; positive = ahead. */
  readonly ahead_ms: number;
}

/** Certificates, tokens and the times of a log go wrong by hours; less is the affair of whoever keeps the clock. */
export const WRONG_MS = 3_600_000;

/** Each bundle has a module of its own, and all of them have this one ear. */
const HEARD = Symbol.for('mc-pickup.heard');
const all = globalThis as { [HEARD]?: OtherClock | undefined };

/** Hears the time of an answer. One that a cache has kept is as much older as it says. */
export function hearTime(headers: Pick<Headers, 'get'>, of: string, now_ms: number): void {
  const at_ms = Date.parse(headers.get('date') ?? '');
  const age_s = Number(headers.get('age') ?? 0);
  if (!Number.isFinite(at_ms) || !(age_s >= 0)) return;
  const ahead_ms = at_ms + age_s * 1000 - now_ms;
  // Of several the one that disagrees is told.
  if (Math.abs(ahead_ms) >= Math.abs(all[HEARD]?.ahead_ms ?? 0)) all[HEARD] = { of, ahead_ms };
}

/** Whether any answer has told its time since the last call of `takeTime`. */
export function hasHeard(): boolean {
  return all[HEARD] !== undefined;
}

/** The clock that was heard and is farthest from ours; null = none was. The next answer is heard anew. */
export function takeTime(): OtherClock | null {
  const heard = all[HEARD] ?? null;
  all[HEARD] = undefined;
  return heard;
}

/** Where a tick keeps it, while our clock is wrong by what others say. */
export function clockNote({ state }: Pick<Places, 'state'>): string {
  return `${state}/clock.json`;
}

/** So long it counts after the last answer. */
const COUNTS_MS = 86_400_000;

/** What the last answers say of our clock, in words; null = nothing, or long ago by that very clock. */
export function wrongClock(places: Pick<Places, 'state'>, now_ms: number): string | null {
  const note = readObject(clockNote(places));
  const [of, ahead_ms, at_ms] = [textOf(note, 'of'), numberOf(note, 'ahead_ms'), numberOf(note, 'at_ms')];
  if (of === null || ahead_ms === null || at_ms === null) return null;
  return now_ms < at_ms || now_ms - at_ms > COUNTS_MS ? null : clockWords({ of, ahead_ms });
}

/** For people. */
export function clockWords({ of, ahead_ms }: OtherClock): string {
  const far = `${age(Math.abs(ahead_ms))} ${ahead_ms > 0 ? 'behind' : 'ahead of'}`;
  return `the clock of this machine is ${far} that of ${of}`;
}

/** What to do about it. */
export const CLOCK_TODO =
  'set it by NTP (timedatectl set-ntp true), unless the other one is wrong: tokens, certificates and times in the log go by it';
