/*
 * The tick lock. Where it is taken, nearly always another tick is at work, and this one ends at once. A holder that is
 * stopped, or hangs in the kernel, would hold all of them up for ever: past its own bound it is ended, and only it.
 */
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { withBoard } from '../board/open.ts';
import type { Context } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { failpoint } from '../machine/failpoint.ts';
import { type HeldBy, heldBy, noteHolder, verbOf } from '../machine/holder.ts';
import { ensureHost } from '../machine/host.ts';
import { type TickLock, tryTickLock } from '../machine/lock.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { TICK_BOUND_MS } from '../model/bounds.ts';
import type { ObserverIdentity } from '../model/identity.ts';
import { age } from '../model/times.ts';

/** How long a process that was just started is given to say who it is. */
const NOTE_MS = 1000;
/** How long one that was ended is given to be gone: the kernel may have to finish a write for it. */
const GONE_MS = 5000;

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
  const taken = free === null ? await takeOver(context) : { lock: free, ended: null };
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

interface TakenOver {
  readonly lock: TickLock;
  /** What was done for it; null = the lock had become free by itself. */
  readonly ended: string | null;
}

/** The tick lock after all; null = it is another's, whom nothing is done to. What is wrong with it is said. */
async function takeOver(context: Context): Promise<TakenOver | null> {
  const { places, out } = context;
  const look = (): HeldBy => heldBy(places.lock, hostId(places.state) ?? '');
  let by = look();
  for (const end = monotonicMs() + NOTE_MS; by.kind === 'unknown' && monotonicMs() < end; by = look()) {
    // It was free for a moment, or its new holder has not written its note yet.
    const lock = tryTickLock(places.lock);
    if (lock !== null) return { lock, ended: null };
    await pause(50);
  }
  if (by.kind === 'unknown') {
    const who = by.pids?.[0] === undefined ? 'another process' : `process ${by.pids.join(', ')}`;
    out.warn(
      `${who} has the tick lock and left no note of when it began: nothing is done to it, and no tick works before it lets go`,
    );
    return null;
  }
  if (!by.overdue) return null;
  const { process: who, what, held_ms, bound_ms } = by.holder;
  const says = `process ${who.pid} (${what}) has the tick lock for ${age(held_ms)}, where ${age(bound_ms)} is the most`;
  if (verbOf(who.pid) === null) {
    out.warn(`${says}; it is no mc-pickup, so it is left: end it by hand (kill -9 ${who.pid})`);
    return null;
  }
  const same = (now: HeldBy): boolean =>
    now.kind === 'known' && now.overdue && now.holder.process.pid_start === who.pid_start;
  // Once more, right before: the process that holds the lock now, and no other that has got its pid.
  if (same(look())) end(who.pid);
  for (const until_ms = monotonicMs() + GONE_MS; monotonicMs() < until_ms; await pause(50)) {
    const lock = tryTickLock(places.lock);
    if (lock !== null) {
      const ended = `${says}: it was ended, and this tick goes on in its place`;
      out.warn(ended);
      return { lock, ended };
    }
    const now = look();
    if (now.kind === 'known' && !same(now)) return null; // another tick was faster
  }
  out.warn(`${says}, and does not end though it was killed: see what it waits for (/proc/${who.pid}/stack)`);
  return null;
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself, or is another user's: whether the lock is free tells.
  }
}
