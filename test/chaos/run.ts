/*
 * `npm run test:chaos -- [--rounds N] [--seed S] [--only WORD] [--bin FILE]`: random hostile and clumsy agents beside well-behaved ones, and
 * ticks that are killed. After every tick every promise is checked from outside: by the kernel, by hashes of files that nobody may touch, by git,
 * and by the board read as another program reads it. A seed makes a round again. Exit 1 = a promise was broken.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BIN, end, git, makeSandbox, type Ran, type Sandbox, until } from '../support/sandbox.ts';
import '../support/scratch.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

function option(name: string): string | null {
  const at = process.argv.indexOf(name);
  const value = at < 0 ? null : process.argv[at + 1];
  if (value === undefined) throw new Error(`${name} wants a value`);
  return value;
}

const ROUNDS = Number(option('--rounds') ?? 3);
const SEED = Number(option('--seed') ?? randomInt(2 ** 31));
const ONLY = option('--only');
/** Another build of the program, to see what it does. */
const PROGRAM = option('--bin') ?? BIN;
const TICKS = 14;
/** No tick may stand still; on a machine that is busy with others it may be slow. */
const TICK_BOUND_MS = 60_000;
const SECRET = 'chaos-secret-of-the-dispatcher';

/** What an agent may do to the world before it ends or stays. */
const DEEDS = [
  ...[
    'link-events',
    'link-state',
    'link-run',
    'link-files',
    'hard-link',
    'link-git',
    'fifo-events',
    'fifo-files',
  ],
  ...['fifo-git', 'fifo-worktree', 'device', 'huge', 'flood', 'forge', 'unreadable', 'note', 'plant', 'pane'],
  ...['link-own', 'fifo-own', 'link-marks', 'kill-server', 'commands', 'left', 'noise', 'dirty', 'fork'],
];
/** When the tmux server is ended under a tick, or under the send of an answer. */
const MOMENTS = ['before:list-panes', 'after:list-panes', 'before:new-session', 'after:new-session'];
const SENDING = ['before:load-buffer', 'after:load-buffer', 'before:if-shell', 'after:if-shell'];
/** One more loss would hold launches. */
const MOST_LOSSES = 2;
const ENDS = ['die', 'stay', 'kill', 'shell', 'sleep', 'thread', 'stop-self'];

/** Mulberry32 (Ettinger): enough for a campaign, and the same everywhere. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

class Broken extends Error {}

interface Living {
  readonly pid: number;
  readonly run: string;
  readonly ticket: string;
}

class Round {
  readonly #box: Sandbox;
  readonly #out: string;
  readonly #draw: (below: number) => number;
  readonly #good: string[] = [];
  readonly #bad: { readonly id: string; readonly words: string }[] = [];
  readonly #hashes = new Map<string, string>();
  readonly #asks: string[] = [];
  readonly #told = new Set<string>();
  #path: { readonly PATH?: string } = {};
  killed = 0;
  ticks = 0;

  constructor(seed: number, thread: string, breaker: number) {
    this.#draw = random(seed);
    this.#box = makeSandbox();
    this.#out = join(this.#box.dir, 'out');
    const precious = join(this.#out, 'precious');
    mkdirSync(precious, { recursive: true });
    for (const name of ['work.txt', 'board.sqlite', 'idle.1', 'NAME.EXT', 'busy.keep']) {
      writeFileSync(join(precious, name), `precious ${name}\n`);
    }
    this.#box.configure(`[limits]
max_agents = 12
max_launches_per_tick = 6
retry_base_seconds = 0.2
retry_max_seconds = 1
launch_deadline_seconds = 3
max_attempts = 2
mass_death = { count = ${breaker}, minutes = 10 }

[project.demo]
repo = ${JSON.stringify(this.#box.repo)}
base = "main"
fetch = false

[agent.client]
kind = "claude"
argv = [${JSON.stringify(join(HERE, 'agent.sh'))}]
env = { CHAOS_OUT = ${JSON.stringify(this.#out)} }

[agent.chaos]
kind = "command"
argv = [${JSON.stringify(join(HERE, 'agent.sh'))}]
env = { CHAOS_OUT = ${JSON.stringify(this.#out)}, CHAOS_THREAD = ${JSON.stringify(thread)} }
`);
    // A build of before does not know the breaker's table.
    if (this.#run(['config', 'check']).code !== 0)
      this.#box.configure(
        readFileSync(this.#box.env.MC_PICKUP_CONFIG ?? '', 'utf8').replace(/^mass_death.*$/m, ''),
      );
  }

  #run(args: readonly string[]): Ran {
    const done = spawnSync(process.execPath, [PROGRAM, ...args], {
      env: { ...this.#box.env, CHAOS_SECRET: SECRET, ...this.#path },
      encoding: 'utf8',
      timeout: TICK_BOUND_MS,
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  #add(words: string, agent = 'chaos'): string {
    const line = ['--project', 'demo', '--agent', agent, '--title', 'Chaos', '--body', `chaos: ${words}`];
    const done = this.#run(['ticket', 'add', ...line, '--json']);
    if (done.code !== 0) throw new Error(done.err);
    return (JSON.parse(done.out) as { id: string }).id;
  }

  async play(): Promise<void> {
    const draw = this.#draw;
    const pick = <T>(values: readonly T[]): T => values[draw(values.length)] as T;
    for (let n = 0; n < 4; n++) this.#good.push(this.#add('good'));
    for (let n = 0; n < 2; n++) this.#asks.push(this.#add('ask'));
    this.#putTmux();
    for (let n = 0; n < 5; n++) {
      // One deed alone is seen before each of the first ends.
      const last = ONLY === null ? pick(ENDS) : (ENDS[n] as string);
      const deeds = ONLY === null ? Array.from({ length: 1 + draw(3) }, () => pick(DEEDS)) : [ONLY];
      const words = [...deeds, last].join(' ');
      this.#bad.push({ id: this.#add(words), words });
    }
    this.#remember();
    for (let n = 0; n < TICKS; n++) {
      const clean = draw(3) > 0 || n >= TICKS - 4;
      const kill_ms = draw(600);
      const moment = draw(3) === 0 && n < TICKS - 4 ? pick(MOMENTS) : null;
      await this.#tick(clean ? null : kill_ms, moment);
      this.#answer(draw(2) === 0 ? pick(SENDING) : null);
      await pause(300);
      this.#check();
      this.#release();
    }
    const done = await until(() => {
      if ([...this.#good, ...this.#asks].every((id) => this.#status(id) === 'in_review')) return true;
      this.#run(['dispatch']);
      this.#answer(null);
      return false;
    }, 60_000);
    if (!done)
      throw new Broken(
        `${this.#toldOf()}a well-behaved ticket did not get through: ${[...this.#good, ...this.#asks].map((id) => `${id} ${this.#status(id)}`).join(', ')}`,
      );
    for (const id of this.#good) this.#counted(id);
    for (const id of this.#asks) this.#answered(id);
    this.#check();
  }

  /**
   * The breaker: agents that end at one moment, each by a death, a login or a limit. It trips for three deaths and no fewer, whatever ends beside
   * them, and once released not for what was before.
   */
  async breaker(): Promise<void> {
    const draw = this.#draw;
    for (let n = 0; n < 6; n++) {
      const end = ['die', 'login', 'limit'][draw(3)] ?? 'die';
      this.#bad.push({ id: this.#add(`held ${end}`, 'client'), words: end });
    }
    this.#remember();
    const begun = (): boolean => this.#bad.every(({ id }) => existsSync(join(this.#out, `${id}.started`)));
    while (!begun()) {
      await this.#tick(draw(3) === 0 ? draw(600) : null, null);
      await pause(200);
    }
    await this.#tick(null, null);
    const pids = this.#living().map(({ pid }) => pid);
    writeFileSync(join(this.#out, 'go'), '');
    await until(() => !this.#living().some(({ pid }) => pids.includes(pid)));
    const deaths = this.#bad.filter(({ words }) => words === 'die').length;
    const isKilled = draw(2) === 0;
    if (isKilled) await this.#tick(draw(600), null);
    await this.#tick(null, null);
    const trips = (): boolean => existsSync(join(this.#box.state, 'killswitch.json'));
    if (trips() !== deaths >= 3)
      throw new Broken(`the breaker ${trips() ? 'tripped' : 'did not trip'} at ${deaths} deaths`);
    this.#check();
    if (!trips()) return;
    this.#run(['killswitch', 'off']);
    // Everybody else waits for a person or a limit.
    for (const { id, words } of this.#bad)
      if (words === 'die') this.#run(['ticket', 'move', id, 'cancelled']);
    this.#bad.push({ id: this.#add('die', 'client'), words: 'die' });
    for (let n = 0; n < 4; n++) {
      await this.#tick(null, null);
      await pause(200);
      if (trips()) throw new Broken('the breaker tripped again by what was before its release');
    }
  }

  /** What the program says of those that did not get through. */
  #toldOf(): string {
    return [...this.#good, ...this.#asks]
      .filter((id) => this.#status(id) !== 'in_review')
      .map((id) => `${this.#run(['explain', id]).out}${this.#run(['log', '--ticket', id]).out}`)
      .join('');
  }

  /** The answer of a person; the server may be ended under it. */
  #answer(moment: string | null): void {
    for (const id of this.#asks) {
      const [row] = this.#box.sql<{ status: string; reason: string | null }>(
        'SELECT status, reason FROM tickets WHERE id = ?',
        id,
      );
      if (row?.status !== 'needs_input' || row.reason !== 'asked' || this.#told.has(id)) continue;
      this.#plan(moment);
      const done = this.#run(['answer', id, `chaos answer ${id.slice(3)}`]);
      this.#plan(null);
      if (/^\s+at .*:\d+:\d+\)?$/m.test(done.err)) throw new Broken(`an answer printed a stack: ${done.err}`);
      if (done.code === 0 || done.code === 4) this.#told.add(id);
    }
  }

  /** What a person has said came to the ticket, once, whatever died in between. */
  #answered(id: string): void {
    const text = readOr('', () => readFileSync(join(this.#out, `${id}.answered`), 'utf8'));
    const lines = text.split('\n').filter(Boolean);
    if (lines.length === 0 || lines.some((line) => !line.includes(`chaos answer ${id.slice(3)}`)))
      throw new Broken(`the answer to ${id} came as ${JSON.stringify(lines)}`);
  }

  /** The tmux of ticks and sends, which can end its server. */
  #putTmux(): void {
    const shim = join(this.#out, 'shim');
    mkdirSync(shim);
    copyFileSync(join(HERE, 'tmux.sh'), join(shim, 'tmux'));
    const real = spawnSync('/bin/sh', ['-c', 'command -v tmux'], { env: this.#box.env, encoding: 'utf8' });
    writeFileSync(join(shim, 'real'), real.stdout);
    this.#path = { PATH: `${shim}:${this.#box.env.PATH}` };
  }

  #plan(moment: string | null): void {
    const plan = join(this.#out, 'shim', 'plan');
    rmSync(plan, { force: true });
    if (moment !== null && this.#losses() < MOST_LOSSES) writeFileSync(plan, moment);
  }

  #losses(): number {
    const done = readOr('', () => readFileSync(join(this.#out, 'shim', 'done'), 'utf8'));
    return done.split('\n').filter(Boolean).length;
  }

  /** A person releases the breaker: builds of before cannot leave it off. */
  #release(): void {
    if (existsSync(join(this.#box.state, 'killswitch.json'))) this.#run(['killswitch', 'off']);
  }

  async #tick(kill_ms: number | null, moment: string | null): Promise<void> {
    if (moment !== null) this.#plan(moment);
    const env = { CHAOS_SECRET: SECRET, ...this.#path };
    const running = this.#box.begin(['dispatch', '--json'], env, PROGRAM);
    if (kill_ms !== null) {
      await pause(kill_ms);
      running.kill();
      await running.done;
      this.killed += 1;
      return;
    }
    this.ticks += 1;
    const late = pause(TICK_BOUND_MS, 'late' as const, { ref: false });
    const done = await Promise.race([running.done, late]);
    if (done === 'late') {
      const tree = spawnSync('ps', ['-eo', 'pid,ppid,stat,etimes,wchan:20,args', '--forest'], {
        encoding: 'utf8',
      });
      const own = tree.stdout
        .split('\n')
        .filter((line) => line.includes(this.#box.dir) || line.includes(`${running.pid} `));
      running.kill();
      process.stdout.write(`${own.join('\n')}\n`);
      throw new Broken(`a tick did not end within ${TICK_BOUND_MS / 1000} s`);
    }
    if (done.code !== 0 && done.code !== 3 && !(done.code === 69 && moment !== null))
      throw new Broken(`a tick ended with ${done.code}: ${done.err.slice(0, 400)}`);
    if (/^\s+at .*:\d+:\d+\)?$/m.test(done.err))
      throw new Broken(`a tick printed a stack: ${done.err.slice(0, 400)}`);
  }

  /** Every promise, from outside. */
  #check(): void {
    this.#untouched();
    // The board first: whom it calls ended must not live afterwards.
    const ended = new Set(
      this.#box
        .sql<{ mark: string }>(
          'SELECT mark FROM runtime_sessions WHERE ended_at_ms IS NOT NULL AND mark NOT IN (SELECT mark FROM runtime_sessions WHERE ended_at_ms IS NULL)',
        )
        .map(({ mark }) => mark),
    );
    const living = this.#living();
    const byTicket = new Map<string, Set<string>>();
    for (const { ticket, run } of living) byTicket.set(ticket, (byTicket.get(ticket) ?? new Set()).add(run));
    for (const [ticket, runs] of byTicket)
      if (runs.size > 1) throw new Broken(`${ticket} has ${runs.size} agents: ${[...runs].join(', ')}`);
    const freed = living.find(({ run }) => ended.has(run));
    if (freed !== undefined)
      throw new Broken(
        `${this.#run(['log', '--ticket', freed.ticket]).out}process ${freed.pid} (${this.#of(freed.pid, 'cmdline').join(' ')}) lives, and its run ${freed.run} was ended`,
      );
    const told = join(this.#out, 'planted.env');
    if (existsSync(told) && readFileSync(told, 'utf8').includes(SECRET))
      throw new Broken("a planted hook read the dispatcher's environment");
  }

  /** Agents by what the kernel says: a process that has a run in its environment and is the client's own program. */
  #living(): Living[] {
    const found: Living[] = [];
    const rows = this.#box.sql<{ pid: number | null }>('SELECT pid FROM runtime_sessions');
    const known = new Set(rows.map(({ pid }) => pid));
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!Number.isSafeInteger(pid) || pid <= 1) continue;
      const [env, command] = [this.#of(pid, 'environ'), this.#of(pid, 'cmdline')];
      if (!env.includes(`MC_PICKUP_STATE_DIR=${this.#box.state}`)) continue;
      // What a process has become that no tick had ever known as its run is a tool that was left.
      const became = command.some((word) => word.endsWith('.thread')) && known.has(pid);
      if (!became && !command.includes(join(HERE, 'agent.sh'))) continue;
      const run = valueIn(env, 'MC_RUN_ID');
      const ticket = valueIn(env, 'MC_TICKET_ID');
      if (run !== null && ticket !== null) found.push({ pid, run, ticket });
    }
    return found;
  }

  /** Of a process whose main thread has ended, another one tells. */
  #of(pid: number, what: 'environ' | 'cmdline'): string[] {
    for (const task of readOr([], () => readdirSync(`/proc/${pid}/task`))) {
      const text = readOr('', () => readFileSync(`/proc/${pid}/task/${task}/${what}`, 'utf8'));
      if (text !== '') return text.split('\0');
    }
    return [];
  }

  #files(): string[] {
    const precious = join(this.#out, 'precious');
    return readdirSync(precious)
      .map((name) => join(precious, name))
      .concat([this.#box.env.MC_PICKUP_CONFIG ?? '', join(this.#box.state, 'host-id')]);
  }

  #remember(): void {
    for (const file of this.#files()) this.#hashes.set(file, hashOf(file));
  }

  /** The user's files, the configuration and the host's id are as they were; the board is there, and whole. */
  #untouched(): void {
    for (const [file, hash] of this.#hashes)
      if (!existsSync(file) || hashOf(file) !== hash)
        throw new Broken(`${file.slice(this.#box.dir.length)} was changed or removed`);
    if (this.#files().length !== this.#hashes.size) throw new Broken("files were put among the user's");
    if (!existsSync(this.#box.boardFile)) throw new Broken('the board is gone');
    const [{ n } = { n: 0 }] = this.#box.sql<{ n: number }>('SELECT count(*) AS n FROM tickets');
    if (n < this.#good.length + this.#bad.length) throw new Broken(`the board has ${n} tickets`);
    if (
      existsSync(join(this.#box.state, 'killswitch.json')) &&
      readFileSync(join(this.#box.state, 'killswitch.json'), 'utf8').includes('mine')
    )
      throw new Broken('an agent has switched the killswitch');
  }

  #status(id: string): string {
    return (
      this.#box.sql<{ status: string }>('SELECT status FROM tickets WHERE id = ?', id)[0]?.status ?? 'gone'
    );
  }

  /** A well-behaved agent committed and reported once, whatever the others did: unless its server was killed under it. */
  #counted(id: string): void {
    const lines = readOr('', () => readFileSync(join(this.#out, `${id}.reports`), 'utf8'))
      .trim()
      .split('\n');
    // One that dies with its server may have reported, and not have noted it.
    const reported = lines.filter((line) => line === '0').length;
    if (reported > 1 || (reported === 0 && this.#losses() === 0))
      throw new Broken(`${id} was reported ${lines.join(' ')}`);
    const branch =
      this.#box.sql<{ branch: string }>(
        'SELECT branch FROM runtime_sessions WHERE ticket_id = ? ORDER BY seq DESC',
        id,
      )[0]?.branch ?? '';
    if (git(this.#box, 'log', '--oneline', `main..${branch}`).trim() === '')
      throw new Broken(`${id} has no commit`);
  }

  /** How often the server was ended. */
  get losses(): number {
    return this.#losses();
  }

  describe(): string {
    return this.#bad.map(({ id, words }) => `${id}: ${words}`).join('\n  ');
  }

  async end(): Promise<void> {
    // One whose main thread has ended shows no environment of its own: the sandbox would not find it.
    for (const { pid } of this.#living()) end(pid);
    await this.#box.destroy();
  }
}

/** What is gone meanwhile is nothing. */
function readOr<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function valueIn(env: readonly string[], name: string): string | null {
  return env.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

const scratch = makeSandbox();
const thread = join(scratch.dir, 'thread');
const built = spawnSync('cc', ['-o', thread, join(HERE, 'thread.c'), '-lpthread'], { encoding: 'utf8' });
if (built.status !== 0) throw new Error(`cc: ${built.stderr ?? built.error}`);
let broken = 0;
let [ticks, killed, lost] = [0, 0, 0];
for (let n = 0; n < 2 * ROUNDS; n++) {
  const seed = (SEED + Math.floor(n / 2)) % 2 ** 31;
  const isBreaker = n % 2 === 1;
  if (isBreaker && ONLY !== null) continue;
  const round = new Round(seed, thread, isBreaker ? 3 : 0);
  try {
    await (isBreaker ? round.breaker() : round.play());
    process.stdout.write(`seed ${seed}${isBreaker ? ', the breaker' : ''}: kept\n`);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    broken += 1;
    process.stdout.write(
      `seed ${seed}${isBreaker ? ', the breaker' : ''}: BROKEN: ${error.message}\n  ${round.describe()}\n`,
    );
  } finally {
    ticks += round.ticks;
    killed += round.killed;
    lost += round.losses;
    await round.end();
  }
}
await scratch.destroy();
process.stdout.write(
  `${ROUNDS} rounds, ${ticks} ticks, ${killed} more killed, ${lost} tmux servers ended under a tick or a send: ${broken === 0 ? 'every promise kept' : `${broken} broken`}\n`,
);
process.exitCode = broken === 0 ? 0 : 1;
