import { setTimeout as pause } from 'node:timers/promises';

/** How long anything may take that has to come: never reached but by what hangs, however slow the machine is. */
export const BOUND_MS = 180_000;

/** The longest pause after a look that costs next to nothing, and after any. */
const CHEAP_MS = 25;
const MOST_MS = 500;

/** Waits for a condition with a bound; false = the bound was reached. */
export async function until(probe: () => boolean | Promise<boolean>, bound_ms = BOUND_MS): Promise<boolean> {
  return (await looked(probe, bound_ms)) === true;
}

/** Polls until the probe gives a truthy value; fails after the bound. */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  what = 'condition',
  boundMs = BOUND_MS,
): Promise<NonNullable<T>> {
  const value = await looked(probe, boundMs);
  if (!value) throw new Error(`waited ${boundMs} ms in vain for: ${what}`);
  return value as NonNullable<T>;
}

/** What the last look has given. Most of what is waited for comes at once, so that pauses grow; they are twice as long as a look takes,
 *  since one that starts a program would keep a processor from what it waits for. */
async function looked<T>(probe: () => T | Promise<T>, bound_ms: number): Promise<T> {
  const end = performance.now() + bound_ms;
  for (let step_ms = 2; ; step_ms = Math.min(CHEAP_MS, step_ms * 1.5)) {
    const since = performance.now();
    const value = await probe();
    const now = performance.now();
    if (value || now >= end) return value;
    await pause(Math.max(step_ms, Math.min(MOST_MS, 2 * (now - since))));
  }
}
