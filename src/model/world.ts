import type { Judgement } from './identity.ts';
import type { Activity, Runtime } from './runtime.ts';
import type { Ticket } from './ticket.ts';

/** One row of `tmux list-panes -a` on our own server. */
export interface Pane {
  readonly session: string;
  readonly pane: string;
  readonly pid: number;
  readonly dead: boolean;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
  /** `@mc_run`: the run id that the pane was started for; empty = not ours. */
  readonly run: string;
  /** `@mc_ticket`. */
  readonly ticket: string;
  readonly output_at_s: number | null;
}

/** What our tmux server answered. `none`: no server, and the recorded one is dead too. */
export type TmuxView =
  | {
      readonly kind: 'server';
      readonly server_pid: number;
      readonly server_start: string | null;
      readonly panes: readonly Pane[];
    }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly error: string };

/** What the events of one runtime, folded over its row, say now. */
export interface ActivityView {
  readonly activity: Activity;
  readonly question: string | null;
  readonly turn: number;
  readonly client_session: string | null;
  /** Events that were new in this pass. */
  readonly fresh: number;
  readonly cursor: string | null;
}

export interface ObservedRuntime {
  readonly row: Runtime;
  /** null only for a row in phase `launching`, which has no process yet. */
  readonly judgement: Judgement | null;
  readonly pane: Pane | null;
  readonly seen: ActivityView;
  /** Why a dead runtime is dead, where more than "gone" is known. */
  readonly server_lost: boolean;
}

/** A living or dead process that carries a ticket's mark though the board has no live row for it. */
export interface Sighting {
  readonly ticket: string;
  readonly run: string;
  readonly owner: string | null;
  readonly agent: string;
  readonly project: string;
  readonly judgement: Judgement;
  readonly host_id: string;
  readonly boot_id: string;
  readonly pid_ns: string | null;
  readonly pid: number;
  readonly pid_start: string;
  readonly session: string | null;
  readonly pane: string | null;
  readonly worktree: string | null;
  readonly branch: string | null;
  /** When the ticket that it was started for was made; null = not recorded. */
  readonly ticket_created_at_ms: number | null;
}

export interface TicketView {
  readonly ticket: Ticket;
  /** Dependencies that are not `done`. */
  readonly unmet: readonly string[];
  /** The run of the ticket's present claim epoch that ended, if one did. */
  readonly ended: Runtime | null;
  /** Heals of this ticket in the last 30 minutes. */
  readonly heals: number;
}

export interface AccountView {
  readonly name: string;
  readonly not_before_at_ms: number | null;
}

export interface Switch {
  readonly level: 'dispatch' | 'all';
  /** `*`, `project:NAME` or `agent:NAME`. */
  readonly scope: string;
  readonly reason: string;
  readonly author: string;
  readonly at_ms: number | null;
  readonly expires_at_ms: number | null;
}

/** Everything that a tick knows. Made by `observe`, read by `decide`, never changed. */
export interface World {
  readonly now_ms: number;
  /** Observed time since this host's last tick: clamped, so that suspend and clock jumps count for nothing. */
  readonly delta_ms: number;
  readonly host_id: string;
  /** null = it cannot be read. */
  readonly boot_id: string | null;
  readonly tmux: TmuxView;
  readonly tickets: readonly TicketView[];
  readonly runtimes: readonly ObservedRuntime[];
  readonly sightings: readonly Sighting[];
  readonly accounts: readonly AccountView[];
  readonly switches: readonly Switch[];
  /** Tickets in `todo` beyond the number that one tick looks at. */
  readonly beyond: number;
  /** Different tickets whose agents died within a minute of their start, in the last 10 minutes. */
  readonly early_deaths: readonly string[];
  /** Tickets whose state could not be read: nothing is done about them. */
  readonly unreadable: readonly string[];
}
