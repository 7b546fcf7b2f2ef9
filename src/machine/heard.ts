/*
 * What other machines say of the time, in answers that come anyway: a clock that is wrong by hours is found so, and nothing is asked for it.
 */

/** A clock that differs from ours. */
export interface OtherClock {
  /** Who says so, for people. */
  readonly of: string;
  /** How far it is from ours; positive = ahead. */
  readonly ahead_ms: number;
}

/** Less may be a clock that nobody minds: certificates, tokens and times of a log are off by hours. */
export const WRONG_MS = 3_600_000;

/** Each bundle has a module of its own, and all of them have this one ear. */
const HEARD = Symbol.for('mc-pickup.heard');
const all = globalThis as { [HEARD]?: OtherClock };

/** The clock of the last answer of this process that told its time; null = none did. */
export function heardTime(): OtherClock | null {
  return all[HEARD] ?? null;
}

/** Hears the time of an answer. One that a cache has kept is as much older as it says. */
export function hearTime(headers: Pick<Headers, 'get'>, of: string, now_ms: number): void {
  const at_ms = Date.parse(headers.get('date') ?? '');
  const age_s = Number(headers.get('age') ?? 0);
  if (!Number.isFinite(at_ms) || !(age_s >= 0)) return;
  const ahead_ms = at_ms + age_s * 1000 - now_ms;
  // Of several that answer one that disagrees is what is told.
  if (Math.abs(ahead_ms) >= Math.abs(all[HEARD]?.ahead_ms ?? 0)) all[HEARD] = { of, ahead_ms };
}
