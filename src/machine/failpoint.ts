/*
 * Failpoints: places at which `npm run test:crash` makes this process die, stop or fail. The build of the product
 * leaves nothing of them: the condition is false there, and the calls go with it.
 */
import { closeSync, openSync } from 'node:fs';

/** Set by the build; absent where the source runs unbundled. */
declare const MC_PICKUP_FAILPOINTS: boolean | undefined;

/** Every step from the lock to the acknowledgement, in order. */
export type Failpoint =
  `${'tick' | 'observe' | 'heal' | 'claim' | 'prepare' | 'launch' | 'register' | 'keep' | 'clean' | 'send' | 'quit'}-${string}`;

/** Marks a step that a process may die, stop or fail at. */
export function failpoint(name: Failpoint): void {
  if (typeof MC_PICKUP_FAILPOINTS !== 'undefined' && MC_PICKUP_FAILPOINTS) hit(name);
}

/** `MC_PICKUP_FAILPOINT=NAME:KIND:FILE`: the first process that gets there makes FILE, and it alone is hit. */
function hit(name: Failpoint): void {
  const [wanted, kind, file] = (process.env.MC_PICKUP_FAILPOINT ?? '').split(':');
  if (wanted !== name || file === undefined) return;
  try {
    closeSync(openSync(file, 'wx'));
  } catch {
    return;
  }
  switch (kind) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      break;
    case 'stop':
      process.kill(process.pid, 'SIGSTOP');
      break;
    case 'enospc':
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    case 'busy':
      throw Object.assign(new Error('database is locked'), { name: 'SqliteError', code: 'SQLITE_BUSY' });
    default:
      throw new Error(`failpoint ${name}`);
  }
}
