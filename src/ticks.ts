/*
 * Whether ticks still come, for people and monitors. Three things tell of a tick: its row on the board, the note of the
 * killswitch (a tick that ends at the gate leaves no row), and, while it runs, the tick lock. Nothing here writes, takes
 * a lock or waits: a monitor that took the tick lock for a moment would be in the way of the tick it looks for.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Policy } from './model/policy.ts';
import type { Places } from './paths.ts';
import { startedAtMs } from './runtime/agents/codex-rollout.ts';
import { numberOf, readObject, textOf } from './runtime/files.ts';
import { lookAt } from './runtime/identity.ts';

/** After so many intervals without one, ticks have stopped. */
export const STOPPED_AFTER = 3;
/** `git worktree add` and what stands around the hooks of a launch. */
const LAUNCH_SECONDS = 330;

export interface Ticks {
  /** The end of the last tick, halted ones included, UTC milliseconds; null = there was none. */
  readonly last_at_ms: number | null;
  readonly interval_ms: number;
  readonly coming: boolean;
  readonly because: 'ticks_come' | 'halted' | 'running' | 'stopped' | 'never' | 'in_the_future';
  /** Why they are halted, where they are. */
  readonly reason: string | null;
  /** Since when one runs that has the tick lock now; null = none is seen. */
  readonly running_since_ms: number | null;
}

/** `finished_at_ms`: the end of this host's last tick on the board; null = it has none. */
export function ticksNow(
  places: Pick<Places, 'gate' | 'lock'>,
  policy: Policy,
  finished_at_ms: number | null,
  now_ms: number,
): Ticks {
  const interval_ms = policy.limits.interval_seconds * 1000;
  const gate = isFile(places.gate) ? readObject(places.gate) : null;
  const halted_at_ms = numberOf(gate, 'last_halted_at_ms');
  const halted = halted_at_ms !== null && halted_at_ms >= (finished_at_ms ?? 0);
  const last_at_ms = halted ? halted_at_ms : finished_at_ms;
  const running_since_ms = runningSince(places.lock);
  const facts = { last_at_ms, interval_ms, running_since_ms, reason: halted ? textOf(gate, 'reason') : null };
  const age = last_at_ms === null ? null : now_ms - last_at_ms;
  // It installs, fetches, launches: the ticks meanwhile give way to it and leave nothing.
  if (running_since_ms !== null && now_ms - running_since_ms <= longestMs(policy))
    return { ...facts, coming: true, because: halted ? 'halted' : 'running' };
  if (age === null) return { ...facts, coming: false, because: 'never' };
  // The clock was set back: that tick says nothing of now.
  if (age < -interval_ms) return { ...facts, coming: false, because: 'in_the_future' };
  if (age > STOPPED_AFTER * interval_ms) return { ...facts, coming: false, because: 'stopped' };
  return { ...facts, coming: true, because: halted ? 'halted' : 'ticks_come' };
}

/** How long a tick may take at most, by the bounds of what it does. */
function longestMs({ limits, projects }: Policy): number {
  const launches = [...projects.values()].map(
    ({ fetch_timeout_seconds, after_create, before_run }) =>
      LAUNCH_SECONDS +
      fetch_timeout_seconds +
      (after_create?.timeout_seconds ?? 0) +
      (before_run?.timeout_seconds ?? 0),
  );
  const seconds = Math.max(0, ...launches) + limits.register_wait_seconds;
  return (STOPPED_AFTER * limits.interval_seconds + seconds) * 1000;
}

/** When the process was started that has the tick lock as a tick (`send` and `stop` take it too). The kernel tells it of
 *  the file's inode (Linux); elsewhere a long tick is not seen. */
function runningSince(lock: string): number | null {
  try {
    const inode = statSync(lock).ino;
    for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
      const [, , , , pid = '', file = ''] = / -> /.test(line) ? [] : line.split(/\s+/);
      if (!/^\d+$/.test(pid) || !file.endsWith(`:${inode}`)) continue;
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const process = lookAt(Number(pid));
      if (process.kind === 'present' && isTick(words)) return startedAtMs(process.start);
    }
  } catch {
    // Not Linux, no lock file yet, or the process has ended meanwhile.
  }
  return null;
}

/** The verb of a command line, behind the script and the options that stand before it; not a word of some text. */
function isTick(words: readonly string[]): boolean {
  const after = words.slice(words.findIndex((word) => word.endsWith('mc-pickup.js')) + 1);
  const verb = after.find(
    (word, n) => !word.startsWith('-') && !/^--(state-dir|config)$/.test(after[n - 1] ?? ''),
  );
  return verb === 'dispatch' || verb === 'reconcile';
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
