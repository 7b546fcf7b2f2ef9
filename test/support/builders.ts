/** Builders of model values: a plain default each, every field of which may be overridden. */

import type { NewTicket, ReviewRow } from '../../src/board/port/index.ts';
import type { RecentRun } from '../../src/model/breaker.ts';
import { refusedUntil } from '../../src/model/hold.ts';
import type { Judgement } from '../../src/model/identity.ts';
import type { Plan, Step } from '../../src/model/plan.ts';
import {
  type AgentProfile,
  DEFAULT_LIMITS,
  type Limits,
  NO_POLICY,
  type Policy,
  type Project,
} from '../../src/model/policy.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import type {
  AccountView,
  ActivityView,
  ObservedRuntime,
  Pane,
  Sighting,
  Switch,
  TicketView,
  World,
} from '../../src/model/world.ts';

/** A run of another ticket that died ten seconds after its start, a minute ago. */
export function aRecent(over: Partial<RecentRun> = {}): RecentRun {
  const ended_at_ms = over.ended_at_ms ?? NOW - MINUTE;
  return {
    ...{
      ticket: 'MC-7',
      agent: 'robot',
      project: 'house',
      host_id: HOST,
      end_reason: 'agent_dead',
      ended_at_ms,
    },
    ...{ registered_at_ms: ended_at_ms - 10_000, heartbeat_at_ms: ended_at_ms - 5000 },
    ...{ tmux_server_pid: 99, tmux_server_start: '11' },
    ...over,
  };
}

export const NOW = 1_800_000_000_000;
export const HOST = 'h-here';
export const MINUTE = 60_000;

export const JUDGED = {
  alive: { verdict: 'alive', because: 'process_alive' },
  dead: { verdict: 'dead', because: 'process_gone' },
  rebooted: { verdict: 'dead', because: 'rebooted' },
  unknown: { verdict: 'unknown', because: 'proc_unreadable' },
  not_mine: { verdict: 'not_mine', because: 'other_host' },
} as const satisfies Record<string, Judgement>;

/** What a person adds. */
export function aNewTicket(over: Partial<NewTicket> = {}): NewTicket {
  return {
    ...{ title: 'Mend the roof', body: '', status: 'todo', priority: 2, project: 'house', labels: [] },
    ...{ agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] },
    ...over,
  };
}

export function aTicket(over: Partial<Ticket> = {}): Ticket {
  return {
    id: 'MC-1',
    title: 'Mend the roof',
    body: '',
    status: 'todo',
    priority: 2,
    project: 'house',
    labels: [],
    agent: null,
    owner: null,
    author: 'ann',
    trusted: true,
    depends_on: [],
    not_before_at_ms: null,
    wait_since_ms: null,
    attempts: 0,
    claim_epoch: 1,
    version: 5,
    worker_pid: null,
    reason: null,
    reason_text: null,
    reason_run: null,
    reason_turn: null,
    source: null,
    created_at_ms: NOW - 600 * MINUTE,
    updated_at_ms: NOW - 60 * MINUTE,
    ...over,
  };
}

export function aView(
  ticket: Partial<Ticket> = {},
  over: Partial<Omit<TicketView, 'ticket'>> = {},
): TicketView {
  return { ticket: aTicket(ticket), unmet: [], ended: null, heals: 0, ...over };
}

/** A runtime that runs for `MC-1` since half an hour. */
export function aRuntime(over: Partial<Runtime> = {}): Runtime {
  return {
    id: 'r-1',
    mark: over.id ?? 'r-1',
    ticket_id: 'MC-1',
    claim_epoch: 1,
    attempt: 1,
    owner: null,
    agent: 'robot',
    project: 'house',
    phase: 'running',
    version: 3,
    host_id: HOST,
    boot_id: 'b-1',
    pid_ns: 'pid:[1]',
    time_ns: null,
    pid: 4242,
    pid_start: '777',
    tmux_server_pid: 99,
    tmux_server_start: '11',
    tmux_session: 'mc-MC-1',
    tmux_pane: '%1',
    worktree: null,
    branch: null,
    client_session: null,
    activity: 'busy',
    question: null,
    turn: 1,
    events_seen: 1,
    events_cursor: null,
    output_at_s: null,
    silent_ms: 0,
    launching_ms: 0,
    claimed_at_ms: NOW - 31 * MINUTE,
    registered_at_ms: NOW - 30 * MINUTE,
    heartbeat_at_ms: NOW - MINUTE,
    ended_at_ms: null,
    end_reason: null,
    exit_code: null,
    exit_signal: null,
    ...{
      kind: '' as const,
      headless: false,
      resumed: null,
      level: null,
      level_ms: 0,
      limited_until_ms: null,
    },
    ...{ not_ready: null, nudges: 0, nudged_turn: null, program: null },
    ...over,
  };
}

/** A runtime that was claimed and has no process yet. */
export function aLaunch(over: Partial<Runtime> = {}): Runtime {
  return aRuntime({
    phase: 'launching',
    pid: null,
    pid_start: null,
    boot_id: null,
    pid_ns: null,
    time_ns: null,
    registered_at_ms: null,
    heartbeat_at_ms: null,
    turn: 0,
    ...over,
  });
}

export function anEnded(over: Partial<Runtime> = {}): Runtime {
  return aRuntime({ phase: 'ended', ended_at_ms: NOW - MINUTE, end_reason: 'agent_dead', ...over });
}

export function aPane(over: Partial<Pane> = {}): Pane {
  return {
    session: 'mc-MC-1',
    pane: '%1',
    pid: 4242,
    dead: false,
    exit_code: null,
    exit_signal: null,
    run: 'r-1',
    ticket: 'MC-1',
    output_at_s: null,
    title: '',
    ...over,
  };
}

export function aSighting(over: Partial<Sighting> = {}): Sighting {
  return {
    ticket: 'MC-1',
    run: 'r-lost',
    owner: null,
    agent: 'robot',
    project: 'house',
    judgement: JUDGED.alive,
    host_id: HOST,
    boot_id: 'b-1',
    pid_ns: 'pid:[1]',
    time_ns: null,
    pid: 5151,
    pid_start: '888',
    session: 'mc-MC-1',
    pane: '%9',
    worktree: null,
    branch: null,
    ticket_created_at_ms: null,
    kind: 'command',
    headless: false,
    client_session: null,
    ...over,
  };
}

/** A runtime as one look showed it: alive, without a pane, its events as recorded, unless said otherwise. */
export function observed(
  row: Runtime,
  over: Partial<Omit<ObservedRuntime, 'row' | 'seen'>> & { readonly seen?: Partial<ActivityView> } = {},
): ObservedRuntime {
  const { seen, ...rest } = over;
  return {
    row,
    judgement: row.phase === 'launching' ? null : JUDGED.alive,
    pane: null,
    ...{ server_lost: false, has_commits: null, survivor: null, program: null, abandoned: false },
    ...{ may_quit: null, asked_to_quit: false },
    ...rest,
    seen: {
      activity: row.activity,
      question: row.question,
      turn: row.turn,
      client_session: row.client_session,
      level: row.level,
      level_ms: row.level_ms,
      limited_until_ms: row.limited_until_ms,
      not_ready: row.not_ready,
      fresh: 0,
      cursor: row.events_cursor,
      ...seen,
    },
  };
}

export function aSwitch(over: Partial<Switch> = {}): Switch {
  return {
    level: 'dispatch',
    scope: '*',
    reason: 'lunch',
    author: 'ann',
    at_ms: NOW,
    expires_at_ms: null,
    ...over,
  };
}

export function aWorld(over: Partial<World> = {}): World {
  return {
    now_ms: NOW,
    delta_ms: MINUTE,
    host_id: HOST,
    boot_id: 'b-1',
    time_ns: null,
    tmux: { kind: 'server', server_pid: 99, server_start: '11', panes: [] },
    tickets: [],
    runtimes: [],
    sightings: [],
    accounts: [],
    switches: [],
    holds: [],
    ramp: null,
    beyond: 0,
    recent: [],
    released_at_ms: {},
    unreadable: [],
    failed_launches: {},
    being_made: {},
    spent: null,
    ...over,
  };
}

export function aProject(over: Partial<Project> = {}): Project {
  return {
    name: 'house',
    repo: '/srv/house',
    base: 'main',
    branch_prefix: 'mc',
    path: null,
    remote: 'origin',
    fetch: false,
    fetch_timeout_seconds: 30,
    checkout_timeout_seconds: 300,
    base_max_age_days: 7,
    submodules: null,
    max_agents: null,
    agents_may: [],
    worktrees: null,
    after_create: null,
    ...{ copy: [], link: [], before_run: null, before_remove: null },
    ...{ pool: 0, pool_max_age_hours: 24, pool_setup: null },
    default_agent: null,
    review: null,
    ...over,
  };
}

export function aProfile(over: Partial<AgentProfile> = {}): AgentProfile {
  return {
    name: 'robot',
    kind: 'command',
    argv: ['robot'],
    env: {},
    pass_env: [],
    max_agents: null,
    permission_mode: 'default',
    prompt: null,
    on_idle: 'needs_input',
    max_nudges: 2,
    mode: 'interactive',
    fallback: null,
    settled: null,
    ...over,
  };
}

/** One project `house`, one profile `robot`, and the default limits. */
export function aPolicy(
  over: Partial<Omit<Policy, 'limits' | 'projects' | 'agents'>> & {
    readonly limits?: Partial<Limits>;
    readonly projects?: readonly Project[];
    readonly agents?: readonly AgentProfile[];
  } = {},
): Policy {
  const { limits, projects = [aProject()], agents = [aProfile()], ...rest } = over;
  return {
    default_agent: 'robot',
    default_project: 'house',
    trusted_authors: [],
    umask: null,
    routes: [],
    page: null,
    notify: [],
    ping: null,
    network: [],
    metrics: null,
    retention: NO_POLICY.retention,
    broken: [],
    ...rest,
    limits: { ...DEFAULT_LIMITS, ...limits },
    projects: new Map(projects.map((project) => [project.name, project])),
    agents: new Map(agents.map((agent) => [agent.name, agent])),
  };
}

/** What the reconcile half of a plan makes of a world, looked at again in the same instant. Pure. */
export function applyPlan(world: World, plan: Plan): World {
  const refreshed = new Map(plan.refresh.map((refresh) => [refresh.run, refresh]));
  const runtimes = world.runtimes.map((seen): ObservedRuntime => {
    const refresh = refreshed.get(seen.row.id);
    if (refresh === undefined) return seen;
    const { phase, silent_ms, launching_ms, output_at_s } = refresh;
    const { activity, question, turn, level, level_ms, limited_until_ms, not_ready } = refresh.seen;
    const row: Runtime = {
      ...seen.row,
      phase,
      silent_ms,
      launching_ms,
      output_at_s,
      activity,
      question,
      turn,
      ...{ level, level_ms, limited_until_ms, not_ready },
    };
    return { ...seen, row, seen: { ...seen.seen, fresh: 0 } };
  });
  return plan.reconcile.reduce(applyStep, { ...world, delta_ms: 0, runtimes });
}

function account(world: World, name: string, over: Partial<AccountView>): World {
  const none = { name, not_before_at_ms: null, wait_since_ms: null, not_ready: null, not_ready_stamp: null };
  const known = world.accounts.find((one) => one.name === name) ?? none;
  return {
    ...world,
    accounts: [...world.accounts.filter((one) => one.name !== name), { ...known, ...over }],
  };
}

function applyStep(world: World, step: Step): World {
  switch (step.kind) {
    case 'normalize':
      return phase(
        ticket(world, step.ticket, { status: 'in_progress', ...CLEARED }),
        step.runtime.run,
        'running',
      );
    case 'ask':
    case 'park': {
      const asked = {
        status: 'needs_input',
        reason: step.kind === 'park' ? 'parked' : step.because,
        reason_run: step.runtime.run,
        reason_turn: step.turn,
      } as const;
      const after = ticket(world, step.ticket, asked);
      return step.kind === 'park' ? phase(after, step.runtime.run, 'parked') : after;
    }
    case 'follow': {
      const { pid, pid_start } = step.process;
      return {
        ...world,
        runtimes: world.runtimes.map((one) =>
          one.row.id === step.runtime.run
            ? { ...one, survivor: null, row: { ...one.row, pid, pid_start, program: null } }
            : one,
        ),
      };
    }
    case 'nudge':
      return {
        ...world,
        runtimes: world.runtimes.map((one) =>
          one.row.id === step.runtime.run
            ? {
                ...one,
                row: {
                  ...one.row,
                  nudges: one.row.nudges + (step.free === true ? 0 : 1),
                  nudged_turn: step.turn,
                },
              }
            : one,
        ),
      };
    case 'limit':
      return account(world, step.agent, { not_before_at_ms: step.until_ms, wait_since_ms: world.now_ms });
    case 'hold': {
      const { scope } = step.fault;
      const before = world.holds.find((one) => one.scope === scope) ?? null;
      const one = refusedUntil(before, step.fault, before?.config ?? '', {
        ...world,
        until_ms: step.until_ms,
      });
      return { ...world, holds: [...world.holds.filter((each) => each.scope !== scope), one] };
    }
    case 'unready':
      return account(world, step.agent, { not_ready: step.fix });
    case 'ready':
      return {
        ...account(world, step.agent, { not_ready: null }),
        holds: world.holds.filter(({ scope }) => scope !== `agent:${step.agent}`),
      };
    case 'report': {
      const { said } = step;
      const asked = step.to === 'needs_input' ? { reason_turn: said.turn } : {};
      const after = ticket(world, step.ticket, {
        ...{ status: step.to, reason: step.to === 'needs_input' ? 'asked' : 'reported' },
        ...{ reason_run: step.runtime.run, ...asked },
      });
      return {
        ...after,
        runtimes: after.runtimes.map((one) => {
          const { said: kept = [], ...seen } = one.seen;
          const left = one.row.id === step.runtime.run ? kept.filter(({ name }) => name !== said.name) : kept;
          return { ...one, seen: left.length === 0 ? seen : { ...seen, said: left } };
        }),
      };
    }
    case 'submit':
      return ticket(world, step.ticket, { status: 'in_review' });
    case 'end':
      return ended(world, step.runtime.run, step.ticket);
    case 'retry': {
      const after = step.runtime === null ? world : ended(world, step.runtime.run, step.ticket);
      return ticket(after, step.ticket, { ...step.to, wait_since_ms: world.now_ms, reason: step.because });
    }
    case 'adopt': {
      const { sighting } = step;
      const row = aRuntime({
        id: `a-${sighting.run}`,
        mark: sighting.run,
        ticket_id: step.ticket,
        owner: sighting.owner,
        agent: sighting.agent,
        project: sighting.project,
        pid: sighting.pid,
        pid_start: sighting.pid_start,
        claim_epoch: step.guard.claim_epoch + 1,
        activity: 'unknown',
        turn: 0,
      });
      const after = ticket(world, step.ticket, {
        status: 'in_progress',
        claim_epoch: step.guard.claim_epoch + 1,
      });
      return {
        ...after,
        runtimes: [...after.runtimes, observed(row)],
        sightings: after.sightings.filter(({ run }) => run !== sighting.run),
      };
    }
    case 'close_pane':
      return world.tmux.kind === 'server'
        ? {
            ...world,
            tmux: { ...world.tmux, panes: world.tmux.panes.filter(({ pane }) => pane !== step.pane) },
          }
        : world;
    case 'trip':
      return { ...world, switches: [...world.switches, aSwitch({ level: step.level, scope: step.scope })] };
    case 'shorten': {
      const wait = { not_before_at_ms: step.to_ms, wait_since_ms: world.now_ms };
      return step.agent === null ? ticket(world, step.ticket, wait) : account(world, step.agent, wait);
    }
    // It ends, or not: the next look tells.
    case 'quit':
    case 'launch':
      return world;
  }
}

const CLEARED = { reason: null, reason_run: null, reason_turn: null } as const;

function ticket(world: World, id: string, change: Partial<Ticket>): World {
  return views(world, id, (view) => ({
    ...view,
    ticket: { ...view.ticket, ...change, version: view.ticket.version + 1 },
  }));
}

function views(world: World, id: string, change: (view: TicketView) => TicketView): World {
  return { ...world, tickets: world.tickets.map((view) => (view.ticket.id === id ? change(view) : view)) };
}

function phase(world: World, run: string, to: Runtime['phase']): World {
  const runtimes = world.runtimes.map((seen) =>
    seen.row.id === run ? { ...seen, row: { ...seen.row, phase: to, version: seen.row.version + 1 } } : seen,
  );
  return { ...world, runtimes };
}

function ended(world: World, run: string, id: string): World {
  const row = world.runtimes.find((seen) => seen.row.id === run)?.row;
  const without = { ...world, runtimes: world.runtimes.filter((seen) => seen.row.id !== run) };
  if (row === undefined) return without;
  return views(without, id, (view) =>
    row.claim_epoch === view.ticket.claim_epoch ? { ...view, ended: { ...row, phase: 'ended' } } : view,
  );
}

export function aReview(over: Partial<ReviewRow> = {}): ReviewRow {
  return {
    ...{
      ticket_id: 'MC-1',
      claim_epoch: 1,
      run_id: 'r1',
      branch: 'mc/MC-1-roof',
      head: null,
      stage: 'pushing',
    },
    ...{ number: null, url: null, reader: null, error: null, attempts: 0, next_at_ms: NOW },
    ...{ ticket_version: 1, updated_at_ms: NOW, version: 0 },
    ...over,
  };
}
