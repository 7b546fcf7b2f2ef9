/** Who may be asked to quit when its ticket is settled, and who counts among those that live. */
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/index.ts';
import type { Limits } from '../../src/model/policy.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import type { ObservedRuntime } from '../../src/model/world.ts';
import {
  aPane,
  aPolicy,
  aProfile,
  aRuntime,
  aSighting,
  aView,
  aWorld,
  HOST,
  JUDGED,
  MINUTE,
  observed,
} from '../support/builders.ts';

const OPTIONS = { dispatch: true, max: null, project: null };

interface Client {
  readonly ticket?: Partial<Ticket>;
  readonly row?: Partial<Runtime>;
  readonly over?: Parameters<typeof observed>[1];
}

/** A client of Claude Code at its prompt, whose ticket is in review, silent for half an hour. */
function client(n: number, { ticket = {}, row = {}, over = {} }: Client = {}) {
  const id = `MC-${n}`;
  const of = { id: `r${n}`, mark: `r${n}`, ticket_id: id, tmux_pane: `%${n}`, claim_epoch: 1 };
  const runtime = aRuntime({
    ...of,
    kind: 'claude',
    activity: 'idle',
    turn: 1,
    silent_ms: 30 * MINUTE,
    ...row,
  });
  const pane = aPane({ pane: `%${n}`, run: `r${n}`, ticket: id, output_at_s: runtime.output_at_s });
  return {
    view: aView({ id, status: 'in_review', claim_epoch: 1, ...ticket }),
    seen: observed(runtime, { pane, may_quit: 'yes', ...over }),
  };
}

function told(
  clients: readonly ReturnType<typeof client>[],
  o: { limits?: Partial<Limits>; settled?: 'end' | 'keep'; todo?: number; broken?: string[] } = {},
) {
  const waiting = Array.from({ length: o.todo ?? 0 }, (_, n) =>
    aView({ id: `MC-${900 + n}`, status: 'todo' }),
  );
  const world = aWorld({
    tickets: [...clients.map(({ view }) => view), ...waiting],
    runtimes: clients.map(({ seen }): ObservedRuntime => seen),
  });
  const policy = aPolicy({
    limits: o.limits ?? {},
    agents: [aProfile({ kind: 'claude', settled: o.settled ?? null })],
    broken: o.broken ?? [],
  });
  const plan = decide(world, policy, OPTIONS);
  return [
    ...[...plan.reconcile, ...plan.dispatch].map(
      ({ ticket, kind, because }) => `${ticket} ${kind} ${because}`,
    ),
    ...plan.skipped.map(({ ticket, because }) => `${ticket} skip ${because}`),
  ];
}

const QUITS = ['MC-1 quit settled_for_long'];
const STAYS = ['MC-1 skip alive_though_settled'];

describe('a client at its prompt', () => {
  it.each<[string, Client, string[]]>([
    ['quits when its ticket is in review', {}, QUITS],
    ['when it is done', { ticket: { status: 'done' } }, QUITS],
    ['when it is cancelled', { ticket: { status: 'cancelled' } }, QUITS],
    ['stays when it is blocked', { ticket: { status: 'blocked' } }, STAYS],
    ['when a person has taken it', { ticket: { owner: 'ann' } }, STAYS],
    ['when it is of an earlier claim', { ticket: { claim_epoch: 2 } }, STAYS],
    ['before ten minutes are over', { row: { silent_ms: 8 * MINUTE } }, STAYS],
    [
      'when it has just shown something',
      { row: { output_at_s: 7 }, over: { pane: aPane({ output_at_s: 8 }) } },
      STAYS,
    ],
    ['when an event has just come', { over: { seen: { fresh: 1 } } }, STAYS],
    ['when it works', { row: { activity: 'busy' } }, STAYS],
    ['when it asks', { row: { activity: 'waiting' } }, STAYS],
    ['when it never said that it was through', { row: { activity: 'unknown' } }, STAYS],
    ['when it works in the background', { row: { level: 'busy' } }, STAYS],
    ['when it was not looked at', { over: { may_quit: null } }, STAYS],
    ['when somebody is attached', { over: { may_quit: 'attached' } }, STAYS],
    ['when it was asked before', { over: { may_quit: 'did_not_quit' } }, STAYS],
    ['when it is headless', { row: { headless: true } }, STAYS],
    [
      'when nothing is known of its process',
      { over: { judgement: JUDGED.unknown } },
      ['MC-1 skip verdict_unknown'],
    ],
    ['when it is of another host', { row: { host_id: 'h-far' } }, ['MC-1 skip not_mine']],
  ])('%s', (_, one, expected) => {
    expect(told([client(1, one)])).toEqual(expected);
  });

  it('stays where that is wanted, and while nobody knows what is wanted', () => {
    expect(told([client(1)], { settled: 'keep' })).toEqual(STAYS);
    expect(told([client(1)], { limits: { settled: 'keep' } })).toEqual(STAYS);
    expect(told([client(1)], { limits: { settled: 'keep' }, settled: 'end' })).toEqual(QUITS);
    expect(told([client(1)], { broken: ['line 1'] })).toEqual(STAYS);
  });

  it('that has ended after it was asked is told so, and only of a settled ticket', () => {
    const dead = { judgement: JUDGED.dead, asked_to_quit: true };
    expect(told([client(1, { over: dead })])).toEqual(['MC-1 end settled']);
    expect(told([client(1, { over: dead, ticket: { status: 'needs_input' } })])).toEqual([
      'MC-1 end agent_finished',
    ]);
    expect(told([client(1, { over: { ...dead, asked_to_quit: false } })])).toEqual([
      'MC-1 end agent_finished',
    ]);
  });
});

describe('a program of its own', () => {
  const program = (row: Partial<Runtime>, over = {}) => client(1, { row: { kind: 'command', ...row }, over });
  it.each<[string, Partial<Runtime>, string[]]>([
    ['quits though it tells of no turns', { activity: 'unknown' }, QUITS],
    ['stays while it says that it works', { activity: 'busy' }, STAYS],
    ['stays while it asks', { activity: 'waiting' }, STAYS],
  ])('%s', (_, row, expected) => {
    expect(told([program(row)])).toEqual(expected);
  });

  it('gives way only once it has been without output for a minute', () => {
    const o = { limits: { max_agents: 1, max_living: 1 }, todo: 1 };
    expect(told([program({ silent_ms: 0, output_at_s: 1 })], o)[0]).toBe('MC-1 quit launch_waits');
    const shows = aPane({ pane: '%1', run: 'r1', ticket: 'MC-1', output_at_s: 2 });
    expect(told([program({ silent_ms: 0, output_at_s: 1 }, { pane: shows })], o)).toEqual([
      ...STAYS,
      'MC-900 skip living_limit',
    ]);
  });
});

describe('room', () => {
  const young = (n: number, minutes: number) => client(n, { row: { silent_ms: minutes * MINUTE } });

  it('is twice max_agents by itself, whatever they do; those at work take slots as well', () => {
    const asks = (n: number) =>
      client(n, { ticket: { status: 'needs_input', reason: 'parked', reason_run: `r${n}` } });
    const silent = (n: number) => asks(n);
    const limits = { max_agents: 2, ttl_minutes: 1 };
    expect(told([silent(1), silent(2), silent(3)], { limits, todo: 2 })).toEqual([
      'MC-900 launch next_in_order',
      'MC-901 skip living_limit',
    ]);
    expect(
      told([silent(1), silent(2), silent(3)], { limits: { ...limits, max_living: 3 }, todo: 1 }),
    ).toEqual(['MC-900 skip living_limit']);
  });

  it('is made by as many settled clients as launches wait, the longest silent first', () => {
    const clients = [young(1, 1), young(2, 5), young(3, 3)];
    const limits = { max_agents: 4, max_living: 3 };
    expect(told(clients, { limits, todo: 2 })).toEqual([
      'MC-2 quit launch_waits',
      'MC-3 quit launch_waits',
      'MC-1 skip alive_though_settled',
      'MC-900 skip living_limit',
      'MC-901 skip living_limit',
    ]);
    expect(
      told(clients, { limits: { ...limits, max_agents: 1 }, todo: 2 }).filter((one) => one.includes('quit')),
    ).toEqual([
      'MC-2 quit launch_waits', // there is one slot
    ]);
    expect(told([client(4), ...clients], { limits: { ...limits, max_living: 4 }, todo: 1 })).toContain(
      'MC-1 skip alive_though_settled',
    );
  });

  it('is not made for tickets that wait for something else', () => {
    const held = told([young(1, 1)], { limits: { max_agents: 0, max_living: 1 }, todo: 1 });
    expect(held).toEqual([...STAYS, 'MC-900 skip no_slot']);
  });

  it('is taken by an agent that the board has lost, and not by a chat, a dead one or another host', () => {
    const view = aView({ id: 'MC-900', status: 'todo' });
    const plan = (over: Parameters<typeof aWorld>[0]) =>
      decide(
        aWorld({ tickets: [view, aView({ id: 'MC-9', status: 'done' })], ...over }),
        aPolicy({ limits: { max_living: 1 } }),
        OPTIONS,
      )
        .skipped.filter(({ ticket }) => ticket === 'MC-900')
        .map(({ because }) => because);
    expect(plan({ sightings: [aSighting({ ticket: 'MC-9' })] })).toEqual(['living_limit']);
    const row = aRuntime({ id: 'r9', ticket_id: 'MC-9' });
    expect(plan({ runtimes: [observed(row)] })).toEqual(['living_limit']);
    expect(plan({ runtimes: [observed(row, { judgement: JUDGED.unknown })] })).toEqual(['living_limit']);
    expect(plan({ runtimes: [observed(row, { judgement: JUDGED.dead })] })).toEqual([]);
    expect(plan({ runtimes: [observed({ ...row, ticket_id: null })] })).toEqual([]);
    expect(
      plan({ runtimes: [observed({ ...row, host_id: `${HOST}-far` }, { judgement: JUDGED.not_mine })] }),
    ).toEqual([]);
  });
});
