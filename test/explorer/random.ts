/*
 * Model-based random tests (fast-check commands): three tickets on a real SQLite file, the product's decide and act in up
 * to two ticks at once, and a simulated machine beneath them. What the explorer proves within its bounds for one ticket,
 * this looks for far outside of them. A failure prints its seed and the shrunk sequence.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { Board } from '../../src/board/port/index.ts';
import type { Runtime } from '../../src/model/runtime.ts';
import type { TicketStatus } from '../../src/model/ticket.ts';
import { boardAt } from '../support/boards.ts';
import { NOW } from '../support/builders.ts';
import { fc } from '../support/draws.ts';
import { BOUND_MS } from '../support/wait.ts';
import { answerOf, lookOf, registration } from './answers.ts';
import {
  agents,
  become,
  becomeAgent,
  exit,
  FIRST,
  killServer,
  type Machine,
  type Process,
  reboot,
  startPane,
  ticketOf,
} from './machine.ts';
import { forbidden } from './rules.ts';
import { bootName, PROJECT, tick } from './ticks.ts';

const TICKETS = ['MC-1', 'MC-2', 'MC-3'] as const;
const FAULTS = ['none', 'tmux', 'look', 'neighbours', 'start', 'start-late', 'busy'] as const;
type Fault = (typeof FAULTS)[number];

interface Ask {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly answer: (value: unknown) => void;
  readonly fail: (error: Error) => void;
}

/** A tick under way. Its launches run side by side: several questions may be open at once. */
interface Running {
  readonly asks: Ask[];
  over: boolean;
  fault: string | null;
}

/** The board, the machine, and the ticks that run. */
class World {
  machine: Machine = FIRST;
  readonly ticks: Running[] = [];
  readonly board: Board;
  #saved = 0;
  readonly #db: Database.Database;
  readonly #dir: string;

  private constructor(dir: string, board: Board, db: Database.Database) {
    this.#dir = dir;
    this.board = board;
    this.#db = db;
  }

  static async open(): Promise<World> {
    const dir = mkdtempSync(join(tmpdir(), 'mc-random-'));
    const path = join(dir, 'board.sqlite');
    const board = boardAt(path);
    for (const title of TICKETS)
      await board.addTicket(
        {
          ...({
            title,
            body: '',
            status: 'todo',
            priority: 2,
            project: PROJECT,
            labels: [],
            agent: null,
          } as const),
          ...{ owner: null, author: 'ann', trusted: true, depends_on: [] },
        },
        { now_ms: NOW },
      );
    return new World(dir, board, new Database(path));
  }

  async close(): Promise<void> {
    await this.board.close();
    this.#db.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  rows(): Runtime[] {
    return this.#db.prepare('SELECT * FROM runtime_sessions ORDER BY seq').all() as Runtime[];
  }

  tickets(): { id: string; status: TicketStatus; version: number; worker_pid: number | null }[] {
    return this.#db
      .prepare('SELECT id, status, version, worker_pid FROM tickets ORDER BY seq')
      .all() as never;
  }

  async begin(): Promise<void> {
    const running: Running = { asks: [], over: false, fault: null };
    this.ticks.push(running);
    const end = () => {
      running.over = true;
    };
    tick(
      (name, args) => new Promise((answer, fail) => void running.asks.push({ name, args, answer, fail })),
      {},
      (fault) => {
        running.fault = fault;
      },
    ).then(end, end);
    await this.#progress(running);
  }

  /**
   * Until this tick asks for something, or is over. What an answer leads to is done before the next turn of the loop, but for a
   * module that is loaded then: how many turns that takes depends on the machine.
   */
  async #progress(running: Running): Promise<void> {
    const end = performance.now() + BOUND_MS;
    do {
      if (performance.now() > end) throw new Error('a tick neither asks nor ends');
      await nextTurn();
    } while (running.asks.length === 0 && !running.over);
  }

  /** One operation of a tick, and the tick up to its next one. */
  async step(running: Running, fault: Fault, which = 0): Promise<void> {
    const [ask] = running.asks.splice(which % Math.max(1, running.asks.length), 1);
    if (ask === undefined || running.over) return;
    const before = { tickets: this.tickets(), rows: this.rows(), machine: this.machine };
    const { name, args } = ask;
    let value: unknown;
    let error: Error | null = null;
    if (name.startsWith('board.')) {
      if (fault === 'busy') error = new Error('SQLITE_BUSY: database is locked');
      else {
        const call = this.board[name.slice(6) as keyof Board] as (...args: unknown[]) => Promise<unknown>;
        // Each tick has a name of its own.
        const named =
          ask.name === 'board.saveTick'
            ? [nameTick(args[0] as Parameters<Board['saveTick']>[0], `t-${++this.#saved}`)]
            : args;
        value = await call.apply(this.board, [...named]);
        // The port promises no more than values: what a board on another machine could give.
        value = value === undefined ? undefined : JSON.parse(JSON.stringify(value));
      }
    } else if (name === 'registered') {
      value = this.rows().some(({ id, registered_at_ms }) => id === args[0] && registered_at_ms !== null);
    } else if (name === fault)
      value = name === 'look' ? lookOf(this.machine, false) : REFUSED[name as 'tmux'];
    else if (name === 'start' && fault === 'start-late') {
      this.machine = startPane(this.machine, String(args[0]));
      value = { ok: false, error: 'timeout' };
    } else {
      const done = answerOf({ name, args }, this.machine);
      this.machine = done.machine;
      value = done.value;
    }
    if (error === null) ask.answer(value);
    else ask.fail(error);
    await this.#progress(running);
    this.#mayNot(before, running);
    this.safe();
  }

  crash(running: Running): void {
    this.ticks.splice(this.ticks.indexOf(running), 1);
  }

  /** A tick registers the launcher that it waits for, which has not heard of it yet. */
  async answered(running: Running): Promise<void> {
    const waited = running.asks.find(({ name }) => name === 'registered');
    const process = this.machine.processes.find(({ run, as }) => run === waited?.args[0] && as === 'new');
    if (process === undefined || running.over) return;
    await this.board.register(registration(process, this.machine), { now_ms: NOW });
    this.safe();
  }

  async launcher(process: Process): Promise<void> {
    if (process.as === 'registered') this.machine = becomeAgent(this.machine, process);
    if (process.as !== 'new') return this.safe();
    const won = await this.board.register(registration(process, this.machine), { now_ms: NOW });
    this.machine = won === 'won' ? become(this.machine, process, 'registered') : exit(this.machine, process);
    this.safe();
  }

  /** At most one living agent, and one live row, of each ticket. */
  safe(): void {
    for (const ticket of TICKETS) {
      const living = agents(this.machine).filter(({ run }) => ticketOf(run) === ticket);
      if (living.length > 1)
        throw new Error(`two agents on ${ticket}: ${living.map(({ run }) => run).join(' and ')}`);
      const live = this.rows().filter((row) => row.ticket_id === ticket && row.ended_at_ms === null);
      if (live.length > 1) throw new Error(`two live rows of ${ticket}`);
    }
  }

  /** What a tick's own operation may never do. */
  #mayNot(
    before: { tickets: ReturnType<World['tickets']>; rows: readonly Runtime[]; machine: Machine },
    { fault }: Running,
  ): void {
    if (fault !== null) throw new Error(fault);
    const after = { tickets: this.tickets(), rows: this.rows() };
    const wrong = forbidden(before, after, (row) => this.#lives(before.machine, row));
    if (wrong !== null) throw new Error(wrong);
  }

  #lives(machine: Machine, row: Runtime): boolean {
    const boot = bootName(machine.boot);
    return machine.processes.some(
      ({ pid, start }) => row.pid === pid && row.pid_start === start && row.boot_id === boot,
    );
  }

  /** Faults stop: ticks that run are killed, launchers end; three clean ticks, then board and machine agree. */
  async settle(): Promise<void> {
    this.ticks.length = 0;
    await this.#launchers();
    for (let n = 0; n < 3; n++) {
      await this.begin();
      const running = this.ticks[0] as Running;
      while (!running.over) {
        if (running.asks[0]?.name === 'registered') await this.#launchers();
        await this.step(running, 'none');
      }
      this.ticks.length = 0;
      await this.#launchers();
    }
    for (const { id, status, worker_pid } of this.tickets()) {
      const live = this.rows().find((row) => row.ticket_id === id && row.ended_at_ms === null);
      const [agent] = agents(this.machine).filter(({ run }) => ticketOf(run) === id);
      const what = `${id} is ${status}, its live row ${live?.id ?? 'none'} (pid ${live?.pid}), its agent ${agent?.pid ?? 'none'}`;
      // A ticket that was put back three times in half an hour is left for a person to see.
      const flapping = this.#heals(id) >= 3;
      if (agent === undefined) {
        if (live !== undefined || (status === 'in_progress' && worker_pid !== null)) throw new Error(what);
      } else if (live?.pid !== agent.pid || (status === 'todo' && !flapping)) throw new Error(what);
    }
  }

  async #launchers(): Promise<void> {
    for (;;) {
      const next = this.machine.processes.find(({ as }) => as === 'new' || as === 'registered');
      if (next === undefined) return;
      await this.launcher(next);
    }
  }

  #heals(id: string): number {
    const row = this.#db
      .prepare(`SELECT count(*) AS n FROM activity WHERE ticket_id = ? AND kind IN ('heal', 'retry')
        AND because IN ('agent_alive', 'tmux_server_lost', 'rebooted')`)
      .get(id) as { n: number };
    return row.n;
  }
}

const REFUSED = {
  tmux: { kind: 'unknown', error: 'timeout' },
  neighbours: { ok: false, error: 'timeout' },
  start: { ok: false, untouched: true, error: 'no tmux' },
} as const;

type Model = Record<string, never>;
type Command = fc.AsyncCommand<Model, World>;

/** A command that needs nothing but a world: where there is nothing to do it on, it does nothing. */
function command(name: string, run: (world: World) => Promise<void> | void): Command {
  return { check: () => true, run: async (_, world) => run(world), toString: () => name };
}

function nth<T>(list: readonly T[], n: number): T | undefined {
  return list.length === 0 ? undefined : list[n % list.length];
}

const at = fc.nat({ max: 5 });
const agentOf = (world: World, n: number): Process | undefined =>
  nth(
    world.machine.processes.filter(({ as }) => as === 'agent'),
    n,
  );

const COMMANDS: fc.Arbitrary<Command>[] = [
  fc.constant(
    command('begin', (world) =>
      world.ticks.filter(({ over }) => !over).length < 2 ? world.begin() : undefined,
    ),
  ),
  ...[0, 1, 2].map(() =>
    fc.tuple(at, fc.nat({ max: 12 })).map(([n, times]) =>
      command(`step ${n} x${times + 1}`, async (world) => {
        const running = nth(
          world.ticks.filter(({ over }) => !over),
          n,
        );
        for (let i = 0; i <= times && running !== undefined && !running.over; i++)
          await world.step(running, 'none', n + i);
      }),
    ),
  ),
  fc.tuple(at, fc.constantFrom(...FAULTS)).map(([n, fault]) =>
    command(`step ${n} ${fault}`, async (world) => {
      const running = nth(
        world.ticks.filter(({ over }) => !over),
        n,
      );
      if (running !== undefined) await world.step(running, fault, n);
    }),
  ),
  fc.constantFrom(...FAULTS).map((fault) =>
    command(`tick ${fault}`, async (world) => {
      await world.begin();
      const running = world.ticks.at(-1);
      while (running !== undefined && !running.over) {
        const hit = fault === 'busy' || running.asks[0]?.name === fault.replace('-late', '');
        await world.step(running, hit ? fault : 'none');
      }
    }),
  ),
  at.map((n) =>
    command(`crash ${n}`, (world) => {
      const running = nth(world.ticks, n);
      if (running !== undefined) world.crash(running);
    }),
  ),
  ...[0, 1].map(() =>
    at.map((n) =>
      command(`launcher ${n}`, async (world) => {
        const process = nth(
          world.machine.processes.filter(({ as }) => as === 'new' || as === 'registered'),
          n,
        );
        if (process !== undefined) await world.launcher(process);
      }),
    ),
  ),
  at.map((n) =>
    command(`answered ${n}`, async (world) => {
      const running = nth(world.ticks, n);
      if (running !== undefined) await world.answered(running);
    }),
  ),
  at.map((n) =>
    command(`exit ${n}`, (world) => {
      const process = nth(world.machine.processes, n);
      if (process !== undefined) world.machine = exit(world.machine, process);
    }),
  ),
  fc.tuple(at, fc.constantFrom('needs_input', 'in_review', 'done', 'blocked')).map(([n, to]) =>
    command(`report ${n} ${to}`, async (world) => {
      const agent = agentOf(world, n);
      const turn = world.machine.activity[agent?.run ?? '']?.turn ?? 0;
      if (agent !== undefined)
        await world.board.report({ run: agent.run, to, message: 'm', turn } as never, { now_ms: NOW });
    }),
  ),
  fc.tuple(at, fc.constantFrom('busy', 'waiting', 'idle')).map(([n, activity]) =>
    command(`activity ${n} ${activity}`, (world) => {
      const agent = agentOf(world, n);
      if (agent === undefined) return;
      const turn = (world.machine.activity[agent.run]?.turn ?? 0) + (activity === 'busy' ? 1 : 0);
      const told = { activity, turn } as const;
      world.machine = {
        ...world.machine,
        activity: { ...world.machine.activity, [agent.run]: told },
      } as Machine;
    }),
  ),
  fc
    .tuple(
      at,
      fc.constantFrom('todo', 'needs_input', 'in_progress', 'in_review', 'done', 'cancelled', 'blocked'),
    )
    .map(([n, to]) =>
      command(`move ${n} ${to}`, async (world) => {
        const ticket = nth(world.tickets(), n);
        if (ticket !== undefined)
          await world.board.move(
            { ticket: ticket.id, version: ticket.version, to: to as TicketStatus, why: 'w', trusted: true },
            { actor: 'ann', now_ms: NOW },
          );
      }),
    ),
  fc.boolean().map((survive) =>
    command(`kill tmux${survive ? ', agents live on' : ''}`, (world) => {
      if (world.machine.up) world.machine = killServer(world.machine, survive);
    }),
  ),
  fc.constant(
    command('reboot', (world) => {
      world.ticks.length = 0;
      world.machine = reboot(world.machine);
    }),
  ),
  at.map((n) =>
    command(`stranger ${n}`, (world) => {
      const { machine } = world;
      const pids = world.rows().flatMap(({ pid }) => pid ?? []);
      const pid = nth(
        pids.filter((one) => !machine.processes.some((process) => process.pid === one)),
        n,
      );
      if (pid === undefined) return;
      const stranger: Process = { pid, start: `x${pid}`, run: '', as: 'stranger', server: null };
      world.machine = { ...machine, processes: [...machine.processes, stranger] };
    }),
  ),
  fc.constant(command('settle', (world) => world.settle())),
];

/** Runs so many random sequences of up to so many commands; throws with the seed and the shrunk sequence. */
export async function randomWalks(runs: number, length: number, seed: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: length, size: '+3' }), async (commands) => {
      const world = await World.open();
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
        await world.settle();
      } finally {
        await world.close();
      }
    }),
    { numRuns: runs, seed, endOnFailure: false },
  );
}

function nameTick({ tick, refresh }: Parameters<Board['saveTick']>[0], id: string): object {
  return { tick: { ...tick, id }, refresh };
}
