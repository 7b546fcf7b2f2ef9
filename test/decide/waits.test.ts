import { describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/index.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import type { AccountView, World } from '../../src/model/world.ts';
import {
  anEnded,
  aPolicy,
  aProfile,
  aRuntime,
  aSighting,
  aView,
  aWorld,
  JUDGED,
  MINUTE,
  NOW,
  observed,
} from '../support/builders.ts';

const YEAR = 366 * 24 * 60 * MINUTE;
const OPTIONS = { dispatch: true, max: null, project: null };

function plan(world: Partial<World>) {
  return decide(aWorld(world), aPolicy(), OPTIONS);
}

const ticket = (over: Partial<Ticket>) => plan({ tickets: [aView(over)] });
const account = (over: Partial<AccountView>) =>
  plan({
    accounts: [
      {
        ...{
          name: 'robot',
          not_before_at_ms: null,
          wait_since_ms: null,
          not_ready: null,
          not_ready_stamp: null,
        },
        ...over,
      },
    ],
  });

describe('a wait is never longer than its own length, counted from any look at it', () => {
  it.each<[string, Partial<Ticket>, number | null]>([
    [
      'set by a clock a year ahead',
      { wait_since_ms: NOW + YEAR, not_before_at_ms: NOW + YEAR + MINUTE },
      NOW + MINUTE,
    ],
    ['set by this clock', { wait_since_ms: NOW, not_before_at_ms: NOW + MINUTE }, null],
    [
      'set by a person for next month',
      { wait_since_ms: NOW - MINUTE, not_before_at_ms: NOW + YEAR / 12 },
      null,
    ],
    ['set by another program for next month', { not_before_at_ms: NOW + YEAR / 12 }, null],
    ['a back-off of before, a year away', { attempts: 1, not_before_at_ms: NOW + YEAR }, NOW + 33 * MINUTE],
    ['over', { wait_since_ms: NOW - 2 * MINUTE, not_before_at_ms: NOW - MINUTE }, null],
    [
      'of a ticket of a person',
      { owner: 'ann', wait_since_ms: NOW + YEAR, not_before_at_ms: NOW + YEAR + 1 },
      null,
    ],
  ])('of a ticket: %s', (_name, over, to_ms) => {
    const made = ticket(over);
    const expected = { kind: 'shorten', ticket: 'MC-1', agent: null, from_ms: over.not_before_at_ms, to_ms };
    expect(made.reconcile).toMatchObject(to_ms === null ? [] : [expected]);
  });

  it('and the ticket waits on, for as long as it is', () => {
    const made = ticket({ wait_since_ms: NOW + YEAR, not_before_at_ms: NOW + YEAR + MINUTE });
    expect(made.skipped).toMatchObject([
      { because: 'not_before', evidence: { not_before_at_ms: NOW + MINUTE } },
    ]);
  });

  it.each<[string, Partial<AccountView>, number | null]>([
    ['set by a clock a year ahead', { wait_since_ms: NOW + YEAR, not_before_at_ms: NOW + YEAR + 5 }, NOW + 5],
    ['of a week', { wait_since_ms: NOW, not_before_at_ms: NOW + YEAR / 52 }, null],
    ['without a length, a year away', { not_before_at_ms: NOW + YEAR }, NOW + 8 * 24 * 60 * MINUTE],
  ])('of an account: %s', (_name, over, to_ms) => {
    const expected = { kind: 'shorten', ticket: '', agent: 'robot', from_ms: over.not_before_at_ms, to_ms };
    expect(account(over).reconcile).toMatchObject(to_ms === null ? [] : [expected]);
  });

  it('of a limit that an agent has met: one further off than any that there is holds nothing', () => {
    const idle = { activity: 'idle', turn: 1, limited_until_ms: NOW + YEAR } as const;
    const made = plan({
      tickets: [aView({ status: 'in_progress' })],
      runtimes: [observed(aRuntime(), { judgement: JUDGED.alive, seen: idle })],
    });
    expect(made.skipped).toEqual([]);
    expect(made.reconcile.map(({ kind }) => kind)).not.toContain('limit');
  });
});

const TWO = aPolicy({ agents: [aProfile(), aProfile({ name: 'second' })] });

describe('a ticket whose owner has changed while its agent lived', () => {
  const given = (owner: string | null, dead: boolean, row: Parameters<typeof aRuntime>[0] = {}) =>
    decide(
      aWorld({
        tickets: [aView({ status: 'in_progress', owner })],
        runtimes: [observed(aRuntime(row), { judgement: dead ? JUDGED.dead : JUDGED.alive })],
      }),
      TWO,
      OPTIONS,
    );
  const told = ({ reconcile, dispatch, skipped }: ReturnType<typeof plan>) => [
    ...[...reconcile, ...dispatch].map(({ kind, because }) => `${kind} ${because}`),
    ...skipped.map(({ because }) => `skip ${because}`),
  ];
  const HANDED = ['end agent_dead', 'retry ended_without_release', 'launch next_in_order'];

  it.each<[string, string | null, boolean, string[]]>([
    ['to the very profile that runs: the hands are the same', 'robot', false, []],
    ['to that profile, and it has died: tried again', 'robot', true, ['retry agent_dead', 'skip not_before']],
    ['to a person: left', 'ann', false, ['skip owner_changed']],
    ['to a person, and it has died: the ticket is theirs', 'ann', true, ['end agent_dead']],
    ['to another profile: that one waits', 'second', false, ['skip owner_changed']],
    ['to another profile, and it has died: that one takes it', 'second', true, HANDED],
  ])('%s', (_name, owner, dead, expected) => {
    expect(told(given(owner, dead))).toEqual(expected);
  });

  it('is let go of by the next tick where this one was cut off in between', () => {
    const view = (owner: string | null) =>
      aView({ status: 'in_progress', owner, attempts: 1 }, { ended: anEnded() });
    const next = (owner: string | null) => decide(aWorld({ tickets: [view(owner)] }), TWO, OPTIONS);
    expect(told(next('second'))).toEqual(HANDED.slice(1));
    // What the run of the first one came to is no attempt of the second.
    expect(next('second').reconcile).toMatchObject([{ to: { status: 'todo', attempts: 1 } }]);
    expect(told(next('ann'))).toEqual(['skip owner_changed']);
  });
});

it('a ticket that another step speaks of gets no second step for its wait', () => {
  const wait = { wait_since_ms: NOW + YEAR, not_before_at_ms: NOW + YEAR + MINUTE };
  const kinds = (over: Partial<World>) =>
    plan({ tickets: [aView({ status: 'todo', ...wait })], ...over }).reconcile.map(({ kind }) => kind);
  expect(kinds({})).toEqual(['shorten']);
  expect(kinds({ sightings: [aSighting()] })).toEqual(['adopt']);
  expect(kinds({ sightings: [aSighting({ judgement: JUDGED.unknown })] })).toEqual([]);
});
