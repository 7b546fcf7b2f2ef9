import type * as v from 'valibot';
import type { Runtime } from '../../model/runtime.ts';
import type * as c from './contract.ts';

/** A runtime of the contract as the port has it. */
export function toRuntime(row: v.InferOutput<typeof c.Runtime>): Runtime {
  return { ...row, headless: row.headless === 1 };
}
