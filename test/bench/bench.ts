/** `npm run bench`: what a tick costs, as a ratio to an empty program (`node -e 0`) on the same binary. Every
 *  measurement is a pair of runs, one after the other, so that a busy machine slows both. Options: `--json FILE`
 *  writes the rows, `--pairs N` measures more often, `--strict` exits 1 when a median is over its budget. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Board } from '../../src/board/port.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import type { TicketStatus } from '../../src/model/ticket.ts';
import { type Places, placesOf } from '../../src/paths.ts';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/runtime/identity.ts';
import { writeMark } from '../../src/runtime/marks.ts';
import { startPane, type Tmux } from '../../src/runtime/tmux.ts';
import { waitFor } from '../support/wait.ts';

const BIN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'mc-pickup.js');
const WARM_UP = 3;
const MIN_PAIRS = 15;
const TICKETS = 100;
const LIVE = 10;

interface Row {
  readonly name: string;
  readonly ratio_median: number;
  readonly ratio_min: number;
  readonly ratio_max: number;
  readonly runs: number;
  readonly budget: number;
}

interface Pane {
  readonly pid: number;
  readonly start: string;
}

/** One state dir with its configuration, and the panes that run under it. */
interface Case {
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly panes: Pane[];
}

function makeCase(root: string, name: string): Case {
  const dir = join(root, name);
  const repo = join(dir, 'repo');
  mkdirSync(join(dir, 'home'), { recursive: true });
  const config = join(dir, 'config.toml');
  const env = { PATH: process.env.PATH, HOME: join(dir, 'home'), LANG: 'C.UTF-8', TMPDIR: dir };
  const git = spawnSync('git', ['init', '-q', '-b', 'main', repo], { env, encoding: 'utf8' });
  if (git.status !== 0) throw new Error(`git init: ${git.error?.message ?? git.stderr}`);
  writeFileSync(
    config,
    `[limits]
max_agents = ${LIVE}

[project.demo]
repo = ${JSON.stringify(repo)}
base = "main"
fetch = false

[agent.scripted]
kind = "command"
argv = ["sleep", "3600"]
`,
  );
  return { places: placesOf({ stateDir: join(dir, 'state'), config }, {}), env, panes: [] };
}

function program({ places, env }: Case, ...words: string[]): void {
  const args = [BIN, ...words, '--state-dir', places.state, '--config', places.config];
  const done = spawnSync(process.execPath, args, { env, encoding: 'utf8', timeout: 60_000 });
  if (done.status !== 0)
    throw new Error(`${words.join(' ')}: exit ${done.status}: ${done.stdout}${done.stderr}`);
}

async function closedGate(root: string): Promise<Case> {
  const one = makeCase(root, 'gate');
  program(one, 'init');
  program(one, 'killswitch', 'on', '--level', 'all', '--reason', 'bench');
  return one;
}

async function emptyBoard(root: string): Promise<Case> {
  const one = makeCase(root, 'empty');
  program(one, 'init');
  return one;
}

async function busyBoard(root: string, made: (one: Case) => void): Promise<Case> {
  const one = makeCase(root, 'busy');
  made(one);
  program(one, 'init');
  const board = openBoard(one.places.board);
  try {
    for (let n = 0; n < TICKETS; n++) {
      const id = await addTicket(board, n);
      if (n < LIVE) await occupy(board, one, id);
      else await move(board, id, n % 2 === 0 ? 'done' : 'in_review');
    }
  } finally {
    board.close();
  }
  return one;
}

async function addTicket(board: Board, n: number): Promise<string> {
  const ticket = {
    title: `Ticket number ${n}`,
    body: 'What is to be done, in some words.\n'.repeat(10),
    status: 'todo' as const,
    priority: 2,
    project: 'demo',
    labels: [],
    agent: 'scripted',
    owner: null,
    author: 'bench',
    trusted: true,
    depends_on: [],
  };
  return (await board.addTicket(ticket, Date.now())).id;
}

async function move(board: Board, id: string, to: TicketStatus): Promise<void> {
  const ticket = await board.ticket(id);
  won(
    await board.move(id, ticket?.version ?? -1, { to: to, why: '', trusted: true }, 'bench', Date.now()),
    `move ${id}`,
  );
}

/** Gives the ticket a live runtime: a real pane of a real process, claimed and registered as a launch does it. */
async function occupy(board: Board, { places, panes, env }: Case, id: string): Promise<void> {
  const ticket = await board.ticket(id);
  if (ticket === null) throw new Error(`no ticket ${id}`);
  const host_id = ensureHostId(places.state);
  const { boot_id, pid_ns } = lookAtSelf(host_id);
  const { status, owner, claim_epoch, version } = ticket;
  const run = `${id}-e${claim_epoch + 1}-bench`;
  const guard = { status, owner, claim_epoch, version };
  const claim = {
    ticket: id,
    guard,
    run,
    agent: 'scripted',
    project: 'demo',
    attempt: 1,
    host_id,
    boot_id,
    kind: 'command' as const,
    headless: false,
  };
  won(await board.claim(claim, 'bench', Date.now()), `claim ${id}`);
  const dir = join(places.runs, run);
  mkdirSync(join(dir, 'events'), { recursive: true });

  const tmux: Tmux = { socket: places.socket, serverFile: places.server, binary: 'tmux' };
  const argv = ['sleep', '3600'];
  const pane = await startPane(tmux, { name: run, run, ticket: id, cwd: env.HOME ?? dir, argv });
  if (!pane.ok) throw new Error(pane.error);
  const look = lookAt(pane.pid);
  const server = lookAt(pane.server_pid);
  if (boot_id === null || look.kind !== 'present') throw new Error(`process ${pane.pid} cannot be read`);
  panes.push({ pid: pane.pid, start: look.start });
  const identity = { run, host_id, boot_id, pid_ns, pid: pane.pid, pid_start: look.start };
  const where = { tmux_server_pid: pane.server_pid, tmux_session: pane.session, tmux_pane: pane.pane };
  const tmux_server_start = server.kind === 'present' ? server.start : null;
  won(await board.register({ ...identity, ...where, tmux_server_start }, Date.now()), `register ${run}`);
  writeMark(places.marks, id, identity);
}

function won(result: 'won' | 'lost', what: string): void {
  if (result !== 'won') throw new Error(`${what}: lost`);
}

/** Milliseconds of one whole process; it must print nothing and exit 0. */
function timed(what: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const start = performance.now();
  const done = spawnSync(process.execPath, args, { env, encoding: 'utf8', timeout: 60_000 });
  const ms = performance.now() - start;
  if (done.status === 0 && done.stdout === '' && done.stderr === '') return ms;
  const why =
    done.error?.message ??
    `exit ${done.status ?? done.signal}, printed ${JSON.stringify(done.stdout + done.stderr)}`;
  throw new Error(`${what}: ${why}`);
}

function measure(name: string, budget: number, { places, env }: Case, pairs: number): Row {
  const args = [BIN, 'dispatch', '--state-dir', places.state, '--config', places.config];
  const base = (): number => timed('node -e 0', ['-e', '0'], env);
  const tick = (): number => timed(name, args, env);
  for (let i = 0; i < WARM_UP; i++) {
    base();
    tick();
  }
  const ratios: number[] = [];
  for (let i = 0; i < pairs; i++) {
    // Which of the two comes first changes, so that neither always has the warmer machine.
    const first = i % 2 === 0 ? base() : tick();
    const second = i % 2 === 0 ? tick() : base();
    ratios.push(i % 2 === 0 ? second / first : first / second);
  }
  ratios.sort((a, b) => a - b);
  return {
    name,
    ratio_median: round(median(ratios)),
    ratio_min: round(ratios[0] ?? Number.NaN),
    ratio_max: round(ratios.at(-1) ?? Number.NaN),
    runs: pairs,
    budget,
  };
}

function median(sorted: readonly number[]): number {
  const half = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return (low + high) / 2;
}

function round(ratio: number): number {
  return Math.round(ratio * 1000) / 1000;
}

function show(row: Row): void {
  const { name, ratio_median, ratio_min, ratio_max, runs, budget } = row;
  const range = `${ratio_min.toFixed(2)}..${ratio_max.toFixed(2)}`;
  const over = ratio_median > budget ? '  OVER BUDGET' : '';
  console.log(
    `${name.padEnd(12)} ${ratio_median.toFixed(2)}x  (${range}, ${runs} pairs, budget ${budget.toFixed(2)}x)${over}`,
  );
}

/** The agents still live and the board still says so: else something else than an idle tick was measured. */
async function stillIdle({ places, panes }: Case): Promise<void> {
  const board = openBoard(places.board);
  try {
    const { in_progress } = await board.counts();
    const rows = await board.liveRuntimes();
    const alive = panes.filter(lives).length;
    if (in_progress === LIVE && rows.length === LIVE && alive === LIVE) return;
    throw new Error(
      `${in_progress} in progress, ${rows.length} live rows, ${alive} processes: ${LIVE} of each expected`,
    );
  } finally {
    board.close();
  }
}

/** Ends the tmux server of this case, on its own socket, and with it the panes. */
async function end({ places, env, panes }: Case): Promise<void> {
  spawnSync('tmux', ['-S', places.socket, 'kill-server'], { env, timeout: 10_000 });
  await waitFor(() => !panes.some(lives), 'the panes to end');
}

function lives({ pid, start }: Pane): boolean {
  const look = lookAt(pid);
  return look.kind === 'present' && look.start === start && look.state !== 'Z';
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      pairs: { type: 'string', default: String(MIN_PAIRS) },
      strict: { type: 'boolean', default: false },
    },
  });
  const pairs = Math.max(MIN_PAIRS, Number(values.pairs) || 0);
  const root = mkdtempSync(join(tmpdir(), 'mc-bench-'));
  const started: Case[] = [];
  const rows: Row[] = [];
  const add = (row: Row): void => {
    rows.push(row);
    show(row);
  };
  try {
    const gate = await closedGate(root);
    const empty = await emptyBoard(root);
    const busy = await busyBoard(root, (one) => started.push(one));
    // As on a machine in use: the compiled code that is kept is that of a tick with agents, for the gate as well.
    program(busy, 'dispatch');
    add(measure('gate', 1.35, gate, pairs));
    add(measure('idle-empty', 2, empty, pairs));
    add(measure('idle-100-10', 2, busy, pairs));
    await stillIdle(busy);
  } finally {
    try {
      for (const one of started) await end(one);
    } finally {
      rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows }, null, 2)}\n`);
  return values.strict && rows.some((row) => row.ratio_median > row.budget) ? 1 : 0;
}

process.exitCode = await main();
