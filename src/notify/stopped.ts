import { STOPPED_AFTER } from '../model/bounds.ts';
import { age } from '../model/times.ts';
import { idOf, type TellEvent } from './event.ts';
import type { TickSeen } from './record.ts';

/** A tick that has just ended, and what the gate says of those before it. */
export interface TickNow {
  readonly started_at_ms: number;
  /** The monotonic clock at its start. */
  readonly mono_ms: number;
  readonly boot_id: string;
  /** Ticks that the killswitch halted meanwhile, the first and the last; null = none. */
  readonly halts: { readonly first_ms: number; readonly last_ms: number } | null;
}

/** That no tick came for more than three intervals, told by the one that came at last. The monotonic clock stands still in
 *  suspend, and another boot began anew: neither is a fault of the scheduler. Ticks that were halted have come. */
export function cameBack(
  before: TickSeen | null,
  now: TickNow,
  o: { readonly interval_ms: number; readonly host: string },
): TellEvent | null {
  if (before === null || before.boot_id !== now.boot_id) return null;
  const awake = now.mono_ms - before.mono_ms;
  const most = STOPPED_AFTER * o.interval_ms;
  const spans =
    now.halts === null
      ? [{ from: before.finished_at_ms, to: now.started_at_ms }]
      : [
          { from: before.finished_at_ms, to: now.halts.first_ms },
          { from: now.halts.last_ms, to: now.started_at_ms },
        ];
  const worst = spans
    .map(({ from, to }) => ({ from, to, ms: Math.min(to - from, awake) }))
    .sort((a, b) => b.ms - a.ms)[0];
  if (worst === undefined || worst.ms <= most) return null;
  const text = `ticks come again: there was none for ${age(worst.ms)}, from ${iso(worst.from)} to ${iso(worst.to)}`;
  return event('came_back', worst.from, worst.to, text, o.host);
}

/** That no tick has come since, told by somebody else who looks: the same for the same last tick. */
export function haveStopped(last_at_ms: number | null, now_ms: number, host: string): TellEvent {
  const since = last_at_ms === null ? 'none has ever come' : `the last one came at ${iso(last_at_ms)}`;
  const text = `ticks have stopped: ${since}; look at the scheduler, and run mc-pickup doctor`;
  return event('stopped', last_at_ms ?? 0, now_ms, text, host);
}

function event(because: string, from_ms: number, at_ms: number, text: string, host: string): TellEvent {
  return {
    id: idOf('ticks_stopped', host, because, from_ms),
    ...{ kind: 'ticks_stopped', at_ms, ticket: null, title: null, project: null, labels: [], run: null },
    ...{ because, text },
  };
}

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
