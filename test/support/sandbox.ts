import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { runHere } from './here.ts';
import { BOUND_MS, until } from './wait.ts';

export { BOUND_MS, until };

const ROOT = join(import.meta.dirname, '../..');
export const BIN = join(ROOT, 'bin', 'mc-pickup.js');
export const AGENT = join(import.meta.dirname, 'agent.sh');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program that was started and may still run: it can be killed on the way. */
export interface Running {
  readonly pid: number;
  readonly done: Promise<Ran>;
  kill(): void;
}

/** A scratch world: state dir, configuration, git repository and a tmux server of its own, all below one
 *  temporary directory, and nothing else of the machine's. */
export interface Sandbox {
  readonly dir: string;
  readonly state: string;
  readonly repo: string;
  readonly socket: string;
  /** The board's file: in the state dir, or a server's. */
  boardFile: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs the real program to its end. */
  run(args: readonly string[], input?: string, env?: NodeJS.ProcessEnv): Ran;
  /** The same without a start of Node, for commands whose work is what is tested: see `here.ts`. */
  here(args: readonly string[], input?: string, env?: NodeJS.ProcessEnv): Promise<Ran>;
  /** The same as `run`, without waiting for it in between. */
  start(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ran>;
  /** The same, with its pid; `bin` is another script in place of the program's own. */
  begin(args: readonly string[], env?: NodeJS.ProcessEnv, bin?: string): Running;
  configure(toml: string): void;
  /** Plain SQL on the board, as another program would. */
  sql<T = Record<string, unknown>>(query: string, ...values: (string | number | null)[]): T[];
  note(name: string): string;
  /** Lets an agent that holds go on. */
  signal(name: string): void;
  tmux(...args: string[]): Ran;
  /** Every process that carries this sandbox in its environment, where there is a /proc. */
  processes(): number[];
  destroy(): Promise<void>;
}

/** Quick back-offs; what has to be waited for is waited for by its condition. */
export const LIMITS = `[limits]
max_agents = 8
max_launches_per_tick = 8
retry_base_seconds = 0.2
retry_max_seconds = 1
register_wait_seconds = 120
`;

/** For those alone that wait until it is over: beside it, a slow machine would end launches that are under way. */
export const SHORT_DEADLINE = 'launch_deadline_seconds = 0.5\n';

const TEMPLATE = join(ROOT, '.cache/sandbox-repo');

const LAYOUT = { state: 'state', repo: 'repo', config: 'config.toml' };

/** `layout`: where in the temporary directory things are, for a world that looks like a user's home. */
export function makeSandbox(
  limits: string = LIMITS,
  layout: { readonly state: string; readonly repo: string; readonly config: string } = LAYOUT,
): Sandbox {
  const dir = mkdtempSync(join(tmpdir(), 'mc-pickup-'));
  const state = join(dir, layout.state);
  const repo = join(dir, layout.repo);
  const config = join(dir, layout.config);
  const home = join(dir, 'home');
  const before = new Set(pids());
  for (const one of [home, repo, dirname(config)]) mkdirSync(one, { recursive: true });
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: home,
    LANG: 'C.UTF-8',
    TMPDIR: dir,
    MC_PICKUP_STATE_DIR: state,
    MC_PICKUP_CONFIG: config,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'tester',
    GIT_AUTHOR_EMAIL: 'tester@localhost',
    GIT_COMMITTER_NAME: 'tester',
    GIT_COMMITTER_EMAIL: 'tester@localhost',
  };
  const sandbox: Sandbox = {
    dir,
    state,
    repo,
    socket: join(state, 'tmux.sock'),
    boardFile: join(state, 'board.sqlite'),
    env,
    run(args, input = '', extra = {}) {
      const done = spawnSync(process.execPath, [BIN, ...args], {
        env: { ...env, ...extra },
        input,
        encoding: 'utf8',
        timeout: BOUND_MS,
      });
      return { code: done.status, out: done.stdout, err: done.stderr };
    },
    here: (args, input = '', extra = {}) => runHere(BIN, args, { ...env, ...extra }, input),
    start: async (args, extra = {}) => sandbox.begin(args, extra).done,
    begin(args, extra = {}, bin = BIN) {
      const child = spawn(process.execPath, [bin, ...args], {
        env: { ...env, ...extra },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const done = Promise.all([
        collect(child.stdout),
        collect(child.stderr),
        new Promise<number | null>((end) => child.once('exit', end)),
      ]).then(([out, err, code]) => ({ code, out, err }));
      return { pid: child.pid ?? 0, done, kill: () => child.kill('SIGKILL') };
    },
    configure: (toml) => writeFileSync(config, toml),
    sql(query, ...values) {
      const db = new Database(sandbox.boardFile, { timeout: 5000 });
      try {
        const statement = db.prepare<unknown[], never>(query);
        if (statement.reader) return statement.all(...values);
        statement.run(...values);
        return [];
      } finally {
        db.close();
      }
    },
    note(name) {
      const file = join(state, 'notes', name);
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    },
    signal(name) {
      mkdirSync(join(state, 'notes'), { recursive: true });
      writeFileSync(join(state, 'notes', name), '');
      wake(join(state, 'notes', `${name}.pipe`));
    },
    tmux(...args) {
      const done = spawnSync('tmux', ['-S', join(state, 'tmux.sock'), ...args], {
        env,
        encoding: 'utf8',
        timeout: BOUND_MS,
      });
      return { code: done.status, out: done.stdout, err: done.stderr };
    },
    processes: () => leftover(state, before),
    async destroy() {
      // A board whose making was refused half-way is a file without tables.
      const rows =
        existsSync(sandbox.boardFile) &&
        sandbox.sql("SELECT 1 FROM sqlite_master WHERE name = 'runtime_sessions'").length > 0
          ? sandbox.sql<{ pid: number }>('SELECT pid FROM runtime_sessions WHERE pid IS NOT NULL')
          : [];
      if (existsSync(sandbox.socket)) sandbox.tmux('kill-server');
      // The agents end by the server's hang-up; their process ids are ours alone, known from the board.
      await until(() => rows.every(({ pid }) => !lives(pid, state)));
      // Whatever ignores the hang-up, or is known to no row any more: told by this very state dir in its environment.
      await until(() => {
        const left = sandbox.processes();
        for (const pid of left) end(pid);
        return left.length === 0;
      });
      rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    },
  };
  sandbox.configure(`${limits}
[project.demo]
repo = ${JSON.stringify(repo)}
base = "main"
fetch = false

[agent.scripted]
kind = "command"
argv = [${JSON.stringify(AGENT)}]
`);
  cpSync(firstCommit(sandbox), repo, { recursive: true });
  return sandbox;
}

/** A repository with one commit, made once in a checkout: each sandbox has a copy of it. */
function firstCommit({ env }: Sandbox): string {
  if (existsSync(TEMPLATE)) return TEMPLATE;
  const repo = `${TEMPLATE}.${process.pid}`;
  mkdirSync(repo, { recursive: true });
  git({ repo, env }, 'init', '-q', '-b', 'main');
  writeFileSync(join(repo, 'README.md'), '# scratch\n');
  git({ repo, env }, 'add', '-A');
  git({ repo, env }, 'commit', '-qm', 'first');
  try {
    renameSync(repo, TEMPLATE);
  } catch {
    rmSync(repo, { recursive: true }); // another process was first
  }
  return TEMPLATE;
}

/** Wakes an agent that waits at this pipe for a file; one that has not come that far finds the file. */
function wake(pipe: string): void {
  try {
    const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(fd, '\n');
    closeSync(fd);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENXIO'].includes(code)) throw error;
  }
}

export function git({ repo, env }: Pick<Sandbox, 'repo' | 'env'>, ...args: string[]): string {
  const done = spawnSync('git', ['-C', repo, ...args], { env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`git ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

/** Whether this pid is still a process of this sandbox. */
function lives(pid: number, state: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`MC_PICKUP_STATE_DIR=${state}`);
  } catch {
    return false;
  }
}

/** Every process of this sandbox that still runs. None was there before the sandbox was: to read the environment of every process of the
 *  machine costs more than the rest of a sandbox. */
function leftover(state: string, before: ReadonlySet<number>): number[] {
  return pids().filter((pid) => !before.has(pid) && lives(pid, state));
}

/** The processes of this machine; none where there is no /proc. */
function pids(): number[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid);
}

/** Kills a process that may be gone meanwhile. */
export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
