/** What real clients tell: idle without a report, limits, clients that are not ready, headless ends, routes, budgets. */
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/index.ts';
import { agentScope, begun, type Hold } from '../../src/model/hold.ts';
import type { AgentProfile, Route } from '../../src/model/policy.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import type { ObservedRuntime, World } from '../../src/model/world.ts';
import {
  aPane,
  aPolicy,
  aProfile,
  aRuntime,
  aView,
  aWorld,
  JUDGED,
  MINUTE,
  NOW,
  observed,
} from '../support/builders.ts';

const OPTIONS = { dispatch: true, max: null, project: null };

function plan(profile: Partial<AgentProfile>, runtime: ObservedRuntime, world: Partial<World> = {}) {
  const tickets = [aView({ status: 'in_progress', claim_epoch: 1 })];
  return decide(
    aWorld({ tickets, runtimes: [runtime], ...world }),
    aPolicy({ agents: [aProfile({ on_idle: 'auto', ...profile })] }),
    OPTIONS,
  );
}
function told(made: ReturnType<typeof plan>): string[] {
  return [
    ...[...made.reconcile, ...made.dispatch].map(({ kind, because }) => `${kind} ${because}`),
    ...made.skipped.map(({ because }) => `skip ${because}`),
  ];
}
const idle = (row = {}, over: Partial<ObservedRuntime> = {}) =>
  observed(aRuntime({ activity: 'idle', turn: 1, ...row }), over);

describe('a turn that ended without a report', () => {
  it.each<[string, Partial<AgentProfile>, ObservedRuntime, string[]]>([
    [
      'goes to review when the branch has commits',
      {},
      idle({}, { has_commits: true }),
      ['submit idle_without_report'],
    ],
    ['is nudged without commits', {}, idle({}, { has_commits: false }), ['nudge idle_without_report']],
    ['is nudged when it cannot be told', {}, idle({}, { has_commits: null }), ['nudge idle_without_report']],
    [
      'is asked of a person after the last nudge',
      {},
      idle({ nudges: 2, nudged_turn: 0 }),
      ['ask idle_without_report'],
    ],
    [
      'is asked of a person when the last nudge began no turn',
      {},
      idle({ nudges: 1, nudged_turn: 1 }),
      ['ask idle_without_report'],
    ],
    [
      'is not nudged where a person has denied it something in that turn: they say how it is to go on',
      {},
      idle({}, { has_commits: false, denied: true }),
      ['ask idle_without_report'],
    ],
    ['is nudged again after a turn', {}, idle({ nudges: 1, nudged_turn: 0 }), ['nudge idle_without_report']],
    ['is never nudged where no nudge is allowed', { max_nudges: 0 }, idle(), ['ask idle_without_report']],
    [
      'is nudged in spite of commits where so configured',
      { on_idle: 'nudge' },
      idle({}, { has_commits: true }),
      ['nudge idle_without_report'],
    ],
    [
      'is asked of a person where so configured',
      { on_idle: 'needs_input' },
      idle({}, { has_commits: true }),
      ['ask idle_without_report'],
    ],
    ['is left where so configured', { on_idle: 'leave' }, idle(), []],
  ])('%s', (_name, profile, runtime, expected) => {
    expect(told(plan(profile, runtime))).toEqual(expected);
  });
});

describe('a limit of the account', () => {
  const until = NOW + 30 * MINUTE;
  it('closes the account until the reset, and asks nobody', () => {
    const made = plan({}, idle({ limited_until_ms: until }));
    expect(told(made)).toEqual(['limit rate_limited', 'skip rate_limited']);
    expect(made.reconcile[0]).toMatchObject({ agent: 'robot', until_ms: until });
  });
  it('is not told twice', () => {
    const accounts = [
      { name: 'robot', not_before_at_ms: until, wait_since_ms: null, not_ready: null, not_ready_stamp: null },
    ];
    expect(told(plan({}, idle({ limited_until_ms: until }), { accounts }))).toEqual(['skip rate_limited']);
  });
  it('that is over is followed by a nudge, commits or not', () => {
    const made = plan({}, idle({ limited_until_ms: NOW - 1 }, { has_commits: true }));
    expect(told(made)).toEqual(['nudge limit_over']);
  });
  it('is no failed attempt of an agent that died of it', () => {
    const dead = idle({ limited_until_ms: until }, { judgement: JUDGED.dead });
    const made = plan({}, dead);
    expect(told(made)).toEqual(['limit rate_limited', 'retry rate_limited', 'skip not_before']);
    expect(made.reconcile[1]).toMatchObject({ to: { status: 'todo', attempts: 0, not_before_at_ms: until } });
  });
});

describe('a client that is not ready', () => {
  const fix = 'log in with: robot login';
  it('closes its profile with the fix, and its ticket waits for a person', () => {
    const made = plan({}, idle({ activity: 'unknown', turn: 0, not_ready: fix }));
    expect(told(made)).toEqual(['unready agent_not_ready', 'ask agent_not_ready']);
    expect(made.reconcile[0]).toMatchObject({ agent: 'robot', fix });
  });
  it('that died spends no attempt, and blocks the profile and not the ticket', () => {
    const made = plan({}, idle({ turn: 0, not_ready: fix }, { judgement: JUDGED.dead }));
    expect(told(made)).toEqual([
      'unready agent_not_ready',
      'retry agent_not_ready',
      'skip profile_not_ready',
    ]);
    expect(made.reconcile[1]).toMatchObject({ to: { status: 'todo', attempts: 0 } });
  });
  it('opens its profile again with its first turn', () => {
    const accounts = [
      { name: 'robot', not_before_at_ms: null, wait_since_ms: null, not_ready: fix, not_ready_stamp: null },
    ];
    const works = observed(aRuntime({ turn: 0 }), { seen: { turn: 1, activity: 'busy' } });
    expect(told(plan({}, works, { accounts }))).toEqual(['ready agent_works']);
  });
});

describe.each([
  ['a headless run', { headless: true }],
  ['a program of no known client', { kind: 'command' }],
] as const)('%s', (_name, row) => {
  const ended = (has_commits: boolean | null, exit_code = 0) =>
    observed(aRuntime(row), {
      judgement: JUDGED.dead,
      pane: aPane({ dead: true, exit_code }),
      has_commits,
    });
  it('that has ended well and without a report goes to review with commits, else to a person; its row ends with that', () => {
    const reviewed = ['submit finished_without_report', 'end agent_finished'];
    const asked = ['ask finished_without_report', 'end agent_finished'];
    expect(told(plan({}, ended(true)))).toEqual(reviewed);
    expect(told(plan({}, ended(false)))).toEqual(asked);
    expect(told(plan({}, ended(null)))).toEqual(asked);
    expect(told(plan({ on_idle: 'needs_input' }, ended(true)))).toEqual(asked);
    expect(told(plan({ on_idle: 'review' }, ended(false)))).toEqual(reviewed);
    for (const on_idle of ['nudge', 'leave'] as const)
      expect(told(plan({ on_idle }, ended(false)))).toEqual(asked);
  });
  it('that has ended with an error has failed, commits or not', () => {
    expect(told(plan({}, ended(true, 1)))).toEqual(['retry agent_exited', 'skip not_before']);
  });
});

describe('a headless run', () => {
  it('is waited for while it lives, though its turn is over: nobody can type at it, and its end says more', () => {
    const idle = observed(aRuntime({ headless: true }), { seen: { activity: 'idle' }, has_commits: true });
    for (const on_idle of ['auto', 'review', 'nudge', 'needs_input'] as const)
      expect(told(plan({ on_idle, max_nudges: 2 }, idle))).toEqual([]);
  });
  it('that has ended unseen is through where its client had told that the turn was over, else it has failed', () => {
    const unseen = (activity: 'busy' | 'idle') =>
      observed(aRuntime({ headless: true }), {
        judgement: JUDGED.dead,
        pane: aPane({ dead: true }),
        has_commits: true,
        seen: { activity },
      });
    expect(told(plan({}, unseen('idle')))).toEqual(['submit finished_without_report', 'end agent_finished']);
    expect(told(plan({}, unseen('busy')))).toEqual(['retry agent_dead', 'skip not_before']);
  });
});

describe('which profile', () => {
  const agents = [
    aProfile({ name: 'robot', fallback: 'spare' }),
    aProfile({ name: 'spare' }),
    aProfile({ name: 'writer' }),
  ];
  const route = (over: Partial<Route>): Route => ({
    agent: 'writer',
    label: null,
    project: null,
    priority_at_most: null,
    ...over,
  });
  const limited = {
    name: 'robot',
    not_before_at_ms: NOW + 1,
    wait_since_ms: null,
    not_ready: null,
    not_ready_stamp: null,
  };
  const unready = {
    name: 'robot',
    not_before_at_ms: null,
    wait_since_ms: null,
    not_ready: 'x',
    not_ready_stamp: null,
  };
  const missing = (name: string): Hold =>
    begun({ scope: agentScope(name), because: 'program_missing', says: 'x' }, '', NOW);
  const get = (
    ticket: Partial<Ticket>,
    routes: Route[] = [],
    accounts: World['accounts'] = [],
    holds: World['holds'] = [],
  ) => {
    const made = decide(
      aWorld({ tickets: [aView(ticket)], accounts, holds }),
      aPolicy({ agents, routes }),
      OPTIONS,
    );
    const [step] = made.dispatch;
    return step?.kind === 'launch' ? step.agent : (made.skipped[0]?.because ?? null);
  };
  it.each<[string, Partial<Ticket>, Route[], World['accounts'], string]>([
    ['the default', {}, [], [], 'robot'],
    ['a route by label', { labels: ['docs'] }, [route({ label: 'docs' })], [], 'writer'],
    ['a route of another label', { labels: ['x'] }, [route({ label: 'docs' })], [], 'robot'],
    ['a route by project', {}, [route({ project: 'house' })], [], 'writer'],
    ['a route by priority', { priority: 1 }, [route({ priority_at_most: 1 })], [], 'writer'],
    ['a route for more urgent ones', { priority: 2 }, [route({ priority_at_most: 1 })], [], 'robot'],
    ["the ticket's own before a route", { agent: 'spare' }, [route({})], [], 'spare'],
    ["the owner's before the ticket's own", { owner: 'writer', agent: 'spare' }, [], [], 'writer'],
    ['the fallback while the account is limited', {}, [], [limited], 'spare'],
    ['the fallback while the profile is not ready', {}, [], [unready], 'spare'],
    ['no fallback of an owner', { owner: 'robot' }, [], [limited], 'account_limited'],
    ['none while nobody can', {}, [], [limited, { ...limited, name: 'spare' }], 'account_limited'],
  ])('%s', (_name, ticket, routes, accounts, expected) => {
    expect(get(ticket, routes, accounts)).toBe(expected);
  });
  it('the fallback while the program is missing, also where its account is what the fallback waits for; an owner has none', () => {
    const gone = [missing('robot')];
    expect(get({}, [], [], gone)).toBe('spare');
    expect(get({ owner: 'robot' }, [], [], gone)).toBe('held');
    expect(get({}, [], [{ ...limited, name: 'spare' }], gone)).toBe('held');
    expect(get({}, [], [limited], [missing('spare')])).toBe('account_limited');
    expect(get({ agent: 'writer' }, [], [], [missing('writer')])).toBe('held');
  });
});

describe('a budget', () => {
  const spent = { day: { tokens: 100, usd: 5 }, tickets: { 'MC-1': { tokens: 10, usd: 1 } } };
  it.each([
    ['of the day', { max_usd_per_day: 5 }, ['skip budget_day']],
    ['of the day in tokens', { max_tokens_per_day: 100 }, ['skip budget_day']],
    ['of the ticket', { max_usd_per_ticket: 1 }, ['skip budget_ticket']],
    ['of the ticket in tokens', { max_tokens_per_ticket: 10 }, ['skip budget_ticket']],
    ['that is not used up', { max_usd_per_day: 6, max_tokens_per_ticket: 11 }, ['launch next_in_order']],
  ])('%s', (_name, limits, expected) => {
    const made = decide(aWorld({ tickets: [aView()], spent }), aPolicy({ limits }), OPTIONS);
    expect(told(made)).toEqual(expected);
  });
});
