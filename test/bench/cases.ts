/** State dirs to measure in: each with its configuration, a repository of its own, and nothing of the user's. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Board } from '../../src/board/port/index.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { type Places, placesOf } from '../../src/machine/paths.ts';
import type { Command, Subject } from './measure.ts';
import type { Scratch } from './scratch.ts';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const BIN = join(ROOT, 'bin', 'mc-pickup.js');

export interface Case {
  readonly dir: string;
  readonly repo: string;
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
}

/** A case with an empty board. `agents`: how many may run at a time. */
export function makeCase(scratch: Scratch, name: string, agents: number, argv = ['sleep', '3600']): Case {
  const one = caseIn(scratch, join(scratch.dir, name));
  mkdirSync(join(one.dir, 'home'), { recursive: true });
  configure(one, agents, argv);
  makeRepo(one);
  program(one, 'init');
  return one;
}

export function caseIn(scratch: Scratch, dir: string): Case {
  const places = placesOf({ stateDir: join(dir, 'state'), config: join(dir, 'config.toml') }, {});
  scratch.socket(places.socket);
  const env = {
    ...{ PATH: process.env.PATH, HOME: join(dir, 'home'), LANG: 'C.UTF-8', TMPDIR: dir },
    ...{ GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
  };
  return { dir, repo: join(dir, 'repo'), places, env };
}

export function configure({ repo, places }: Case, agents: number, argv: readonly string[]): void {
  writeFileSync(
    places.config,
    `[limits]
max_agents = ${Math.max(1, agents)}
max_launches_per_tick = ${Math.max(1, agents)}
register_wait_seconds = 60

[project.demo]
repo = ${JSON.stringify(repo)}
base = "main"
fetch = false

[agent.scripted]
kind = "command"
argv = ${JSON.stringify(argv)}
`,
  );
}

/** One commit with a few files. */
function makeRepo({ repo, env }: Case): void {
  git(env, 'init', '-q', '--template=', '-b', 'main', repo);
  for (const name of ['README.md', 'src/index.js', 'src/parse.js', 'test/parse.js', 'package.json']) {
    mkdirSync(dirname(join(repo, name)), { recursive: true });
    writeFileSync(join(repo, name), `${name}\n`.repeat(40));
  }
  git(env, '-C', repo, 'add', '-A');
  git(env, '-C', repo, '-c', 'user.name=bench', '-c', 'user.email=bench@localhost', 'commit', '-qm', 'first');
}

function git(env: NodeJS.ProcessEnv, ...args: string[]): void {
  const done = spawnSync('git', args, { env, encoding: 'utf8', timeout: 60_000 });
  if (done.status !== 0) throw new Error(`git ${args.join(' ')}: ${done.error?.message ?? done.stderr}`);
}

/** The real program with these words. */
export function command({ places, env }: Case, ...words: string[]): Command {
  const args = [BIN, ...words, '--state-dir', places.state, '--config', places.config];
  return { file: process.execPath, args, env };
}

export function program(one: Case, ...words: string[]): string {
  const { file, args, env } = command(one, ...words);
  const done = spawnSync(file, args, { env, encoding: 'utf8', timeout: 120_000, maxBuffer: 1 << 28 });
  if (done.status === 0) return done.stdout;
  throw new Error(`${words.join(' ')}: exit ${done.status}: ${done.error?.message ?? ''}${done.stderr}`);
}

/** A tick that finds nothing to do, and says nothing. */
export function idleTick(name: string, one: Case): Subject {
  return { name, ready: () => command(one, 'dispatch') };
}

export async function withBoard<T>({ places }: Case, work: (board: Board) => Promise<T>): Promise<T> {
  const board = openBoard(places.board);
  try {
    return await work(board);
  } finally {
    await board.close();
  }
}

/** A ticket that the next tick would launch. */
export async function addTicket(board: Board, title: string): Promise<string> {
  const ticket = {
    ...{ title, body: 'What is to be done, in some words.\n'.repeat(10), status: 'todo' as const },
    ...{ priority: 2, project: 'demo', labels: [], agent: 'scripted', owner: null, author: 'bench' },
    ...{ trusted: true, depends_on: [] },
  };
  return (await board.addTicket(ticket, { now_ms: Date.now() })).id;
}
