import type { Verdict } from './runtime.ts';

/** What makes a process this very process and no other: never a pid alone, never a name. */
export interface ProcessIdentity {
  readonly host_id: string;
  readonly boot_id: string;
  /** Such as `pid:[4026531836]`; null where the system has no pid namespaces (macOS). */
  readonly pid_ns: string | null;
  readonly pid: number;
  readonly pid_start: string;
}

/** The identity that a parsed file holds; null = it holds none, or not all of it. */
export function identityIn(file: Readonly<Record<string, unknown>> | null): ProcessIdentity | null {
  const { host_id, boot_id, pid_ns, pid, pid_start } = file ?? {};
  if (typeof host_id !== 'string' || typeof boot_id !== 'string' || typeof pid_start !== 'string')
    return null;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid)) return null;
  return { host_id, boot_id, pid_ns: typeof pid_ns === 'string' ? pid_ns : null, pid, pid_start };
}

/** What one look at one pid showed. */
export type ProcessLook =
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable'; readonly error: string }
  | { readonly kind: 'present'; readonly state: string; readonly start: string; readonly ppid: number };

/** The observer's own side of the comparison, read in the same pass. */
export interface ObserverIdentity {
  readonly host_id: string;
  readonly boot_id: string | null;
  readonly pid_ns: string | null;
  /** Whether our own /proc entry was readable in this pass: only then is "gone" believed. */
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
  | 'process_gone'
  | 'proc_unreadable'
  | 'zombie'
  | 'pid_reused'
  | 'unregistered'
  | 'process_alive'
  /** The recorded process is dead, and the client lives on in another one of its run. */
  | 'client_lives_on';

/** Judges a recorded process. The order is that of DESIGN.md section 7 and is itself a promise. */
export function judge(recorded: ProcessIdentity, me: ObserverIdentity, look: ProcessLook): Judgement {
  if (recorded.host_id !== me.host_id) return { verdict: 'not_mine', because: 'other_host' };
  if (me.boot_id === null) return { verdict: 'unknown', because: 'boot_unreadable' };
  if (recorded.boot_id !== me.boot_id) return { verdict: 'dead', because: 'rebooted' };
  if (recorded.pid_ns !== me.pid_ns) return { verdict: 'unknown', because: 'other_namespace' };
  switch (look.kind) {
    case 'gone':
      return me.self_readable
        ? { verdict: 'dead', because: 'process_gone' }
        : { verdict: 'unknown', because: 'proc_unreadable' };
    case 'unreadable':
      return { verdict: 'unknown', because: 'proc_unreadable' };
    case 'present':
      if (look.start !== recorded.pid_start) return { verdict: 'dead', because: 'pid_reused' };
      if (look.state === 'Z' || look.state === 'X') return { verdict: 'dead', because: 'zombie' };
      return { verdict: 'alive', because: 'process_alive' };
  }
}
