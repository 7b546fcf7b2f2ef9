import type { RecentRun } from './breaker.ts';
import type { Hold } from './hold.ts';
import type { Judgement, ProcessIdentity } from './identity.ts';
import type { AgentKind } from './policy.ts';
import type { Room } from './room.ts';
import type { Activity, Runtime } from './runtime.ts';
import type { Said } from './said.ts';
import type { TicketFacts } from './ticket.ts';
import type { Trouble } from './trouble.ts';

/** One row of `tmux list-panes -a` on our own server. */
export interface Pane {
  readonly session: string;
  readonly pane: string;
  /** null = it is dead, and its tmux tells the process of a living one only (3.8). */
  readonly pid: number | null;
  readonly dead: boolean;
  readonly exit_code: number | null;
  readonly exit_signal: number | null;
  /** `@mc_run`: the run id that the pane was started for; empty = not ours. */
  readonly run: string;
  /** `@mc_ticket`. */
  readonly ticket: string;
  readonly output_at_s: number | null;
  /** What the program in it calls itself: untrusted text. */
  readonly title: string;
  /** Its marks are none that we set, so it may be anybody's; `run` and `ticket` are empty then. */
  readonly odd?: true;
}

/** A pane whose process lives, as tmux tells. */
export type LivingPane = Pane & { readonly pid: number };

/** Whether the process of a pane lives, as tmux tells. */
export function isLiving(pane: Pane): pane is LivingPane {
  return !pane.dead && pane.pid !== null;
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

/** The panes that it showed; none where it showed nothing. */
export function panesOf(tmux: TmuxView): readonly Pane[] {
  return tmux.kind === 'server' ? tmux.panes : [];
}

/** The process that starts agents, and whose control group they are in; null = there is none yet. */
export function starterOf(tmux: TmuxView): number | null {
  return tmux.kind === 'server' ? tmux.server_pid : null;
}

/** What the events of one runtime, folded over its row, say now. */
export interface ActivityView {
  readonly activity: Activity;
  readonly question: string | null;
  readonly turn: number;
  readonly client_session: string | null;
  /** What the second signal says now; null = nothing. */
  readonly level: Activity | null;
  /** Observed time for which it has said so, or nothing, without an event. */
  readonly level_ms: number;
  /** The API of its model has refused its present turn: when that ends, or, where nobody has announced it, `CUT_OFF`; null = it has not. */
  readonly limited_until_ms: number | null;
  /** With what, as this look has found; absent = not, or it was found before. */
  readonly trouble?: Trouble;
  /** The model has answered since the last look. Absent = not that it is known. */
  readonly answered?: boolean;
  /** Why this client cannot work at all, with what a person has to do. */
  readonly not_ready: string | null;
  /** Events that were new in this pass. */
  readonly fresh: number;
  readonly cursor: string | null;
  /** Reports that were kept by file, in the order in which they were said; absent = none. */
  readonly said?: readonly Said[];
}

export interface ObservedRuntime {
  readonly row: Runtime;
  /** null only for a row in phase `launching`, which has no process yet. */
  readonly judgement: Judgement | null;
  readonly pane: Pane | null;
  readonly seen: ActivityView;
  /** Why a dead runtime is dead, where more than "gone" is known. */
  readonly server_lost: boolean;
  /** The process that its client lives on in, though the recorded one is dead: `judgement` is then `alive`. */
  readonly survivor: ProcessIdentity | null;
  /** The program that its process runs, where this look is the first that tells; null = nothing new. */
  readonly program: string | null;
  /** Whether its branch holds commits that its base does not; null = not looked at, or it cannot be told. */
  readonly has_commits: boolean | null;
  /** A person has answered what it asked, and it has died without having honoured that: it was at work again. Absent = not so, or not
   *  looked for. */
  readonly answered?: boolean;
  /** A person has denied it something in the turn that it has just ended. Absent = not so, or not looked for. */
  readonly denied?: boolean;
  /** Of a row in phase `launching`: the tick that claimed it has ended, and neither a pane nor a launcher nor a process of the
   *  run is left, so that no agent can come of it. */
  readonly abandoned: boolean;
  /** Whether a client whose ticket is settled may be asked to quit, or why not; null = not looked at. */
  readonly may_quit: 'yes' | Stays | null;
  /** Of a process that has ended: it had been asked to quit. */
  readonly asked_to_quit: boolean;
}

/** Why a client whose ticket is settled is not asked to quit. */
export type Stays =
  /** Nothing can be typed at it from here: a server has started it, or tmux does not show its pane. */
  | 'no_pane'
  | 'attached'
  /** A person has left its pane in a mode of tmux, such as scrolled back. */
  | 'in_a_mode'
  | 'text_in_composer'
  /** Its screen does not show where it takes a text: a dialog may be open. */
  | 'composer_unseen'
  /** The tip of its branch is not out yet, or something else of its review is due. */
  | 'not_published'
  /** It was asked before, and lives. */
  | 'did_not_quit';

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
  readonly time_ns: string | null;
  readonly pid: number;
  readonly pid_start: string;
  readonly session: string | null;
  readonly pane: string | null;
  readonly worktree: string | null;
  readonly branch: string | null;
  /** When the ticket that it was started for was made; null = not recorded. */
  readonly ticket_created_at_ms: number | null;
  readonly kind: AgentKind | '';
  readonly headless: boolean;
  readonly client_session: string | null;
}

export interface TicketView {
  readonly ticket: TicketFacts;
  /** Dependencies that are not `done`. */
  readonly unmet: readonly string[];
  /** The run of the ticket's present claim epoch that ended, if one did. */
  readonly ended: Runtime | null;
  /** Heals of this ticket in the last 30 minutes. */
  readonly heals: number;
}

/** The tickets by their ids. */
export function viewsOf({ tickets }: Pick<World, 'tickets'>): ReadonlyMap<string, TicketView> {
  const views = new Map<string, TicketView>();
  for (const view of tickets) views.set(view.ticket.id, view);
  return views;
}

export interface AccountView {
  readonly name: string;
  readonly not_before_at_ms: number | null;
  /** When that wait was set; null = not known. */
  readonly wait_since_ms: number | null;
  /** Why it waits, in its client's words; absent = this board does not tell. */
  readonly reason?: string | null | undefined;
  /** What a person has to do before any ticket can be worked on by this profile. */
  readonly not_ready: string | null;
  /** The program as it was when that was found; another one is looked at anew. */
  readonly not_ready_stamp: string | null;
}

/** What was used so far, by the clients' own records. */
export interface Spent {
  readonly tokens: number;
  readonly usd: number;
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

/** The switch of either level that covers this project or this agent; no agent: the project alone. */
export function blocks(
  switches: readonly Switch[],
  project: string | undefined,
  agent: string | undefined,
): Switch | null {
  const covers = (scope: string): boolean =>
    scope === '*' ||
    (project !== undefined && scope === `project:${project}`) ||
    (agent !== undefined && scope === `agent:${agent}`);
  return switches.find(({ scope }) => covers(scope)) ?? null;
}

/** Everything that a tick knows. Made by `observe`, read by `decide`, never changed. */
/** What keeps a workspace from being had: an earlier launch that still works there (a hook, `git worktree add`), or another checkout of
 *  the ticket's branch. */
export interface HeldUp {
  readonly because: 'still_being_made' | 'branch_elsewhere';
  readonly what: string;
}

export interface World {
  readonly now_ms: number;
  /** Observed time since this host's last tick: clamped, so that suspend and clock jumps count for nothing. */
  readonly delta_ms: number;
  readonly host_id: string;
  /** null = it cannot be read. */
  readonly boot_id: string | null;
  /** Of who looks; null = the system has none. */
  readonly time_ns: string | null;
  readonly tmux: TmuxView;
  readonly tickets: readonly TicketView[];
  readonly runtimes: readonly ObservedRuntime[];
  readonly sightings: readonly Sighting[];
  readonly accounts: readonly AccountView[];
  readonly switches: readonly Switch[];
  readonly holds: readonly Hold[];
  /** After a halt: how many launches this tick may make; null = as many as ever. */
  readonly ramp: number | null;
  /** Tickets in `todo` beyond the number that one tick looks at. */
  readonly beyond: number;
  /** Runs that ended of late, of every host. */
  readonly recent: readonly RecentRun[];
  /** When launches of a scope were last released on this host, or switched off by themselves. */
  readonly released_at_ms: Readonly<Record<string, number>>;
  /** Tickets whose state could not be read: nothing is done about them. */
  readonly unreadable: readonly string[];
  /** Of tickets whose launch this tick may have to end: how many launches before it failed in a row. */
  readonly failed_launches: Readonly<Record<string, number>>;
  /** Tickets whose workspace can't be had just now, and why. */
  readonly being_made: Readonly<Record<string, HeldUp>>;
  /** What the machine has left; absent = it was not looked at, since nothing is to be launched. */
  readonly room?: Room;
  /** Of this UTC day and of the tickets that may be launched; null = no budget is configured. */
  readonly spent: { readonly day: Spent; readonly tickets: Readonly<Record<string, Spent>> } | null;
}
