import { lookAt } from '../../src/machine/process.ts';
import { hasEnded } from '../../src/model/identity.ts';

/** When a process was started, in the words of the kernel; null = there is none. */
export function startOf(pid: number): string | null {
  const look = lookAt(pid);
  return look.kind === 'present' && !hasEnded(look) ? look.start : null;
}
