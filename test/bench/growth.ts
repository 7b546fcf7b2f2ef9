/** `npm run bench:growth`: what a state dir and a tick come to in a month of minute ticks with 200 tickets a day. The
 *  clock is simulated; the board, its files, the tick lock, the agents' processes and the ticks are real. Prints a line a
 *  day and a verdict. Options: `--days N`, `--tickets-per-day N`, `--ticks-days N`, `--history-days N`, `--runs-days N`
 *  (what retention keeps), `--retention off`, `--process-every K` (days between two measurements of whole processes),
 *  `--seed N`, `--json FILE`. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadPolicy } from '../../src/config/load.ts';
import { readText } from '../../src/config/read.ts';
import { makeContext } from '../../src/context.ts';
import { type Places, placesOf } from '../../src/machine/paths.ts';
import { tick as tickNow } from '../../src/tick/index.ts';
import { Clock } from './growth-clock.ts';
import { Team } from './growth-life.ts';
import {
  type BoardSize,
  boardSize,
  bytesOf,
  type Dirs,
  LOGS,
  median,
  OWN,
  openReader,
  Probe,
  processRatio,
  runDirs,
} from './growth-measure.ts';

const BIN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'mc-pickup.js');
const MINUTE_MS = 60_000;
const DAY = 24 * 60;
const PAIRS = 7;
/** A day's hours with a program that has the board open, and ten minutes with one that keeps looking at one state of it. */
const OPEN = [10 * 60, 11 * 60] as const;
const LOOKING = [14 * 60, 14 * 60 + 10] as const;
const MIB = 1024 * 1024;

interface Options {
  readonly days: number;
  readonly perDay: number;
  readonly keep: Keep | null;
  readonly processEvery: number;
  readonly seed: number;
  readonly json: string | undefined;
}

/** Days; null in its place = all is kept. */
interface Keep {
  readonly ticks_days: number;
  readonly history_days: number;
  readonly runs_days: number;
}

interface Day {
  readonly day: number;
  readonly board: BoardSize;
  readonly dirs: Dirs;
  /** The largest log of the day: with no reader, with one that is merely open, with one that keeps looking. */
  readonly wal: { readonly alone: number; readonly open: number; readonly looking: number };
  readonly tick_ms: { readonly median: number; readonly p99: number; readonly max: number };
  readonly write_ms: number;
  readonly process: { readonly ratio: number; readonly ms: number } | null;
  readonly live: number;
}

interface Sim {
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly probe: Probe;
  readonly team: Team;
  readonly stopped: AbortSignal;
}

async function main(): Promise<void> {
  const asked = optionsOf();
  process.umask(0o077);
  const root = mkdtempSync(join(tmpdir(), 'mc-growth-'));
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  const started = performance.now();
  const undo: (() => void | Promise<void>)[] = [
    () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }),
  ];
  try {
    const midnight = Math.floor(Date.now() / (DAY * MINUTE_MS)) * DAY * MINUTE_MS;
    const clock = new Clock(midnight - asked.days * DAY * MINUTE_MS, root);
    undo.push(() => clock.restore());
    const { places, env, keep } = prepare(root, asked, clock);
    const options = { ...asked, keep };
    const probe = new Probe(places.board);
    undo.push(() => probe.restore());
    const team = new Team({
      places,
      env,
      perDay: options.perDay,
      slots: slotsOf(options.perDay),
      seed: options.seed,
    });
    undo.push(() => team.end());
    const sim = { places, env, clock, probe, team, stopped: stop.signal };
    const days: Day[] = [];
    head(options);
    for (let day = 1; day <= options.days; day++) {
      days.push(await oneDay(sim, day, options));
      show(days.at(-1));
    }
    const said = verdict(days);
    for (const line of [...perRow(days.at(-1)), '', ...said.lines]) console.log(line);
    const parts = [...spentMs].map(([what, ms]) => `${what} ${Math.round(ms / 1000)}`);
    console.log(`\n${Math.round((performance.now() - started) / 1000)} s (${parts.join(', ')})`);
    if (options.json !== undefined) {
      const { lines: _, ...numbers } = said;
      writeFileSync(options.json, `${JSON.stringify({ options, days, verdict: numbers }, null, 2)}\n`);
    }
  } finally {
    for (const one of undo.reverse()) await one();
  }
}

function optionsOf(): Options {
  const { values } = parseArgs({
    options: {
      days: { type: 'string', default: '30' },
      'tickets-per-day': { type: 'string', default: '200' },
      'ticks-days': { type: 'string', default: '3' },
      'history-days': { type: 'string', default: '7' },
      'runs-days': { type: 'string', default: '7' },
      retention: { type: 'string', default: 'on' },
      'process-every': { type: 'string', default: '1' },
      seed: { type: 'string', default: '7' },
      json: { type: 'string' },
    },
  });
  const whole = (name: Exclude<keyof typeof values, 'json' | 'retention'>): number => {
    const n = Number(values[name]);
    if (!Number.isSafeInteger(n) || n < 1)
      throw new Error(`--${name}: a whole number from 1, not ${values[name]}`);
    return n;
  };
  if (values.retention !== 'on' && values.retention !== 'off') throw new Error('--retention: on or off');
  const keep = {
    ticks_days: whole('ticks-days'),
    history_days: whole('history-days'),
    runs_days: whole('runs-days'),
  };
  return {
    ...{ days: whole('days'), perDay: whole('tickets-per-day'), processEvery: whole('process-every') },
    ...{ seed: whole('seed'), json: values.json, keep: values.retention === 'on' ? keep : null },
  };
}

/** A state dir of its own, with a home of its own. */
function prepare(
  root: string,
  { keep, perDay }: Options,
  clock: Clock,
): Pick<Sim, 'places' | 'env'> & Pick<Options, 'keep'> {
  const [home, repo, config] = [join(root, 'home'), join(root, 'repo'), join(root, 'config.toml')];
  mkdirSync(home);
  const env = { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', TMPDIR: root };
  run('git', ['init', '-q', '-b', 'main', repo], env);
  const places = placesOf({ stateDir: join(root, 'state'), config }, {});
  const written = (text: string): readonly string[] => {
    writeFileSync(config, text);
    return loadPolicy(config, env, readText(config)).policy.broken;
  };
  const rest = configuration(repo, slotsOf(perDay) + 1);
  const broken = written(`${rest}${retention(keep)}`);
  // A build of before there was such a table can be measured too.
  const without = broken.length > 0 && broken.every((one) => one.includes('retention'));
  if (without) console.log('This build knows no [retention]: it is left out of the configuration.');
  const wrong = without ? written(rest) : broken;
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  run(process.execPath, [BIN, 'init', ...where(places)], { ...env, ...clock.environment() });
  return { places, env, keep: without ? null : keep };
}

function configuration(repo: string, max_agents: number): string {
  return `[limits]
max_agents = ${max_agents}

[project.demo]
repo = ${JSON.stringify(repo)}
base = "main"
fetch = false

[agent.scripted]
kind = "command"
argv = ["cat"]
`;
}

/** 0 = for ever. */
function retention(keep: Keep | null): string {
  const { ticks_days, history_days, runs_days } = keep ?? { ticks_days: 0, history_days: 0, runs_days: 0 };
  return `
[retention]
ticks_days = ${ticks_days}
history_days = ${history_days}
runs_days = ${runs_days}
`;
}

/** How many agents work at once, so that the day's tickets are through by midnight. */
function slotsOf(perDay: number): number {
  return Math.max(2, Math.ceil(perDay / 40));
}

function where({ state, config }: Places): string[] {
  return ['--state-dir', state, '--config', config];
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${error?.message ?? stdout + stderr}`);
}

async function oneDay(sim: Sim, day: number, { processEvery }: Options): Promise<Day> {
  const { places, env, clock, probe, team } = sim;
  const begun_ms = Date.now();
  const wal = { alone: 0, open: 0, looking: 0 };
  const ticks: number[] = [];
  let write_ms = 0;
  let reader: ReturnType<typeof openReader> | null = null;
  try {
    for (let minute = 0; minute < DAY; minute++) {
      sim.stopped.throwIfAborted();
      if (minute === OPEN[0] || minute === LOOKING[0])
        reader = openReader(places.board, minute === LOOKING[0]);
      if (minute === OPEN[1] || minute === LOOKING[1]) {
        reader?.close();
        reader = null;
      }
      clock.advance(MINUTE_MS);
      await spent('people and agents', () => team.minute((day - 1) * DAY + minute));
      // Each person's command would be a process of its own, and leave no log: only what the tick writes is meant.
      probe.takeWrite();
      if (reader === null) probe.takeWal();
      const start = performance.now();
      await spent('ticks', () => tick(sim));
      ticks.push(performance.now() - start);
      write_ms = Math.max(write_ms, probe.takeWrite());
      const who = within(minute, OPEN) ? 'open' : within(minute, LOOKING) ? 'looking' : 'alone';
      wal[who] = Math.max(wal[who], probe.takeWal());
    }
  } finally {
    reader?.close();
  }
  const args = [BIN, 'dispatch', '--max', '0', ...where(places)];
  const process = await spent('whole processes', () =>
    day % processEvery === 0 ? processRatio(PAIRS, args, () => ({ ...env, ...clock.environment() })) : null,
  );
  const sizes = await spent('sizes', () => ({
    board: boardSize(places.board, begun_ms),
    dirs: runDirs(places),
  }));
  ticks.sort((a, b) => a - b);
  return {
    ...{ day, ...sizes, wal, write_ms, process, live: team.live },
    tick_ms: {
      median: median(ticks),
      p99: ticks[Math.floor(ticks.length * 0.99)] ?? 0,
      max: ticks.at(-1) ?? 0,
    },
  };
}

/** The minute after it counts too: what a reader has left of the log goes with the next connection that closes. */
function within(minute: number, [from, to]: readonly [number, number]): boolean {
  return minute >= from && minute <= to;
}

/** One tick of the program. It launches nothing: a launch needs tmux, and the team makes its own. */
async function tick({ places, env }: Sim): Promise<void> {
  const context = makeContext(
    { stateDir: places.state, config: places.config, quiet: true, color: false },
    env,
  );
  const { code, result } = await tickNow(context, { dispatch: true, max: 0 });
  if (code === 0 && result !== null) return;
  throw new Error(`a tick ended with ${code}: ${JSON.stringify(result?.report)}`);
}

/** Where the time of the benchmark itself goes. */
const spentMs = new Map<string, number>();

async function spent<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  const start = performance.now();
  const made = await work();
  spentMs.set(what, (spentMs.get(what) ?? 0) + performance.now() - start);
  return made;
}

const COLUMNS = [
  ...[
    'day',
    'tickets',
    'runs',
    'activity',
    'ticks',
    'deliv.',
    'dirs',
    'trash',
    'dirs MiB',
    'board MiB',
    'free MiB',
  ],
  ...['WAL KiB', '(open', 'looking)', 'tick ms', 'p99', 'longest', 'write', 'process'],
];

function head({ days, perDay, keep }: Options): void {
  const kept =
    keep === null
      ? 'off'
      : `ticks ${keep.ticks_days}, history ${keep.history_days}, runs ${keep.runs_days} days`;
  console.log(`${days} days of minute ticks, ${perDay} tickets a day; retention: ${kept}\n`);
  console.log(COLUMNS.map((name) => name.padStart(name.length + 1)).join(' '));
}

function show(one: Day | undefined): void {
  if (one === undefined) return;
  const { day, board, dirs, wal, tick_ms, write_ms } = one;
  const rows = (name: string): string => String(board.tables[name]?.rows ?? 0);
  const cells = [
    ...[
      String(day),
      rows('tickets'),
      rows('runtime_sessions'),
      rows('activity'),
      rows('ticks'),
      rows('deliveries'),
    ],
    ...[String(dirs.runs), String(dirs.trash), mib(dirs.bytes), mib(board.file_bytes), mib(board.free_bytes)],
    ...[wal.alone, wal.open, wal.looking].map((bytes) => String(Math.round(bytes / 1024))),
    ...[tick_ms.median, tick_ms.p99, tick_ms.max, write_ms].map((ms) => ms.toFixed(1)),
    times(one.process?.ratio ?? Number.NaN),
  ];
  console.log(cells.map((cell, n) => cell.padStart((COLUMNS[n]?.length ?? 0) + 1)).join(' '));
}

/** What a row of each table takes, its share of the indexes included. */
function perRow(last: Day | undefined): string[] {
  if (last === undefined) return [];
  const { tables, reports } = last.board;
  const lines = [...OWN, ...LOGS].flatMap((name) => {
    const { rows, bytes } = tables[name] ?? { rows: 0, bytes: 0 };
    if (rows === 0) return [];
    const each = `${Math.round(bytes / rows)} bytes a row`;
    return [`${name.padEnd(18)} ${String(rows).padStart(8)} rows ${mib(bytes).padStart(8)} MiB  ${each}`];
  });
  const { mean, max, max_skipped, bare, each_skipped } = reports;
  const told = `reports of the last day: ${mean} bytes on average, ${max} at most; ${bare} where nothing is skipped, and ${each_skipped} for each ticket that is, ${max_skipped} at most`;
  return ['', ...lines, told];
}

interface Verdict {
  readonly lines: readonly string[];
  /** Bytes a day, in the first third of the days and in the last one. */
  readonly growth: Readonly<Record<'file' | 'own' | 'rest' | 'logs' | 'dirs', readonly [number, number]>>;
  readonly tick_ms: readonly [number, number];
  readonly process_ratio: readonly [number, number];
}

/** How the last third of the days compares with the first. */
function verdict(days: readonly Day[]): Verdict {
  const third = Math.max(1, Math.floor(days.length / 3));
  const [first, last] = [days.slice(0, third), days.slice(-third)];
  const growing = (of: (day: Day) => number): [number, number] => {
    const at = (n: number): number => (days[n] === undefined ? 0 : of(days[n]));
    return [at(third - 1) / third, (at(days.length - 1) - at(days.length - 1 - third)) / third];
  };
  const typical = (of: (day: Day) => number | undefined): [number, number] => {
    const middle = (some: readonly Day[]): number => median(some.flatMap((day) => of(day) ?? []));
    return [middle(first), middle(last)];
  };
  const growth = {
    file: growing(({ board }) => board.file_bytes),
    own: growing(({ board }) => bytesOf(board, OWN)),
    rest: growing(({ board }) => board.file_bytes - bytesOf(board, OWN)),
    logs: growing(({ board }) => bytesOf(board, LOGS)),
    dirs: growing(({ dirs }) => dirs.bytes),
  };
  const tick_ms = typical((day) => day.tick_ms.median);
  const process_ratio = typical((day) => day.process?.ratio);
  const perDay = (name: string, [from, to]: readonly [number, number]): string =>
    `${name.padEnd(34)} ${mib(from).padStart(8)} -> ${mib(to).padStart(8)} MiB a day`;
  const most = (of: (day: Day) => number): number => Math.max(...days.map(of));
  const wal = [most((day) => day.wal.alone), most((day) => day.wal.open), most((day) => day.wal.looking)];
  return {
    ...{ growth, tick_ms, process_ratio },
    lines: [
      `From the first third of the days to the last (${third} each):`,
      perDay('the board file grows by', growth.file),
      perDay('  of it tickets and their runs', growth.own),
      perDay('  all else', growth.rest),
      perDay('activity, ticks, deliveries', growth.logs),
      perDay('run directories and trash', growth.dirs),
      `a tick in this process              ${tick_ms.map((ms) => `${ms.toFixed(2)} ms`).join(' -> ')}`,
      `a tick as a process of its own      ${process_ratio.map(times).join(' -> ')}`,
      `the longest tick ${most((day) => day.tick_ms.max).toFixed(0)} ms, its longest write transaction ${most((day) => day.write_ms).toFixed(0)} ms`,
      `the largest WAL ${wal.map((bytes) => Math.round(bytes / 1024)).join(', ')} KiB (nobody else, a reader that has it open, one that keeps looking)`,
      bounded('the board file beyond tickets and their runs', growth.rest),
      bounded('activity, ticks, deliveries', growth.logs),
      bounded('run directories', growth.dirs),
    ],
  };
}

/** A tenth of what the first days brought is noise of pages and of days that differ. */
function bounded(what: string, [from, to]: readonly [number, number]): string {
  return `${what}: ${to <= from / 10 ? 'bounded' : 'GROWING'}`;
}

/** Not a number = not measured. */
function times(ratio: number): string {
  return Number.isNaN(ratio) ? '-' : `${ratio.toFixed(2)}x`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(2);
}

await main();
