import { describe, expect, it } from 'vitest';
import { nextRamp } from '../../src/decide/dispatch.ts';
import { decide } from '../../src/decide/index.ts';
import type { DecideOptions } from '../../src/model/plan.ts';
import type { Policy } from '../../src/model/policy.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import type { World } from '../../src/model/world.ts';
import {
  aLaunch,
  aPolicy,
  aProfile,
  aProject,
  aRuntime,
  aSighting,
  aSwitch,
  aView,
  aWorld,
  JUDGED,
  NOW,
  observed,
} from '../support/builders.ts';

const OPTIONS: DecideOptions = { dispatch: true, max: null, project: null };

/** `MC-1 launch robot` or `MC-1 no_slot`, launches first. */
function told(
  world: Partial<World>,
  policy: Policy = aPolicy(),
  options: Partial<DecideOptions> = {},
): string[] {
  const { dispatch, skipped } = decide(aWorld(world), policy, { ...OPTIONS, ...options });
  return [
    ...dispatch.map((step) => `${step.ticket} launch ${step.kind === 'launch' ? step.agent : '?'}`),
    ...skipped.map(({ ticket, because }) => `${ticket} ${because}`),
  ];
}
const todo = (...tickets: Partial<Ticket>[]) => ({ tickets: tickets.map((ticket) => aView(ticket)) });
const GO = ['MC-1 launch robot'];

describe('the order', () => {
  it('is priority, then age, then number', () => {
    const world = todo(
      { id: 'MC-10' },
      { id: 'MC-2' },
      { id: 'MC-3', created_at_ms: 5 },
      { id: 'MC-11', priority: 0 },
      { id: 'MC-1', priority: 4, created_at_ms: 1 },
    );
    const policy = aPolicy({ limits: { max_agents: 9, max_launches_per_tick: 9 } });
    expect(told(world, policy)).toEqual(
      ['MC-11', 'MC-3', 'MC-2', 'MC-10', 'MC-1'].map((id) => `${id} launch robot`),
    );
  });

  it('does not let a ticket that cannot start take the slot of the next', () => {
    const world = todo({ id: 'MC-1', priority: 0, project: 'moon' }, { id: 'MC-2' });
    expect(told(world, aPolicy({ limits: { max_agents: 1 } }))).toEqual([
      'MC-2 launch robot',
      'MC-1 unknown_project',
    ]);
  });
});

describe('a ticket in todo', () => {
  it.each<[string, Partial<Ticket>, Policy, string[]]>([
    ['starts', {}, aPolicy(), GO],
    ['waits for its time', { not_before_at_ms: NOW + 1 }, aPolicy(), ['MC-1 not_before']],
    ['starts at its time', { not_before_at_ms: NOW }, aPolicy(), GO],
    ['that nobody trusts waits', { trusted: false }, aPolicy(), ['MC-1 untrusted']],
    ['of a trusted author starts', { trusted: false }, aPolicy({ trusted_authors: ['ann'] }), GO],
    [
      'of another author waits',
      { trusted: false },
      aPolicy({ trusted_authors: ['bob'] }),
      ['MC-1 untrusted'],
    ],
    ['of a person is left', { owner: 'ann' }, aPolicy(), ['MC-1 owned_by_person']],
    ['of a profile starts it', { owner: 'robot', agent: 'other' }, aPolicy(), GO],
    ['of an unknown project waits', { project: 'moon' }, aPolicy(), ['MC-1 unknown_project']],
    ['of an unknown agent waits', { agent: 'other' }, aPolicy(), ['MC-1 unknown_agent']],
    [
      'without any agent waits',
      {},
      aPolicy({ default_agent: null, agents: [aProfile(), aProfile({ name: 'b' })] }),
      ['MC-1 no_agent'],
    ],
    ['that has used up its attempts waits', { attempts: 3 }, aPolicy(), ['MC-1 attempts_used_up']],
    ['starts its last attempt', { attempts: 2 }, aPolicy(), GO],
    ['waits while the configuration is broken', {}, aPolicy({ broken: ['line 3'] }), ['MC-1 config_broken']],
  ])('%s', (_name, ticket, policy, expected) => {
    expect(told(todo(ticket), policy)).toEqual(expected);
  });

  it('waits for what it depends on', () => {
    expect(told({ tickets: [aView({ depends_on: ['MC-7'] }, { unmet: ['MC-7'] })] })).toEqual([
      'MC-1 dependencies_unmet',
    ]);
  });

  it('asks for its own profile before its project, and the project before the configuration', () => {
    const agents = ['robot', 'b', 'c'].map((name) => aProfile({ name }));
    const projects = [aProject({ default_agent: 'b' })];
    expect(told(todo({}), aPolicy({ agents, projects }))).toEqual(['MC-1 launch b']);
    expect(told(todo({ agent: 'c' }), aPolicy({ agents, projects }))).toEqual(['MC-1 launch c']);
    expect(told(todo({ agent: 'c', owner: 'robot' }), aPolicy({ agents, projects }))).toEqual([
      'MC-1 launch robot',
    ]);
  });

  it('carries the guard of what was observed', () => {
    const { dispatch } = decide(
      aWorld(todo({ version: 9, claim_epoch: 4, attempts: 1 })),
      aPolicy(),
      OPTIONS,
    );
    expect(dispatch).toMatchObject([
      {
        kind: 'launch',
        project: 'house',
        attempt: 2,
        guard: { status: 'todo', owner: null, claim_epoch: 4, version: 9 },
      },
    ]);
  });

  it('is not launched by reconcile alone, nor outside the project asked for', () => {
    expect(decide(aWorld(todo({})), aPolicy(), { ...OPTIONS, dispatch: false }).dispatch).toEqual([]);
    expect(told(todo({}), aPolicy(), { project: 'moon' })).toEqual(['MC-1 other_project']);
    expect(told(todo({}), aPolicy(), { project: 'house' })).toEqual(GO);
  });
});

describe('what is switched off', () => {
  it.each([
    ['*', ['MC-1 killswitch']],
    ['project:house', ['MC-1 killswitch']],
    ['agent:robot', ['MC-1 killswitch']],
    ['project:moon', GO],
    ['agent:other', GO],
  ])('a switch for %s', (scope, expected) => {
    for (const level of ['dispatch', 'all'] as const) {
      expect(told({ ...todo({}), switches: [aSwitch({ scope, level })] })).toEqual(expected);
    }
  });

  it.each([
    ['robot', NOW + 1, ['MC-1 account_limited']],
    ['robot', NOW, GO],
    ['robot', null, GO],
    ['other', NOW + 1, GO],
  ])('an account %s limited until %s', (name, not_before_at_ms, expected) => {
    expect(
      told({
        ...todo({}),
        accounts: [{ name, not_before_at_ms, wait_since_ms: null, not_ready: null, not_ready_stamp: null }],
      }),
    ).toEqual(expected);
  });

  it('reconcile goes on while dispatch is off or the configuration is broken', () => {
    const world = aWorld({
      ...todo({ status: 'in_progress' }),
      runtimes: [observed(aRuntime(), { judgement: JUDGED.dead })],
    });
    const kinds = (w: World, policy: Policy) => decide(w, policy, OPTIONS).reconcile.map(({ kind }) => kind);
    expect(kinds({ ...world, switches: [aSwitch()] }, aPolicy())).toEqual(['retry']);
    expect(kinds(world, aPolicy({ broken: ['line 3'] }))).toEqual(['retry']);
  });
});

describe('room on the machine', () => {
  const memory = (available_mb: number) =>
    ({ memory: { available_mb, of: 'machine' }, pressure: {} }) as const;
  it.each<[string, World['room'], Policy, string[]]>([
    ['enough', memory(512), aPolicy(), GO],
    ['too little memory', memory(511), aPolicy(), ['MC-1 low_memory']],
    ['none, and nobody asks', memory(0), aPolicy({ limits: { min_free_memory_mb: 0 } }), GO],
    ['not told', { memory: null, pressure: {} }, aPolicy(), GO],
    [
      'too much waits',
      { memory: null, pressure: { io: 41 } },
      aPolicy({ limits: { max_io_pressure: 40 } }),
      ['MC-1 under_pressure'],
    ],
    [
      'as much as may',
      { memory: null, pressure: { io: 40 } },
      aPolicy({ limits: { max_io_pressure: 40 } }),
      GO,
    ],
  ])('%s', (_name, room, policy, expected) => {
    expect(told({ ...todo({ id: 'MC-1' }), ...(room === undefined ? {} : { room }) }, policy)).toEqual(
      expected,
    );
  });

  it('is what the one waits for that would be launched: who waits for something else says that', () => {
    const world = todo({ id: 'MC-1' }, { id: 'MC-2', owner: 'ann' });
    expect(told({ ...world, room: memory(1) })).toEqual(['MC-1 low_memory', 'MC-2 owned_by_person']);
  });
});

describe('slots', () => {
  const two = todo({ id: 'MC-1' }, { id: 'MC-2' });
  it.each<[string, Policy, Partial<DecideOptions>, string]>([
    ['globally', aPolicy({ limits: { max_agents: 1 } }), {}, 'no_slot'],
    ['in a project', aPolicy({ projects: [aProject({ max_agents: 1 })] }), {}, 'no_slot_project'],
    ['of a profile', aPolicy({ agents: [aProfile({ max_agents: 1 })] }), {}, 'no_slot_agent'],
    ['in a tick', aPolicy({ limits: { max_launches_per_tick: 1 } }), {}, 'launch_limit'],
    ['of --max', aPolicy(), { max: 1 }, 'launch_limit'],
  ])('are bounded %s', (_name, policy, options, because) => {
    expect(told(two, policy, options)).toEqual(['MC-1 launch robot', `MC-2 ${because}`]);
  });

  it('are not widened by --max, and --max 0 launches nothing', () => {
    expect(told(two, aPolicy({ limits: { max_launches_per_tick: 1 } }), { max: 5 })).toContain(
      'MC-2 launch_limit',
    );
    expect(told(two, aPolicy(), { max: 0 })).toEqual(['MC-1 launch_limit', 'MC-2 launch_limit']);
  });

  const alive = observed(aRuntime({ ticket_id: 'MC-9' }));
  it.each<[string, Partial<Ticket> | null, Partial<World>, boolean]>([
    ['a status without a runtime', { status: 'in_progress' }, {}, false],
    ['a living agent', { status: 'in_progress' }, { runtimes: [alive] }, true],
    ['a launch', { status: 'in_progress' }, { runtimes: [observed(aLaunch({ ticket_id: 'MC-9' }))] }, true],
    [
      'an agent that cannot be judged',
      { status: 'in_progress' },
      { runtimes: [{ ...alive, judgement: JUDGED.unknown }] },
      true,
    ],
    ['an agent of a lost ticket, healed in this tick', { status: 'todo' }, { runtimes: [alive] }, true],
    ['a dead agent', { status: 'in_progress' }, { runtimes: [{ ...alive, judgement: JUDGED.dead }] }, false],
    [
      'a parked agent',
      { status: 'needs_input', reason: 'parked', reason_run: 'r-1' },
      { runtimes: [observed(aRuntime({ ticket_id: 'MC-9', phase: 'parked', silent_ms: 1e9 }))] },
      false,
    ],
    [
      'an agent that is parked in this tick',
      { status: 'in_progress' },
      { runtimes: [observed(aRuntime({ ticket_id: 'MC-9', silent_ms: 1e9 }))] },
      false,
    ],
    ['an agent that has reported', { status: 'in_review' }, { runtimes: [alive] }, false],
    [
      'an agent of another host',
      { status: 'in_progress' },
      {
        runtimes: [
          {
            row: { ...alive.row, host_id: 'h-far' },
            judgement: JUDGED.not_mine,
            pane: null,
            seen: alive.seen,
            server_lost: false,
            ...{ has_commits: null, survivor: null, program: null, abandoned: false },
            ...{ may_quit: null, asked_to_quit: false },
          },
        ],
      },
      false,
    ],
    [
      'an agent that is adopted in this tick',
      { status: 'todo' },
      { sightings: [aSighting({ ticket: 'MC-9' })] },
      true,
    ],
    ['a chat', { status: 'done' }, { runtimes: [observed(aRuntime({ ticket_id: null }))] }, false],
    ['a living agent whose ticket could not be read', null, { runtimes: [alive] }, true],
  ])('count %s: %#', (_name, other, world, takes) => {
    const tickets = [
      aView(),
      ...(other === null ? [] : [aView({ id: 'MC-9', not_before_at_ms: NOW * 2, ...other })]),
    ];
    const words = told({ ...world, tickets }, aPolicy({ limits: { max_agents: 1 } }));
    expect(words.filter((word) => word.startsWith('MC-1 '))).toEqual(takes ? ['MC-1 no_slot'] : GO);
  });
});

describe('after a halt', () => {
  const three = todo({ id: 'MC-1' }, { id: 'MC-2' }, { id: 'MC-3' });
  const { limits } = aPolicy();

  it('launches begin anew by ones, twos and fours, and the others are told why they wait', () => {
    expect(told({ ...three, ramp: 1 })).toEqual([...GO, 'MC-2 ramping_up', 'MC-3 ramping_up']);
    expect(told({ ...three, ramp: 2 })).toEqual([...GO, 'MC-2 launch robot', 'MC-3 ramping_up']);
    expect(told({ ...three, ramp: null })).toHaveLength(3);
  });

  it('a tick under a switch for everything begins the ramp, each tick without one doubles it, the limit ends it', () => {
    const on = (scope: string) => aWorld({ switches: [aSwitch({ scope })] });
    const eight = { ...limits, max_launches_per_tick: 8 };
    expect(nextRamp(on('*'), eight)).toBe(1);
    expect(nextRamp(on('project:house'), eight)).toBeNull();
    expect([1, 2, 4, 8].map((ramp) => nextRamp(aWorld({ ramp }), eight))).toEqual([2, 4, null, null]);
  });

  it('a tick that saw nothing does not count', () => {
    expect(nextRamp(aWorld({ ramp: 2, tmux: { kind: 'unknown', error: 'EAGAIN' } }), limits)).toBe(2);
  });
});
