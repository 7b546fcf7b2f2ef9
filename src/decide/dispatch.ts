import type { Verdict } from '../model/identity.ts';
import type { DecideOptions, Skip, SkipBecause, Step } from '../model/plan.ts';
import type { AgentProfile, Limits, Policy, Project } from '../model/policy.ts';
import type { Runtime } from '../model/runtime.ts';
import type { TicketFacts, TicketStatus } from '../model/ticket.ts';
import { blocks, type Spent, type World } from '../model/world.ts';
import { guardOf } from './reconcile/cell.ts';
import type { Reconciled } from './reconcile/index.ts';

/** Decides what is launched, on the world as the reconcile pass will leave it. Pure. Every ticket in `todo`
 *  that is passed over gets a literal reason. */
export function decideDispatch(
  world: World,
  policy: Policy,
  reconciled: Reconciled,
  options: DecideOptions,
): { readonly steps: readonly Step[]; readonly skipped: readonly Skip[] } {
  const steps: Step[] = [];
  const skipped: Skip[] = [];
  const slots = occupied(world, reconciled);
  const limit = Math.min(policy.limits.max_launches_per_tick, options.max ?? Number.POSITIVE_INFINITY);
  const { held } = reconciled;
  const unmet = new Map(world.tickets.map((view) => [view.ticket.id, view.unmet]));

  for (const ticket of candidates(world, reconciled)) {
    const route = routeOf(ticket, policy, (name) => unable(name, world, reconciled));
    const because =
      closed(ticket, unmet.get(ticket.id) ?? [], world, policy, options) ??
      (route.ok ? null : route.because) ??
      spentUp(ticket, world, policy) ??
      (route.ok ? switchedOff(world, reconciled, route.project, route.profile) : null) ??
      (held === null ? null : 'servers_lost') ??
      (route.ok ? full(slots, policy, route.project, route.profile, steps.length, limit) : null) ??
      (steps.length >= (world.ramp ?? Number.POSITIVE_INFINITY) ? 'ramping_up' : null);
    if (because !== null || !route.ok) {
      const reason = because ?? 'no_agent';
      const seen = { ticket, unmet: unmet.get(ticket.id) ?? [], route: route.ok ? route : null, slots };
      skipped.push({
        ticket: ticket.id,
        run: null,
        because: reason,
        evidence:
          reason === 'servers_lost' && held !== null ? heldFacts(held) : factsOf(reason, seen, world, policy),
      });
      continue;
    }
    slots.take(route.project.name, route.profile.name);
    steps.push({
      kind: 'launch',
      ticket: ticket.id,
      because: 'next_in_order',
      evidence: { priority: ticket.priority, attempt: ticket.attempts + 1, agent: route.profile.name },
      guard: guardOf(ticket),
      agent: route.profile.name,
      project: route.project.name,
      attempt: ticket.attempts + 1,
    });
  }
  return { steps, skipped };
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

function closed(
  ticket: TicketFacts,
  unmet: readonly string[],
  world: World,
  policy: Policy,
  options: DecideOptions,
): SkipBecause | null {
  if (policy.broken.length > 0) return 'config_broken';
  if (options.project !== null && ticket.project !== options.project) return 'other_project';
  if (ticket.owner !== null && !policy.agents.has(ticket.owner)) return 'owned_by_person';
  if (!ticket.trusted && !policy.trusted_authors.includes(ticket.author)) return 'untrusted';
  if (unmet.length > 0) return 'dependencies_unmet';
  if (ticket.not_before_at_ms !== null && ticket.not_before_at_ms > world.now_ms) return 'not_before';
  if (ticket.attempts >= policy.limits.max_attempts) return 'attempts_used_up';
  if (world.being_made[ticket.id] !== undefined) return 'still_being_made';
  return null;
}

function heldFacts({ losses, until_ms, tickets }: NonNullable<Reconciled['held']>): Skip['evidence'] {
  return { losses, until_ms, tickets: tickets.join(' ') };
}

/** What a person needs to know to do something about it. */
function factsOf(
  because: SkipBecause,
  seen: {
    readonly ticket: TicketFacts;
    readonly unmet: readonly string[];
    readonly route: { readonly project: Project; readonly profile: AgentProfile } | null;
    readonly slots: Slots;
  },
  world: World,
  { limits, projects }: Policy,
): Skip['evidence'] {
  const { ticket, route, slots } = seen;
  switch (because) {
    case 'still_being_made':
      return { what: world.being_made[ticket.id] ?? null };
    case 'not_before':
      return { not_before_at_ms: ticket.not_before_at_ms };
    case 'owned_by_person':
      return { owner: ticket.owner };
    case 'untrusted':
      return { author: ticket.author };
    case 'dependencies_unmet':
      return { waits_for: seen.unmet.slice(0, 5).join(' ') };
    case 'attempts_used_up':
      return { attempts: ticket.attempts, max_attempts: limits.max_attempts };
    case 'unknown_project':
      return { project: ticket.project };
    case 'unknown_agent':
      return { agent: ticket.owner ?? ticket.agent ?? projects.get(ticket.project)?.default_agent ?? null };
    case 'no_slot':
      return { used: slots.all, max_agents: limits.max_agents };
    case 'no_slot_project':
      return route === null
        ? {}
        : {
            project: route.project.name,
            used: slots.project(route.project.name),
            max_agents: route.project.max_agents,
          };
    case 'no_slot_agent':
      return route === null
        ? {}
        : {
            agent: route.profile.name,
            used: slots.agent(route.profile.name),
            max_agents: route.profile.max_agents,
          };
    case 'killswitch': {
      const one = blocks(world.switches, route?.project.name, route?.profile.name);
      return one === null ? {} : { scope: one.scope, reason: one.reason, author: one.author };
    }
    default:
      return {};
  }
}

type Route =
  | { readonly ok: true; readonly project: Project; readonly profile: AgentProfile }
  | { readonly ok: false; readonly because: SkipBecause };

type Unable = 'account_limited' | 'profile_not_ready';

/** The owner's profile, else the ticket's own, the first route that fits, the project's, the configuration's. Where its
 *  account is limited or not ready, the profile that it names as its fallback, unless the ticket is a profile's own. */
function routeOf(ticket: TicketFacts, policy: Policy, unable: (name: string) => Unable | null): Route {
  const project = policy.projects.get(ticket.project);
  if (project === undefined) return { ok: false, because: 'unknown_project' };
  const routed = policy.routes.find((route) => fits(route, ticket))?.agent;
  const name = ticket.owner ?? ticket.agent ?? routed ?? project.default_agent ?? policy.default_agent;
  if (name === null) return { ok: false, because: 'no_agent' };
  const first = policy.agents.get(name);
  if (first === undefined) return { ok: false, because: 'unknown_agent' };
  const tried: AgentProfile[] = [];
  for (let profile: AgentProfile | undefined = first; profile !== undefined && !tried.includes(profile); ) {
    if (unable(profile.name) === null) return { ok: true, project, profile };
    tried.push(profile);
    if (ticket.owner !== null || profile.fallback === null) break;
    profile = policy.agents.get(profile.fallback);
  }
  return { ok: false, because: unable(name) ?? 'account_limited' };
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
  if (account.not_ready !== null) return 'profile_not_ready';
  return account.not_before_at_ms !== null && account.not_before_at_ms > world.now_ms
    ? 'account_limited'
    : null;
}

/** A budget that is used up stops launches, and no agent that works. */
function spentUp(ticket: TicketFacts, { spent }: World, { limits }: Policy): SkipBecause | null {
  if (spent === null) return null;
  const over = (used: Spent | undefined, usd: number | null, tokens: number | null): boolean =>
    used !== undefined && ((usd !== null && used.usd >= usd) || (tokens !== null && used.tokens >= tokens));
  if (over(spent.day, limits.max_usd_per_day, limits.max_tokens_per_day)) return 'budget_day';
  const own = spent.tickets[ticket.id];
  return over(own, limits.max_usd_per_ticket, limits.max_tokens_per_ticket) ? 'budget_ticket' : null;
}

function switchedOff(
  world: World,
  { tripped }: Reconciled,
  project: Project,
  profile: AgentProfile,
): SkipBecause | null {
  const scopes = ['*', `project:${project.name}`, `agent:${profile.name}`];
  if (scopes.some((scope) => tripped.has(scope))) return 'mass_death';
  return blocks(world.switches, project.name, profile.name) === null ? null : 'killswitch';
}

function full(
  slots: Slots,
  { limits }: Policy,
  project: Project,
  profile: AgentProfile,
  launches: number,
  limit: number,
): SkipBecause | null {
  if (slots.all >= limits.max_agents) return 'no_slot';
  if (project.max_agents !== null && slots.project(project.name) >= project.max_agents)
    return 'no_slot_project';
  if (profile.max_agents !== null && slots.agent(profile.name) >= profile.max_agents) return 'no_slot_agent';
  return launches >= limit ? 'launch_limit' : null;
}

interface Slots {
  readonly all: number;
  project(name: string): number;
  agent(name: string): number;
  take(project: string, agent: string): void;
}

/** Whether a runtime of this host, for a ticket of that status (undefined = it could not be read), takes a slot. */
export function takesSlot(
  { phase }: Pick<Runtime, 'phase'>,
  verdict: Verdict | null,
  status: TicketStatus | undefined,
): boolean {
  if (phase === 'launching') return true;
  // A ticket in `todo` whose runtime may live (unknown, flapping) has an agent all the same.
  // A ticket that could not be read frees nothing either.
  const works = status === undefined || status === 'in_progress' || status === 'todo';
  return works && (verdict === 'alive' || verdict === 'unknown');
}

/** Active workers are counted from what was observed, not from statuses: an `in_progress` ticket whose
 *  runtime lives, is being launched or cannot be judged takes a slot; a parked one or a dead one does not. */
function occupied(world: World, { after, freed }: Reconciled): Slots {
  const projects = new Map<string, number>();
  const agents = new Map<string, number>();
  let all = 0;
  const slots: Slots = {
    get all() {
      return all;
    },
    project: (name) => projects.get(name) ?? 0,
    agent: (name) => agents.get(name) ?? 0,
    take(project, agent) {
      all += 1;
      projects.set(project, (projects.get(project) ?? 0) + 1);
      agents.set(agent, (agents.get(agent) ?? 0) + 1);
    },
  };
  const tickets = new Map(world.tickets.map(({ ticket }) => [ticket.id, after.get(ticket.id) ?? ticket]));
  for (const { row, judgement } of world.runtimes) {
    if (row.ticket_id === null || row.host_id !== world.host_id || freed.has(row.ticket_id)) continue;
    const status = tickets.get(row.ticket_id)?.status;
    if (takesSlot(row, judgement?.verdict ?? null, status)) slots.take(row.project, row.agent);
  }
  for (const { ticket, project, agent, judgement } of world.sightings) {
    const status = tickets.get(ticket)?.status;
    const bound = world.runtimes.some(({ row }) => row.ticket_id === ticket);
    if (!bound && judgement.verdict !== 'dead' && (status === 'in_progress' || status === 'todo')) {
      slots.take(project, agent);
    }
  }
  return slots;
}
