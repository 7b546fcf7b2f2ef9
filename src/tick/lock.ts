/*
 * The tick lock. Where it is taken, nearly always another tick is at work, and this one ends at once. A holder that is
 * stopped, or hangs in the kernel, would hold all of them up for ever: past its own bound it is ended, and only it.
 */
import { existsSync } from 'node:fs';
import { withBoard } from '../board/open.ts';
import type { Context } from '../context.ts';
import { failpoint } from '../machine/failpoint.ts';
import { noteHolder } from '../machine/holder.ts';
import { ensureHost } from '../machine/host.ts';
import { type TickLock, tryTickLock } from '../machine/lock.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { takeOver } from '../machine/take.ts';
import { TICK_BOUND_MS } from '../model/bounds.ts';
import type { ObserverIdentity } from '../model/identity.ts';

const WORDS = { name: 'the tick lock', goesOn: 'this tick', stands: 'no tick works' };

/** The tick lock, as this process holds it. */
export interface HeldLock {
  /** Who holds it: this host and process. */
  readonly me: ObserverIdentity;
  /** What was done to the holder before; null = it was free. */
  readonly ended: string | null;
  /** Says how long this tick may take, where that is longer than most. */
  mayTake(bound_ms: number): void;
  release(): void;
}

/** Takes the tick lock for a tick (`what`: its command); null = another tick is at work. */
export async function takeTickLock(context: Context, what: string): Promise<HeldLock | null> {
  const { places } = context;
  // In a state dir that is not known to be ours yet nothing is made before its board is known to be one.
  if (!existsSync(places.lock)) await withBoard(context, async () => undefined);
  failpoint('tick-lock-before');
  const free = tryTickLock(places.lock);
  const taken = free === null ? await tookOver(context) : { lock: free, ended: null };
  if (taken === null) return null;
  const { lock, ended } = taken;
  try {
    failpoint('tick-lock-held');
    const me = lookAtSelf(ensureHost(context));
    const note = (bound_ms: number): void => noteHolder(places.lock, me, what, bound_ms);
    note(TICK_BOUND_MS);
    failpoint('tick-host-known');
    return {
      ...{ me, ended },
      mayTake: (bound_ms) => {
        if (bound_ms > TICK_BOUND_MS) note(bound_ms);
      },
      release: () => lock.release(),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The tick lock after all, and what was done to its holder; null = it is another's. What is wrong with it is said. */
async function tookOver({ places, out }: Context): Promise<{ lock: TickLock; ended: string | null } | null> {
  const { lock, ended, wrong } = await takeOver(places.lock, hostId(places.state) ?? '', WORDS);
  for (const text of [ended, wrong]) if (text !== null) out.warn(text);
  return lock === null ? null : { lock, ended };
}
