/*
 * Whether ticks still come, for people and monitors. Three things tell of a tick: its row on the board, the note of the
 * killswitch (a tick that ends at the gate leaves no row), and, while it runs, the tick lock. Nothing here writes, takes
 * a lock or waits: a monitor that took the tick lock for a moment would be in the way of the tick it looks for.
 */
import { statSync } from 'node:fs';
import { startedAtMs } from '../agents/codex/rollout.ts';
import { numberOf, readObject, textOf } from '../machine/files.ts';
import { heldBy, verbOf } from '../machine/holder.ts';
import type { Places } from '../machine/paths.ts';
import { hostId, lookAt } from '../machine/process.ts';
import { longestTickMs, STOPPED_AFTER } from '../model/bounds.ts';
import type { Policy } from '../model/policy.ts';
import type { Ticks } from '../model/status.ts';

/** `finished_at_ms`: the end of this host's last tick on the board; null = it has none. */
export function ticksNow(
  places: Pick<Places, 'gate' | 'lock' | 'state'>,
  policy: Policy,
  finished_at_ms: number | null,
  now_ms: number,
): Ticks {
  const interval_ms = policy.limits.interval_seconds * 1000;
  const gate = isFile(places.gate) ? readObject(places.gate) : null;
  const halted_at_ms = numberOf(gate, 'last_halted_at_ms');
  const halted = halted_at_ms !== null && halted_at_ms >= (finished_at_ms ?? 0);
  const last_at_ms = halted ? halted_at_ms : finished_at_ms;
  const { running_since_ms, overdue } = holding(places, now_ms);
  const reason = halted ? textOf(gate, 'reason') : null;
  const facts = { last_at_ms, interval_ms, running_since_ms, overdue, reason };
  const age = last_at_ms === null ? null : now_ms - last_at_ms;
  // Every tick gives way to it, and it does not end: whatever came last, none comes any more.
  if (overdue !== null)
    return { ...facts, coming: false, because: last_at_ms === null ? 'never' : 'stopped' };
  // It installs, fetches, launches: the ticks meanwhile give way to it and leave nothing.
  if (running_since_ms !== null && now_ms - running_since_ms <= longestTickMs(policy))
    return { ...facts, coming: true, because: halted ? 'halted' : 'running' };
  if (age === null) return { ...facts, coming: false, because: 'never' };
  // The clock was set back: that tick says nothing of now.
  if (age < -interval_ms) return { ...facts, coming: false, because: 'in_the_future' };
  if (age > STOPPED_AFTER * interval_ms) return { ...facts, coming: false, because: 'stopped' };
  return { ...facts, coming: true, because: halted ? 'halted' : 'ticks_come' };
}

/** Since when a tick has the tick lock (`send` and `stop` take it too), and whether it, or whatever else has it, is overdue. Where
 *  the holder left no note, the kernel tells when its process was started (Linux); elsewhere a long tick is not seen. */
function holding(
  { lock, state }: Pick<Places, 'lock' | 'state'>,
  now_ms: number,
): Pick<Ticks, 'running_since_ms' | 'overdue'> {
  const by = heldBy(lock, hostId(state) ?? '');
  if (by.kind === 'known') {
    const { process, what, held_ms } = by.holder;
    return {
      running_since_ms: isTick(what) ? now_ms - held_ms : null,
      overdue: by.overdue ? { pid: process.pid, what, held_ms } : null,
    };
  }
  const ticks = (by.pids ?? []).filter((pid) => isTick(verbOf(pid)));
  const look = ticks[0] === undefined ? null : lookAt(ticks[0]);
  return { running_since_ms: look?.kind === 'present' ? startedAtMs(look.start) : null, overdue: null };
}

function isTick(verb: string | null): boolean {
  return verb === 'dispatch' || verb === 'reconcile';
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
