import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { noteHolder, verbOf } from '../machine/holder.ts';
import { tryTickLock } from '../machine/lock.ts';
import { hostId, lookAtSelf } from '../machine/process.ts';
import { COMMAND_BOUND_MS } from '../model/bounds.ts';
import { EXIT, UserError } from '../model/errors.ts';
import { showing } from '../report/showing.ts';

const WAIT_MS = 15_000;

/** Works while no tick runs: what a person does to a runtime must not be judged by a tick half-way. `what` is said to a
 *  person who waits for it. */
export function betweenTicks<T>(context: Context, what: string, work: () => Promise<T>): Promise<T> {
  return showing(context, 'waiting for the tick that runs', (say) =>
    locked(context.places.lock, 'a tick is running', () => {
      // A tick that has waited for us in vain for longer than we ever take ends us: a stopped process would stop them all.
      const me = lookAtSelf(hostId(context.places.state) ?? '');
      noteHolder(context.places.lock, me, verbOf(process.pid) ?? what, COMMAND_BOUND_MS);
      say(what);
      return work();
    }),
  );
}

/** Works while nobody else holds this lock. `busy` says who does when it is not free within 15 s (exit 75). */
export async function locked<T>(file: string, busy: string, work: () => Promise<T>): Promise<T> {
  const end = monotonicMs() + WAIT_MS;
  for (;;) {
    const lock = tryTickLock(file);
    if (lock !== null) {
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
    if (monotonicMs() > end) throw new UserError(EXIT.busy, `${busy}: try again when it is through`);
    await pause(50);
  }
}
