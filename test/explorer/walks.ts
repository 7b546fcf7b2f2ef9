/* What is walked on a push, what by hand, and which rule is taken out in turn. */
import type { Ablation, Bounds, Scene } from './explore.ts';

const ALL = Number.POSITIVE_INFINITY;

/** What there is in a walk, in words. */
export interface Walk extends Bounds {
  readonly with?: string;
}

const TWO: Scene = { tickets: 2, happens: ['ends', 'turn', 'server'] };
const NUDGES: Scene = {
  policy: { on_idle: 'nudge', max_nudges: 1 },
  happens: ['ends', 'turn', 'server', 'reboot', 'reuse'],
};
const LIMITS: Scene = { happens: ['limit', 'ends', 'turn', 'server'] };
const LIMITED_QUEUE: Scene = { tickets: 2, policy: { max_agents: 1 }, happens: ['limit', 'ends'] };
const PARKS: Scene = { policy: { ttl_minutes: 1 }, happens: ['ends', 'turn', 'dialog', 'person'] };
const SETTLES: Scene = {
  tickets: 2,
  policy: { max_agents: 1, max_living: 1 },
  happens: ['reports', 'turn'],
};
const SETTLED_BY_HAND: Scene = { ...SETTLES, happens: ['reports', 'turn', 'person'] };
const KILLED: Scene = { killedOnly: true };
const LIVES_ON: Scene = { happens: ['lives-on', 'leader-ends', 'ends', 'server', 'person'] };
const KEPT: Scene = { happens: ['kept', 'reports', 'ends', 'person'] };
const OUTSIDERS: Scene = { happens: ['outsiders', 'ends', 'server'] };

/** Each is walked to its end, so that within its bounds the answer is a proof. */
export const WALKS: readonly Walk[] = [
  { ticks: 2, overlap: 2, crashes: 1, events: 2, states: ALL },
  { ticks: 2, overlap: 2, crashes: 1, events: 2, states: ALL, scene: OUTSIDERS, with: 'two other programs' },
  { ticks: 2, overlap: 2, crashes: 0, events: 1, states: ALL, scene: TWO, with: 'two tickets' },
  {
    ticks: 2,
    overlap: 2,
    crashes: 1,
    events: 2,
    states: ALL,
    scene: LIVES_ON,
    with: 'survivors, zombie leaders',
  },
  {
    ticks: 3,
    overlap: 2,
    crashes: 3,
    events: 0,
    states: ALL,
    scene: KILLED,
    with: 'killed ticks, then one clean tick',
  },
  { ticks: 2, overlap: 2, crashes: 2, events: 2, states: ALL, scene: NUDGES, with: 'nudges' },
  { ticks: 2, overlap: 2, crashes: 2, events: 2, states: ALL, scene: LIMITS, with: 'limits' },
  { ticks: 2, overlap: 2, crashes: 1, events: 2, states: ALL, scene: PARKS, with: 'parks' },
  { ticks: 2, overlap: 2, crashes: 1, events: 2, states: ALL, scene: KEPT, with: 'kept reports' },
  { ticks: 3, overlap: 1, crashes: 1, events: 3, states: ALL, scene: SETTLES, with: 'settled clients' },
  {
    ticks: 2,
    overlap: 1,
    crashes: 1,
    events: 2,
    states: ALL,
    scene: SETTLED_BY_HAND,
    with: 'settled clients, and persons',
  },
  { ticks: 1, overlap: 1, crashes: 1, events: 3, states: ALL },
];

export const LONG_WALKS: readonly Walk[] = [
  { ticks: 2, overlap: 2, crashes: 1, events: 1, states: ALL, scene: TWO, with: 'two tickets' },
  { ticks: 3, overlap: 2, crashes: 1, events: 1, states: ALL },
  { ticks: 2, overlap: 2, crashes: 2, events: 2, states: ALL },
  { ticks: 2, overlap: 1, crashes: 1, events: 3, states: ALL },
  { ticks: 3, overlap: 2, crashes: 1, events: 2, states: ALL, scene: NUDGES, with: 'nudges' },
  { ticks: 2, overlap: 2, crashes: 0, events: 3, states: 6_000_000 },
];

const STATUS_GUARD =
  /status = @status AND owner IS @owner AND claim_epoch = @claim_epoch AND version = @version/g;
/** Both statements by which a nudge is taken. */
const OF_NUDGES =
  /nudges = nudges \+ @counted|UPDATE tickets SET version = version \+ 1, updated_at_ms = @now_ms\s+WHERE/;
const UNSETTLED = /status NOT IN \('in_review', 'done', 'cancelled', 'blocked'\)/g;

/** A rule, what the program is without it, and within which bounds that must show. */
export const ABLATIONS: readonly (readonly [string, Ablation, Bounds])[] = [
  [
    'at most one live row, by the database itself',
    { sql: { drop: ['INDEX runtime_one_live'] } },
    { ticks: 1, overlap: 1, crashes: 0, events: 1, states: ALL },
  ],
  [
    'unknown is not dead',
    { blind: { unknownIsDead: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 1, states: ALL },
  ],
  [
    'registration by compare-and-swap: who loses exits',
    { launcherIgnoresRegistration: true },
    { ticks: 2, overlap: 2, crashes: 0, events: 0, states: ALL },
  ],
  [
    'the launcher registers itself',
    { launcherDoesNotRegister: true },
    { ticks: 2, overlap: 2, crashes: 0, events: 0, states: ALL },
  ],
  [
    'a write repeats what was observed (status, owner, epoch, version)',
    { sql: { rewrite: (sql) => sql.replace(STATUS_GUARD, '1').replace(UNSETTLED, '1') } },
    { ticks: 2, overlap: 2, crashes: 0, events: 2, states: ALL },
  ],
  [
    'the runtime is believed (adopt on 409)',
    { blind: { runtimeNotBelieved: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 1, states: ALL },
  ],
  [
    'the start time is part of the identity',
    { blind: { startIgnored: true } },
    { ticks: 1, overlap: 1, crashes: 0, events: 2, states: ALL },
  ],
  [
    "an agent is its own ticket's",
    { blind: { ticketNotCompared: true } },
    {
      ticks: 2,
      overlap: 1,
      crashes: 0,
      events: 1,
      states: ALL,
      scene: { tickets: 2, happens: ['outsider'] },
    },
  ],
  [
    'a nudge is taken before it is sent, once for a turn',
    {
      sql: {
        rewrite: (sql) =>
          OF_NUDGES.test(sql) ? sql.replace(/WHERE[\s\S]*/, 'WHERE id IN (@run, @ticket)') : sql,
      },
    },
    { ticks: 3, overlap: 2, crashes: 0, events: 1, states: ALL, scene: NUDGES },
  ],
  [
    'nothing is launched for an account at its limit',
    { blind: { accountsUnread: true } },
    { ticks: 4, overlap: 1, crashes: 0, events: 2, states: ALL, scene: LIMITED_QUEUE },
  ],
  [
    'time alone frees nothing',
    { blind: { silentIsDead: true } },
    { ticks: 3, overlap: 1, crashes: 0, events: 0, states: ALL, scene: PARKS },
  ],
  [
    'the claim of a tick that has died ends with the next one',
    { blind: { launchersNotSought: true } },
    { ticks: 1, overlap: 1, crashes: 1, events: 0, states: ALL, scene: KILLED },
  ],
  [
    'who has reported, if only by file, has finished',
    { blind: { keptNotRead: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 2, states: ALL, scene: KEPT },
  ],
  [
    'a client that lives on is the run',
    { blind: { clientsNotSought: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 1, states: ALL, scene: LIVES_ON },
  ],
  [
    'a zombie of which another thread works lives',
    { blind: { zombieIsDead: true } },
    { ticks: 2, overlap: 1, crashes: 0, events: 1, states: ALL, scene: LIVES_ON },
  ],
  [
    'a settled client that works again is not ended',
    { blind: { settledNotLooked: true } },
    { ticks: 3, overlap: 1, crashes: 0, events: 3, states: ALL, scene: SETTLES },
  ],
  [
    'the runtime is believed, also where two other programs work against each other',
    { blind: { runtimeNotBelieved: true } },
    { ticks: 1, overlap: 1, crashes: 0, events: 2, states: ALL, scene: OUTSIDERS },
  ],
];
