import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '../../machine/clock.ts';

/** Waits for a condition; false = the bound was reached. */
export async function until(probe: () => Promise<boolean>, bound_ms: number): Promise<boolean> {
  const end = monotonicMs() + bound_ms;
  while (!(await probe())) {
    if (monotonicMs() > end) return false;
    await pause(50);
  }
  return true;
}
