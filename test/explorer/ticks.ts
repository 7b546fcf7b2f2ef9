/*
 * A tick of the explorer: the product's `decide` and `act`, stopped before every operation on the outside. What it does
 * next depends only on the answers it had so far, so each prefix of answers is run once and remembered.
 */
import { act } from '../../src/act/index.ts';
import type { Hands } from '../../src/act/outcome.ts';
import type { Outside } from '../../src/act/outside.ts';
import type { Board, Snapshot } from '../../src/board/port/index.ts';
import { decide } from '../../src/decide/index.ts';
import {
  type Judgement,
  judge,
  type ObserverIdentity,
  type ProcessIdentity,
  type ProcessLook,
} from '../../src/model/identity.ts';
import type { Plan } from '../../src/model/plan.ts';
import type { Policy } from '../../src/model/policy.ts';
import { identityOf, type Runtime } from '../../src/model/runtime.ts';
import {
  type ActivityView,
  type ObservedRuntime,
  type Pane,
  panesOf,
  type Sighting,
  type TmuxView,
  type World,
} from '../../src/model/world.ts';
import { unowned, witnesses } from '../../src/runs/sighting.ts';
import { paneOf as panesPane, serverLost } from '../../src/tick/observe/panes.ts';
import { aPolicy, aProfile, aProject, HOST, NOW } from '../support/builders.ts';
import { type Identity, type Machine, ticketOf } from './machine.ts';

/** What a tick asks of the outside. */
export interface Op {
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface Node {
  readonly id: number;
  readonly answers: readonly string[];
  /** null = the tick is over. */
  readonly op: Op | null;
  /** What the plan itself does wrong, whatever comes of it. */
  readonly fault: string | null;
  readonly next: Map<string, number>;
}

/** What one look at the machine shows. */
export interface Look {
  readonly boot: number;
  readonly readable: boolean;
  readonly processes: readonly {
    readonly pid: number;
    readonly start: string;
    readonly run: string;
    /** It is the client's own program. */
    readonly client: boolean;
    /** Its main thread has ended, and others work. */
    readonly zombie: boolean;
  }[];
  readonly marks: Machine['marks'];
  readonly registered: Machine['registered'];
  readonly activity: Machine['activity'];
  readonly kept: Machine['kept'];
}

/** Rules that are taken out of what a tick sees. */
export interface Blind {
  readonly unknownIsDead?: boolean;
  readonly startIgnored?: boolean;
  /** Neither a pane nor a mark without a row is believed. */
  readonly runtimeNotBelieved?: boolean;
  /** What the board knows of accounts is not read. */
  readonly accountsUnread?: boolean;
  /** Every agent is taken for the first ticket's. */
  readonly ticketNotCompared?: boolean;
  /** Nobody asks whether a launch of an earlier tick can still come to something. */
  readonly launchersNotSought?: boolean;
  /** Nobody looks for the client of a process that is dead. */
  readonly clientsNotSought?: boolean;
  /** A zombie is dead, whatever its threads do. */
  readonly zombieIsDead?: boolean;
  /** Reports that were kept by file are not looked for. */
  readonly keptNotRead?: boolean;
  /** What has been silent for too long is dead. */
  readonly silentIsDead?: boolean;
  /** A client that was seen at its prompt is ended whatever it does by then. */
  readonly settledNotLooked?: boolean;
}

export const AGENT = 'robot';
export const PROJECT = 'house';
export const LIMITS = {
  launch_deadline_seconds: 60,
  retry_base_seconds: 0,
  retry_max_seconds: 0,
  max_attempts: 3,
} as const;
export const POLICY = aPolicy({
  limits: LIMITS,
  agents: [aProfile({ name: AGENT, kind: 'command', on_idle: 'needs_input' })],
  projects: [aProject({ name: PROJECT })],
  default_agent: AGENT,
});
const READY = {
  authors: [],
  max_attempts: 3,
  projects: { [PROJECT]: { max_agents: null, agent: AGENT } },
  agents: { [AGENT]: { max_agents: null } },
};
export const SNAPSHOT = {
  host_id: HOST,
  now_ms: NOW,
  limit: 10,
  ready: READY,
  budget_day: null,
  also: [],
  heals_since_ms: NOW - 1_800_000,
  recent_since_ms: NOW - 1_800_000,
};
const PLACE = {
  ok: true,
  where: { worktree: '/wt', branch: 'br', client_session: null, resumed: null },
  command: ['/bin/sh', 'launch'],
  sha256: 'x',
  bytes: 1,
  answers: [],
};
/** Of no consequence for the ticket or the runtime: no state of their own. */
const WITHOUT_STATE: ReadonlySet<string> = new Set([
  'saveDelivery',
  'setDelivery',
  'takeAnswers',
  'handWords',
  'log',
]);

export class Ticks {
  readonly #nodes: Node[] = [];
  readonly #blind: Blind;
  readonly #policy: Policy;

  constructor(blind: Blind, policy: Policy) {
    this.#blind = blind;
    this.#policy = policy;
  }

  get size(): number {
    return this.#nodes.length;
  }

  node(id: number): Node {
    const node = this.#nodes[id];
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  async begin(): Promise<number> {
    return this.#nodes.length === 0 ? this.#grow([]) : 0;
  }

  /** The node after this answer. */
  async after(id: number, answer: string): Promise<number> {
    const node = this.node(id);
    const known = node.next.get(answer);
    if (known !== undefined) return known;
    const made = await this.#grow([...node.answers, answer]);
    node.next.set(answer, made);
    return made;
  }

  async #grow(answers: readonly string[]): Promise<number> {
    const { op, fault } = await runTick(answers, this.#blind, this.#policy);
    const id = this.#nodes.length;
    this.#nodes.push({ id, answers, op, fault, next: new Map() });
    return id;
  }
}

/** Runs a tick on these answers until it asks for one more, or ends. */
function runTick(
  answers: readonly string[],
  blind: Blind,
  policy: Policy,
): Promise<{ readonly op: Op | null; readonly fault: string | null }> {
  return new Promise((resolve, reject) => {
    let used = 0;
    let fault: string | null = null;
    const ask = (name: string, args: readonly unknown[]): Promise<unknown> => {
      const answer = answers[used++];
      if (answer === undefined) {
        resolve({ op: { name, args }, fault });
        return new Promise(() => {});
      }
      const { value, error } = JSON.parse(answer) as { value?: unknown; error?: string };
      return error === undefined ? Promise.resolve(value) : Promise.reject(new Error(error));
    };
    const found = (what: string | null): void => {
      fault = what;
    };
    tick(ask, blind, found, policy).then(
      () => resolve({ op: null, fault }),
      // A board that throws where nothing catches it ends the tick, as it does in the product.
      (error: unknown) =>
        String(error).includes('SQLITE_BUSY') ? resolve({ op: null, fault }) : reject(error),
    );
  });
}

export type Ask = (name: string, args: readonly unknown[]) => Promise<unknown>;

/** One tick of the product, over whatever answers. */
export async function tick(
  ask: Ask,
  blind: Blind,
  found: (fault: string | null) => void,
  policy: Policy = POLICY,
): Promise<void> {
  const board = new Proxy({} as Board, {
    get: (_, name) =>
      WITHOUT_STATE.has(String(name))
        ? async () => undefined
        : (...args: unknown[]) => ask(`board.${String(name)}`, args),
  });
  const tmux = (await ask('tmux', [])) as TmuxView;
  const snapshot = (await board.snapshot(SNAPSHOT)) as Snapshot;
  const look = (await ask('look', [])) as Look;
  const world = worldOf(tmux, snapshot, look, blind);
  const plan = decide(world, policy, { dispatch: true, max: null, project: null });
  found(faultOf(plan, world));
  const hands: Hands = { board, policy, tick_id: 't', clock: () => NOW, outside: outsideOf(ask) };
  await act(plan, world, hands);
  const { host_id } = world;
  const row = { id: 't', host_id, boot_id: 'b', mono_ms: 0, started_at_ms: NOW, finished_at_ms: NOW };
  await board.saveTick({ tick: { ...row, outcome: 'ok', ramp: null, report: '{}' }, refresh: plan.refresh });
}

function outsideOf(ask: Ask): Outside {
  return {
    token: () => '0',
    halted: () => false,
    switchOff: () => true,
    held: () => null,
    hold: () => true,
    lookAgain: async () => null,
    lookedAgain: () => {},
    refused: () => true,
    tries: () => {},
    over: () => null,
    lacks: () => null,
    unlaunchable: async () => null,
    prepare: async ({ ticket }, placed) => {
      const refused = (await ask('prepare', [])) as never;
      placed?.(true);
      return (
        refused ?? {
          ...PLACE,
          where: { ...PLACE.where, worktree: `/wt/${ticket.id}` },
        }
      );
    },
    neighbours: (...args) => ask('neighbours', args) as never,
    expect: async () => {},
    start: (...args) => ask('start', args) as never,
    registered: (...args) => ask('registered', args) as never,
    quit: (_, row) => ask('quit', [row.mark]) as never,
    nudge: (_, __, row) => ask('nudge', [row.mark]) as never,
    said: {
      doneAs: async () => ({ to: 'in_review' }),
      isProfile: (_, owner) => owner === AGENT,
      drop: ({ mark }) => ask('drop', [mark]) as never,
    },
    mark: (ticket, { run, pid, pid_start }) => ask('mark', [ticket, run, pid, pid_start]) as never,
    forget: (...args) => ask('forget', args) as never,
    closePane: (...args) => ask('closePane', args) as never,
    recordUsage: async () => {},
  };
}

/** No step may touch a runtime of which nothing is known. */
function faultOf(plan: Plan, { runtimes }: World): string | null {
  for (const { row, judgement } of runtimes) {
    if (judgement === null || judgement.verdict === 'alive' || judgement.verdict === 'dead') continue;
    const step = plan.reconcile.find((one) => 'runtime' in one && one.runtime?.run === row.id);
    if (step !== undefined) return `${step.kind} though the verdict is ${judgement.verdict}`;
  }
  return null;
}

export const bootName = (boot: number): string => `b-${boot}`;

function worldOf(tmux: TmuxView, snapshot: Snapshot, look: Look, blind: Blind): World {
  const me: ObserverIdentity = {
    host_id: HOST,
    boot_id: bootName(look.boot),
    pid_ns: null,
    time_ns: null,
    self_readable: look.readable,
  };
  const panes = panesOf(tmux);
  const runtimes = snapshot.runtimes.map((row): ObservedRuntime => {
    const identity = identityOf(row);
    const recorded =
      identity === null ? null : judge(identity, me, lookAt(identity.pid, identity.pid_start, look, blind));
    const survivor = blind.clientsNotSought ? null : survivorOf(row, recorded, me, look);
    const judgement =
      survivor === null ? recorded : ({ verdict: 'alive', because: 'client_lives_on' } as const);
    const silent = blind.silentIsDead && row.silent_ms > 0 && judgement?.verdict === 'alive';
    return {
      row,
      judgement:
        silent || (blind.unknownIsDead && judgement?.verdict === 'unknown')
          ? { ...judgement, verdict: 'dead' }
          : judgement,
      pane: panesPane(row, panes),
      seen: seenOf(row, look, blind),
      server_lost: serverLost(row, tmux),
      has_commits: false,
      survivor,
      program: null,
      ...{ may_quit: 'yes', asked_to_quit: false },
      abandoned:
        blind.launchersNotSought !== true && panesPane(row, panes) === null && isAbandoned(row, look),
    };
  });
  return {
    now_ms: NOW,
    delta_ms: 60_000,
    host_id: HOST,
    boot_id: me.boot_id,
    time_ns: me.time_ns,
    tmux,
    tickets: snapshot.tickets,
    runtimes,
    sightings: blind.runtimeNotBelieved ? [] : sightings(panes, snapshot.runtimes, me, look, blind),
    accounts: blind.accountsUnread ? [] : snapshot.accounts,
    switches: [],
    holds: [],
    ramp: null,
    beyond: 0,
    recent: [],
    released_at_ms: {},
    unreadable: snapshot.unreadable,
    failed_launches: {},
    being_made: {},
    spent: null,
  };
}

/** As the product finds it while it holds the tick lock. Ticks of the explorer overlap without a lock: what one of them believes dead may
 *  go on, and must do no harm. */
function isAbandoned({ phase, mark }: Runtime, look: Look): boolean {
  if (phase !== 'launching' || !look.readable) return false;
  return !look.processes.some(({ run }) => run === mark);
}

/** The client of a run whose recorded process is dead. */
function survivorOf(
  row: Runtime,
  recorded: Judgement | null,
  { host_id, boot_id, pid_ns, time_ns }: ObserverIdentity,
  look: Look,
): ProcessIdentity | null {
  if (recorded?.verdict !== 'dead' || recorded.because === 'rebooted' || boot_id === null) return null;
  const found = look.processes.find(({ run, client, pid }) => run === row.mark && client && pid !== row.pid);
  if (found === undefined || !look.readable) return null;
  return { host_id, boot_id, pid_ns, time_ns, pid: found.pid, pid_start: found.start };
}

function lookAt(pid: number, start: string, look: Look, blind: Blind): ProcessLook {
  if (!look.readable) return { kind: 'unreadable', error: 'EACCES' };
  const found = look.processes.find((one) => one.pid === pid);
  if (found === undefined) return { kind: 'gone' };
  const state = found.zombie && blind.zombieIsDead ? 'Z' : 'S';
  return { kind: 'present', state, start: blind.startIgnored ? start : found.start, ppid: 1 };
}

function seenOf(row: Runtime, look: Look, blind: Blind): ActivityView {
  const told = look.activity[row.mark];
  const { activity, question, turn, client_session, level, level_ms, limited_until_ms, not_ready } = row;
  const kept = blind.keptNotRead ? undefined : look.kept[row.mark];
  const said = kept && [{ name: 'kept', message: 'm', at_ms: NOW, ...kept }];
  const before = {
    ...{ activity, question, turn, client_session, level, level_ms, limited_until_ms, not_ready },
    ...(said === undefined ? {} : { said }),
  };
  if (told === undefined) return { ...before, fresh: 0, cursor: null };
  const until_ms = { on: NOW + 3_600_000, over: NOW - 1, none: null }[told.limit ?? 'none'];
  const fresh = told.turn > turn || told.activity !== activity || until_ms !== limited_until_ms ? 1 : 0;
  return {
    ...before,
    ...{ activity: told.activity, turn: told.turn, limited_until_ms: until_ms, fresh, cursor: null },
  };
}

function sightings(
  panes: readonly Pane[],
  rows: readonly Runtime[],
  me: ObserverIdentity,
  look: Look,
  blind: Blind,
): Sighting[] {
  const lost = witnesses(panes, Object.values(look.marks), unowned(rows, HOST));
  return [
    ...lost.panes.map((pane) =>
      sighting(pane.run, pane.pid, look.registered[pane.run] ?? null, me, look, blind, pane),
    ),
    ...lost.marks.map((mark) => sighting(mark.run, mark.pid, mark, me, look, blind, null)),
  ];
}

/** As the product sees a pane or a mark: judged by the process that registered; of one that did not, nothing is known. */
export function sighting(
  run: string,
  pid: number,
  registered: Identity | null,
  me: ObserverIdentity,
  look: Look,
  blind: Blind,
  pane: { readonly pane: string } | null,
): Sighting {
  const identity = {
    host_id: me.host_id,
    boot_id: bootName(registered?.boot ?? look.boot),
    pid_ns: null,
    time_ns: null,
    pid: registered?.pid ?? pid,
    pid_start: registered?.start ?? '',
  };
  return {
    ...identity,
    ...{
      ticket: blind.ticketNotCompared ? 'MC-1' : ticketOf(run),
      run,
      owner: null,
      agent: AGENT,
      project: PROJECT,
      kind: 'command',
      headless: false,
    },
    ...{ worktree: `/wt/${ticketOf(run)}`, branch: 'br', ticket_created_at_ms: null, client_session: null },
    judgement:
      registered === null
        ? { verdict: 'unknown', because: 'unregistered' }
        : judge(identity, me, lookAt(identity.pid, identity.pid_start, look, blind)),
    session: pane === null ? null : run,
    pane: pane?.pane ?? null,
  };
}
