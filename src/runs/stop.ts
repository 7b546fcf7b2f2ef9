import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '../machine/clock.ts';
import { allPids } from '../machine/proc.ts';
import { lookAt } from '../machine/process.ts';
import { hasEnded, judge, type ObserverIdentity, type ProcessIdentity } from '../model/identity.ts';
import { isStillLeft, type Leftover } from './leftovers.ts';
import { membersOf } from './members.ts';

export interface StopRequest {
  readonly identity: ProcessIdentity;
  /** The run id in the environment of all that the agent started; '' = look for none. */
  readonly mark: string;
  readonly self: ObserverIdentity;
  readonly graceMs: number;
}

interface Target {
  readonly pid: number;
  readonly start: string;
}

const KILL_WAIT_MS = 2000;
const ROUNDS = 5;

/** Ends one agent and all that it started. Each process is compared again right before its signal. */
export async function stopProcess(
  request: StopRequest,
): Promise<{ readonly ended: boolean; readonly signalled: number }> {
  const { identity, self, mark, graceMs } = request;
  const { verdict } = judge(identity, self, lookAt(identity.pid));
  if (verdict === 'unknown' || verdict === 'not_mine') return { ended: false, signalled: 0 };
  const signalled = new Set<number>();
  const send = (target: Target, signal: NodeJS.Signals): void => {
    if (target.pid <= 1 || target.pid === process.pid || !lives(target)) return;
    try {
      process.kill(target.pid, signal);
      signalled.add(target.pid);
    } catch {
      // It ended in this moment, or is not ours to end: `lives` tells.
    }
  };
  const all: Target[] = [];
  if (verdict === 'alive') {
    const root = { pid: identity.pid, start: identity.pid_start };
    all.push(root, ...descendants(root));
    send(root, 'SIGTERM');
    await until(() => !lives(root), graceMs);
    for (const target of all) send(target, 'SIGTERM');
    await until(() => !all.some(lives), graceMs);
    for (const target of descendants(root)) if (!all.some((known) => same(known, target))) all.push(target);
    for (const target of all) send(target, 'SIGKILL');
    await until(() => !all.some(lives), KILL_WAIT_MS);
  }
  // What was started in the meantime, or had left the tree, still carries the run's mark.
  let marked = marks(mark);
  for (let round = 0; round < ROUNDS && marked.length > 0; round += 1) {
    const some = marked;
    for (const target of some) send(target, round === 0 ? 'SIGTERM' : 'SIGKILL');
    await until(() => !some.some(lives), round === 0 ? graceMs : KILL_WAIT_MS);
    marked = marks(mark);
  }
  return { ended: !all.some(lives) && marked.length === 0, signalled: signalled.size };
}

/** Ends what runs have left: asked first, then forced. Each is compared again, and its run with it, right before each signal.
 *  Returns those that live on. */
export async function endLeftovers(
  all: readonly Leftover[],
  state: string,
  graceMs: number,
): Promise<readonly Leftover[]> {
  for (const [signal, boundMs] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', KILL_WAIT_MS],
  ] as const) {
    for (const one of all) {
      try {
        if (isStillLeft(one, state)) process.kill(one.pid, signal);
      } catch {
        // It ended in this moment, or is not ours to end: the look below tells.
      }
    }
    await until(() => !all.some(lives), boundMs);
  }
  return all.filter(lives);
}

function lives(target: Target): boolean {
  const look = lookAt(target.pid);
  if (look.kind === 'unreadable') return true;
  return look.kind === 'present' && look.start === target.start && !hasEnded(look);
}

function same(a: Target, b: Target): boolean {
  return a.pid === b.pid && a.start === b.start;
}

/** Everything below a process, as long as it is still that process. */
function descendants(root: Target): Target[] {
  if (!lives(root)) return [];
  const children = new Map<number, Target[]>();
  for (const pid of allPids()) {
    const look = lookAt(pid);
    if (look.kind !== 'present') continue;
    const siblings = children.get(look.ppid) ?? [];
    siblings.push({ pid, start: look.start });
    children.set(look.ppid, siblings);
  }
  const found: Target[] = [];
  const open = [root.pid];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop())
    for (const child of children.get(pid) ?? []) {
      if (child.pid === process.pid) continue;
      found.push(child);
      open.push(child.pid);
    }
  return found;
}

/** Living processes with the run's id in their environment. */
function marks(mark: string): readonly Target[] {
  return mark === '' ? [] : membersOf({ mark }).members;
}

async function until(condition: () => boolean, boundMs: number): Promise<void> {
  const end = monotonicMs() + boundMs;
  while (!condition() && monotonicMs() < end) await pause(20);
}
