import { describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/index.ts';
import type { RecentRun } from '../../src/model/breaker.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { Limits } from '../../src/model/policy.ts';
import type { World } from '../../src/model/world.ts';
import {
  aPane,
  aPolicy,
  aProfile,
  aProject,
  aRecent,
  aRuntime,
  aSwitch,
  aView,
  aWorld,
  JUDGED,
  MINUTE,
  NOW,
  observed,
} from '../support/builders.ts';

interface Died {
  readonly agent?: string;
  readonly project?: string;
  readonly not_ready?: string;
  readonly limited?: number;
  readonly lost_session?: boolean;
}

/** Agents of MC-1, MC-2 ... that this tick finds dead, ten seconds after their start; MC-90 waits for `robot` in `house`. */
function plan(deaths: readonly Died[], over: Partial<World> = {}, limits: Partial<Limits> = {}): Plan {
  const world = aWorld({
    ...over,
    tickets: [
      ...deaths.map(({ project = 'house' }, n) =>
        aView({ id: `MC-${n + 1}`, status: 'in_progress', project }),
      ),
      aView({ id: 'MC-90', agent: 'robot' }),
      aView({ id: 'MC-91', agent: 'other', project: 'garden' }),
      ...(over.tickets ?? []),
    ],
    runtimes: [
      ...deaths.map(
        ({ agent = 'robot', project = 'house', not_ready = null, limited = null, lost_session = false }, n) =>
          observed(
            aRuntime({
              id: `r-${n}`,
              ticket_id: `MC-${n + 1}`,
              agent,
              project,
              registered_at_ms: NOW - 10_000,
              ...(lost_session ? { resumed: 's-1', turn: 0 } : {}),
            }),
            {
              ...{ judgement: JUDGED.dead, seen: { not_ready, limited_until_ms: limited } },
              ...(lost_session ? { pane: aPane({ dead: true, exit_code: 1 }) } : {}),
            },
          ),
      ),
      ...(over.runtimes ?? []),
    ],
  });
  const policy = aPolicy({
    limits: { max_agents: 50, max_launches_per_tick: 50, ...limits },
    projects: [aProject(), aProject({ name: 'garden' })],
    agents: [aProfile(), aProfile({ name: 'other' })],
  });
  return decide(world, policy, { dispatch: true, max: null, project: null });
}

const scopes = (made: Plan): string[] =>
  made.reconcile.flatMap((step) => (step.kind === 'trip' ? [step.scope] : []));
const launches = (made: Plan): string[] => made.dispatch.map(({ ticket }) => ticket);
const died = (...over: Partial<RecentRun>[]): Partial<World> => ({
  recent: over.map((one, n) => aRecent({ ticket: `MC-7${n}`, ...one })),
});
const living = (over: Parameters<typeof aRuntime>[0]) => observed(aRuntime({ ticket_id: 'MC-60', ...over }));

describe('what many early deaths switch off is what they share', () => {
  it.each<[string, readonly Died[], string[], string[]]>([
    ['one profile', [{}, {}, { project: 'garden' }], ['agent:robot'], ['MC-91']],
    ['one project', [{}, {}, { agent: 'other' }], ['project:house'], ['MC-91']],
    ['nothing', [{}, { agent: 'other' }, { agent: 'other', project: 'garden' }], ['*'], []],
    ['one profile, beside a death of another', [{}, {}, {}, { agent: 'other' }], ['agent:robot'], ['MC-91']],
    ['two deaths', [{}, {}], [], ['MC-90', 'MC-91']],
  ])('%s', (_name, deaths, expected, left) => {
    const made = plan(deaths);
    expect([scopes(made), launches(made)]).toEqual([expected, left]);
  });

  it('is not switched off again', () => {
    expect(scopes(plan([{}, {}, {}], { switches: [aSwitch({ scope: 'agent:robot' })] }))).toEqual([]);
  });
});

it('a release of one profile is none of another', () => {
  const world = { ...died({}, {}), released_at_ms: { 'agent:other': NOW - MINUTE, 'project:garden': NOW } };
  expect(scopes(plan([{}], world))).toEqual(['agent:robot']);
});

it('a death that only the tick after the next one could see counts as early, where none had seen it alive', () => {
  const late = { registered_at_ms: NOW - 3 * MINUTE, ended_at_ms: NOW - 1.5 * MINUTE };
  expect(scopes(plan([{}, {}], died({ ...late, heartbeat_at_ms: null })))).toEqual(['agent:robot']);
  expect(scopes(plan([{}, {}], died({ ...late, heartbeat_at_ms: NOW - 2 * MINUTE })))).toEqual([]);
});

describe('a death that does not count', () => {
  it.each<[string, Plan]>([
    ['was a login', plan([{}, {}, { not_ready: 'log in' }])],
    ['was a session that its client had lost', plan([{}, {}, { lost_session: true }])],
    ['was a limit', plan([{}, {}, { limited: NOW + MINUTE }])],
    ['was a login of a tick before', plan([{}, {}], died({ end_reason: 'agent_not_ready' }))],
    ['was no death', plan([{}, {}], died({ end_reason: 'tmux_server_lost' }))],
    ['came before the last release', plan([{}], { ...died({}, {}), released_at_ms: { '*': NOW - MINUTE } })],
    [
      'came before the release of its profile',
      plan([{}], { ...died({}, {}), released_at_ms: { 'agent:robot': NOW - MINUTE } }),
    ],
    ['is older than the window', plan([{}], died({ ended_at_ms: NOW - 11 * MINUTE }, {}))],
    ['is older than a shorter window', plan([{}], died({}, {}), { mass_death: { count: 3, minutes: 1 } })],
    ['came after a minute of work', plan([{}], died({ registered_at_ms: NOW - 3 * MINUTE }, {}))],
  ])('%s', (_name, made) => {
    expect(scopes(made)).toEqual([]);
  });

  it('while one after the release does', () => {
    const world = { ...died({}, {}), released_at_ms: { '*': NOW - 2 * MINUTE } };
    expect(scopes(plan([{}], world))).toEqual(['agent:robot']);
  });
});

describe('a profile that works is not broken', () => {
  it.each<[string, Partial<World>]>([
    [
      'a run of it finished since',
      { recent: [aRecent({ ticket: 'MC-60', end_reason: 'finished', ended_at_ms: NOW })] },
    ],
    [
      'a run of it that died later had lived past a minute since',
      { recent: [aRecent({ ticket: 'MC-60', registered_at_ms: NOW - 65_000, ended_at_ms: NOW })] },
    ],
    [
      'four that were started with them have reported',
      {
        tickets: [1, 2, 3, 4].map((n) =>
          aView({ id: `MC-6${n}`, status: 'in_review', reason: 'reported', reason_run: `r-6${n}` }),
        ),
        runtimes: [1, 2, 3, 4].map((n) =>
          living({ id: `r-6${n}`, ticket_id: `MC-6${n}`, registered_at_ms: NOW - 11_000 }),
        ),
      },
    ],
  ])('%s', (_name, world) => {
    expect(scopes(plan([{}, {}, {}], world))).toEqual([]);
  });

  it.each<[string, Partial<World>]>([
    [
      'another profile works',
      { recent: [aRecent({ agent: 'other', end_reason: 'finished', ended_at_ms: NOW })] },
    ],
    ['it worked before', { recent: [aRecent({ end_reason: 'finished', ended_at_ms: NOW - MINUTE })] }],
    [
      'one of it has reported long ago and waits',
      {
        tickets: [aView({ id: 'MC-60', status: 'in_review', reason: 'reported', reason_run: 'r-60' })],
        runtimes: [living({ id: 'r-60', registered_at_ms: NOW - 60 * MINUTE })],
      },
    ],
  ])('which it is though %s', (_name, world) => {
    expect(scopes(plan([{}, {}, {}], world))).toEqual(['agent:robot']);
  });
});

describe('how many are too many is a setting', () => {
  it.each<[number, number, string[]]>([
    [0, 9, []],
    [2, 2, ['agent:robot']],
    [4, 3, []],
  ])('count %i, deaths %i', (count, deaths, expected) => {
    const made = plan(
      Array.from({ length: deaths }, () => ({})),
      {},
      { mass_death: { count, minutes: 10 } },
    );
    expect(scopes(made)).toEqual(expected);
  });
});

describe('a tmux server that is lost', () => {
  const lost = (server: number, age: number, ...tickets: string[]): RecentRun[] =>
    tickets.map((ticket) =>
      aRecent({
        ...{ ticket, tmux_server_pid: server, end_reason: 'tmux_server_lost' },
        ended_at_ms: NOW - age * MINUTE,
      }),
    );
  const held = (recent: RecentRun[]) =>
    plan([], { recent }).skipped.flatMap(({ ticket, because, evidence }) =>
      ticket === 'MC-90' && because === 'servers_lost' ? [evidence] : [],
    );

  it('three times in half an hour holds launches, and tells whose runs lived each time', () => {
    const recent = [...lost(1, 25, 'MC-1', 'MC-2'), ...lost(2, 20, 'MC-2', 'MC-3'), ...lost(3, 1, 'MC-2')];
    expect(held(recent)).toEqual([{ losses: 3, until_ms: NOW + 5 * MINUTE, tickets: 'MC-2' }]);
    expect(plan([], { recent }).dispatch).toEqual([]);
  });

  it.each<[string, RecentRun[]]>([
    ['twice', [...lost(1, 25, 'MC-1'), ...lost(2, 20, 'MC-1')]],
    [
      'once, with three runs that were found in three ticks',
      [...lost(1, 3, 'A'), ...lost(1, 2, 'B'), ...lost(1, 1, 'C')],
    ],
    ['three times in more than half an hour', [...lost(1, 31, 'A'), ...lost(2, 20, 'A'), ...lost(3, 1, 'A')]],
    [
      'three times on another host',
      ['1', '2', '3'].flatMap((n) => lost(Number(n), 1, 'A')).map((one) => ({ ...one, host_id: 'h-far' })),
    ],
  ])('%s holds nothing', (_name, recent) => {
    expect(held(recent)).toEqual([]);
  });

  it('for the third time in this very tick holds the launches of this tick, and the reconcile pass goes on', () => {
    const made = plan([], {
      recent: [...lost(1, 25, 'MC-60'), ...lost(2, 20, 'MC-60')],
      tickets: [aView({ id: 'MC-60', status: 'in_progress' })],
      runtimes: [
        observed(aRuntime({ id: 'r-60', ticket_id: 'MC-60', tmux_server_pid: 3 }), {
          judgement: JUDGED.dead,
          server_lost: true,
        }),
      ],
    });
    expect(made.reconcile).toMatchObject([
      { kind: 'retry', because: 'tmux_server_lost', to: { attempts: 0 } },
    ]);
    expect(made.dispatch).toEqual([]);
  });

  it.each(['tmux_server_lost', 'rebooted'])('is no attempt, however often (%s)', (because) => {
    const judgement = because === 'rebooted' ? JUDGED.rebooted : JUDGED.dead;
    const made = plan([], {
      tickets: [aView({ id: 'MC-60', status: 'in_progress', attempts: 2 }, { heals: 9 })],
      runtimes: [observed(aRuntime({ ticket_id: 'MC-60' }), { judgement, server_lost: true })],
    });
    expect(made.reconcile).toMatchObject([{ kind: 'retry', because, to: { status: 'todo', attempts: 2 } }]);
  });
});
