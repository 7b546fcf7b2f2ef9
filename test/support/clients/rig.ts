import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stub } from '../model/stub.ts';
import { startStub } from '../model/stub.ts';
import { LIMITS, makeSandbox, type Ran, type Sandbox } from '../sandbox.ts';
import { BOUND_MS, waitFor } from '../wait.ts';
import { claudeClient } from './claude.ts';
import type { ClientSetup, TestClient } from './client.ts';
import { codexClient } from './codex.ts';
import { geminiClient } from './gemini.ts';
import { opencodeClient } from './opencode.ts';
import { versionOf } from './versions.ts';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

export type RealKind = 'claude' | 'codex' | 'opencode' | 'gemini';

export const CLIENTS: Readonly<Record<RealKind, TestClient>> = {
  claude: claudeClient,
  codex: codexClient,
  opencode: opencodeClient,
  gemini: geminiClient,
};

/** How long each client may take until it has taken its first prompt (loaded machine included). */
export const START_MS: Readonly<Record<RealKind, number>> = {
  claude: 40_000,
  codex: 40_000,
  opencode: 90_000,
  gemini: 60_000,
};

/** The clients that this run tests: MC_AGENTS names them, else all. */
export function chosenClients(env: NodeJS.ProcessEnv = process.env): RealKind[] {
  const all = Object.keys(CLIENTS) as RealKind[];
  const words = (env.MC_AGENTS ?? '').split(/[\s,]+/).filter(Boolean);
  const unknown = words.filter((word) => !all.includes(word as RealKind));
  if (unknown.length > 0)
    throw new Error(`MC_AGENTS: no client ${unknown.join(', ')}; known: ${all.join(', ')}`);
  return words.length === 0 ? all : all.filter((kind) => words.includes(kind));
}

/** Installs the version that is to be tested into the cache folder, once; the folder. Throws with npm's own reason. */
export function installed(kind: RealKind, env: NodeJS.ProcessEnv = process.env): string {
  const { pkg } = CLIENTS[kind];
  const version = versionOf(CLIENTS[kind], env);
  const cache = join(env.MC_AGENTS_CACHE ?? join(ROOT, '.clients'), `${kind}-${version}`);
  // npm writes this file last: an installation that was cut off has none.
  if (existsSync(join(cache, 'node_modules', '.package-lock.json'))) return cache;
  mkdirSync(cache, { recursive: true });
  const quiet = ['--no-fund', '--no-audit', '--loglevel', 'error'];
  const words = ['install', '--prefix', cache, ...quiet, '--no-save', `${pkg}@${version}`];
  const install = (timeout: number) => spawnSync('npm', words, { encoding: 'utf8', timeout });
  const first = install(120_000);
  // A registry that hangs once answers the next time.
  const done = first.error === undefined ? first : install(300_000);
  if (done.status === 0) return cache;
  const said = /npm error (?!code|errno|syscall)(.+)/.exec(done.stderr ?? '')?.[1];
  throw new Error(said ?? done.error?.message ?? `npm ended with ${done.status ?? done.signal}`);
}

interface Row {
  readonly status: string;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly attempts: number;
  readonly not_before_at_ms: number | null;
}

export interface LiveRun {
  readonly id: string;
  readonly mark: string;
  readonly pid: number;
  readonly tmux_pane: string;
  readonly activity: string;
  readonly client_session: string | null;
  readonly resumed: string | null;
  readonly turn: number;
}

/** One board, one real client, and the stub that it takes for its model. */
export interface Rig {
  readonly box: Sandbox;
  readonly stub: Stub;
  readonly kind: RealKind;
  add(body: string): string;
  /** The program, without holding up the stub, which lives in this process. */
  run(...args: string[]): Promise<Ran>;
  tick(...more: string[]): Promise<Ran>;
  ticket(id: string): Row;
  live(id: string): LiveRun | undefined;
  /** Ticks until a condition holds, with a bound. */
  ticking(probe: () => boolean, what: string): Promise<void>;
  /** Ticks until the ticket has that status, with a bound. */
  untilStatus(id: string, status: string, boundMs?: number): Promise<Row>;
  /** What holds launches. */
  holds(): readonly { readonly because: string; readonly says: string }[];
  /** Prompts that the model got and that hold this text. */
  prompts(text: string): string[];
  screen(id: string): string;
  /** What happened to the ticket, its deliveries and its screen: said where a test fails. */
  log(id: string): string;
  /** What a person at the agent's terminal presses. */
  keys(id: string, ...keys: string[]): void;
  /** Every living process of a run, by the run's mark in its environment. */
  processes(mark: string): number[];
  /** What of the user's own files has changed. */
  touched(): string[];
  destroy(): Promise<void>;
}

const MODES: Readonly<Partial<Record<RealKind, string>>> = {
  claude: 'manual',
  codex: 'on-request',
  gemini: 'manual',
};

export async function makeRig(
  kind: RealKind,
  profile: string = '',
  prepared: (client: TestClient, setup: ClientSetup) => void = () => undefined,
): Promise<Rig> {
  const cache = installed(kind);
  const stub = await startStub(kind);
  const box = makeSandbox();
  const home = box.env.HOME ?? '';
  const client = CLIENTS[kind];
  const worktrees = join(box.state, 'worktrees', 'demo');
  const setup = { home, repo: box.repo, worktrees, cache, api: stub.url };
  const made = client.prepare(setup);
  prepared(client, setup);
  const pictures = new Map(client.untouched.map((file) => [file, readFileSync(join(home, file), 'utf8')]));
  const env = Object.entries(made.env).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  box.configure(`${LIMITS}
interval_seconds = 1

[project.demo]
repo = ${JSON.stringify(box.repo)}
base = "main"
fetch = false

[agent.real]
kind = "${kind}"
argv = ${JSON.stringify(made.argv)}
${MODES[kind] === undefined || profile.includes('permission_mode') ? '' : `permission_mode = "${MODES[kind]}"`}
${profile}

[agent.real.env]
${env.join('\n')}
`);
  const rig: Rig = {
    ...{ box, stub, kind },
    add(body) {
      const words = ['ticket', 'add', '--project', 'demo', '--title', 'Real work', '--body', body, '--json'];
      const done = box.run(words);
      if (done.code !== 0) throw new Error(`ticket add: ${done.err}`);
      return (JSON.parse(done.out) as { id: string }).id;
    },
    run: (...args) => box.start(args),
    tick: (...more) => box.start(['dispatch', ...more]),
    ticket(id) {
      const row = box.sql<Row>('SELECT * FROM tickets WHERE id = ?', id)[0];
      if (row === undefined) throw new Error(`no ticket ${id}`);
      return row;
    },
    live: (id) =>
      box.sql<LiveRun>('SELECT * FROM runtime_sessions WHERE ticket_id = ? AND ended_at_ms IS NULL', id)[0],
    async ticking(probe, what) {
      const ticked = async () => {
        await rig.tick();
        return probe();
      };
      try {
        await waitFor(ticked, what);
      } catch (error) {
        const row = box.sql('SELECT * FROM runtime_sessions ORDER BY seq DESC LIMIT 1')[0];
        throw new Error(`${String(error)}\n${JSON.stringify(row)}\n${rig.log(String(row?.ticket_id))}`);
      }
    },
    async untilStatus(id, status, boundMs = BOUND_MS) {
      const said: string[] = [];
      const what = () =>
        `${id} to be ${status}: ${JSON.stringify(rig.ticket(id))}\n${said.slice(-8).join('')}\n${rig.screen(id)}`;
      try {
        await waitFor(
          async () => {
            if (rig.ticket(id).status === status) return true;
            const done = await rig.tick();
            said.push(done.out + done.err);
            return rig.ticket(id).status === status;
          },
          'the status',
          boundMs,
        );
      } catch {
        throw new Error(`waited ${boundMs} ms in vain for ${what()}`);
      }
      return rig.ticket(id);
    },
    holds() {
      const file = join(box.state, 'holds.json');
      if (!existsSync(file)) return [];
      return (JSON.parse(readFileSync(file, 'utf8')) as { holds: { because: string; says: string }[] }).holds;
    },
    prompts: (text) => stub.brain.prompts.filter((prompt) => prompt.includes(text)),
    screen(id) {
      const pane = rig.live(id)?.tmux_pane;
      return pane === undefined ? '(no pane)' : box.tmux('capture-pane', '-p', '-t', pane).out.trimEnd();
    },
    log(id) {
      const rows = [
        ...box.sql('SELECT at_ms, kind, because, text FROM activity ORDER BY id'),
        ...box.sql('SELECT kind, outcome, ack_source FROM deliveries'),
        ...box.sql('SELECT report FROM ticks ORDER BY started_at_ms DESC LIMIT 3'),
      ];
      return `${rows.map((row) => JSON.stringify(row)).join('\n')}\n${rig.screen(id)}`;
    },
    keys(id, ...keys) {
      const done = box.tmux('send-keys', '-t', rig.live(id)?.tmux_pane ?? '', ...keys);
      if (done.code !== 0) throw new Error(`send-keys: ${done.err}`);
    },
    processes: (mark) =>
      readdirSync('/proc')
        .map(Number)
        .filter((pid) => pid > 0 && environOf(pid).includes(`MC_RUN_ID=${mark}`)),
    touched: () =>
      [...pictures].flatMap(([file, text]) => (readFileSync(join(home, file), 'utf8') === text ? [] : file)),
    async destroy() {
      for (const { ticket_id } of box.sql<{ ticket_id: string }>(
        'SELECT ticket_id FROM runtime_sessions WHERE ended_at_ms IS NULL',
      ))
        await box.start(['stop', ticket_id, '--grace', '2']);
      await stub.close();
      await box.destroy();
    },
  };
  return rig;
}

/** Nothing of a process that is gone, or a zombie. */
function environOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
