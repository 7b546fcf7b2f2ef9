import type { Fault, Hold, HoldScope, Probe } from '../model/hold.ts';
import type { ProcessIdentity } from '../model/identity.ts';
import type { LaunchStep, NudgeStep, QuitStep } from '../model/plan.ts';
import type { AgentProfile, Project } from '../model/policy.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Pane, Sighting, World } from '../model/world.ts';
import type { Delivered } from './deliver/ledger.ts';
import type { Quit } from './deliver/quit.ts';
import type { SaidOutside } from './said.ts';

/** A ticket that this tick has taken: nothing runs for it yet. */
export interface Claimed {
  readonly step: LaunchStep;
  readonly run: string;
  readonly ticket: Ticket;
  readonly project: Project;
  readonly profile: AgentProfile;
}

export type PreparedLaunch =
  | {
      readonly ok: true;
      /** Where the run will work, as the board is told. */
      readonly where: {
        readonly worktree: string;
        readonly branch: string;
        readonly client_session: string | null;
        readonly resumed: string | null;
      };
      readonly command: readonly string[];
      readonly sha256: string;
      readonly bytes: number;
      /** What people answered, as it stands in the prompt. */
      readonly answers: readonly number[];
    }
  | { readonly ok: false; readonly because: 'launch_failed' | 'environment'; readonly error: string }
  /** Something of the project, of the profile or of this host, and not of the ticket. */
  | { readonly ok: false; readonly because: 'held'; readonly fault: Fault };

export type Place = Extract<PreparedLaunch, { ok: true }>;

export type Started =
  | { readonly ok: true; readonly pid: number }
  /** `untouched`: certainly nothing was started; otherwise it may have been all the same. */
  | { readonly ok: false; readonly untouched?: true; readonly error: string }
  /** Nothing was started, and nothing else can be on this host. */
  | { readonly ok: false; readonly fault: Fault }
  /** The 409 of a server that starts the runtimes: nothing was started, since this one lives. */
  | { readonly ok: false; readonly busy: Sighting };

export type Neighbours =
  | { readonly ok: true; readonly sightings: readonly Sighting[] }
  | { readonly ok: false; readonly error: string };

/**
 * All that a plan touches besides the board: files, processes, tmux, git. The protocol (which of these happens after
 * which write, and what follows when one fails) is `act`'s alone, and is proven over this interface; what stands
 * behind it decides nothing.
 */
export interface Outside {
  /** Eight hex digits, for a name that is used once. */
  token(): string;
  /** Whether the killswitch forbids this launch now. */
  halted(project: string, agent: string): boolean;
  /** Switches the launches of this scope off; false = a person was faster, and may have switched off more. */
  switchOff(level: 'dispatch', scope: string, reason: string): boolean;
  /** What holds the launches of this project or of this profile now, be it since a moment ago; null = nothing. `tries`: beside what this very
   *  launch is to try. */
  held(project: string, agent: string, tries: boolean): Hold | null;
  /** Holds a profile by what the API of its client's model has refused; false = it was held already, and is for longer or for another reason now. */
  refused(fault: Fault, until_ms: number): boolean;
  /** Notes which run tries what holds a profile so. */
  tries(scope: HoldScope, probe: Probe): void;
  /** Lets go of what holds a profile so: what it was; null = nothing. */
  over(scope: HoldScope): Hold | null;
  /** Holds the scope of a fault; false = it is held already. */
  hold(fault: Fault): boolean;
  /** Looks whether a hold is still founded, as far as the fault went: what is wrong; null = it is gone. */
  lookAgain(hold: Hold): Promise<Fault | null>;
  /** Lets it go (null), or puts the next look off. */
  lookedAgain(hold: Hold, found: Fault | null): void;
  /** What the machine has too little of for one more agent, right now, in words; null = nothing. */
  lacks(world: World): string | null;
  /** What keeps every launch of this profile or of this project from coming to anything, known before anything is claimed; null = nothing. A text: of its
   *  account, which the board holds. */
  unlaunchable(step: LaunchStep): Promise<Fault | string | null>;
  /** Worktree, hooks, prompt and launcher: all that a launch needs, and no process that outlives it. `placed` is called as soon as it has
   *  its worktree: with true where a checkout of the project has just come through. */
  prepare(claimed: Claimed, placed?: (proven: boolean) => void): Promise<PreparedLaunch>;
  /** Runtimes other than `run` that are seen on this ticket or in this worktree: now, or in the look of another launch of this tick
   *  that began within the last second, and after `run` was claimed. */
  neighbours(ticket: string, run: string, worktree: string, host_id: string): Promise<Neighbours>;
  /** So many launches are to come, at most. */
  expect(count: number): Promise<void>;
  /** Starts the launcher in a pane of its own. */
  start(run: string, ticket: string, place: Place): Promise<Started>;
  /** Registers the launcher when it asks for that, and waits, with a bound, until it has registered or is gone. Only what the tick
   *  says depends on it: a launcher that nobody answers registers itself. */
  registered(run: string, pid: number): Promise<boolean>;
  /** Delivers one continuation prompt. */
  nudge(step: NudgeStep, ticket: Ticket, row: Runtime): Promise<Delivered>;
  /** What reports that were kept come to. */
  readonly said: SaidOutside;
  /** Asks a client to quit by its own keys. */
  quit(step: QuitStep, row: Runtime): Promise<Quit>;
  /** Leaves the second witness of a living agent, beside its row. */
  mark(ticket: string, agent: ProcessIdentity & { readonly run: string }): Promise<void>;
  /** Removes the mark of a dead agent, which is evidence of nothing any more. */
  forget(ticket: string, mark: string): Promise<void>;
  /** Keeps the last screen of a dead pane, where it is the run's own, and closes it. `recorded` is the pane that the board knows of the run. */
  closePane(run: string, pane: Pick<Pane, 'pane' | 'pid'>, recorded: string | null): Promise<void>;
  /** Counts what the clients' own records say was used. */
  recordUsage(world: World): Promise<void>;
}
