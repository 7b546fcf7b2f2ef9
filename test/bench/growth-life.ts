/*
 * What a team and its agents do to a state dir, minute by minute: tickets come in office hours, each lives through claim,
 * run, events, messages, review and its end, and some go wrong in one of the ways that tickets do. The board is written
 * through its port, the files as a launch leaves them. The agents are real processes that wait for the end of their input:
 * whatever kills the benchmark ends them too. What ticks do (refresh, heal, end, retry, park) is left to the ticks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stageRun } from '../../src/act/launch/script.ts';
import { command } from '../../src/agents/command.ts';
import type { Board, DeliveryRow } from '../../src/board/port/index.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import type { Places } from '../../src/machine/paths.ts';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import type { Ticket, TicketStatus } from '../../src/model/ticket.ts';
import { ownDir, runDir } from '../../src/runs/dirs.ts';
import { agentEnvironment } from '../../src/runs/environment.ts';
import { writeMark, writeRegistered } from '../../src/runs/marks.ts';
import { aProfile } from '../support/builders.ts';

const HOUR = 60;
const PERSON = 'ann';
/** Of a day's tickets so many come at once, in the morning: then there is a queue, which each tick tells of. */
const BATCH = 0.2;
const BATCH_AT = 9 * HOUR;
const [OFFICE_OPENS, OFFICE_CLOSES] = [8 * HOUR, 20 * HOUR];

/** Yields after how many minutes it goes on. */
type Life = AsyncGenerator<number, void, void>;

type Fate = 'plain' | 'asks' | 'dies' | 'dies_for_good' | 'blocked_once' | 'idle' | 'silent';

const FATES: readonly (readonly [Fate, number])[] = [
  ['plain', 0.84],
  ['asks', 0.05],
  ['dies', 0.05],
  ['dies_for_good', 0.01],
  ['blocked_once', 0.02],
  ['idle', 0.025],
  ['silent', 0.005],
];

/** An agent at work. */
interface Agent {
  readonly run: string;
  readonly ticket: string;
  readonly child: ChildProcess;
}

export class Team {
  readonly #places: Places;
  readonly #env: NodeJS.ProcessEnv;
  readonly #perDay: number;
  readonly #random: () => number;
  readonly #due = new Map<number, Life[]>();
  readonly #agents = new Set<Agent>();
  #free: number;
  #minute = 0;
  #board: Board | null = null;

  constructor(o: {
    readonly places: Places;
    readonly env: NodeJS.ProcessEnv;
    readonly perDay: number;
    readonly slots: number;
    readonly seed: number;
  }) {
    this.#places = o.places;
    this.#env = o.env;
    this.#perDay = o.perDay;
    this.#free = o.slots;
    this.#random = dice(o.seed);
    for (let n = 0; n < 3; n++) this.#go(0, this.#left(n, PERSON, null));
    for (const status of ['blocked', 'blocked', 'needs_input', 'needs_input'] as const)
      this.#go(0, this.#left(3, null, status));
    this.#go(0, this.#endless());
  }

  get live(): number {
    return this.#agents.size;
  }

  /** All that people and agents do in this minute, before its tick. */
  async minute(n: number): Promise<void> {
    this.#minute = n;
    const due = this.#due.get(n) ?? [];
    this.#due.delete(n);
    for (let arriving = this.#arriving(n % (24 * HOUR)); arriving > 0; arriving--) due.push(this.#ticket());
    try {
      for (const life of due) {
        const { value, done } = await life.next();
        if (done !== true) this.#go(n + Math.max(1, Math.round(value)), life);
      }
    } finally {
      await this.#board?.close();
      this.#board = null;
    }
  }

  /** Ends every agent. */
  async end(): Promise<void> {
    for (const agent of this.#agents) await this.#kill(agent);
  }

  #go(minute: number, life: Life): void {
    const all = this.#due.get(minute);
    if (all === undefined) this.#due.set(minute, [life]);
    else all.push(life);
  }

  #arriving(minuteOfDay: number): number {
    if (minuteOfDay === BATCH_AT) return Math.round(this.#perDay * BATCH);
    if (minuteOfDay < OFFICE_OPENS || minuteOfDay >= OFFICE_CLOSES) return 0;
    const rest = this.#perDay - Math.round(this.#perDay * BATCH);
    const span = OFFICE_CLOSES - OFFICE_OPENS;
    const until = (minute: number): number => Math.floor((rest * (minute - OFFICE_OPENS)) / span);
    return until(minuteOfDay + 1) - until(minuteOfDay);
  }

  /** Opened when the first thing of a minute is written: in most minutes of a night nothing is. */
  get #db(): Board {
    this.#board ??= openBoard(this.#places.board);
    return this.#board;
  }

  async *#ticket(): Life {
    const fate = this.#fate();
    const id = await this.#add(null);
    for (;;) {
      while (this.#free === 0) yield 1;
      this.#free -= 1;
      let status: TicketStatus;
      try {
        status = yield* this.#run(id, fate);
      } finally {
        this.#free += 1;
      }
      if (status === 'in_review') break;
      // A retry waits for its time; a ticket that is blocked waits for a person.
      if (status === 'blocked') yield this.#between(HOUR, 6 * HOUR);
      if (status === 'blocked' && fate === 'dies_for_good')
        return await this.#move(id, 'cancelled', 'not worth it');
      if (status === 'blocked') {
        const { version } = await this.#read(id);
        won(
          await this.#db.edit(
            { ticket: id, version, change: { body: text(1100, id) } },
            { actor: PERSON, now_ms: Date.now() },
          ),
          `edit ${id}`,
        );
        await this.#move(id, 'todo', 'the key is there now');
      }
      for (let at = await this.#read(id); (at.not_before_at_ms ?? 0) > Date.now(); at = await this.#read(id))
        yield 1;
    }
    yield this.#between(HOUR, 20 * HOUR);
    if (this.#random() < 0.3) {
      const note = { at_ms: Date.now(), ticket_id: id, run_id: null, actor: PERSON, kind: 'comment' };
      await this.#db.log({ ...note, because: null, text: text(200, id) });
    }
    await this.#move(id, 'done', 'merged');
  }

  /** One run, from its claim to the end of its process and the tick after it. What became of the ticket. */
  async *#run(id: string, fate: Fate): AsyncGenerator<number, TicketStatus, void> {
    const ticket = await this.#read(id);
    const agent = await this.#launch(ticket);
    const work = this.#between(8, 22);
    const again = ticket.claim_epoch > 0;
    for (let at = 0; at < work; at += 3) {
      this.#event(agent, at === 0 ? 'busy' : 'tool', { tool: 'Bash', text: text(300, agent.run) });
      yield 3;
    }
    if (this.#random() < 0.25) {
      await this.#deliver(agent, 'send');
      this.#event(agent, 'busy', {});
      yield 3;
    }
    if (fate === 'dies_for_good' || (fate === 'dies' && !again)) {
      await this.#stop(agent);
      yield 2;
      return (await this.#read(id)).status;
    }
    if (fate === 'asks') {
      await this.#report(agent, 'needs_input', 'Is `amount` or `amount_gross` the column that counts?');
      yield this.#between(5, 40);
      const kept = await this.#db.keepAnswer(
        { ticket: id, text: text(200, id), author: PERSON },
        { now_ms: Date.now() },
      );
      await this.#deliver(agent, 'answer');
      await this.#db.takeAnswers({ ids: [kept], run: agent.run });
      this.#event(agent, 'busy', {});
      yield 5;
    } else if (fate === 'idle') {
      this.#event(agent, 'idle', {});
      yield this.#between(5, 40);
      await this.#deliver(agent, 'send');
      this.#event(agent, 'busy', {});
      yield 5;
    } else if (fate === 'silent') {
      yield 95; // the tick parks it meanwhile
      this.#event(agent, 'busy', {});
      yield 5;
    }
    const to = fate === 'blocked_once' && !again ? 'blocked' : 'in_review';
    await this.#report(agent, to, text(300, agent.run));
    yield this.#between(1, 4);
    await this.#stop(agent);
    yield 2;
    return to;
  }

  /** An agent that works on for ever, and says so now and then. */
  async *#endless(): Life {
    const agent = await this.#launch(await this.#read(await this.#add(null)));
    for (;;) {
      this.#event(agent, 'busy', {});
      yield 30;
    }
  }

  /** A ticket that nobody closes. */
  async *#left(after: number, owner: string | null, status: TicketStatus | null): Life {
    yield after * 24 * HOUR + BATCH_AT + 1;
    const id = await this.#add(owner ?? 'bob');
    if (status !== null) await this.#move(id, status, 'later');
  }

  async #add(owner: string | null): Promise<string> {
    const ticket = {
      ...{ title: `Show the total in the basket, ${this.#minute}`, body: text(1000, String(this.#minute)) },
      ...{
        status: 'todo' as const,
        priority: 2,
        project: 'demo',
        labels: ['shop'],
        agent: 'scripted',
        owner,
      },
      ...{ author: PERSON, trusted: true, depends_on: [] },
    };
    return (await this.#db.addTicket(ticket, { now_ms: Date.now() })).id;
  }

  async #read(id: string): Promise<Ticket> {
    const ticket = await this.#db.ticket(id);
    if (ticket === null) throw new Error(`no ticket ${id}`);
    return ticket;
  }

  async #move(id: string, to: TicketStatus, why: string): Promise<void> {
    const { version } = await this.#read(id);
    const move = { to, why, trusted: true };
    won(
      await this.#db.move({ ticket: id, version, ...move }, { actor: PERSON, now_ms: Date.now() }),
      `move ${id} to ${to}`,
    );
  }

  /** Claims, stages and registers, as a launch and its launcher do. There is no tmux: no server is recorded. */
  async #launch(ticket: Ticket): Promise<Agent> {
    const { id, status, owner, claim_epoch, version, attempts } = ticket;
    const host_id = ensureHostId(this.#places.state);
    const { boot_id, pid_ns, time_ns } = lookAtSelf(host_id);
    if (boot_id === null) throw new Error('the id of this boot cannot be read');
    const run = `${id}-e${claim_epoch + 1}-${Math.floor(this.#random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')}`;
    const guard = { status, owner, claim_epoch, version };
    const what = {
      agent: 'scripted',
      project: 'demo',
      attempt: attempts + 1,
      kind: 'command',
      headless: false,
    } as const;
    const actor = `tick:t-${run}`;
    won(
      await this.#db.claim(
        { ticket: id, guard, run, host_id, boot_id, ...what },
        { actor, now_ms: Date.now() },
      ),
      `claim ${id}`,
    );
    const staged = this.#stage(run, ticket);
    const { worktree, branch } = staged;
    won(
      await this.#db.staged({ run, worktree, branch, client_session: null, resumed: null }),
      `stage ${run}`,
    );
    const delivery = await this.#pending(run, id, 'prompt', staged.sha256, staged.bytes);

    const child = spawn('cat', [], { stdio: ['pipe', 'ignore', 'ignore'], env: {} });
    await once(child, 'spawn');
    const agent = { run, ticket: id, child };
    this.#agents.add(agent);
    const look = child.pid === undefined ? null : lookAt(child.pid);
    if (child.pid === undefined || look?.kind !== 'present')
      throw new Error(`the agent of ${run} did not start`);
    const identity = { host_id, boot_id, pid_ns, time_ns, pid: child.pid, pid_start: look.start };
    const nowhere = { tmux_server_pid: null, tmux_server_start: null, tmux_session: null, tmux_pane: null };
    won(await this.#db.register({ run, ...identity, ...nowhere }, { now_ms: Date.now() }), `register ${run}`);
    writeMark(this.#places.marks, id, { run, ...identity });
    writeRegistered(runDir(this.#places.runs, run), identity);
    await this.#db.setDelivery({ id: delivery, outcome: 'started', ack_source: 'registered' });
    return agent;
  }

  #stage(run: string, { id, body, claim_epoch, created_at_ms }: Ticket) {
    const places = this.#places;
    const profile = aProfile({ name: 'scripted', argv: ['cat'] });
    const worktree = join(places.worktrees, 'demo', id);
    const branch = `mc/${id}-show-the-total`;
    const staged = stageRun({
      pipe: null,
      ...{ run, ticket: id, owner: null, project: 'demo', claim_epoch: claim_epoch + 1, worktree, branch },
      ...{ ticket_created_at_ms: created_at_ms, headless: false, client_session: run, resume: null },
      ...{ places, profile, adapter: command, node: process.execPath, bin: 'mc-pickup.js' },
      prompt: `${text(2000, run)}\n\n${body}`,
      env: agentEnvironment(profile, places, { run, ticket: id }, this.#env),
    });
    return { ...staged, worktree, branch };
  }

  #event({ run }: Agent, kind: string, payload: object): void {
    const name = `${kind}.${Math.floor(this.#random() * 1e12).toString(36)}`;
    this.#write(run, join('events', name), JSON.stringify(payload));
  }

  async #deliver({ run, ticket }: Agent, kind: 'send' | 'answer'): Promise<void> {
    const sha256 = createHash('sha256').update(`${run} ${this.#random()}`).digest('hex');
    const id = await this.#pending(run, ticket, kind, sha256, 200);
    await this.#db.setDelivery({ id, outcome: 'started', ack_source: 'event' });
    const note = { at_ms: Date.now(), ticket_id: ticket, run_id: run, actor: PERSON, kind: 'sent' };
    await this.#db.log({ ...note, because: 'started', text: '200 bytes' });
  }

  async #pending(
    run_id: string,
    ticket_id: string,
    kind: DeliveryRow['kind'],
    sha256: string,
    bytes: number,
  ): Promise<string> {
    const nonce = sha256.slice(0, 16);
    const id = kind === 'prompt' ? `${run_id}-prompt` : `${run_id}-${nonce}`;
    await this.#db.saveDelivery({
      ...{ id, run_id, ticket_id, kind, nonce, sha256, bytes },
      ...{ outcome: 'pending', ack_source: null, at_ms: Date.now() },
    });
    return id;
  }

  async #report({ run }: Agent, to: 'in_review' | 'needs_input' | 'blocked', message: string): Promise<void> {
    won(await this.#db.report({ run, to, message, turn: 1 }, { now_ms: Date.now() }), `report ${run} ${to}`);
  }

  /** The agent is through: its process ends, and leaves what its screen showed and what it has used. */
  async #stop(agent: Agent): Promise<void> {
    const { run, ticket } = agent;
    await this.#kill(agent);
    const screen = join(ownDir(runDir(this.#places.runs, run)), 'screen.txt');
    writeFileSync(screen, text(10_000, run), { mode: 0o600 });
    const day = new Date(Date.now()).toISOString().slice(0, 10);
    const tokens = {
      input_tokens: 40_000,
      output_tokens: 9_000,
      cache_read_tokens: 800_000,
      cache_write_tokens: 0,
    };
    await this.#db.recordUsage({
      ...{ session: run, run_id: run, ticket_id: ticket, agent: 'scripted', day },
      totals: { ...tokens, turns: 4, cost_usd: 0.7 },
    });
    // As old as they are in this world, for whoever goes by the age of files.
    const at = Date.now() / 1000;
    const dir = runDir(this.#places.runs, run);
    for (const name of ['.', 'prompt.md', 'events']) utimesSync(join(dir, name), at, at);
    for (const name of ['.', 'run.json', 'launch', 'registered.json', 'screen.txt'])
      utimesSync(join(ownDir(dir), name), at, at);
  }

  async #kill(agent: Agent): Promise<void> {
    const { child } = agent;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    this.#agents.delete(agent);
  }

  #write(run: string, name: string, content: string): void {
    writeFileSync(join(runDir(this.#places.runs, run), name), content, { mode: 0o600 });
  }

  #fate(): Fate {
    let left = this.#random();
    for (const [fate, share] of FATES) {
      left -= share;
      if (left < 0) return fate;
    }
    return 'plain';
  }

  #between(low: number, high: number): number {
    return Math.floor(low + this.#random() * (high - low));
  }
}

function won(result: 'won' | 'lost', what: string): void {
  if (result !== 'won') throw new Error(`${what}: lost`);
}

/** So many bytes that differ from one text to the next. */
function text(bytes: number, of: string): string {
  return `${of}: the total is wrong as soon as a voucher is in the basket.\n`.repeat(bytes).slice(0, bytes);
}

/** Mulberry32 (Tommy Ettinger): the same seed gives the same month. */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
