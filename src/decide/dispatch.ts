import type { NoFacts } from '../model/evidence.ts';
import { agentScope, type Hold, holdOn, isTriedByRuns, todoOf } from '../model/hold.ts';
import type { Verdict } from '../model/identity.ts';
import type { DecideOptions, Skip, Step, WhyNot } from '../model/plan.ts';
import { type AgentProfile, type Limits, maxLiving, type Policy, type Project } from '../model/policy.ts';
import type { Runtime } from '../model/runtime.ts';
import type { TicketFacts, TicketStatus } from '../model/ticket.ts';
import { blocks, type Spent, type TicketView, viewsOf, type World } from '../model/world.ts';
import { guardOf, type Unable } from './reconcile/cell.ts';
import type { Reconciled } from './reconcile/index.ts';
import { apiHoldOn, mayTry } from './reconcile/troubles.ts';
import { lacking } from './room.ts';

/** Decides what is launched, on the world as the reconcile pass will leave it. Pure. Every ticket in `todo`
 *  that is passed over gets a literal reason. */
export function decideDispatch(
  world: World,
  policy: Policy,
  reconciled: Reconciled,
  options: DecideOptions,
): Dispatched {
  const steps: Step[] = [];
  const skipped: Skip[] = [];
  const views = viewsOf(world);
  const slots = occupied(world, reconciled, views);
  const limit = Math.min(policy.limits.max_launches_per_tick, options.max ?? Number.POSITIVE_INFINITY);
  const trying = new Set(reconciled.trying);
  const tries = (hold: Hold, agent: string): boolean =>
    isTriedByRuns(hold) && !trying.has(agent) && mayTry(hold, { world, policy, views });
  const shuts = (hold: Hold, agent: string): boolean => !tries(hold, agent);

  for (const ticket of candidates(world, reconciled)) {
    const pass = (why: WhyNot): unknown => skipped.push({ ticket: ticket.id, run: null, ...why });
    const shut = closed(ticket, views.get(ticket.id)?.unmet ?? [], world, policy, options);
    // Of hundreds that wait most are shut, and need no route.
    const route =
      shut ??
      routeOf(ticket, policy, {
        unable: (name) => unable(name, world, reconciled),
        held: (name) => reconciled.holds.some((one) => one.scope === agentScope(name) && shuts(one, name)),
      });
    if ('because' in route) {
      pass(route);
      continue;
    }
    const why =
      spentUp(ticket, world, policy) ??
      switchedOff(world, reconciled, route) ??
      heldUp(
        reconciled.holds.filter((one) => shuts(one, route.profile.name)),
        route,
      ) ??
      lostServers(reconciled) ??
      full(slots, policy, route, steps.length, limit) ??
      (steps.length >= (world.ramp ?? Number.POSITIVE_INFINITY) ? bare('ramping_up') : null) ??
      (world.room === undefined ? null : lacking(world.room, policy.limits));
    if (why !== null) {
      pass(why);
      continue;
    }
    const { project, profile } = route;
    slots.take(project.name, profile.name);
    const attempt = ticket.attempts + 1;
    const probes = apiHoldOn(profile.name, reconciled.holds) !== null;
    if (probes) trying.add(profile.name);
    steps.push({
      kind: 'launch',
      ticket: ticket.id,
      because: 'next_in_order',
      evidence: { priority: ticket.priority, attempt, agent: profile.name },
      ...{ guard: guardOf(ticket), agent: profile.name, project: project.name, attempt },
      ...(probes ? { tries: true as const } : {}),
    });
  }
  const roomless = skipped.filter(({ because }) => because === 'living_limit').length;
  return { steps, skipped, wants_room: Math.min(roomless, policy.limits.max_agents - slots.all) };
}

export interface Dispatched {
  readonly steps: readonly Step[];
  readonly skipped: readonly Skip[];
  /** Launches that wait for nothing but that fewer agents live. */
  readonly wants_room: number;
}

/** How many launches the next tick may make. A switch for everything lets the work pile up; released, it begins anew by
 *  ones, twos and fours, so that whatever was wrong hurts one agent and not all of them. */
export function nextRamp({ ramp, switches, tmux }: World, limits: Limits): number | null {
  if (switches.some(({ scope }) => scope === '*')) return 1;
  if (ramp === null || tmux.kind === 'unknown') return ramp;
  return ramp * 2 < limits.max_launches_per_tick ? ramp * 2 : null;
}

/** Priority, age, then number: `MC-2` before `MC-10`. */
export function inOrder(a: TicketFacts, b: TicketFacts): number {
  return (
    a.priority - b.priority ||
    a.created_at_ms - b.created_at_ms ||
    a.id.length - b.id.length ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

function candidates(world: World, { after, freed, spoken }: Reconciled): TicketFacts[] {
  const live = new Set(world.runtimes.flatMap(({ row }) => row.ticket_id ?? []));
  return world.tickets
    .map(({ ticket }) => after.get(ticket.id) ?? ticket)
    .filter(({ id, status }) => status === 'todo' && !spoken.has(id) && (!live.has(id) || freed.has(id)))
    .sort(inOrder);
}

type Bare = Extract<WhyNot, { evidence: NoFacts }>['because'];

/** A reason that says all by itself. */
function bare(because: Bare): WhyNot {
  return { because, evidence: {} };
}

function closed(
  ticket: TicketFacts,
  unmet: readonly string[],
  world: World,
  policy: Policy,
  options: DecideOptions,
): WhyNot | null {
  const { owner, author, attempts, not_before_at_ms } = ticket;
  const { max_attempts } = policy.limits;
  const held = world.being_made[ticket.id];
  if (policy.broken.length > 0) return bare('config_broken');
  if (options.project !== null && ticket.project !== options.project) return bare('other_project');
  if (owner !== null && !policy.agents.has(owner)) return { because: 'owned_by_person', evidence: { owner } };
  if (!ticket.trusted && !policy.trusted_authors.includes(author))
    return { because: 'untrusted', evidence: { author } };
  if (unmet.length > 0)
    return { because: 'dependencies_unmet', evidence: { waits_for: unmet.slice(0, 5).join(' ') } };
  if (not_before_at_ms !== null && not_before_at_ms > world.now_ms)
    return { because: 'not_before', evidence: { not_before_at_ms } };
  if (attempts >= max_attempts) return { because: 'attempts_used_up', evidence: { attempts, max_attempts } };
  return held === undefined ? null : { because: held.because, evidence: { what: held.what } };
}

function lostServers({ held }: Reconciled): WhyNot | null {
  if (held === null) return null;
  const { losses, until_ms, tickets } = held;
  return { because: 'servers_lost', evidence: { losses, until_ms, tickets: tickets.join(' ') } };
}

interface To {
  readonly project: Project;
  readonly profile: AgentProfile;
}

/** What keeps a profile from work. */
interface OfProfile {
  readonly unable: (name: string) => Unable | null;
  readonly held: (name: string) => boolean;
}

/** The owner's profile, else the ticket's own, the first route that fits, the project's, the configuration's. Where its account is limited or
 *  not ready, or it is held, the profile that it names as its fallback, unless the ticket is a profile's own. */
function routeOf(ticket: TicketFacts, policy: Policy, { unable, held }: OfProfile): To | WhyNot {
  const project = policy.projects.get(ticket.project);
  if (project === undefined) return { because: 'unknown_project', evidence: { project: ticket.project } };
  const routed = policy.routes.find((route) => fits(route, ticket))?.agent;
  const name = ticket.owner ?? ticket.agent ?? routed ?? project.default_agent ?? policy.default_agent;
  if (name === null) return bare('no_agent');
  const first = policy.agents.get(name);
  if (first === undefined) return { because: 'unknown_agent', evidence: { agent: name } };
  const tried: AgentProfile[] = [];
  for (let profile: AgentProfile | undefined = first; profile !== undefined && !tried.includes(profile); ) {
    if (unable(profile.name) === null && !held(profile.name)) return { project, profile };
    tried.push(profile);
    if (ticket.owner !== null || profile.fallback === null) break;
    profile = policy.agents.get(profile.fallback);
  }
  const why = unable(name);
  // What holds it is told as a hold.
  return why ?? { project, profile: first };
}

function fits({ label, project, priority_at_most }: Policy['routes'][number], ticket: TicketFacts): boolean {
  return (
    (label === null || ticket.labels.includes(label)) &&
    (project === null || ticket.project === project) &&
    (priority_at_most === null || ticket.priority <= priority_at_most)
  );
}

/** What keeps a profile from any work: found before, or in this very pass. */
function unable(name: string, world: World, { closed }: Reconciled): Unable | null {
  const found = closed.get(name);
  if (found !== undefined) return found;
  const account = world.accounts.find((one) => one.name === name);
  if (account === undefined) return null;
  if (account.not_ready !== null) return bare('profile_not_ready') as Unable;
  const until_ms = account.not_before_at_ms;
  if (until_ms === null || until_ms <= world.now_ms) return null;
  const says = apiHoldOn(name, world.holds)?.says ?? account.reason ?? null;
  return { because: 'account_limited', evidence: { until_ms, says } };
}

/** A budget that is used up stops launches, and no agent that works. */
function spentUp(ticket: TicketFacts, { spent }: World, { limits }: Policy): WhyNot | null {
  if (spent === null) return null;
  const over = (used: Spent | undefined, usd: number | null, tokens: number | null): boolean =>
    used !== undefined && ((usd !== null && used.usd >= usd) || (tokens !== null && used.tokens >= tokens));
  if (over(spent.day, limits.max_usd_per_day, limits.max_tokens_per_day)) return bare('budget_day');
  const own = spent.tickets[ticket.id];
  return over(own, limits.max_usd_per_ticket, limits.max_tokens_per_ticket) ? bare('budget_ticket') : null;
}

function switchedOff(world: World, { tripped }: Reconciled, { project, profile }: To): WhyNot | null {
  const scopes = ['*', `project:${project.name}`, `agent:${profile.name}`];
  if (scopes.some((scope) => tripped.has(scope))) return bare('mass_death');
  const one = blocks(world.switches, project.name, profile.name);
  if (one === null) return null;
  return { because: 'killswitch', evidence: { scope: one.scope, reason: one.reason, author: one.author } };
}

/** A fault that is no ticket's, and was met before. */
function heldUp(holds: readonly Hold[], { project, profile }: To): WhyNot | null {
  const hold = holdOn(holds, project.name, profile.name);
  if (hold === null) return null;
  const { scope, because, says, next_at_ms } = hold;
  return { because: 'held', evidence: { scope, because, says, todo: todoOf(hold), next_at_ms } };
}

function full(
  slots: Slots,
  { limits }: Policy,
  { project, profile }: To,
  launches: number,
  limit: number,
): WhyNot | null {
  const { max_agents } = limits;
  if (slots.all >= max_agents) return { because: 'no_slot', evidence: { used: slots.all, max_agents } };
  const ofProject = {
    project: project.name,
    used: slots.project(project.name),
    max_agents: project.max_agents,
  };
  if (ofProject.max_agents !== null && ofProject.used >= ofProject.max_agents)
    return { because: 'no_slot_project', evidence: ofProject };
  const ofAgent = { agent: profile.name, used: slots.agent(profile.name), max_agents: profile.max_agents };
  if (ofAgent.max_agents !== null && ofAgent.used >= ofAgent.max_agents)
    return { because: 'no_slot_agent', evidence: ofAgent };
  if (launches >= limit) return bare('launch_limit');
  const max_living = maxLiving(limits);
  return slots.living >= max_living
    ? { because: 'living_limit', evidence: { living: slots.living, max_living } }
    : null;
}

interface Slots {
  readonly all: number;
  /** Whatever they do. */
  readonly living: number;
  project(name: string): number;
  agent(name: string): number;
  take(project: string, agent: string): void;
}

/** Whether a runtime of this host lives, as far as is known. */
export function mayLive({ phase }: Pick<Runtime, 'phase'>, verdict: Verdict | null): boolean {
  return phase === 'launching' || verdict === 'alive' || verdict === 'unknown';
}

/** Whether a runtime of this host, for a ticket of that status (undefined = it could not be read), takes a slot. */
export function takesSlot(
  row: Pick<Runtime, 'phase'>,
  verdict: Verdict | null,
  status: TicketStatus | undefined,
): boolean {
  if (row.phase === 'launching') return true;
  // A ticket in `todo` whose runtime may live (unknown, flapping) has an agent all the same.
  // A ticket that could not be read frees nothing either.
  const works = status === undefined || status === 'in_progress' || status === 'todo';
  return works && mayLive(row, verdict);
}

/** Active workers are counted from what was observed, not from statuses: an `in_progress` ticket whose
 *  runtime lives, is being launched or cannot be judged takes a slot; a parked one or a dead one does not. */
function occupied(world: World, { after, freed }: Reconciled, views: ReadonlyMap<string, TicketView>): Slots {
  const projects = new Map<string, number>();
  const agents = new Map<string, number>();
  let all = 0;
  let living = 0;
  const slots: Slots = {
    get all() {
      return all;
    },
    get living() {
      return living;
    },
    project: (name) => projects.get(name) ?? 0,
    agent: (name) => agents.get(name) ?? 0,
    take(project, agent) {
      all += 1;
      living += 1;
      projects.set(project, (projects.get(project) ?? 0) + 1);
      agents.set(agent, (agents.get(agent) ?? 0) + 1);
    },
  };
  const statusOf = (id: string) => (after.get(id) ?? views.get(id)?.ticket)?.status;
  for (const { row, judgement } of world.runtimes) {
    if (row.ticket_id === null || row.host_id !== world.host_id || freed.has(row.ticket_id)) continue;
    const status = statusOf(row.ticket_id);
    const verdict = judgement?.verdict ?? null;
    if (takesSlot(row, verdict, status)) slots.take(row.project, row.agent);
    else if (mayLive(row, verdict)) living += 1;
  }
  for (const { ticket, project, agent, judgement } of world.sightings) {
    const status = statusOf(ticket);
    const bound = world.runtimes.some(({ row }) => row.ticket_id === ticket);
    if (bound || judgement.verdict === 'dead') continue;
    if (status === 'in_progress' || status === 'todo') slots.take(project, agent);
    else living += 1;
  }
  return slots;
}
