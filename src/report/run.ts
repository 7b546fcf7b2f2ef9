import type { Runtime } from '../model/runtime.ts';

/** A run as `--json` prints it, and always has: `headless` is 1 or 0. */
export function runJson(row: Runtime): object {
  return { ...row, headless: row.headless ? 1 : 0 };
}
