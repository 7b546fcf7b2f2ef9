import { describe, expect, it } from 'vitest';
import { answerBusy } from '../../src/decide/busy.ts';
import { decide } from '../../src/decide/index.ts';
import type { Plan, Step } from '../../src/model/plan.ts';
import type { Policy } from '../../src/model/policy.ts';
import { TICKET_STATUSES, type Ticket, type TicketStatus } from '../../src/model/ticket.ts';
import type { ObservedRuntime, TicketView, World } from '../../src/model/world.ts';
import {
  aLaunch,
  anEnded,
  aPane,
  aPolicy,
  aProfile,
  applyPlan,
  aRecent,
  aRuntime,
  aSighting,
  aSwitch,
  aTicket,
  aView,
  aWorld,
  HOST,
  JUDGED,
  MINUTE,
  NOW,
  observed,
} from '../support/builders.ts';

const OPTIONS = { dispatch: true, max: null, project: null };

function plan(world: Partial<World>, policy: Policy = aPolicy()): Plan {
  return decide(aWorld(world), policy, OPTIONS);
}

/** One ticket with one runtime. */
function pair(
  ticket: Partial<Ticket>,
  runtime: ObservedRuntime,
  view: Partial<TicketView> = {},
): Partial<World> {
  return { tickets: [{ ...aView(ticket), ...view, ticket: aTicket(ticket) }], runtimes: [runtime] };
}

/** The plan in one line: `kind because`, of reconcile, dispatch and skips. */
function told({ reconcile, dispatch, skipped }: Plan): string[] {
  return [
    ...[...reconcile, ...dispatch].map(({ kind, because }) => `${kind} ${because}`),
    ...skipped.map(({ because }) => `skip ${because}`),
  ];
}

function only<K extends Step['kind']>(kind: K, { reconcile }: Plan): Extract<Step, { kind: K }> {
  const [step, ...more] = reconcile;
  expect(more).toEqual([]);
  if (step?.kind !== kind) throw new Error(`expected one ${kind}, got ${step?.kind ?? 'nothing'}`);
  return step as Extract<Step, { kind: K }>;
}

/** The recorded process is dead, and another one of its run is the client. */
const LIVES_ON = {
  judgement: { verdict: 'alive', because: 'client_lives_on' },
  survivor: { host_id: HOST, boot_id: 'b-1', pid_ns: 'pid:[1]', time_ns: null, pid: 4343, pid_start: '999' },
} as const;

it('the row of a client that lives on gets its process, ages like any other, and its ticket is not launched beside it', () => {
  const runtime = observed(aRuntime({ silent_ms: 7 }), LIVES_ON);
  const { reconcile, dispatch, refresh } = plan({
    ...pair({ status: 'in_progress' }, runtime),
    delta_ms: 100,
  });
  expect(reconcile).toMatchObject([
    {
      kind: 'follow',
      runtime: { run: 'r-1', version: 3 },
      process: LIVES_ON.survivor,
      evidence: { was: 4242, pid: 4343 },
    },
  ]);
  expect(dispatch).toEqual([]);
  expect(refresh).toMatchObject([{ run: 'r-1', alive: true, silent_ms: 107 }]);
});

it('a program is kept with the refresh of the tick that has found it, and costs later ones nothing', () => {
  const of = (program: string | null) =>
    plan(pair({ status: 'in_progress' }, observed(aRuntime(), { program }))).refresh[0];
  expect(of('{}')).toMatchObject({ program: '{}' });
  expect(of('{}')).not.toHaveProperty('quiet');
  expect(of(null)).toMatchObject({ quiet: true });
  expect(of(null)).not.toHaveProperty('program');
});

describe('the truth table', () => {
  const columns: Record<string, Partial<World>> = {
    'no live row': {},
    'an ended row of this epoch': {},
    'launching before the deadline': { runtimes: [observed(aLaunch({ launching_ms: 59_999 }))] },
    'launching at the deadline': { runtimes: [observed(aLaunch({ launching_ms: 60_000 }))] },
    'launching, of a tick that has died': { runtimes: [observed(aLaunch(), { abandoned: true })] },
    alive: { runtimes: [observed(aRuntime())] },
    dead: { runtimes: [observed(aRuntime(), { judgement: JUDGED.dead })] },
    'dead, and its client lives on': { runtimes: [observed(aRuntime(), LIVES_ON)] },
    unknown: { runtimes: [observed(aRuntime(), { judgement: JUDGED.unknown })] },
    'of another host': {
      runtimes: [observed(aRuntime({ host_id: 'h-far' }), { judgement: JUDGED.not_mine })],
    },
  };
  const waits = ['skip launching'];
  const follows = ['follow client_lives_on'];
  const unknown = ['skip verdict_unknown'];
  const far = ['skip not_mine'];
  const settled = [
    ['no live row', []],
    ['an ended row of this epoch', []],
    ['launching before the deadline', waits],
    ['launching at the deadline', ['end launch_deadline']],
    ['launching, of a tick that has died', ['end tick_died']],
    ['alive', ['skip alive_though_settled']],
    ['dead', ['end agent_finished']],
    ['dead, and its client lives on', follows],
    ['unknown', unknown],
    ['of another host', far],
  ] as const;
  const table: Record<TicketStatus, readonly (readonly [string, readonly string[]])[]> = {
    todo: [
      ['no live row', ['launch next_in_order']],
      ['an ended row of this epoch', ['launch next_in_order']],
      ['launching before the deadline', waits],
      ['launching at the deadline', ['end launch_deadline', 'launch next_in_order']],
      ['launching, of a tick that has died', ['end tick_died', 'launch next_in_order']],
      ['alive', ['normalize agent_alive']],
      ['dead', ['end agent_dead', 'launch next_in_order']],
      ['dead, and its client lives on', follows],
      ['unknown', unknown],
      ['of another host', far],
    ],
    needs_input: [
      ['no live row', []],
      ['an ended row of this epoch', []],
      ['launching before the deadline', waits],
      ['launching at the deadline', ['end launch_deadline']],
      ['launching, of a tick that has died', ['end tick_died']],
      ['alive', ['normalize agent_alive']],
      ['dead', ['end agent_finished']],
      ['dead, and its client lives on', follows],
      ['unknown', unknown],
      ['of another host', far],
    ],
    in_progress: [
      ['no live row', ['skip taken_by_person']],
      ['an ended row of this epoch', ['retry ended_without_release', 'skip not_before']],
      ['launching before the deadline', waits],
      ['launching at the deadline', ['retry launch_deadline', 'skip not_before']],
      ['launching, of a tick that has died', ['retry tick_died', 'launch next_in_order']],
      ['alive', []],
      ['dead', ['retry agent_dead', 'skip not_before']],
      ['dead, and its client lives on', follows],
      ['unknown', unknown],
      ['of another host', far],
    ],
    in_review: settled,
    done: settled,
    cancelled: settled,
    blocked: settled,
  };
  const cells = TICKET_STATUSES.flatMap((status) =>
    table[status].map(([column, expected]) => [status, column, expected] as const),
  );

  it('has every cell', () => {
    expect(cells.length).toBe(TICKET_STATUSES.length * Object.keys(columns).length);
  });

  it.each(cells)('answers %s with %s', (status, column, expected) => {
    const ended = column === 'an ended row of this epoch' ? anEnded() : null;
    expect(told(plan({ tickets: [aView({ status }, { ended })], ...columns[column] }))).toEqual(expected);
  });

  it.each(TICKET_STATUSES)(
    'plans nothing that writes for %s with an unknown or foreign runtime',
    (status) => {
      for (const column of ['unknown', 'of another host']) {
        const made = plan({ tickets: [aView({ status })], ...columns[column] });
        expect([made.reconcile, made.dispatch, made.refresh]).toEqual([[], [], []]);
      }
    },
  );
});

describe('split brain', () => {
  it('heals a ticket in todo whose agent lives, under the guard of what was observed', () => {
    const made = plan(
      pair({ status: 'todo', version: 8, claim_epoch: 4 }, observed(aRuntime({ claim_epoch: 4 }))),
    );
    expect(made.dispatch).toEqual([]);
    expect(only('normalize', made)).toMatchObject({
      because: 'agent_alive',
      guard: { status: 'todo', owner: null, claim_epoch: 4, version: 8 },
      runtime: { run: 'r-1', version: 3 },
      pid: 4242,
    });
    expect(made.refresh).toMatchObject([{ run: 'r-1', alive: true }]);
  });

  it.each([
    ['nothing but time has passed', {}, {}, true],
    ['a signal came', {}, { seen: { fresh: 1 } }, undefined],
    ['the activity is another', {}, { seen: { activity: 'busy' } }, undefined],
    ['the level is another', {}, { seen: { level: 'busy' } }, undefined],
    ['the session is known now', {}, { seen: { client_session: 's' } }, undefined],
    ['it has just registered', { phase: 'registered' }, {}, undefined],
  ] as const)('tells the board of a row what it need not write again: %s', (_, row, seen, quiet) => {
    const made = plan(
      pair({ status: 'in_progress' }, observed(aRuntime({ activity: 'idle', ...row }), seen)),
    );
    expect(made.refresh.map((one) => one.quiet)).toEqual([quiet]);
  });

  it.each([
    [0, ['normalize agent_alive']],
    [2, ['normalize agent_alive']],
    [3, ['skip flapping']],
    [9, ['skip flapping']],
  ])('stops healing a ticket that was healed %i times in half an hour', (heals, expected) => {
    expect(told(plan(pair({ status: 'todo' }, observed(aRuntime()), { heals })))).toEqual(expected);
  });
});

describe('needs_input with a living agent', () => {
  const mine = { status: 'needs_input', reason_run: 'r-1', reason_turn: 2 } as const;
  const quiet = { activity: 'idle', turn: 2 } as const;

  it.each<[string, Partial<Ticket>, Partial<ObservedRuntime['seen']>, string[]]>([
    ['its own question stands', { reason: 'asked' }, quiet, []],
    [
      'its own question stands through the rest of the turn',
      { reason: 'asked' },
      { activity: 'busy', turn: 2, fresh: 3 },
      [],
    ],
    [
      'a later turn answers its own question',
      { reason: 'asked' },
      { activity: 'busy', turn: 3 },
      ['normalize activity_after_question'],
    ],
    ['a dialog stands', { reason: 'agent_waiting' }, { activity: 'waiting', turn: 2 }, []],
    [
      'another dialog in its place is what a person is asked',
      { reason: 'agent_waiting' },
      { activity: 'waiting', turn: 2, question: 'Permission for Bash: the second' },
      ['ask agent_waiting'],
    ],
    [
      'work answers a dialog',
      { reason: 'agent_waiting' },
      { activity: 'busy', turn: 2 },
      ['normalize activity_after_question'],
    ],
    ['an end without a report stands', { reason: 'idle_without_report' }, quiet, []],
    [
      'a later turn answers an end without a report',
      { reason: 'idle_without_report' },
      { activity: 'busy', turn: 3 },
      ['normalize activity_after_question'],
    ],
    ['a park stands', { reason: 'parked' }, { activity: 'busy', turn: 2 }, []],
    [
      'an event ends a park',
      { reason: 'parked' },
      { activity: 'busy', turn: 2, fresh: 1 },
      ['normalize activity_after_park'],
    ],
    [
      'the question of another run does not stand',
      { reason: 'asked', reason_run: 'r-0' },
      quiet,
      ['normalize agent_alive'],
    ],
    [
      "another program's reset does not stand",
      { reason: null, reason_run: null },
      quiet,
      ['normalize agent_alive'],
    ],
    ['a revert does not stand', { reason: 'agent_dead' }, quiet, ['normalize agent_alive']],
  ])('%s', (_name, ticket, seen, expected) => {
    const silent_ms = ticket.reason === 'parked' ? 500 * MINUTE : 0;
    expect(
      told(
        plan(
          pair(
            { ...mine, ...ticket },
            observed(aRuntime({ turn: 2, silent_ms, question: 'Permission for Bash: the first' }), { seen }),
          ),
        ),
      ),
    ).toEqual(expected);
  });

  it('ends a park by activity that a tick has stored before it was cut off', () => {
    const row = aRuntime({ phase: 'parked', silent_ms: 0 });
    expect(told(plan(pair({ ...mine, reason: 'parked' }, observed(row))))).toEqual([
      'normalize activity_after_park',
    ]);
  });

  it('lets output end a park', () => {
    const parked = observed(aRuntime({ phase: 'parked', output_at_s: 100, silent_ms: 500 * MINUTE }), {
      pane: aPane({ output_at_s: 101 }),
    });
    expect(told(plan(pair({ ...mine, reason: 'parked' }, parked)))).toEqual([
      'normalize activity_after_park',
    ]);
  });
});

describe('in_progress with a living agent', () => {
  it('asks with the question of an agent that waits', () => {
    const made = plan(
      pair(
        { status: 'in_progress' },
        observed(aRuntime(), { seen: { activity: 'waiting', question: 'Red or blue?', turn: 7 } }),
      ),
    );
    expect(only('ask', made)).toMatchObject({ because: 'agent_waiting', question: 'Red or blue?', turn: 7 });
  });

  it.each([
    ['needs_input', ['ask idle_without_report']],
    ['review', ['submit idle_without_report']],
    ['leave', []],
  ] as const)('follows on_idle = %s when the turn is over without a report', (on_idle, expected) => {
    const policy = aPolicy({ agents: [aProfile({ on_idle })] });
    const idle = observed(aRuntime(), { seen: { activity: 'idle' } });
    expect(told(plan(pair({ status: 'in_progress' }, idle), policy))).toEqual(expected);
  });

  it('asks about an idle agent whose profile is no longer configured', () => {
    const idle = observed(aRuntime({ agent: 'gone' }), { seen: { activity: 'idle' } });
    expect(told(plan(pair({ status: 'in_progress' }, idle)))).toEqual(['ask idle_without_report']);
  });

  it.each([
    ['parks after exactly the TTL', 89 * MINUTE, MINUTE, ['park silent_past_ttl']],
    ['does not park before', 89 * MINUTE, MINUTE - 1, []],
    ['does not park when no time was observed', 89 * MINUTE, 0, []],
    ['does not park when a suspend was clamped to two intervals', 0, 2 * MINUTE, []],
  ])('%s', (_name, silent_ms, delta_ms, expected) => {
    const world = pair({ status: 'in_progress' }, observed(aRuntime({ silent_ms, heartbeat_at_ms: 0 })));
    expect(told(plan({ ...world, delta_ms, now_ms: NOW + 1e9 }))).toEqual(expected);
  });

  it('does not park an agent that stirred in this very pass, and begins to count anew', () => {
    const stirred = observed(aRuntime({ silent_ms: 500 * MINUTE }), { seen: { fresh: 1 } });
    const made = plan(pair({ status: 'in_progress' }, stirred));
    expect(made.reconcile).toEqual([]);
    expect(made.refresh).toMatchObject([{ silent_ms: 0 }]);
  });

  it('parks an idle agent that on_idle = leave left, once it was silent for the TTL', () => {
    const policy = aPolicy({ agents: [aProfile({ on_idle: 'leave' })] });
    const idle = observed(aRuntime({ silent_ms: 90 * MINUTE }), { seen: { activity: 'idle' } });
    expect(told(plan(pair({ status: 'in_progress' }, idle), policy))).toEqual(['park silent_past_ttl']);
  });
});

describe('a dead agent', () => {
  const dead = (over: Partial<Omit<ObservedRuntime, 'row'>> = {}) =>
    observed(aRuntime(), { judgement: JUDGED.dead, ...over });

  it('gives its ticket back with a back-off, an attempt more, and ends the row in the same step', () => {
    const made = plan(pair({ status: 'in_progress', attempts: 1 }, dead()));
    const step = only('retry', made);
    expect(step).toMatchObject({
      guard: { status: 'in_progress', version: 5 },
      runtime: { run: 'r-1', version: 3 },
      end: { end_reason: 'agent_dead', exit_code: null, exit_signal: null },
      to: { status: 'todo', attempts: 2 },
    });
    expect(step.to.not_before_at_ms).toBeGreaterThanOrEqual(NOW + 120_000);
    expect(step.to.not_before_at_ms).toBeLessThanOrEqual(NOW + 132_000);
  });

  it('blocks the ticket after the last attempt', () => {
    const made = plan(pair({ status: 'in_progress', attempts: 2 }, dead()));
    expect(only('retry', made).to).toEqual({ status: 'blocked', attempts: 3, not_before_at_ms: null });
    expect(told(made)).toEqual(['retry agent_dead']);
  });

  it.each<[string, Partial<Omit<ObservedRuntime, 'row' | 'seen'>>]>([
    ['rebooted', { judgement: JUDGED.rebooted, server_lost: true }],
    ['tmux_server_lost', { server_lost: true }],
  ])('counts no attempt when it was %s, and is started again in the same tick', (because, over) => {
    const made = plan(pair({ status: 'in_progress', attempts: 2 }, dead(over)));
    expect(only('retry', made)).toMatchObject({
      because,
      to: { status: 'todo', attempts: 2, not_before_at_ms: null },
    });
    expect(made.dispatch).toMatchObject([
      { kind: 'launch', attempt: 3, guard: { status: 'todo', version: 6 } },
    ]);
  });

  it.each([
    ['agent_exited', { exit_code: 1, exit_signal: null }],
    ['agent_killed', { exit_code: null, exit_signal: 9 }],
  ])('is told as %s where its pane says so', (because, exit) => {
    const pane = aPane({ dead: true, ...exit });
    const made = plan({
      ...pair({ status: 'in_progress' }, dead({ pane })),
      tmux: { kind: 'server', server_pid: 99, server_start: '11', panes: [pane] },
    });
    const [retry, close, ...more] = made.reconcile;
    expect(more).toEqual([]);
    expect(retry).toMatchObject({ kind: 'retry', because, end: { end_reason: because, ...exit } });
    expect(close).toMatchObject({ kind: 'close_pane', pane: '%1' });
  });

  it('does not end the row again when a crash left only the ticket behind', () => {
    const made = plan({ tickets: [aView({ status: 'in_progress' }, { ended: anEnded() })] });
    expect(only('retry', made)).toMatchObject({ runtime: null, end: null, to: { attempts: 1 } });
  });

  it('fails a launch at once when the launcher died in its pane', () => {
    const made = plan(
      pair({ status: 'in_progress' }, observed(aLaunch(), { pane: aPane({ dead: true, exit_code: 127 }) })),
    );
    expect(only('retry', made)).toMatchObject({
      because: 'launch_failed',
      end: { end_reason: 'launch_failed', exit_code: 127 },
      to: { status: 'todo', attempts: 0 },
    });
  });
});

describe('a launch of which no agent came', () => {
  const late = aLaunch({ launching_ms: 120_000 });
  const ended = (end_reason: string) => anEnded({ registered_at_ms: null, end_reason });

  it.each<[string, Partial<World>, number]>([
    ['past its deadline', pair({ status: 'in_progress', attempts: 2 }, observed(late)), 1],
    [
      'failed in its pane, the third in a row',
      {
        ...pair(
          { status: 'in_progress', attempts: 2 },
          observed(aLaunch(), { pane: aPane({ dead: true, exit_code: 1 }) }),
        ),
        failed_launches: { 'MC-1': 2 },
      },
      4,
    ],
    [
      'failed for the hundredth time',
      {
        ...pair({ status: 'in_progress', attempts: 2 }, observed(late)),
        failed_launches: { 'MC-1': 99 },
      },
      30,
    ],
    [
      'ended, and left the ticket behind, the second in a row',
      {
        tickets: [aView({ status: 'in_progress', attempts: 2 }, { ended: ended('launch_failed') })],
        failed_launches: { 'MC-1': 2 },
      },
      2,
    ],
    [
      'ended by another program',
      { tickets: [aView({ status: 'in_progress', attempts: 2 }, { ended: ended('by_hand') })] },
      1,
    ],
  ])('%s, costs no attempt, blocks nothing, and holds the ticket for a while', (_name, world, minutes) => {
    const { to } = only('retry', plan(world));
    expect(to).toMatchObject({ status: 'todo', attempts: 2 });
    expect(to.not_before_at_ms).toBeGreaterThanOrEqual(NOW + minutes * MINUTE);
    expect(to.not_before_at_ms).toBeLessThanOrEqual(NOW + minutes * 1.1 * MINUTE);
  });

  it.each<[string, Partial<World>]>([
    ['its row', pair({ status: 'in_progress', attempts: 2 }, observed(aLaunch(), { abandoned: true }))],
    [
      'the row before',
      { tickets: [aView({ status: 'in_progress', attempts: 2 }, { ended: ended('tick_died') })] },
    ],
  ])('since its tick died, holds nothing, however often (by %s)', (_name, world) => {
    const made = plan({ ...world, failed_launches: { 'MC-1': 5 } });
    expect(only('retry', made).to).toEqual({ status: 'todo', attempts: 2, not_before_at_ms: null });
    expect(made.dispatch).toMatchObject([{ kind: 'launch', attempt: 3 }]);
  });

  it('is no launch to end while a pane of it lives, nor on another host', () => {
    const pane = observed(aLaunch(), { pane: aPane() });
    expect(told(plan(pair({ status: 'in_progress' }, pane)))).toEqual(['skip launching']);
    const far = observed(aLaunch({ host_id: 'h-far' }), { abandoned: true });
    expect(told(plan(pair({ status: 'in_progress' }, far)))).toEqual(['skip not_mine']);
  });

  it.each([
    ['observed time only', { launching_ms: 119_999, claimed_at_ms: 0 }, 0, 119_999],
    [
      'nothing of before its claim at the first look',
      { launching_ms: 0, claimed_at_ms: NOW - 2000 },
      2 * MINUTE,
      2000,
    ],
    [
      'all that was observed since at a later one',
      { launching_ms: 2000, claimed_at_ms: NOW - 2000 },
      MINUTE,
      62_000,
    ],
    [
      'no more than was observed when the clock jumps ahead',
      { launching_ms: 0, claimed_at_ms: 0 },
      MINUTE,
      MINUTE,
    ],
    [
      'no more than was observed when it jumps back',
      { launching_ms: 0, claimed_at_ms: 2 * NOW },
      MINUTE,
      MINUTE,
    ],
  ])('counts %s toward the deadline', (_name, row, delta_ms, launching_ms) => {
    const made = plan({ ...pair({ status: 'in_progress' }, observed(aLaunch(row))), delta_ms });
    expect(told(made)).toEqual(['skip launching']);
    expect(made.refresh).toMatchObject([{ launching_ms }]);
  });
});

describe('what is not ours', () => {
  it('leaves chats alone, whatever became of them', () => {
    const chat = aRuntime({ ticket_id: null });
    for (const judgement of Object.values(JUDGED)) {
      expect(plan({ runtimes: [observed(chat, { judgement })] })).toEqual({
        reconcile: [],
        dispatch: [],
        skipped: [],
        refresh: [],
      });
    }
  });

  it.each(['launching', 'registered', 'running', 'parked'] as const)(
    "leaves another host's %s runtime to that host, however long it takes and whatever our kernel says of its pid",
    (phase) => {
      const theirs = aRuntime({ phase, host_id: 'h-other', launching_ms: 500 * MINUTE });
      for (const judgement of [null, ...Object.values(JUDGED)]) {
        const made = plan(pair({ status: 'in_progress' }, observed(theirs, { judgement })));
        expect(told(made)).toEqual(['skip not_mine']);
        expect(made.refresh).toEqual([]);
      }
    },
  );

  it.each(['alive', 'dead', 'unknown'] as const)(
    'declines a ticket that could not be read (agent %s)',
    (verdict) => {
      const made = plan({ runtimes: [observed(aRuntime(), { judgement: JUDGED[verdict] })] });
      expect([made.reconcile, made.dispatch]).toEqual([[], []]);
    },
  );

  it.each(['todo', 'needs_input', 'in_progress'] as const)(
    'does not heal a %s ticket that a person took from a living agent',
    (status) => {
      const made = plan(pair({ status, owner: 'ann' }, observed(aRuntime({ silent_ms: 500 * MINUTE }))));
      expect(told(made)).toEqual(['skip owner_changed']);
    },
  );

  it('gives a ticket back whose question was answered before its agent died; a person who took it keeps it', () => {
    const dead = observed(aRuntime(), { judgement: JUDGED.dead, answered: true });
    expect(told(plan(pair({ status: 'needs_input' }, dead)))).toEqual([
      'retry agent_dead',
      'skip not_before',
    ]);
    expect(told(plan(pair({ status: 'needs_input', owner: 'ann' }, dead)))).toEqual(['end agent_dead']);
  });

  it('ends the row of a dead agent whose ticket a person took, and leaves the ticket', () => {
    const made = plan(
      pair({ status: 'in_progress', owner: 'ann' }, observed(aRuntime(), { judgement: JUDGED.dead })),
    );
    expect(told(made)).toEqual(['end agent_dead']);
    expect(
      told(
        decide(
          applyPlan(
            aWorld(
              pair({ status: 'in_progress', owner: 'ann' }, observed(aRuntime(), { judgement: JUDGED.dead })),
            ),
            made,
          ),
          aPolicy(),
          OPTIONS,
        ),
      ),
    ).toEqual(['skip owner_changed']);
  });

  it('does not retry a ticket for a row of an older claim', () => {
    const made = plan(
      pair({ status: 'in_progress', claim_epoch: 2 }, observed(aRuntime(), { judgement: JUDGED.dead })),
    );
    expect(told(made)).toEqual(['end agent_dead']);
  });

  it('knows nothing when tmux did not answer, not even what the kernel says', () => {
    const made = plan({
      tickets: TICKET_STATUSES.map((status, n) => aView({ id: `MC-${n}`, status })),
      runtimes: [observed(aRuntime({ ticket_id: 'MC-2' }), { judgement: JUDGED.dead })],
      tmux: { kind: 'unknown', error: 'timeout' },
    });
    expect(made).toMatchObject({ reconcile: [], dispatch: [], refresh: [] });
    expect(made.skipped.map(({ ticket, because }) => [ticket, because])).toEqual(
      TICKET_STATUSES.map((_, n) => [`MC-${n}`, 'tmux_unreadable']),
    );
  });

  it.each(['*', 'project:house', 'agent:robot'])('writes nothing under a switch for all of %s', (scope) => {
    const switches = [aSwitch({ level: 'all', scope })];
    for (const verdict of ['alive', 'dead'] as const) {
      const made = plan({
        ...pair({ status: 'in_progress' }, observed(aRuntime(), { judgement: JUDGED[verdict] })),
        switches,
      });
      expect(told(made)).toEqual(['skip killswitch']);
    }
    expect(
      told(plan({ tickets: [aView({ status: 'in_progress' }, { ended: anEnded() })], switches })),
    ).toEqual(['skip killswitch']);
  });

  it('adopts nothing under a switch for all of its scope', () => {
    const made = plan({
      tickets: [aView()],
      sightings: [aSighting()],
      switches: [aSwitch({ level: 'all', scope: 'project:house' })],
    });
    expect(told(made)).toEqual(['skip killswitch']);
  });
});

describe('a runtime that the board has lost', () => {
  it.each<[string, Partial<Ticket>, Partial<ReturnType<typeof aSighting>>, string[]]>([
    ['adopts it', {}, {}, ['adopt runtime_busy']],
    ['adopts it for a ticket in progress', { status: 'in_progress' }, {}, ['adopt runtime_busy']],
    ['launches over a dead one', {}, { judgement: JUDGED.dead }, ['launch next_in_order']],
    ['leaves one of another owner', {}, { owner: 'robot' }, ['skip busy_with_other_owner']],
    ['leaves one whose ticket a person took', { owner: 'ann' }, {}, ['skip busy_with_other_owner']],
    ['ignores one of another ticket', {}, { ticket: 'MC-9' }, ['launch next_in_order']],
    ['leaves one that cannot be judged', {}, { judgement: JUDGED.unknown }, ['skip mark_unknown']],
    ['leaves one of another host', {}, { judgement: JUDGED.not_mine }, ['skip not_mine']],
    ['leaves it when the ticket is done', { status: 'done' }, {}, []],
  ])('%s', (_name, ticket, sighting, expected) => {
    expect(told(plan({ tickets: [aView(ticket)], sightings: [aSighting(sighting)] }))).toEqual(expected);
  });

  it('lets the living one of several speak', () => {
    const sightings = [
      aSighting({ run: 'a', judgement: JUDGED.dead }),
      aSighting({ run: 'b', judgement: JUDGED.unknown }),
      aSighting({ run: 'c' }),
    ];
    expect(only('adopt', plan({ tickets: [aView()], sightings })).sighting.run).toBe('c');
  });

  it.each(['alive', 'unknown'] as const)(
    'starts no second agent beside one that is %s, though the row of a dead one is ended',
    (verdict) => {
      const made = plan({
        ...pair({ status: 'todo' }, observed(aRuntime(), { judgement: JUDGED.dead })),
        sightings: [aSighting({ judgement: JUDGED[verdict] })],
      });
      expect(made.dispatch).toEqual([]);
    },
  );

  it.each(['alive', 'unknown'] as const)(
    'keeps the ticket of a dead run while another process with its mark is %s: nothing is freed, no attempt is spent',
    (verdict) => {
      const dead = observed(aRuntime(), { judgement: JUDGED.dead });
      const world = {
        ...pair({ status: 'in_progress', attempts: 2 }, dead),
        sightings: [aSighting({ judgement: JUDGED[verdict] })],
      };
      const made = plan(world);
      expect(made.reconcile.map(({ kind }) => kind)).toEqual(['end']);
      expect(made.dispatch).toEqual([]);
    },
  );

  it('takes no attempt for a launch that a reboot cut off, and waits for no deadline', () => {
    const launching = observed(aLaunch({ boot_id: 'b-0' }), { judgement: null });
    const made = only('retry', plan(pair({ status: 'in_progress', attempts: 1 }, launching)));
    expect(made).toMatchObject({ because: 'rebooted', to: { status: 'todo', attempts: 1 } });
  });

  it.each<[string, Partial<ReturnType<typeof aSighting>>, ReturnType<typeof answerBusy>]>([
    ['adopts what is alive, ours and for this ticket', {}, { do: 'adopt' }],
    ['launches over what is dead', { judgement: JUDGED.dead, ticket: 'MC-9' }, { do: 'launch' }],
    [
      'releases the claim to another ticket',
      { ticket: 'MC-9' },
      { do: 'release', because: 'busy_with_other_ticket' },
    ],
    ['leaves another owner', { owner: 'ann' }, { do: 'leave', because: 'busy_with_other_owner' }],
    [
      'leaves the unknown',
      { judgement: JUDGED.unknown, ticket: 'MC-9' },
      { do: 'leave', because: 'mark_unknown' },
    ],
    ['leaves another host', { judgement: JUDGED.not_mine }, { do: 'leave', because: 'not_mine' }],
  ])('a busy answer %s', (_name, sighting, expected) => {
    expect(answerBusy(aTicket(), aSighting(sighting))).toEqual(expected);
  });
});

describe('mass death', () => {
  const deaths = (count: number, age_ms: number, over: Partial<World> = {}) =>
    plan({
      tickets: [
        ...Array.from({ length: count }, (_, n) => aView({ id: `MC-${n + 1}`, status: 'in_progress' })),
        aView({ id: 'MC-90' }),
      ],
      runtimes: Array.from({ length: count }, (_, n) =>
        observed(aRuntime({ id: `r-${n}`, ticket_id: `MC-${n + 1}`, registered_at_ms: NOW - age_ms }), {
          judgement: JUDGED.dead,
        }),
      ),
      ...over,
    });
  const died = (...tickets: string[]) => ({ recent: tickets.map((ticket) => aRecent({ ticket })) });
  const trips = (made: Plan) => made.reconcile.filter(({ kind }) => kind === 'trip').length;
  const word = (made: Plan) => [
    ...made.dispatch.map(({ kind }) => kind),
    ...made.skipped.filter(({ ticket }) => ticket === 'MC-90').map(({ because }) => because),
  ];

  it('trips at three tickets and stops the launches of the same tick', () => {
    const made = deaths(3, 59_999);
    expect([trips(made), word(made)]).toEqual([1, ['mass_death']]);
  });

  it.each<[string, Plan]>([
    ['two tickets', deaths(2, 1000)],
    ['agents that had worked for a minute', deaths(3, 60_000)],
    ['one ticket that died before and now', deaths(2, 1000, died('MC-1', 'MC-2'))],
    ['deaths that are old', deaths(0, 0, died('MC-7', 'MC-8', 'MC-9'))],
    ['an old death of an agent that had worked', deaths(1, MINUTE, died('MC-7', 'MC-8', 'MC-9'))],
  ])('does not trip on %s', (_name, made) => {
    expect([trips(made), word(made)]).toEqual([0, ['launch']]);
  });

  it('counts the deaths of the ticks before', () => {
    expect(trips(deaths(1, 1000, died('MC-7', 'MC-8')))).toBe(1);
  });

  it('does not trip on a reboot', () => {
    const lost = aWorld({
      tickets: [1, 2, 3].map((n) => aView({ id: `MC-${n}`, status: 'in_progress' })),
      runtimes: [1, 2, 3].map((n) =>
        observed(aRuntime({ id: `r-${n}`, ticket_id: `MC-${n}`, registered_at_ms: NOW }), {
          judgement: JUDGED.rebooted,
        }),
      ),
    });
    expect(trips(decide(lost, aPolicy(), OPTIONS))).toBe(0);
  });

  it('does not trip what is off already', () => {
    expect(trips(deaths(3, 0, { switches: [aSwitch()] }))).toBe(0);
  });
});

describe('dead panes', () => {
  const tmux = (run: string) =>
    ({ kind: 'server', server_pid: 99, server_start: '11', panes: [aPane({ dead: true, run })] }) as const;
  it.each([
    ['closes one whose run has ended', 'r-old', 1],
    ['keeps one whose row still lives', 'r-1', 0],
    ['keeps one that is not ours', '', 0],
  ])('%s', (_name, run, count) => {
    const world = pair({ status: 'in_progress' }, observed(aRuntime(), { judgement: JUDGED.unknown }));
    expect(plan({ ...world, tmux: tmux(run) }).reconcile.length).toBe(count);
  });
});
