import { setTimeout as pause } from 'node:timers/promises';

/** Polls until the probe gives a truthy value; fails after the bound. */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  what = 'condition',
  boundMs = 10_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + boundMs;
  for (;;) {
    const value = await probe();
    if (value) return value as NonNullable<T>;
    if (performance.now() >= end) throw new Error(`waited ${boundMs} ms in vain for: ${what}`);
    await pause(20);
  }
}
