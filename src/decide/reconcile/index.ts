/*
 * The reconcile pass: the truth table of ticket x runtime (`TABLE`).
 *
 * What holds it together: only the verdict `dead` frees anything, and it comes from the kernel's word about
 * the very process that was recorded, never from a missing tmux session. `unknown` and `not_mine` produce no
 * step at all. A living agent is believed against the board: whoever put its ticket back to `todo` or
 * `needs_input` was wrong about it, unless the run itself asked, or a person closed or took the ticket.
 * Every step carries the guard (status, owner, epoch, version) that its UPDATE will repeat.
 *
 * A cell returns what it decides; nothing is written on the way, and `put` puts the cells together.
 */
import { agentScope, type Hold } from '../../model/hold.ts';
import type { Verdict } from '../../model/identity.ts';
import type { QuitStep, Refresh, Skip, Step } from '../../model/plan.ts';
import type { Policy } from '../../model/policy.ts';
import type { TicketFacts, TicketStatus } from '../../model/ticket.ts';
import { type ObservedRuntime, panesOf, type TicketView, viewsOf, type World } from '../../model/world.ts';
import { aliveAtWork, aliveInNeedsInput, aliveInTodo, aliveThoughSettled, living } from './alive.ts';
import { type Cell, type Decides, NOTHING, type Scene, skip, stopOf, type Unable } from './cell.ts';
import { died, diedAsking, diedAtWork, finished } from './dead.ts';
import { launching } from './launching.ts';
import { besideDead, withoutRow } from './lost.ts';
import { type Held, heldByLosses, type Loss } from './lost-servers.ts';
import { type Death, massDeaths } from './mass-death.ts';
import { reportedFirst } from './reported.ts';
import { accountWait, ticketWait } from './waits.ts';

export interface Reconciled {
  readonly steps: readonly Step[];
  readonly skipped: readonly Skip[];
  readonly refresh: readonly Refresh[];
  /** Tickets as this pass will leave them, where it changes them. */
  readonly after: ReadonlyMap<string, TicketFacts>;
  /** Tickets whose live row this pass ends. */
  readonly freed: ReadonlySet<string>;
  /** Tickets that this pass spoke about already, so that dispatch adds no second word. */
  readonly spoken: ReadonlySet<string>;
  /** Scopes that this pass switches off. */
  readonly tripped: ReadonlySet<string>;
  /** What holds every launch, the tmux server having been lost again and again; null = nothing. */
  readonly held: Held | null;
  /** Profiles that this pass found unable to take a ticket, and why. */
  readonly closed: ReadonlyMap<string, Unable>;
  /** What holds launches, as this pass leaves it. */
  readonly holds: readonly Hold[];
  /** Profiles that are held, where a run of this pass tries whether that is over. */
  readonly trying: ReadonlySet<string>;
  /** Clients that give way where a launch needs their room. */
  readonly offers: readonly QuitStep[];
}

const notMine: Decides = ({ seen: { row, judgement }, view }) =>
  skip(view.ticket.id, row.id, { because: 'not_mine', evidence: { because: judgement?.because ?? null } });
const unknown: Decides = ({ seen: { row, judgement }, view }) =>
  skip(view.ticket.id, row.id, {
    because: 'verdict_unknown',
    evidence: { because: judgement?.because ?? 'no_identity' },
  });

type Column = 'launching' | Verdict;

const ALWAYS = { launching, unknown, not_mine: notMine } as const;
const CLOSED = {
  ...ALWAYS,
  alive: reportedFirst(aliveThoughSettled),
  dead: reportedFirst(finished),
} as const;

/** What is done about a live row of this host, by the status of its ticket and what is known of its process. */
const TABLE: Readonly<Record<TicketStatus, Readonly<Record<Column, Decides>>>> = {
  todo: { ...ALWAYS, alive: reportedFirst(living(aliveInTodo)), dead: reportedFirst(died) },
  needs_input: {
    ...ALWAYS,
    alive: reportedFirst(living(aliveInNeedsInput)),
    dead: reportedFirst(diedAsking),
  },
  in_progress: { ...ALWAYS, alive: reportedFirst(living(aliveAtWork)), dead: reportedFirst(diedAtWork) },
  in_review: CLOSED,
  done: CLOSED,
  cancelled: CLOSED,
  blocked: CLOSED,
};

/** Decides every heal. Pure. */
export function decideReconcile(world: World, policy: Policy): Reconciled {
  const scene: Scene = {
    ...{ world, policy },
    views: viewsOf(world),
    live: new Set(world.runtimes.flatMap(({ row }) => row.ticket_id ?? [])),
    stops: world.switches.filter(({ level }) => level === 'all'),
  };
  const all = nothing();
  // Each round rests on what the ones before have decided: the live rows; the tickets without one, or beside one that ends now; the
  // waits of tickets that nothing was decided about.
  for (const seen of world.runtimes) put(all, seen.row.ticket_id ?? '', rowCell(seen, scene));
  for (const view of world.tickets) put(all, view.ticket.id, ticketCell(view, scene, all.freed));
  for (const account of world.accounts) put(all, '', accountWait(account, scene));
  for (const { ticket } of world.tickets) {
    const busy = scene.live.has(ticket.id) && !all.freed.has(ticket.id);
    if (busy || all.after.has(ticket.id) || all.spoken.has(ticket.id)) continue;
    put(all, ticket.id, ticketWait(ticket, scene));
  }
  // A ticket whose state can't be read is declined, and said to be.
  for (const id of world.unreadable)
    put(all, id, skip(id, null, { because: 'ticket_unreadable', evidence: {} }));
  const { early, losses, held, over, ...decided } = all;
  const trips = tripsOf(early, world, policy);
  return {
    ...decided,
    steps: [...decided.steps, ...trips, ...closedPanes(decided.steps, world)],
    holds: [...world.holds.filter(({ scope }) => !held.has(scope) && !over.has(scope)), ...held.values()],
    tripped: new Set(trips.map(({ scope }) => scope)),
    held: heldByLosses(world, losses),
  };
}

/** One live row against its ticket. */
function rowCell(seen: ObservedRuntime, scene: Scene): Cell {
  const { row } = seen;
  // A chat, which no pass may touch, or a ticket whose state could not be read.
  const view = row.ticket_id === null ? undefined : scene.views.get(row.ticket_id);
  if (view === undefined) return NOTHING;
  const { id, status } = view.ticket;
  if (row.host_id !== scene.world.host_id)
    return skip(id, row.id, { because: 'not_mine', evidence: { host: row.host_id } });
  const stop = stopOf(view.ticket, row.agent, scene);
  if (stop !== null)
    return skip(id, row.id, { because: 'killswitch', evidence: { scope: stop.scope, reason: stop.reason } });
  const column = row.phase === 'launching' ? 'launching' : (seen.judgement?.verdict ?? 'unknown');
  return TABLE[status][column]({ seen, view }, scene);
}

/** One ticket, whatever has become of its row. */
function ticketCell(view: TicketView, scene: Scene, freed: ReadonlySet<string>): Cell {
  const { id } = view.ticket;
  if (!scene.live.has(id)) return withoutRow(view, scene);
  return freed.has(id) ? besideDead(view, scene) : NOTHING;
}

/** What the cells decide, put together in their order. */
function nothing() {
  return {
    ...{ steps: [] as Step[], skipped: [] as Skip[], refresh: [] as Refresh[] },
    ...{ early: [] as Death[], losses: [] as Loss[] },
    after: new Map<string, TicketFacts>(),
    ...{ freed: new Set<string>(), spoken: new Set<string>() },
    closed: new Map<string, Unable>(),
    ...{ held: new Map<string, Hold>(), over: new Set<string>(), trying: new Set<string>() },
    offers: [] as QuitStep[],
  };
}

/** `ticket`: what the cell is about; '' = none. A tick has hundreds of cells, and most decide nothing. */
function put(all: ReturnType<typeof nothing>, ticket: string, cell: Cell): void {
  if (cell === NOTHING) return;
  const { steps, skip, refresh, after, frees, speaks, closes, offers, early, loss } = cell;
  const { holds, over, tries } = cell;
  if (steps !== undefined) all.steps.push(...steps);
  if (skip !== undefined) all.skipped.push(skip);
  if (refresh !== undefined) all.refresh.push(refresh);
  if (after !== undefined) all.after.set(after.id, after);
  if (frees === true) all.freed.add(ticket);
  if (speaks === true || skip !== undefined) all.spoken.add(ticket);
  if (closes !== undefined) all.closed.set(closes.agent, closes.why);
  if (holds !== undefined) all.held.set(holds.scope, holds);
  if (over !== undefined) all.over.add(agentScope(over));
  if (tries !== undefined) all.trying.add(tries);
  if (offers !== undefined) all.offers.push(offers);
  if (early !== undefined) all.early.push(early);
  if (loss !== undefined) all.losses.push(loss);
}

/** What too many early deaths share is switched off, unless it is off already. */
function tripsOf(early: readonly Death[], world: World, policy: Policy): Extract<Step, { kind: 'trip' }>[] {
  return massDeaths(early, world, policy)
    .filter(({ scope }) => !world.switches.some((one) => one.scope === '*' || one.scope === scope))
    .map(({ scope, tickets }) => ({
      ...{ kind: 'trip', ticket: '', because: 'mass_death', level: 'dispatch', scope },
      evidence: { tickets: tickets.join(' '), scope },
    }));
}

/** A dead pane whose run has ended only takes up room in tmux. */
function closedPanes(steps: readonly Step[], { tmux, runtimes }: World): Step[] {
  const dead = panesOf(tmux).filter((pane) => pane.dead && pane.run !== '');
  if (dead.length === 0) return [];
  const ending = new Set(
    steps.flatMap((step) => ((step.kind === 'end' || step.kind === 'retry') && step.runtime?.run) || []),
  );
  const live = new Set(runtimes.filter(({ row }) => !ending.has(row.id)).map(({ row }) => row.mark));
  return dead
    .filter(({ run }) => !live.has(run))
    .map(({ ticket, run, pane, pid, exit_code, exit_signal }) => ({
      ...{ kind: 'close_pane', ticket, because: 'pane_of_ended_run', run, pane, pid },
      evidence: { pane, exit_code, exit_signal },
    }));
}
