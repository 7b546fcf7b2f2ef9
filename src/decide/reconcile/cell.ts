import type { Hold } from '../../model/hold.ts';
import type {
  QuitStep,
  Refresh,
  RetryTo,
  RunEnd,
  RuntimeGuard,
  Skip,
  Step,
  TicketGuard,
  WhyNot,
} from '../../model/plan.ts';
import type { AgentProfile, Policy } from '../../model/policy.ts';
import { heldAfter, retryAfter } from '../../model/retry.ts';
import { type Runtime, sameHands } from '../../model/runtime.ts';
import type { TicketFacts } from '../../model/ticket.ts';
import { limitHolds } from '../../model/wait.ts';
import {
  blocks,
  type ObservedRuntime,
  type Sighting,
  type Switch,
  type TicketView,
  type World,
} from '../../model/world.ts';
import type { Loss } from './lost-servers.ts';
import type { Death } from './mass-death.ts';

/** What one cell of the table decides about its ticket. What it leaves out stays as it is. */
export interface Cell {
  readonly steps?: readonly Step[];
  readonly skip?: Skip;
  /** The ticket as the steps will leave it. */
  readonly after?: TicketFacts;
  /** The steps end the ticket's live row. */
  readonly frees?: true;
  /** All is said of the ticket, so that dispatch adds no second word. A skip says so too. */
  readonly speaks?: true;
  readonly refresh?: Refresh;
  /** A profile that is found unable to take a ticket. */
  readonly closes?: { readonly agent: string; readonly why: Unable };
  /** What holds a profile from now on, by the API of its client's model. */
  readonly holds?: Hold;
  /** The profile that nothing holds so any more. */
  readonly over?: string;
  /** Its profile is held, and by the steps it is tried whether that is over. */
  readonly tries?: string;
  /** What counts toward mass death, and toward a hold of launches. */
  /** Where a launch needs its room, this follows. */
  readonly offers?: QuitStep;
  readonly early?: Death;
  readonly loss?: Loss;
}

export type Unable = Extract<WhyNot, { because: 'account_limited' | 'profile_not_ready' }>;

export const NOTHING: Cell = {};

/** One cell after the other: their steps in this order, and of all else the last word. */
export function together(...cells: readonly Cell[]): Cell {
  let all = NOTHING;
  for (const cell of cells) {
    if (cell === NOTHING) continue;
    // Nearly always it stays with the first: a tick has hundreds of quiet agents.
    all = all === NOTHING ? cell : { ...all, ...cell, steps: [...(all.steps ?? []), ...(cell.steps ?? [])] };
  }
  return all;
}

/** What every cell is decided from. */
export interface Scene {
  readonly world: World;
  readonly policy: Policy;
  readonly views: ReadonlyMap<string, TicketView>;
  /** Tickets with a live row. */
  readonly live: ReadonlySet<string>;
  /** Switches that keep every hand off what they cover. */
  readonly stops: readonly Switch[];
}

/** A live row and its ticket. */
export interface Pair {
  readonly seen: ObservedRuntime;
  readonly view: TicketView;
}

export type Decides = (pair: Pair, scene: Scene) => Cell;

export function skip(ticket: string, run: string | null, why: WhyNot): Cell {
  return { skip: { ticket, run, ...why } };
}

/** A row ends, and its ticket stays where it is. */
export function end(
  row: Runtime,
  ticket: TicketFacts,
  because: Extract<Step, { kind: 'end' }>['because'],
  ending: RunEnd,
): Cell {
  const { exit_code, exit_signal } = ending;
  return {
    frees: true,
    steps: [
      {
        ...{ kind: 'end', ticket: ticket.id, because, end: ending },
        evidence: { run: row.id, pid: row.pid, exit_code, exit_signal },
        runtime: guardOfRow(row),
      },
    ],
  };
}

type GivenBackFor = Extract<Step, { kind: 'retry' }>['because'];

/** A ticket is given back by the retry table. `ending`: how its row ends; null = that has ended already. */
export function retry(
  row: Runtime,
  ticket: TicketFacts,
  because: GivenBackFor,
  ending: RunEnd | null,
  seen: ObservedRuntime | null,
  scene: Scene,
): Cell {
  const to = backTo(row, ticket, because, ending, seen, scene);
  return {
    frees: true,
    after: { ...moved(ticket, to.status), ...to, wait_since_ms: scene.world.now_ms },
    steps: [
      {
        ...{ kind: 'retry', ticket: ticket.id, because, guard: guardOf(ticket), end: ending, to },
        evidence: {
          run: row.id,
          pid: row.pid,
          verdict: seen?.judgement?.because ?? null,
          exit_code: ending?.exit_code ?? row.exit_code,
          exit_signal: ending?.exit_signal ?? row.exit_signal,
          attempts: to.attempts,
        },
        runtime: ending === null ? null : guardOfRow(row),
      },
    ],
  };
}

/** Where a ticket that is given back goes, after how many attempts, and from when on it may be launched again. */
function backTo(
  row: Runtime,
  ticket: TicketFacts,
  because: GivenBackFor,
  ending: RunEnd | null,
  seen: ObservedRuntime | null,
  { world: { now_ms, failed_launches }, policy: { limits } }: Scene,
): RetryTo {
  const free = { status: 'todo', attempts: ticket.attempts, not_before_at_ms: null } as const;
  // Its account can't be used: that is no attempt, and until when it waits is known, or up to a person.
  if (because === 'rate_limited') {
    const until_ms = seen?.seen.limited_until_ms ?? null;
    return { ...free, not_before_at_ms: limitHolds(until_ms, now_ms) ? until_ms : null };
  }
  if (because === 'agent_not_ready' || because === 'api_down') return free;
  // It began no turn, and its session is tried no more: the next one begins anew.
  if (because === 'session_lost') return free;
  // What the machine did is no attempt, however often: launches are held where the server is lost again and again.
  if (because === 'rebooted' || because === 'tmux_server_lost') return free;
  // Nor is a launch whose tick has died, or the run of a ticket that was given to another profile.
  const cause = ending === null ? (row.end_reason ?? because) : because;
  if (cause === 'tick_died' || !sameHands(row, ticket.owner)) return free;
  // No agent ever ran: that is no attempt either, whatever ended it, but holds the ticket.
  if (row.registered_at_ms === null) {
    const failures = Math.max(1, (failed_launches[ticket.id] ?? 0) + (ending === null ? 0 : 1));
    return heldAfter(ticket, failures, now_ms, limits);
  }
  return retryAfter(ticket.id, ticket.attempts, now_ms, limits);
}

/** A ticket that was given to another profile while it ran waits for that one, now that its run has ended. These are two steps, the end
 *  of the row and this one, each under a guard that holds by itself. */
export function handOver(row: Runtime, ticket: TicketFacts, scene: Scene): Cell {
  const given = row.claim_epoch === ticket.claim_epoch && !sameHands(row, ticket.owner);
  if (ticket.status !== 'in_progress' || !given || isPersons(ticket, scene)) return NOTHING;
  if (sightingOf(ticket, scene) !== null) return NOTHING;
  return retry(row, ticket, 'ended_without_release', null, null, scene);
}

/** How the process in the pane of a run ended, as far as tmux tells. */
export function exitOf({ pane }: ObservedRuntime): Omit<RunEnd, 'end_reason'> {
  return { exit_code: pane?.exit_code ?? null, exit_signal: pane?.exit_signal ?? null };
}

/** Whether the row is of the ticket's present claim, in the hands that claimed it. */
export function sameClaim(row: Runtime, ticket: TicketFacts): boolean {
  return sameHands(row, ticket.owner) && row.claim_epoch === ticket.claim_epoch;
}

/** Whether a person has it: then every pass keeps its hands off. */
export function isPersons({ owner }: TicketFacts, { policy }: Scene): boolean {
  return owner !== null && !policy.agents.has(owner);
}

export function isLimited({ limited_until_ms }: ObservedRuntime['seen'], { world }: Scene): boolean {
  return limitHolds(limited_until_ms, world.now_ms);
}

export function profileOf(row: Runtime, { policy }: Scene): AgentProfile | undefined {
  return policy.agents.get(row.agent);
}

/** What may work on this ticket without a row of its own. Of several the one that forbids most: a living one, then one that cannot
 *  be judged. */
export function sightingOf({ id }: TicketFacts, { world }: Scene): Sighting | null {
  const all = world.sightings.filter(({ ticket }) => ticket === id);
  return (
    all.find(({ judgement }) => judgement.verdict === 'alive') ??
    all.find(({ judgement }) => judgement.verdict !== 'dead') ??
    null
  );
}

/** The killswitch of level `all` that covers this ticket: nothing may be done with it; null = there is none. */
export function stopOf({ project }: TicketFacts, agent: string, { stops }: Scene): Switch | null {
  return blocks(stops, project, agent);
}

/** Observed time without any event or output. */
export function silenceOf(
  { row, pane, seen }: Pick<ObservedRuntime, 'row' | 'pane' | 'seen'>,
  { delta_ms }: Pick<World, 'delta_ms'>,
): number {
  const output = pane?.output_at_s ?? null;
  const stirred = seen.fresh > 0 || (output !== null && output !== row.output_at_s);
  return stirred ? 0 : row.silent_ms + delta_ms;
}

/** The ticket as it is after a step that moves it there. */
export function moved(ticket: TicketFacts, status: TicketFacts['status']): TicketFacts {
  return { ...ticket, status, version: ticket.version + 1 };
}

export function guardOf(ticket: TicketFacts): TicketGuard {
  const { status, owner, claim_epoch, version } = ticket;
  return { status, owner, claim_epoch, version };
}

export function guardOfRow({ id, version }: Runtime): RuntimeGuard {
  return { run: id, version };
}
