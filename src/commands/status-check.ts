import { withReader } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { halted, readSwitches } from '../machine/killswitch.ts';
import { hostId } from '../machine/process.ts';
import { STOPPED_AFTER } from '../model/bounds.ts';
import { EXIT, type ExitCode, messageOf } from '../model/errors.ts';
import type { Ticks } from '../model/status.ts';
import { oneLine } from '../model/text.ts';
import { age } from '../model/times.ts';
import { ticksNow } from '../status/coming.ts';

/** For a monitor: one line, exit 0 while ticks come and 69 when they have stopped, or when nobody can tell. A tick that is
 *  halted by the killswitch has come; the line says that it does nothing. Reads only, but for `notify`: the channels of the
 *  configuration are told, once for each time that ticks stop. */
export async function statusCheck(context: Context, o: { readonly notify: boolean }): Promise<ExitCode> {
  const { places, env, out } = context;
  const { policy } = loadPolicy(places.config, env);
  const last = async (board: Board): Promise<number | null> =>
    (await board.lastTick(hostId(places.state) ?? ''))?.finished_at_ms ?? null;
  let finished_at_ms: number | null = null;
  let fault: string | null = null;
  try {
    finished_at_ms = await withReader(context, last);
  } catch (error) {
    // Whatever it is (a lock, another schema, a server that is away): to a monitor it is one thing.
    fault = messageOf(error);
  }
  const now_ms = Date.now();
  const ticks = ticksNow(places, policy, finished_at_ms, now_ms);
  const ok = fault === null && ticks.coming;
  if (context.json) {
    const { last_at_ms: last_tick_at_ms, interval_ms } = ticks;
    const age_ms = last_tick_at_ms === null ? null : now_ms - last_tick_at_ms;
    const intervals = age_ms === null ? null : Math.round((age_ms / interval_ms) * 10) / 10;
    const because = fault === null ? ticks.because : 'board_unreadable';
    out.json({
      ok,
      last_tick_at_ms,
      age_ms,
      intervals,
      because,
      ...(fault === null ? {} : { error: fault }),
    });
  } else {
    const halts = halted(readSwitches(places, env, now_ms)) !== null;
    const says =
      fault === null ? sentenceOf(ticks, halts, now_ms) : `the board cannot be read: ${oneLine(fault, 500)}`;
    // `--quiet` leaves errors, and here that is what a monitor is for.
    if (out.quiet && !ok) out.warn(says);
    else out.line(`mc-pickup: ${says}`);
  }
  if (o.notify && (ticks.because === 'stopped' || ticks.because === 'never')) {
    const { last_at_ms } = ticks;
    await (await import('../notify/tell.ts')).tellNow(context, policy, { kind: 'stopped', last_at_ms });
  }
  return ok ? EXIT.ok : EXIT.unavailable;
}

function overdueLine({ pid, what, held_ms }: NonNullable<Ticks['overdue']>): string {
  return `process ${pid} (${oneLine(what, 40)}) has the tick lock for ${age(held_ms)} and does not end`;
}

/** `halts`: the killswitch would halt a tick now. */
function sentenceOf(ticks: Ticks, halts: boolean, now_ms: number): string {
  const { last_at_ms, interval_ms, running_since_ms, overdue } = ticks;
  const last = last_at_ms === null ? 'there was none' : `the last one was ${age(now_ms - last_at_ms)} ago`;
  const due = `one is due every ${age(interval_ms)}`;
  if (overdue !== null)
    return `TICKS HAVE STOPPED: ${overdueLine(overdue)}, and the ticks meanwhile give way to it; ${last}: end that process (kill -9 ${overdue.pid}) unless the next tick does`;
  switch (ticks.because) {
    case 'ticks_come':
      return `ticks come: ${last}, ${due}`;
    case 'running':
      return `ticks come: one runs since ${age(now_ms - (running_since_ms ?? now_ms))}`;
    case 'halted':
      if (!halts) return `ticks come: ${last}, and was halted by the killswitch, which is off now`;
      return `ticks come, and the killswitch halts them: ${last} (${oneLine(ticks.reason ?? 'no reason given', 200)})`;
    case 'stopped':
      return `TICKS HAVE STOPPED: ${last}, more than ${STOPPED_AFTER} intervals; ${due}: look at the scheduler, and run mc-pickup doctor`;
    case 'never':
      return 'NO TICK HAS EVER COME: look at the scheduler, and run mc-pickup doctor';
    case 'in_the_future':
      return `the last tick is in the future (${new Date(last_at_ms ?? 0).toISOString()}): the clock was set back, whether ticks come cannot be told`;
  }
}
