import { setTimeout as pause } from 'node:timers/promises';
import { BOUND_MS } from './sandbox.ts';

/** Polls until the probe gives a truthy value; fails after the bound. */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  what = 'condition',
  boundMs = BOUND_MS,
): Promise<NonNullable<T>> {
  const end = performance.now() + boundMs;
  for (;;) {
    const value = await probe();
    if (value) return value as NonNullable<T>;
    if (performance.now() >= end) throw new Error(`waited ${boundMs} ms in vain for: ${what}`);
    await pause(20);
  }
}
