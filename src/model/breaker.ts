import type { Runtime } from './runtime.ts';

/** An agent that dies this soon after its start counts toward mass death; one that lives longer shows that its profile works. */
export const EARLY_MS = 60_000;
/** So many tmux servers lost in so long a time hold launches. */
export const HELD_LOSSES = 3;
export const LOSSES_MS = 30 * 60_000;
/** So many heals of one ticket in so long a time, and healing it stops and it is flagged. */
export const MAX_HEALS = 3;
export const HEALS_MS = 30 * 60_000;

/** A run that ended of late, as far as the breaker asks. */
export interface RecentRun
  extends Pick<
    Runtime,
    | 'agent'
    | 'project'
    | 'host_id'
    | 'registered_at_ms'
    | 'heartbeat_at_ms'
    | 'tmux_server_pid'
    | 'tmux_server_start'
  > {
  readonly ticket: string;
  readonly ended_at_ms: number;
  readonly end_reason: string;
}
