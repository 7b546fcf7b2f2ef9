/*
 * Explicit-state search. A state is: the board, the machine, how far each of the running ticks is, and what may still
 * happen. Every interleaving of ticks, launchers, crashes and events up to the bounds is walked, breadth first, so that
 * a counterexample is a shortest one.
 */
import type { AgentProfile, Limits, Policy } from '../../src/model/policy.ts';
import { aPolicy, aProfile, aProject, HOST, NOW } from '../support/builders.ts';
import { answerOf, lookOf, registration, viewOf } from './answers.ts';
import { Boards, type Result, type Rows, type TicketRow, type Without } from './board.ts';
import {
  agents,
  become,
  becomeAgent,
  exit,
  FIRST,
  FOREIGN,
  FRESH,
  killServer,
  liveOn,
  type Machine,
  type Process,
  paneOf,
  reboot,
  startPane,
  type Told,
  tells,
  ticketOf,
} from './machine.ts';
import { Growing } from './queue.ts';
import { forbidden } from './rules.ts';
import { AGENT, type Blind, bootName, LIMITS, type Op, PROJECT, sighting, Ticks } from './ticks.ts';

/** What there is besides one ticket and one agent that is never silent. */
export interface Scene {
  readonly tickets?: 1 | 2;
  /** What is different in the configuration. */
  readonly policy?: Partial<Pick<AgentProfile, 'on_idle' | 'max_nudges'>> & Partial<Limits>;
  /** What may happen here, besides operations that fail; all = everything that needs no scene of its own. */
  readonly happens?: readonly Happening[];
  /** Nothing but ticks that are killed: one clean tick puts that right, and no attempt is spent. */
  readonly killedOnly?: true;
}

/** Kinds of events. Those of the second line happen only where a scene names them. */
export type Happening =
  | ('ends' | 'reports' | 'dialog' | 'turn' | 'person' | 'server' | 'reboot' | 'reuse' | 'outsider')
  | ('limit' | 'outsiders' | 'lives-on' | 'leader-ends' | 'kept');

const EVERYWHERE: readonly Happening[] = [
  ...(['ends', 'reports', 'dialog', 'turn', 'person', 'server', 'reboot', 'reuse', 'outsider'] as const),
];

export interface Bounds {
  readonly scene?: Scene;
  /** Ticks in all, and how many of them at once. */
  readonly ticks: number;
  readonly overlap: number;
  readonly crashes: number;
  readonly events: number;
  /** The search is cut off here; Infinity = it is exhaustive within the other bounds. */
  readonly states: number;
}

/** A rule taken out: of the SQL, of what ticks see, or of the launcher. */
export interface Ablation {
  readonly sql?: Without;
  readonly blind?: Blind;
  /** The launcher becomes the agent whatever its registration answers. */
  readonly launcherIgnoresRegistration?: boolean;
  /** The launcher becomes the agent without registering. */
  readonly launcherDoesNotRegister?: boolean;
}

export interface Found {
  readonly what: string;
  readonly trace: readonly string[];
}

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  readonly boards: number;
  readonly machines: number;
  readonly executed: number;
  readonly nodes: number;
  /** Pairs of board and machine from which three clean ticks were run. */
  readonly settled: number;
  readonly exhausted: boolean;
  readonly found: Found | null;
}

/** Board and machine together, by number. What may happen of itself depends on this pair alone. */
interface State {
  readonly board: number;
  readonly machine: number;
}

/** Something that may happen: where it leads, in words, and what is wrong with it. */
interface Step {
  readonly to: number;
  /** The number of its words. */
  readonly label: number;
  readonly fault: string | null;
  /** An event: there are only so many of them. */
  readonly costs: boolean;
  /** Where the tick stands then; OVER = it has ended. null = no tick takes this step. */
  readonly node: number | null;
  /** A reboot takes every tick with it. */
  readonly all: boolean;
  /** A tick is killed or refused: there are only so many of these too. */
  readonly crash: boolean;
}

const OVER = -1;

class Fault extends Error {}

export class Explorer {
  readonly #boards: Boards;
  readonly #ticks: Ticks;
  readonly #ablation: Ablation;
  readonly #happens: ReadonlySet<Happening>;
  readonly #count: number;
  readonly #killedOnly: boolean;
  readonly #machines: Machine[] = [];
  readonly #machineNumbers = new Map<string, number>();
  readonly #pairs: State[] = [];
  readonly #pairNumbers = new Map<number, number>();
  readonly #labels: string[] = [];
  readonly #labelNumbers = new Map<string, number>();
  readonly #sets: (readonly number[])[] = [];
  readonly #setNumbers = new Map<string, number>();
  readonly #agreed = new Map<number, Found | null>();
  readonly #ofTick = [new Map<number, readonly Step[]>(), new Map<number, readonly Step[]>()] as const;
  readonly #ofWorld = new Map<number, readonly Step[]>();
  readonly #ofLaunchers = new Map<number, readonly Step[]>();

  constructor(ablation: Ablation = {}, scene: Scene = {}) {
    this.#ablation = ablation;
    this.#boards = new Boards(NOW, ablation.sql ?? {});
    this.#ticks = new Ticks(ablation.blind ?? {}, policyOf(scene.policy ?? {}));
    this.#happens = new Set(scene.happens ?? EVERYWHERE);
    this.#count = scene.tickets ?? 1;
    this.#killedOnly = scene.killedOnly === true;
  }

  /** Breadth first. A state is one number: the pair, the ticks that run, and what is left of each bound; where it came from and
   *  by which words stand beside it. So some million states take some hundred megabytes. */
  async explore(bounds: Bounds): Promise<Explored> {
    const board = await this.#boards.first(async (empty) => {
      for (let n = 0; n < this.#count; n++) await empty.addTicket(TICKET, { now_ms: NOW });
    });
    const begin = await this.#ticks.begin();
    const lefts = { ticks: bounds.ticks + 1, crashes: bounds.crashes + 1, events: bounds.events + 1 };
    const LEFT = lefts.ticks * lefts.crashes * lefts.events;
    const leftOf = (ticks: number, crashes: number, events: number): number =>
      (ticks * lefts.crashes + crashes) * lefts.events + events;
    const numberOf = (pair: number, set: number, left: number): number => (pair * SETS + set) * LEFT + left;
    const none = this.#set([]);
    const queue = new Growing(numberOf(this.#pair({ board, machine: this.#number(FIRST) }), none, LEFT - 1));
    let transitions = 0;
    let found: Found | null = null;
    const trace = (at: number, last: string[]): string[] => {
      const lines: string[] = last;
      for (let i = at; i > 0; i = queue.from(i)) lines.unshift(this.#labels[queue.label(i)] ?? '');
      return lines;
    };
    for (let at = 0; at < queue.length && found === null; at++) {
      const state = queue.state(at);
      const left = state % LEFT;
      const both = (state - left) / LEFT;
      const set = both % SETS;
      const pair = (both - set) / SETS;
      const events = left % lefts.events;
      const crashes = ((left - events) / lefts.events) % lefts.crashes;
      const ticks = Math.floor(left / (lefts.events * lefts.crashes));
      const stuck = await this.#settles(pair);
      if (stuck !== null) found = { what: stuck.what, trace: trace(at, [...stuck.trace]) };
      const reach = ({ to, label, fault }: Step, then: number, rest: number): void => {
        transitions += 1;
        if (fault !== null) {
          found ??= { what: fault, trace: trace(at, [this.#labels[label] ?? '']) };
        } else if (queue.length < bounds.states) queue.add(numberOf(to, then, rest), at, label);
      };
      if (found !== null) break;
      const running = this.#sets[set] ?? [];
      for (const [i, node] of running.entries()) {
        for (const step of await this.#stepsOfTick(pair, node, events > 0)) {
          if (step.crash && crashes === 0) continue;
          const rest = leftOf(ticks, crashes - (step.crash ? 1 : 0), events - (step.costs ? 1 : 0));
          reach(step, step.node === null ? set : this.#moved(set, running, i, step.node), rest);
        }
      }
      if (ticks > 0 && running.length < bounds.overlap) {
        const step = { to: pair, label: this.#label('a tick begins'), fault: null, ...PLAIN };
        reach(step, this.#set([...running, begin]), leftOf(ticks - 1, crashes, events));
      }
      for (const step of await this.#stepsOfLaunchers(pair)) reach(step, set, left);
      if (events === 0) continue;
      for (const step of await this.#stepsOfWorld(pair))
        reach(step, step.all ? none : set, leftOf(ticks, crashes, events - 1));
    }
    const result = {
      states: queue.length,
      transitions,
      boards: this.#boards.size,
      machines: this.#machines.length,
      executed: this.#boards.executed,
      nodes: this.#ticks.size,
      settled: this.#agreed.size,
      exhausted: queue.length < bounds.states,
      found,
    };
    this.#boards.close();
    return result;
  }

  /** The same words again and again: a million states share them. */
  #label(label: string): number {
    return numbered(label, label, this.#labels, this.#labelNumbers);
  }

  #number(machine: Machine): number {
    return numbered(JSON.stringify(machine), machine, this.#machines, this.#machineNumbers);
  }

  #pair(state: State): number {
    return numbered(state.board * MACHINES + state.machine, state, this.#pairs, this.#pairNumbers);
  }

  #set(ticks: readonly number[]): number {
    const sorted = ticks.toSorted((a, b) => a - b);
    const set = numbered(sorted.join('+'), sorted, this.#sets, this.#setNumbers);
    if (set >= SETS) throw new Error('more sets of ticks than a state has room for');
    return set;
  }

  readonly #movedSets = new Map<number, number>();

  /** The set in which the tick at `i` has gone on to another node. */
  #moved(set: number, running: readonly number[], i: number, node: number): number {
    const key = (set * NODES + (node + 1)) * 4 + i;
    const known = this.#movedSets.get(key);
    if (known !== undefined) return known;
    const made = this.#set(running.flatMap((one, n) => (n !== i ? [one] : node === OVER ? [] : [node])));
    this.#movedSets.set(key, made);
    return made;
  }

  #machine(number: number): Machine {
    const machine = this.#machines[number];
    if (machine === undefined) throw new Error(`no machine ${number}`);
    return machine;
  }

  #state(pair: number): State {
    const state = this.#pairs[pair];
    if (state === undefined) throw new Error(`no pair ${pair}`);
    return state;
  }

  #step(label: string, to: State, fault: string | null, more: Partial<Step> = {}): Step {
    return { to: this.#pair(to), label: this.#label(label), fault, ...PLAIN, ...more };
  }

  /** What a tick may do next, and what may befall it there. */
  async #stepsOfTick(pair: number, id: number, mayFail: boolean): Promise<readonly Step[]> {
    const memory = this.#ofTick[mayFail ? 1 : 0];
    const key = pair * NODES + id;
    const known = memory.get(key);
    if (known !== undefined) return known;
    const steps: Step[] = [];
    const state = this.#state(pair);
    const { op } = this.#ticks.node(id);
    if (op === null) throw new Error(`tick ${id} is over`);
    const standing = (next: number): number => (this.#ticks.node(next).op === null ? OVER : next);
    for (const one of await this.#answers(op, state, mayFail)) {
      const next = await this.#ticks.after(id, one.answer);
      const to = { board: one.board, machine: this.#number(one.machine) };
      const fault = this.#ticks.node(next).fault ?? this.#faultOfTick(state, to, op);
      const more = { node: standing(next), costs: one.costs };
      steps.push(this.#step(`tick ${id}: ${told(op)}${one.note}`, to, fault, more));
    }
    if (op.name === 'registered') steps.push(...(await this.#answered(state, op)));
    steps.push(
      this.#step(`tick ${id} is killed before ${op.name}`, state, null, { node: OVER, crash: true }),
    );
    if (op.name.startsWith('board.')) {
      const node = standing(await this.#ticks.after(id, BUSY));
      const label = `tick ${id}: ${op.name} is refused (SQLITE_BUSY)`;
      steps.push(this.#step(label, state, null, { node, crash: true }));
    }
    memory.set(key, steps);
    return steps;
  }

  async #stepsOfLaunchers(pair: number): Promise<readonly Step[]> {
    const known = this.#ofLaunchers.get(pair);
    if (known !== undefined) return known;
    const state = this.#state(pair);
    const steps: Step[] = [];
    for (const process of this.#machine(state.machine).processes) {
      const step = await this.#launcher(state, process);
      if (step !== null) steps.push(step);
    }
    this.#ofLaunchers.set(pair, steps);
    return steps;
  }

  /** The tick that waits for a launcher registers it. Whether it hears of that, or has to ask the board itself since the tick
   *  dies, is the same step of its own: it may register once more. */
  async #answered(state: State, { args }: Op): Promise<Step[]> {
    const machine = this.#machine(state.machine);
    const process = machine.processes.find(({ run, as }) => run === args[0] && as === 'new');
    if (process === undefined || this.#ablation.launcherDoesNotRegister) return [];
    const request = registration(process, machine);
    const { board, answer } = await this.#boards.apply(state.board, 'register', [request, { now_ms: NOW }]);
    const to = { ...state, board };
    const label = `a tick registers the launcher of ${process.run}: ${answer}`;
    return board === state.board ? [] : [this.#step(label, to, this.#safe(to))];
  }

  /** The launcher's own next step. */
  async #launcher(state: State, process: Process): Promise<Step | null> {
    const machine = this.#machine(state.machine);
    if (process.as === 'registered') {
      const to = { ...state, machine: this.#number(becomeAgent(machine, process)) };
      return this.#step(`launcher of ${process.run} becomes the agent`, to, this.#safe(to));
    }
    if (process.as !== 'new') return null;
    if (this.#ablation.launcherDoesNotRegister) {
      const as = tells(become(machine, process, 'agent'), process.run, FRESH);
      const to = { ...state, machine: this.#number(as) };
      return this.#step(`launcher of ${process.run} becomes the agent unregistered`, to, this.#safe(to));
    }
    const request = registration(process, machine);
    const { board, answer } = await this.#boards.apply(state.board, 'register', [request, { now_ms: NOW }]);
    const won = answer === WON || this.#ablation.launcherIgnoresRegistration === true;
    const after = won ? become(machine, process, 'registered') : exit(machine, process);
    const to = { ...state, board, machine: this.#number(after) };
    const beside = agents(machine).find((one) => one.run !== process.run && sameTicket(one, process));
    const label = `launcher of ${process.run} registers: ${answer}`;
    // Also where the other one is another program's.
    if (won && beside !== undefined && process.run !== FOREIGN)
      return this.#step(label, to, `${process.run} begins beside ${beside.run}`);
    return this.#step(label, to, this.#safe(to));
  }

  /** What people, agents, the kernel and other programs may do. */
  async #stepsOfWorld(pair: number): Promise<readonly Step[]> {
    const known = this.#ofWorld.get(pair);
    if (known !== undefined) return known;
    const steps: Step[] = [];
    const state = this.#state(pair);
    const machine = this.#machine(state.machine);
    const on = (label: string, change: Partial<State>, all = false): void => {
      const to = { ...state, ...change };
      steps.push(this.#step(label, to, this.#safe(to), { all }));
    };
    const world = (label: string, changed: Machine): void => on(label, { machine: this.#number(changed) });
    const may = this.#happens;
    const sql = async (text: string): Promise<number> => {
      const { board, answer } = await this.#boards.apply(state.board, 'sql', [text]);
      return answer.includes('error') ? state.board : board;
    };
    for (const process of machine.processes) {
      if (process.as === 'stranger') continue;
      if (may.has('ends')) world(`process ${process.pid} of ${process.run} ends`, exit(machine, process));
      if (process.as !== 'agent') continue;
      const { run } = process;
      if (may.has('lives-on'))
        world(`what started ${run} ends, its client lives on`, liveOn(machine, process));
      if (may.has('leader-ends') && process.leaderEnded !== true) {
        const processes = machine.processes.map((one) =>
          one === process ? { ...one, leaderEnded: true as const } : one,
        );
        world(`the main thread of ${run} ends, others work`, { ...machine, processes });
      }
      const told = machine.activity[run] ?? FRESH;
      const acts = (change: Partial<Told>): Machine => tells(machine, run, { ...told, ...change });
      for (const to of may.has('reports') ? (['needs_input', 'in_review'] as const) : []) {
        const request = { run, to, message: 'm', turn: told.turn };
        const { board } = await this.#boards.apply(state.board, 'report', [request, { now_ms: NOW }]);
        if (board !== state.board) on(`agent ${run} reports ${to}`, { board });
      }
      for (const to of may.has('kept') && machine.kept[run] === undefined
        ? (['needs_input', 'in_review'] as const)
        : []) {
        const kept = { ...machine.kept, [run]: { to, turn: told.turn } };
        world(`agent ${run} reports ${to}, which is kept`, { ...machine, kept });
      }
      if (told.activity === 'busy') {
        if (may.has('dialog')) world(`agent ${run} opens a dialog`, acts({ activity: 'waiting' }));
        if (may.has('turn')) world(`agent ${run} ends its turn`, acts({ activity: 'idle' }));
        if (may.has('limit') && told.limit !== 'on')
          world(`agent ${run} meets the limit of its account`, acts({ activity: 'idle', limit: 'on' }));
      } else if (told.limit !== 'on' && (may.has('dialog') || may.has('turn')))
        world(`agent ${run} works again`, acts({ activity: 'busy', turn: told.turn + 1 }));
    }
    if (may.has('limit') && Object.values(machine.activity).some(({ limit }) => limit === 'on')) {
      const over = Object.entries(machine.activity).map(([run, told]) => [
        run,
        told.limit === 'on' ? { ...told, limit: 'over' as const } : told,
      ]);
      const board = await sql(
        `UPDATE accounts SET not_before_at_ms = ${NOW - 1} WHERE not_before_at_ms > ${NOW}`,
      );
      on('the limit is over', {
        board,
        machine: this.#number({ ...machine, activity: Object.fromEntries(over) }),
      });
    }
    const { tickets, runtimes } = this.#boards.rows(state.board);
    for (const ticket of may.has('person') ? tickets : []) {
      for (const to of ['todo', 'in_progress', 'in_review', 'cancelled'] as const) {
        if (ticket.status === to) continue;
        const move = { ticket: ticket.id, version: ticket.version, to, why: 'w', trusted: true };
        const args = [move, { actor: 'ann', now_ms: NOW }];
        const { board } = await this.#boards.apply(state.board, 'move', args);
        on(`a person moves ${ticket.id} to ${to}`, { board });
      }
    }
    if (machine.up && may.has('server')) {
      world('the tmux server is killed, and its agents with it', killServer(machine, false));
      if (machine.processes.some((one) => one.as === 'agent' && one.server === machine.servers))
        world('the tmux server is killed, and its agents live on', killServer(machine, true));
    }
    if (may.has('reboot')) on('reboot', { machine: this.#number(reboot(machine)) }, true);
    for (const { pid, ended_at_ms } of may.has('reuse') ? runtimes : []) {
      if (pid === null || ended_at_ms !== null || machine.processes.some((one) => one.pid === pid)) continue;
      const stranger: Process = { pid, start: `x${pid}`, run: '', as: 'stranger', server: null };
      world(`pid ${pid} is given to a stranger`, { ...machine, processes: [...machine.processes, stranger] });
    }
    const outsiders = may.has('outsider') || may.has('outsiders') ? outsidersOn(tickets) : [];
    for (const [label, text] of outsiders) {
      // One program that ends an agent's row by hand and another that then starts its own work against each other: a scene of
      // its own, in which the second agent is not ours.
      const against = label.includes('starts') && runtimes.some(({ end_reason }) => end_reason === 'by_hand');
      if (against && !may.has('outsiders')) continue;
      const board = await sql(text);
      if (board === state.board) continue;
      const started = label.includes('starts') ? this.#number(startPane(machine, FOREIGN)) : state.machine;
      on(label, { board, machine: started });
    }
    this.#ofWorld.set(pair, steps);
    return steps;
  }

  /** What an operation may answer, and what it does. What costs is an event. */
  async #answers(
    { name, args }: Op,
    state: State,
    may: boolean,
  ): Promise<{ board: number; machine: Machine; answer: string; note: string; costs: boolean }[]> {
    const machine = this.#machine(state.machine);
    const plain = (value: unknown, after: Machine = machine, note = '', costs = false) => ({
      ...{ board: state.board, machine: after, answer: JSON.stringify({ value }), note, costs },
    });
    if (name.startsWith('board.')) {
      const result: Result = await this.#boards.apply(state.board, name.slice(6) as 'claim', args);
      const note = name === 'board.snapshot' ? '' : ` -> ${result.answer}`;
      return [{ ...result, machine, note, costs: false }];
    }
    switch (name) {
      case 'tmux': {
        const fails = may
          ? [plain({ kind: 'unknown', error: 'timeout' }, machine, ' (no answer)', true)]
          : [];
        return [plain(viewOf(machine)), ...fails];
      }
      case 'look': {
        const fails = may ? [plain(lookOf(machine, false), machine, ' (/proc unreadable)', true)] : [];
        return [plain(lookOf(machine, true)), ...fails];
      }
      case 'neighbours': {
        const fails = may ? [plain({ ok: false, error: 'timeout' }, machine, ' (no answer)', true)] : [];
        return [plain(answerOf({ name, args }, machine, this.#ablation.blind ?? {}).value), ...fails];
      }
      case 'prepare': {
        const failed = { ok: false, because: 'launch_failed', error: 'git' };
        return [plain(null), ...(may ? [plain(failed, machine, ' (fails)', true)] : [])];
      }
      case 'start': {
        const after = startPane(machine, String(args[0]));
        const pid = machine.next_pid;
        const late = { ok: false, error: 'timeout' };
        return [
          plain({ ok: true, pid }, after),
          ...(may
            ? [
                plain(late, after, ' (no answer, but started)', true),
                plain(late, machine, ' (no answer, not started)', true),
                plain({ ...late, untouched: true }, machine, ' (refused)', true),
                // The 409 of a server that starts the runtimes: it names one that lives.
                ...this.#busy(machine).map((busy) => plain({ ok: false, busy }, machine, ' (409)', true)),
              ]
            : []),
        ];
      }
      case 'nudge': {
        const run = String(args[0]);
        const told = machine.activity[run];
        if (told === undefined) return [plain({ outcome: 'refused', why: 'gone' })];
        // Whatever is said of it: of this turn the agent has the text.
        const arrived = tells(machine, run, {
          ...told,
          ...{ activity: 'busy', turn: told.turn + 1, nudges: (told.nudges ?? 0) + 1 },
        });
        const unsure = { outcome: 'indeterminate', delivery: 'd', held: false };
        return [
          plain({ outcome: 'delivered', delivery: 'd', earlier: false }, arrived),
          ...(may
            ? [
                plain(unsure, arrived, ' (no acknowledgement, but arrived)', true),
                plain(unsure, machine, ' (no acknowledgement, not arrived)', true),
                plain({ outcome: 'busy', why: 'busy' }, machine, ' (busy)', true),
              ]
            : []),
        ];
      }
      case 'quit': {
        const { value, machine: after } = answerOf({ name, args }, machine, this.#ablation.blind ?? {});
        const left = { outcome: 'did_not_quit', why: 'it lives' };
        return [plain(value, after), ...(may ? [plain(left, machine, ' (it lives on)', true)] : [])];
      }
      case 'registered': {
        const row = this.#boards.rows(state.board).runtimes.find(({ id }) => id === args[0]);
        return [plain(row !== undefined && row.registered_at_ms !== null)];
      }
      default: {
        const { value, machine: after } = answerOf({ name, args }, machine, this.#ablation.blind ?? {});
        return [plain(value, after)];
      }
    }
  }

  #busy(machine: Machine): unknown[] {
    const me = {
      host_id: HOST,
      boot_id: bootName(machine.boot),
      pid_ns: null,
      time_ns: null,
      self_readable: true,
    };
    const look = lookOf(machine, true);
    const blind = this.#ablation.blind ?? {};
    return agents(machine).map(({ run, pid, start }) =>
      sighting(run, pid, { pid, start, boot: machine.boot }, me, look, blind, { pane: paneOf(pid) }),
    );
  }

  /** At most one agent for a ticket, whatever moved. Where other programs work against each other, theirs is not counted. */
  #safe({ board, machine }: State): string | null {
    const living = agents(this.#machine(machine)).filter(
      ({ run }) => run !== FOREIGN || !this.#happens.has('outsiders'),
    );
    const two = twice(living, ({ run }) => ticketOf(run));
    if (two !== null) return `two agents live: ${two.map(({ run }) => run).join(' and ')}`;
    const live = this.#boards.rows(board).runtimes.filter(({ ended_at_ms }) => ended_at_ms === null);
    const rows = twice(live, ({ ticket_id }) => ticket_id ?? '');
    return rows === null ? null : `two live rows: ${rows.map(({ id }) => id).join(' and ')}`;
  }

  /** What a tick may never do. */
  #faultOfTick(before: State, after: State, op: Op): string | null {
    const safe = this.#safe(after);
    if (safe !== null) return safe;
    const [old, now] = [this.#boards.rows(before.board), this.#boards.rows(after.board)];
    if (op.name === 'start' && !old.runtimes.some(({ id }) => id === op.args[0]))
      return `${String(op.args[0])} is launched without a claim`;
    if (op.name === 'nudge') {
      const { nudges = 0 } = this.#machine(after.machine).activity[String(op.args[0])] ?? FRESH;
      if (nudges > 1) return `${String(op.args[0])} is nudged ${nudges} times, and may be once`;
    }
    if (op.name === 'quit') {
      const run = String(op.args[0]);
      const { processes, activity } = this.#machine(before.machine);
      const lived = processes.some((one) => one.run === run && one.as === 'agent');
      const lives = this.#machine(after.machine).processes.some((one) => one.run === run);
      if (lived && !lives && activity[run]?.activity !== 'idle') return `${run} is ended while it works`;
    }
    if (before.board === after.board) return null;
    const limited = old.accounts.some(({ not_before_at_ms }) => (not_before_at_ms ?? 0) > NOW);
    if (op.name === 'board.claim' && limited)
      return 'a ticket is claimed for an account that is at its limit';
    for (const ticket of now.tickets) {
      const was = old.tickets.find(({ id }) => id === ticket.id);
      const ended = now.runtimes.find(
        (row) =>
          row.ticket_id === ticket.id &&
          row.ended_at_ms !== null &&
          old.runtimes.some(({ id, ended_at_ms }) => id === row.id && ended_at_ms === null),
      );
      if (was === undefined || ended === undefined || ticket.attempts <= was.attempts) continue;
      if (this.#machine(before.machine).kept[ended.mark] !== undefined)
        return `${ended.id} had reported, and that cost an attempt`;
      if (ended.end_reason === 'rate_limited') return `${ended.id} met a limit, and that cost an attempt`;
    }
    return forbidden(
      { tickets: old.tickets, rows: old.runtimes },
      { tickets: now.tickets, rows: now.runtimes },
      (row) => this.#lives(before, row),
    );
  }

  #lives(state: State, row: Rows['runtimes'][number]): boolean {
    const machine = this.#machine(state.machine);
    return machine.processes.some(
      ({ pid, start, run, as }) =>
        (row.pid === pid && row.pid_start === start && row.boot_id === bootName(machine.boot)) ||
        (run === row.id && as === 'agent'),
    );
  }

  /** From here three clean ticks, each followed by what it launched, bring board and machine to agree. */
  async #settles(pair: number): Promise<Found | null> {
    const known = this.#agreed.get(pair);
    if (known !== undefined) return known;
    const path: string[] = [];
    let what: string | null;
    try {
      let now = await this.#launched(this.#state(pair), path);
      for (let n = this.#killedOnly ? 2 : 0; n < 3; n++)
        now = await this.#launched(await this.#cleanTick(now, path), path);
      what = this.#disagree(now);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      what = error.message;
    }
    const found = what === null ? null : { what, trace: ['from here on nothing goes wrong:', ...path] };
    this.#agreed.set(pair, found);
    return found;
  }

  async #cleanTick(state: State, path: string[]): Promise<State> {
    let now: State = state;
    for (let id = await this.#ticks.begin(); ; ) {
      const { op } = this.#ticks.node(id);
      if (op === null) return now;
      // A tick waits for its launcher to register.
      if (op.name === 'registered') now = await this.#launched(now, path);
      const [one] = await this.#answers(op, now, false);
      if (one === undefined) throw new Error(`${op.name} has no answer`);
      const to = { board: one.board, machine: this.#number(one.machine) };
      path.push(`tick ${id}: ${told(op)}${one.note}`);
      id = await this.#ticks.after(id, one.answer);
      const fault = this.#ticks.node(id).fault ?? this.#faultOfTick(now, to, op);
      if (fault !== null) throw new Fault(fault);
      now = to;
    }
  }

  /** Launchers that were started do what they do, however late. */
  async #launched(state: State, path: string[]): Promise<State> {
    let now = state;
    for (;;) {
      const machine = this.#machine(now.machine);
      const process = machine.processes.find(({ as }) => as === 'new' || as === 'registered');
      if (process === undefined) return now;
      const step = await this.#launcher(now, process);
      if (step === null) return now;
      path.push(this.#labels[step.label] ?? '');
      if (step.fault !== null) throw new Fault(step.fault);
      now = this.#state(step.to);
    }
  }

  #disagree(state: State): string | null {
    for (const ticket of this.#boards.rows(state.board).tickets) {
      const what = this.#disagrees(ticket, state);
      if (what !== null) return `after ${this.#killedOnly ? 'one clean tick' : 'three clean ticks'} ${what}`;
    }
    return null;
  }

  #disagrees(ticket: TicketRow, state: State): string | null {
    const { runtimes } = this.#boards.rows(state.board);
    const live = runtimes.find((row) => row.ticket_id === ticket.id && row.ended_at_ms === null);
    const living = agents(this.#machine(state.machine)).filter(({ run }) => ticketOf(run) === ticket.id);
    // Two, one of which is another program's: there is nothing to agree with before a person has looked.
    if (living.length > 1) return null;
    const [agent] = living;
    if (this.#killedOnly && ticket.attempts > 0) return `${ticket.id} has paid for a tick that was killed`;
    if (this.#killedOnly && agent === undefined && ticket.status !== 'todo')
      return `${ticket.id} is ${ticket.status}, and no agent lives`;
    if (agent === undefined) {
      if (live !== undefined) return `the row of ${live.id} lives, and no agent does`;
      const held = ticket.status === 'in_progress' && ticket.worker_pid !== null;
      return held ? `${ticket.id} is in_progress, and no agent lives` : null;
    }
    if (live === undefined)
      return ticket.status === 'todo' || ticket.status === 'in_progress'
        ? `agent ${agent.run} lives without a row, and ${ticket.id} is ${ticket.status}`
        : null;
    if (live.pid !== agent.pid || live.pid_start !== agent.start)
      return `agent ${agent.run} lives, and the row is that of ${live.id}`;
    return ticket.status === 'todo' ? `${ticket.id} is todo while agent ${agent.run} lives` : null;
  }
}

function sameTicket(one: Process, other: Process): boolean {
  return ticketOf(one.run) === ticketOf(other.run);
}

/** The first values that share a key; null = no two do. */
function twice<T>(values: readonly T[], keyOf: (value: T) => string): readonly T[] | null {
  if (values.length < 2) return null;
  const shared = values.find((one) => values.some((other) => other !== one && keyOf(other) === keyOf(one)));
  return shared === undefined ? null : values.filter((one) => keyOf(one) === keyOf(shared));
}

function policyOf({ on_idle, max_nudges, ...limits }: NonNullable<Scene['policy']>): Policy {
  return aPolicy({
    limits: { ...LIMITS, ...limits },
    agents: [
      aProfile({
        name: AGENT,
        kind: 'command',
        on_idle: on_idle ?? 'needs_input',
        max_nudges: max_nudges ?? 0,
      }),
    ],
    projects: [aProject({ name: PROJECT })],
    default_agent: AGENT,
  });
}

const PLAIN = { costs: false, node: null, all: false, crash: false } as const;
/** Room for so many of each in a number: pair, set of ticks and what is left must stay below 2^53 together. */
const SETS = 2 ** 22;
const NODES = 2 ** 22;
const MACHINES = 2 ** 22;

const WON = JSON.stringify({ value: 'won' });
const BUSY = JSON.stringify({ error: 'SQLITE_BUSY: database is locked' });

/** What other programs do to the file, with the rules of the schema as their only guard. */
function outsidersOn(tickets: readonly TicketRow[]): readonly (readonly [string, string])[] {
  return [...tickets.map(({ id }) => byHand(id)), STARTS];
}

const byHand = (ticket: string): readonly [string, string] => [
  `another program ends the live row of ${ticket}`,
  `UPDATE runtime_sessions SET phase = 'ended', ended_at_ms = ${NOW}, end_reason = 'by_hand'
     WHERE ended_at_ms IS NULL AND ticket_id = '${ticket}';
   UPDATE tickets SET status = 'todo', version = version + 1
     WHERE changes() > 0 AND status = 'in_progress' AND id = '${ticket}'`,
];

const STARTS = [
  'another dispatcher claims without looking, and starts a launcher',
  `UPDATE tickets SET status = 'in_progress', version = version + 1 WHERE id = 'MC-1';
   INSERT INTO runtime_sessions (id, mark, ticket_id, claim_epoch, phase, host_id, boot_id, agent, project, claimed_at_ms)
     SELECT '${FOREIGN}', '${FOREIGN}', id, claim_epoch, 'launching', '${HOST}', 'b-1', '${AGENT}', '${PROJECT}', ${NOW} FROM tickets WHERE id = 'MC-1'`,
] as const;

const TICKET = {
  ...({
    title: 't',
    body: '',
    status: 'todo',
    priority: 2,
    project: PROJECT,
    labels: [],
    agent: null,
  } as const),
  ...{ owner: null, author: 'ann', trusted: true, depends_on: [] },
};

function told({ name, args }: Op): string {
  if (name === 'board.saveTick' || name === 'board.snapshot' || name === 'look') return name;
  return `${name} ${JSON.stringify(args).slice(0, 160)}`;
}

/** The number of a value that has this key: the next free one, if it has none yet. */
function numbered<K, V>(key: K, value: V, values: V[], numbers: Map<K, number>): number {
  const known = numbers.get(key);
  if (known !== undefined) return known;
  numbers.set(key, values.length);
  return values.push(value) - 1;
}
