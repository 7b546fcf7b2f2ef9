/*
 * Locks whose holder may be stopped, or hang in the kernel, and would then hold up all who come after it, for ever. The holder has noted
 * how long it may take at most; past that it is ended, and only it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ObserverIdentity } from '../model/identity.ts';
import { age } from '../model/times.ts';
import { monotonicMs } from './clock.ts';
import { type HeldBy, heldBy, noteHolder, verbOf } from './holder.ts';
import { type TickLock, tryTickLock } from './lock.ts';

/** How long a process that was just started is given to say who it is. */
const NOTE_MS = 1000;
/** How long one that was ended is given to be gone: the kernel may have to finish a write for it. */
const GONE_MS = 5000;

/** A lock, in words. */
export interface LockWords {
  /** What its holder has: `the tick lock`. */
  readonly name: string;
  /** What goes on once a holder was ended: `this tick`. */
  readonly goesOn: string;
  /** What stands still as long as nobody is ended. */
  readonly stands: string;
}

export interface TakenOver {
  /** null = it is another's, whom nothing is done to. */
  readonly lock: TickLock | null;
  /** What was done to its holder. */
  readonly ended: string | null;
  /** What is wrong with its holder, for a person. */
  readonly wrong: string | null;
}

/** A lock that was found taken: it may have become free, or its holder is past its bound. */
export async function takeOver(file: string, host_id: string, words: LockWords): Promise<TakenOver> {
  const look = (): HeldBy => heldBy(file, host_id);
  const left = (wrong: string | null): TakenOver => ({ lock: null, ended: null, wrong });
  let by = look();
  for (const end = monotonicMs() + NOTE_MS; by.kind === 'unknown' && monotonicMs() < end; by = look()) {
    // It was free for a moment, or its new holder has not written its note yet.
    const lock = tryTickLock(file);
    if (lock !== null) return { lock, ended: null, wrong: null };
    await pause(50);
  }
  if (by.kind === 'unknown') {
    const who = by.pids?.[0] === undefined ? 'another process' : `process ${by.pids.join(', ')}`;
    return left(
      `${who} has ${words.name} and left no note of when it began: nothing is done to it, and ${words.stands} before it lets go`,
    );
  }
  if (!by.overdue) return left(null);
  const { process: who, what, held_ms, bound_ms } = by.holder;
  const says = `process ${who.pid} (${what}) has ${words.name} for ${age(held_ms)}, where ${age(bound_ms)} is the most`;
  if (verbOf(who.pid) === null)
    return left(`${says}; it is no mc-pickup, so it is left: end it by hand (kill -9 ${who.pid})`);
  const same = (now: HeldBy): boolean =>
    now.kind === 'known' && now.overdue && now.holder.process.pid_start === who.pid_start;
  // Once more, right before: the process that holds the lock now, and no other that has got its pid.
  if (same(look())) end(who.pid);
  for (const until_ms = monotonicMs() + GONE_MS; monotonicMs() < until_ms; await pause(50)) {
    const lock = tryTickLock(file);
    if (lock !== null)
      return { lock, ended: `${says}: it was ended, and ${words.goesOn} goes on in its place`, wrong: null };
    const now = look();
    if (now.kind === 'known' && !same(now)) return left(null); // another one was faster
  }
  return left(
    `${says}, and does not end though it was killed: see what it waits for (/proc/${who.pid}/stack)`,
  );
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself, or is another user's: whether the lock is free tells.
  }
}

/** What is done under one of the locks beside the tick lock: one process of this machine does it at a time. */
export interface Turn {
  readonly file: string;
  readonly words: LockWords;
  readonly me: ObserverIdentity;
  /** The command that works. */
  readonly what: string;
  /** It never works longer. */
  readonly bound_ms: number;
  /** Told who was ended for it. */
  warn(text: string): void;
  /** How long to wait for another that works; absent = not at all. */
  readonly wait_ms?: number;
}

/** Takes such a lock; null = another process is at the same work, within its bound. Throws what is wrong with one that has it. */
export async function takeTurn(turn: Turn): Promise<TickLock | null> {
  const { file, words, me, what, bound_ms } = turn;
  let lock = tryTickLock(file);
  for (const end = monotonicMs() + (turn.wait_ms ?? 0); lock === null && monotonicMs() < end; ) {
    await pause(50);
    lock = tryTickLock(file);
  }
  if (lock === null) {
    const taken = await takeOver(file, me.host_id, words);
    if (taken.wrong !== null) throw new Error(taken.wrong);
    if (taken.ended !== null) turn.warn(taken.ended);
    lock = taken.lock;
  }
  if (lock !== null) noteHolder(file, me, what, bound_ms);
  return lock;
}
