import { setTimeout as pause } from 'node:timers/promises';

/** How long anything may take that has to come: never reached but by what hangs, however slow the machine is. */
export const BOUND_MS = 180_000;

/** Between two looks, the next one later: most of what is waited for comes at once, and a look may cost milliseconds. */
function later(step_ms: number): number {
  return Math.min(25, step_ms * 1.5);
}

/** Waits for a condition with a bound; false = the bound was reached. */
export async function until(probe: () => boolean, bound_ms = BOUND_MS): Promise<boolean> {
  const end = performance.now() + bound_ms;
  for (let step_ms = 2; !probe(); step_ms = later(step_ms)) {
    if (performance.now() > end) return false;
    await pause(step_ms);
  }
  return true;
}

/** Polls until the probe gives a truthy value; fails after the bound. */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  what = 'condition',
  boundMs = BOUND_MS,
): Promise<NonNullable<T>> {
  const end = performance.now() + boundMs;
  for (let step_ms = 2; ; step_ms = later(step_ms)) {
    const value = await probe();
    if (value) return value as NonNullable<T>;
    if (performance.now() >= end) throw new Error(`waited ${boundMs} ms in vain for: ${what}`);
    await pause(step_ms);
  }
}
