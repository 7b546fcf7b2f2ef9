import type { ProcessIdentity } from './identity.ts';
import type { AgentKind } from './policy.ts';

export type Phase = 'launching' | 'registered' | 'running' | 'parked' | 'ended';

/** What the agent's events say. */
export type Activity = 'busy' | 'waiting' | 'idle' | 'unknown';

/** A row of `runtime_sessions`: one agent process started for one ticket (or a chat, ticket_id null). */
export interface Runtime {
  readonly id: string;
  /** The run id in the agent's environment; differs from `id` only after the board had lost the runtime. */
  readonly mark: string;
  readonly ticket_id: string | null;
  readonly claim_epoch: number;
  readonly attempt: number;
  readonly owner: string | null;
  readonly agent: string;
  readonly project: string;
  readonly phase: Phase;
  readonly version: number;
  readonly host_id: string;
  readonly boot_id: string | null;
  readonly pid_ns: string | null;
  /** null in rows of before; the next tick that sees it alive fills it in. */
  readonly time_ns: string | null;
  readonly pid: number | null;
  /** Start time in kernel ticks (Linux) or the `ps` start string (macOS), exact. */
  readonly pid_start: string | null;
  readonly tmux_server_pid: number | null;
  readonly tmux_server_start: string | null;
  readonly tmux_session: string | null;
  readonly tmux_pane: string | null;
  readonly worktree: string | null;
  readonly branch: string | null;
  readonly client_session: string | null;
  readonly activity: Activity;
  readonly question: string | null;
  /** Turns that were seen to start. */
  readonly turn: number;
  readonly events_seen: number;
  readonly events_cursor: string | null;
  /** Last `window_activity` that tmux showed, seconds since the epoch. */
  readonly output_at_s: number | null;
  /** Observed time without any event or output. */
  readonly silent_ms: number;
  /** Observed time spent in phase `launching`. */
  readonly launching_ms: number;
  readonly claimed_at_ms: number;
  readonly registered_at_ms: number | null;
  readonly heartbeat_at_ms: number | null;
  readonly ended_at_ms: number | null;
  readonly end_reason: string | null;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
  /** The kind of client that was launched, whatever the configuration says later; '' = a row of before. */
  readonly kind: AgentKind | '';
  /** Nobody can attach to it: its end is the end of its turn. */
  readonly headless: boolean;
  /** The client's session that this run was to continue. */
  readonly resumed: string | null;
  /** What the second signal said at the last tick. */
  readonly level: Activity | null;
  /** Observed time for which it has said so, without an event. */
  readonly level_ms: number;
  /** The API of its model has refused its present turn: when that ends, or `CUT_OFF`; null = it has not. */
  readonly limited_until_ms: number | null;
  /** What a person has to do before this client can work at all. */
  readonly not_ready: string | null;
  /** Continuation prompts that ticks have sent, and the turn after which the last one was. */
  readonly nudges: number;
  readonly nudged_turn: number | null;
  /** Which program its process became, as `runs/program.ts` writes it; null = no look has told yet, undefined = this board
   *  keeps no such thing. */
  readonly program?: string | null | undefined;
}

/** Whether a ticket with this owner is still in the hands that it was claimed under: under the same owner, or under none and then
 *  under the name of the very profile that runs. `owner IS @owner` of every guard is about what was observed; this, about the claim. */
export function sameHands(run: Pick<Runtime, 'owner' | 'agent'>, owner: string | null): boolean {
  return run.owner === owner || (run.owner === null && owner === run.agent);
}

/** The identity that the row recorded, or null where nothing was registered yet. */
export function identityOf(row: Runtime): ProcessIdentity | null {
  if (row.pid === null || row.pid_start === null || row.boot_id === null) return null;
  return {
    host_id: row.host_id,
    boot_id: row.boot_id,
    pid_ns: row.pid_ns,
    time_ns: row.time_ns,
    pid: row.pid,
    pid_start: row.pid_start,
  };
}
