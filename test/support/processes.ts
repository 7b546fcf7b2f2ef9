import { join } from 'node:path';
import { startedWith } from '../../src/machine/proc.ts';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import type { Processes } from '../../src/workspace/hook-left.ts';

/** The processes of this machine, and where hooks are noted. */
export function here(dir: string): Processes {
  return { me: lookAtSelf('h'), lookAt, startedWith, notes: join(dir, 'hooks') };
}
