/** What a refusal of a model's API does to account, profile, ticket and attempts: the table of docs/agents.md, and how a hold is tried and let go. */
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/decide/index.ts';
import { agentScope, configOf, type Hold, triedBy } from '../../src/model/hold.ts';
import type { AgentProfile } from '../../src/model/policy.ts';
import { type Trouble, type TroubleKind, troubleOf } from '../../src/model/trouble.ts';
import type { ActivityView, ObservedRuntime, World } from '../../src/model/world.ts';
import {
  aPane,
  aPolicy,
  aProfile,
  applyPlan,
  aRuntime,
  aView,
  aWorld,
  JUDGED,
  MINUTE,
  NOW,
  observed,
} from '../support/builders.ts';

const RESET = NOW + 60 * MINUTE;
const CAN_WORK = 'ready';

describe('which trouble it is', () => {
  const LIMIT = 'You have reached it.';
  it.each<[TroubleKind | null, number | null, string, string]>([
    ['limit', 429, '', LIMIT],
    ['limit', null, 'rate_limit', "You've hit your 5-hour limit · resets 10:33am (UTC)"],
    ['limit', null, 'usage_limit_exceeded', 'Quota exceeded. Check your plan and billing details.'],
    ['limit', 402, '', 'Payment required'],
    ['login', 401, '', 'Incorrect API key provided.'],
    ['login', 403, '', 'Your account does not have access'],
    ['login', 400, 'API_KEY_INVALID', 'The API answers no'],
    ['login', 400, '', 'API key not valid. Please pass a valid API key.'],
    ['login', null, 'authentication_failed', 'Not logged in · Please run /login'],
    ['login', null, 'billing_error', 'Credit balance is too low'],
    ['login', 404, '', 'model: no such model'],
    ['down', 500, 'server_error', 'Internal server error'],
    ['down', 529, '', 'Overloaded'],
    ['down', null, 'other', 'stream disconnected before completion: error sending request'],
    ['down', null, 'unknown', 'API Error: Connection refused (ECONNREFUSED)'],
    ['down', null, '', 'fetch failed'],
    ['request', null, 'context_window_exceeded', "Codex ran out of room in the model's context window."],
    ['request', null, 'invalid_request', 'Prompt is too long · the request is ~210000 tokens'],
    ['request', 400, '', 'Output blocked by content filtering policy'],
    ['request', null, 'invalid_prompt', 'Invalid prompt: flagged as potentially violating our usage policy.'],
    ['request', 413, '', 'Payload too large'],
    [null, null, '', 'The model has ended its turn.'],
  ])('%s: %s %s %s', (kind, status, word, says) => {
    expect(troubleOf({ status, word, says, until_ms: null })?.kind ?? null).toBe(kind);
  });
});

const trouble = (kind: TroubleKind, until_ms: number | null = null): Trouble => ({
  kind,
  says: `the words of the client: ${kind}`,
  until_ms,
});
const refused = (one: Trouble, row = {}, over: Partial<ObservedRuntime> = {}): ObservedRuntime =>
  observed(aRuntime({ kind: 'codex', activity: 'idle', turn: 1, ...row }), {
    ...over,
    seen: { activity: 'idle', turn: 1, trouble: one, limited_until_ms: one.until_ms ?? NOW },
  });
const plan = (world: World, profile: Partial<AgentProfile> = {}) =>
  decide(world, aPolicy({ agents: [aProfile({ on_idle: 'auto', ...profile })] }), {
    ...{ dispatch: true, max: null, project: null },
  });
const working = (runtime: ObservedRuntime, over: Partial<World> = {}): World =>
  aWorld({ tickets: [aView({ status: 'in_progress', claim_epoch: 1 })], runtimes: [runtime], ...over });
const told = (made: ReturnType<typeof plan>): string[] => [
  ...[...made.reconcile, ...made.dispatch].map(({ kind, because }) => `${kind} ${because}`),
  ...made.skipped.map(({ because }) => `skip ${because}`),
];

describe('what it does', () => {
  it.each<[TroubleKind, number | null, string[], string[]]>([
    // kind, announced, a client that lives, one that has ended
    [
      ...(['limit', RESET] as const),
      ['limit rate_limited', 'hold api_limit', 'skip rate_limited'],
      ['limit rate_limited', 'hold api_limit', 'retry rate_limited', 'skip not_before'],
    ],
    [
      ...(['limit', null] as const),
      ['limit rate_limited', 'hold api_limit', 'skip rate_limited'],
      ['limit rate_limited', 'hold api_limit', 'retry rate_limited', 'skip account_limited'],
    ],
    [
      ...(['login', null] as const),
      ['hold api_login', 'ask agent_not_ready'],
      ['hold api_login', 'retry agent_not_ready', 'skip held'],
    ],
    [
      ...(['down', null] as const),
      ['hold api_down', 'skip held'],
      ['hold api_down', 'retry api_down', 'skip held'],
    ],
    [...(['request', null] as const), ['ask request_refused'], ['ask request_refused', 'end agent_finished']],
  ])('%s, announced %s', (kind, until_ms, alive, dead) => {
    const one = trouble(kind, until_ms);
    expect(told(plan(working(refused(one))))).toEqual(alive);
    for (const headless of [true, false]) {
      const gone = refused(
        one,
        { headless },
        { judgement: JUDGED.dead, pane: aPane({ dead: true, exit_code: 1 }) },
      );
      const made = plan(working(gone));
      expect(told(made)).toEqual(dead);
      for (const step of made.reconcile)
        if (step.kind === 'retry') expect(step.to).toMatchObject({ attempts: 0 });
    }
  });

  it('the words of the client are told wherever it waits, and to whoever is asked', () => {
    for (const kind of ['limit', 'login', 'down', 'request'] as const) {
      const made = plan(working(refused(trouble(kind))));
      const words = trouble(kind).says;
      const ask = made.reconcile.find((step) => step.kind === 'ask');
      const hold = made.reconcile.find((step) => step.kind === 'hold');
      if (ask !== undefined) expect(ask).toMatchObject({ question: words });
      if (kind !== 'request') expect(hold).toMatchObject({ fault: { scope: 'agent:robot', says: words } });
      for (const skip of made.skipped) expect(skip.evidence).toMatchObject({ says: words });
    }
  });

  it('a refusal that the row knows begins no second hold, and what a plan leaves is decided no more', () => {
    const down = refused(trouble('down'));
    const made = plan(working(down));
    const config = configOf(agentScope('robot'), aPolicy({ agents: [aProfile({ on_idle: 'auto' })] })) ?? '';
    const left = applyPlan(working(down), made);
    const after = { ...left, holds: left.holds.map((one) => ({ ...one, config })) };
    expect(told(plan(after))).toEqual(['skip held']);
    expect(told(plan(working(refused(trouble('down'), { limited_until_ms: NOW - MINUTE }))))).not.toContain(
      'hold api_down',
    );
  });
});

describe('a hold is tried by one run', () => {
  const policy = aPolicy({ agents: [aProfile({ on_idle: 'auto' })] });
  const scope = agentScope('robot');
  const hold = (over: Partial<Hold> = {}): Hold => ({
    ...{ scope, because: 'api_down', says: 'it is away', since_at_ms: NOW - 9 * MINUTE, tries: 1 },
    ...{ looked_at_ms: NOW - 2 * MINUTE, next_at_ms: NOW - MINUTE, config: configOf(scope, policy) ?? '' },
    ...over,
  });
  const cut = (n: number, seen: Partial<ActivityView> = {}, row = {}): ObservedRuntime =>
    observed(
      aRuntime({
        ...{ id: `r${n}`, mark: `r${n}`, ticket_id: `MC-${n}`, kind: 'codex', activity: 'idle', turn: 1 },
        ...{ limited_until_ms: NOW - MINUTE, pid: 100 + n },
        ...row,
      }),
      { seen },
    );
  const world = (runtimes: readonly ObservedRuntime[], over: Partial<World> = {}): World =>
    aWorld({
      tickets: [
        ...runtimes.map((_, n) => aView({ id: `MC-${n + 1}`, status: 'in_progress', claim_epoch: 1 })),
        aView({ id: 'MC-8' }),
        aView({ id: 'MC-9' }),
      ],
      runtimes,
      holds: [hold()],
      ...over,
    });
  const ofTickets = (made: ReturnType<typeof plan>): string[] => [
    ...[...made.reconcile, ...made.dispatch].map(
      ({ kind, ticket, because }) => `${ticket} ${kind} ${because}`,
    ),
    ...made.skipped.map(({ ticket, because }) => `${ticket} skip ${because}`),
  ];

  it('nothing goes on before its time', () => {
    const early = world([cut(1)], { holds: [hold({ next_at_ms: NOW + MINUTE })] });
    expect(ofTickets(plan(early))).toEqual(['MC-1 skip held', 'MC-8 skip held', 'MC-9 skip held']);
  });
  it('one that was cut off and lives goes first, at no nudge; else the next launch, and no other', () => {
    const made = plan(world([cut(1), cut(2)]));
    expect(ofTickets(made)).toEqual([
      ...['MC-1 nudge limit_over', 'MC-2 skip held', 'MC-8 skip held', 'MC-9 skip held'],
    ]);
    expect(made.reconcile[0]).toMatchObject({ free: true, tries: true });
    const launched = plan(world([]));
    expect(ofTickets(launched)).toEqual(['MC-8 launch next_in_order', 'MC-9 skip held']);
    expect(launched.dispatch[0]).toMatchObject({ tries: true });
    // A login is not mended in a client that lives.
    const login = plan(world([cut(1)], { holds: [hold({ because: 'api_login' })] }));
    expect(ofTickets(login)).toEqual(['MC-8 launch next_in_order', 'MC-1 skip held', 'MC-9 skip held']);
  });
  it('while that one is about to tell, the others wait, however long it takes', () => {
    const tried = hold({ probe: { ticket: 'MC-1', turn: 1 } });
    const busy = cut(1, { activity: 'busy', turn: 2, limited_until_ms: null });
    expect(ofTickets(plan(world([busy, cut(2)], { holds: [tried] })))).toEqual([
      ...['MC-2 skip held', 'MC-8 skip held', 'MC-9 skip held'],
    ]);
  });
  it.each<[string, Partial<ActivityView>, Partial<ObservedRuntime>]>([
    ['ends its turn', { activity: 'idle' }, {}],
    ['asks', { activity: 'waiting' }, {}],
    ['calls a tool', { activity: 'busy', answered: true }, {}],
    [
      'ends well',
      { activity: 'busy' },
      { judgement: JUDGED.dead, pane: aPane({ dead: true, exit_code: 0 }) },
    ],
  ])('where it %s, the hold is gone, and all others go on', (_name, seen, over) => {
    const tried = hold({ probe: { ticket: 'MC-1', turn: 1 }, next_at_ms: NOW + MINUTE });
    const one = { ...cut(1, { turn: 2, limited_until_ms: null, ...seen }), ...over };
    const now = world([one, cut(2)], { holds: [tried] });
    const made = plan(now, { on_idle: 'leave' });
    expect(ofTickets(made)).toContain(`MC-1 ${CAN_WORK} agent_works`);
    expect(ofTickets(made)).toContain('MC-8 launch next_in_order');
    expect(ofTickets(made)).toContain('MC-9 launch next_in_order');
    const after = { ...applyPlan(now, made), runtimes: [cut(2)] };
    const next = plan({ ...after, tickets: [aView({ id: 'MC-2', status: 'in_progress', claim_epoch: 1 })] });
    expect(next.reconcile).toMatchObject([{ ticket: 'MC-2', kind: 'nudge', free: true }]);
  });
  it('where it is refused again, the wait is as long again as the hold has been tried, up to the longest', () => {
    let one = hold();
    for (const [n, minutes] of [2, 4, 8, 16, 30, 30].entries()) {
      one = triedBy(one, { ticket: 'MC-1', turn: n }, { now_ms: NOW, wait_ms: minutes * MINUTE });
      expect(one).toMatchObject({ tries: n + 2, next_at_ms: NOW + minutes * MINUTE });
    }
    const again = refused(trouble('down'), { ticket_id: 'MC-1' });
    const made = plan(
      working(again, { holds: [hold({ next_at_ms: NOW + MINUTE, says: trouble('down').says })] }),
    );
    expect(told(made)).toEqual(['skip held']);
  });
});
