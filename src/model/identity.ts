import { unreachable } from './unreachable.ts';

/** What the kernel says of a recorded process. */
export type Verdict = 'alive' | 'dead' | 'unknown' | 'not_mine';

/** What makes a process this very process and no other: never a pid alone, never a name. */
export interface ProcessIdentity {
  readonly host_id: string;
  readonly boot_id: string;
  /** Such as `pid:[4026531836]`; null where the system has no pid namespaces (macOS). */
  readonly pid_ns: string | null;
  /** The time namespace that counts `pid_start`, such as `time:[4026531834]`; null = the system has none, or the record is of a
   *  time when it was not noted. */
  readonly time_ns: string | null;
  readonly pid: number;
  readonly pid_start: string;
}

/** An identity and nothing else, out of what has more than that. */
export function identityFrom(one: ProcessIdentity): ProcessIdentity {
  const { host_id, boot_id, pid_ns, time_ns, pid, pid_start } = one;
  return { host_id, boot_id, pid_ns, time_ns, pid, pid_start };
}

/** The identity of a process that was looked at just now; null = there is none, or it can't be told apart from another. */
export function identify(pid: number, me: ObserverIdentity, look: ProcessLook): ProcessIdentity | null {
  const { host_id, boot_id, pid_ns, time_ns } = me;
  if (look.kind !== 'present' || hasEnded(look) || boot_id === null || !me.self_readable) return null;
  return { host_id, boot_id, pid_ns, time_ns, pid, pid_start: look.start };
}

/** The identity that a parsed file holds; null = it holds none, or not all of it. */
export function identityIn(file: Readonly<Record<string, unknown>> | null): ProcessIdentity | null {
  const { host_id, boot_id, pid_ns, time_ns, pid, pid_start } = file ?? {};
  if (typeof host_id !== 'string' || typeof boot_id !== 'string' || typeof pid_start !== 'string')
    return null;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid)) return null;
  const text = (one: unknown): string | null => (typeof one === 'string' ? one : null);
  return { host_id, boot_id, pid_ns: text(pid_ns), time_ns: text(time_ns), pid, pid_start };
}

/** What one look at one pid showed. */
export type ProcessLook =
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable'; readonly error: string }
  | {
      readonly kind: 'present';
      /** Its state letter: of the leader or, where that has ended alone, of a thread that lives. So `Z` and `X` are dead. */
      readonly state: string;
      readonly start: string;
      readonly ppid: number;
    };

/** Whether a look proves that no thread of the process lives any more. */
export function hasEnded(look: ProcessLook): boolean {
  return look.kind === 'gone' || (look.kind === 'present' && (look.state === 'Z' || look.state === 'X'));
}

/** The observer's own side of the comparison, read in the same pass. */
export interface ObserverIdentity {
  readonly host_id: string;
  readonly boot_id: string | null;
  readonly pid_ns: string | null;
  readonly time_ns: string | null;
  /** Whether our own entry of /proc was found in this pass: only then is anything else believed. */
  readonly self_readable: boolean;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly because: IdentityReason;
}

export type IdentityReason =
  | 'other_host'
  | 'rebooted'
  | 'boot_unreadable'
  | 'other_namespace'
  | 'other_time_namespace'
  | 'process_gone'
  | 'proc_unreadable'
  | 'zombie'
  | 'pid_reused'
  | 'unregistered'
  | 'not_of_run'
  | 'process_alive'
  /** The recorded process is dead, and the client lives on in another one of its run. */
  | 'client_lives_on'
  /** The same, and the client works in the run's worktree in a process that no mark says to be of the run. */
  | 'client_unmarked'
  /** The same, and what may be the client was forked a moment ago: a tool of a client that was killed looks like it until it is executed. */
  | 'just_forked';

/** Judges a recorded process. The order is that of "Who lives" in docs/how-it-works.md, and is itself a promise. */
export function judge(recorded: ProcessIdentity, me: ObserverIdentity, look: ProcessLook): Judgement {
  if (recorded.host_id !== me.host_id) return { verdict: 'not_mine', because: 'other_host' };
  if (me.boot_id === null) return { verdict: 'unknown', because: 'boot_unreadable' };
  if (recorded.boot_id !== me.boot_id) return { verdict: 'dead', because: 'rebooted' };
  if (recorded.pid_ns !== me.pid_ns) return { verdict: 'unknown', because: 'other_namespace' };
  // It counts start times from another moment: the same process would pass for another one.
  if (recorded.time_ns != null && recorded.time_ns !== me.time_ns)
    return { verdict: 'unknown', because: 'other_time_namespace' };
  // Who does not find itself under its own number sees nobody else there either.
  if (!me.self_readable) return { verdict: 'unknown', because: 'proc_unreadable' };
  switch (look.kind) {
    case 'gone':
      return { verdict: 'dead', because: 'process_gone' };
    case 'unreadable':
      return { verdict: 'unknown', because: 'proc_unreadable' };
    case 'present':
      if (look.start !== recorded.pid_start) return { verdict: 'dead', because: 'pid_reused' };
      if (hasEnded(look)) return { verdict: 'dead', because: 'zombie' };
      return { verdict: 'alive', because: 'process_alive' };
    default:
      return unreachable(look);
  }
}
