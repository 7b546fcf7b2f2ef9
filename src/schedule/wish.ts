import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { loadPolicy } from '../config/load.ts';
import type { Places } from '../machine/paths.ts';
import { findProgram } from '../machine/programs.ts';
import { ofThisShell } from '../model/environment.ts';
import { configError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';

/** What the schedule of one state dir is made from: every path is absolute. */
export interface Wish {
  /** Names the lines or units of this state dir, whatever else is scheduled on the machine. */
  readonly id: string;
  /** The Node of now: what else was installed with it is found beside it. */
  readonly node: string;
  /** What is started: the launcher of the state dir, which is there whatever becomes of this Node and this program. */
  readonly launcher: string;
  readonly state: string;
  readonly config: string;
  readonly home: string;
  readonly path: string;
  readonly log: string;
  readonly interval_seconds: number;
  /** No tick takes longer: its hooks and fetches are bounded one by one. */
  readonly longest_tick_seconds: number;
}

/** What of a command's context a schedule depends on. */
export interface Here {
  readonly places: Pick<Places, 'state' | 'config'>;
  readonly env: NodeJS.ProcessEnv;
  readonly node: string;
}

/** What would be scheduled from here, now, and what a person should know of it. Exit 78 for a path that no scheduler's
 *  file can name. */
export function wishOf({ places, env, node }: Here): { wish: Wish; notes: readonly string[] } {
  const { policy } = loadPolicy(places.config, env);
  const programs = programsOf(policy, env);
  const wish: Wish = {
    id: scheduleId(places.state),
    node: resolve(node),
    launcher: join(places.state, 'bin', 'mc-pickup'),
    state: places.state,
    config: places.config,
    home: resolve(env.HOME || homedir()),
    path: searchPath(resolve(node), programs.dirs, env),
    log: join(places.state, 'tick.log'),
    interval_seconds: policy.limits.interval_seconds,
    longest_tick_seconds: longestTick(policy),
  };
  for (const [what, path] of Object.entries(wish)) if (typeof path === 'string') refuseUnwritable(what, path);
  return { wish, notes: [...programs.notes, ...environmentNotes(policy, env)] };
}

/** The same for a state dir before it is made, after it is gone, and by whatever symbolic link it is named. */
export function scheduleId(state: string): string {
  return createHash('sha256').update(real(state)).digest('hex').slice(0, 8);
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(real(parent), basename(path));
  }
}

/** A line break would begin a line of its own in a crontab or a unit, and so anything. */
function refuseUnwritable(what: string, path: string): void {
  if (!/[\u0000-\u001f\u007f]/.test(path)) return;
  throw configError(
    `a schedule can't name ${JSON.stringify(path)} (${what}), it has a line break or another control character: move it`,
  );
}

function programsOf(policy: Policy, env: NodeJS.ProcessEnv): { dirs: string[]; notes: string[] } {
  const dirs: string[] = [];
  const notes: string[] = [];
  const look = (word: string, what: string): void => {
    if (word === '' || word.includes('/')) return;
    const file = findProgram(word, env.PATH);
    if (file === null) notes.push(`${what} is not on PATH now, so ticks would not find it either`);
    else if (isAbsolute(file)) dirs.push(lasting(dirname(file)));
  };
  look('tmux', 'tmux');
  look('git', 'git');
  for (const { name, kind, argv, env: own } of policy.agents.values())
    if (own.PATH === undefined) look(argv[0] ?? kind, `the program of agent ${name}, ${argv[0] ?? kind},`);
  for (const { name, after_create, before_run } of policy.projects.values())
    for (const hook of [after_create, before_run]) {
      const word = hook?.argv[0] ?? '';
      look(word, `the hook program of project ${name}, ${word},`);
    }
  return { dirs, notes: [...new Set(notes)] };
}

/** A version manager may put a directory of this very login in PATH, which is gone with it: what it points to stays. */
function lasting(dir: string): string {
  return /^\/(run|tmp|var\/run)\/|\/fnm_multishells\//.test(dir) ? real(dir) : dir;
}

function searchPath(node: string, found: readonly string[], env: NodeJS.ProcessEnv): string {
  const dirs = [dirname(node), ...found, '/usr/local/bin', '/usr/bin', '/bin'];
  const order = new Map((env.PATH ?? '').split(delimiter).map((dir, at) => [dir, at]));
  // In the order of the PATH of now, so that of two programs of one name the same is found.
  const rank = (dir: string): number => (dir === dirname(node) ? -1 : (order.get(dir) ?? order.size));
  return [...new Set(dirs)]
    .filter((dir) => !dir.includes(delimiter))
    .sort((a, b) => rank(a) - rank(b))
    .join(delimiter);
}

/** Is in what every tick is given. */
const USUAL_CHECKOUT_SECONDS = 300;

function longestTick({ limits, projects }: Policy): number {
  const launch = [...projects.values()].map(
    (one) =>
      one.fetch_timeout_seconds +
      Math.max(0, one.checkout_timeout_seconds - USUAL_CHECKOUT_SECONDS) +
      (one.after_create?.timeout_seconds ?? 0) +
      (one.before_run?.timeout_seconds ?? 0),
  );
  const launches = limits.max_launches_per_tick * Math.max(0, ...launch);
  return Math.min(86_400, Math.ceil((600 + launches + limits.register_wait_seconds) / 60) * 60);
}

const OF_OURS = ['STATE_DIR', 'CONFIG', 'DEBUG', 'REEXEC', 'SEARCH'].map((name) => `MC_PICKUP_${name}`);

/** Variables that steer this program from the shell alone. */
export function steering(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((name) => name.startsWith('MC_PICKUP_') && !OF_OURS.includes(name));
}

/** A scheduler's environment is bare. What this one has and that one has not is told, never copied: it may be secret. */
function environmentNotes({ agents, broken, network: told }: Policy, env: NodeJS.ProcessEnv): string[] {
  const notes = broken.slice(0, 1).map((one) => `ticks launch nothing yet: ${oneLine(one, 300)}`);
  for (const name of steering(env).sort())
    notes.push(`${name} is set here; a scheduled tick does not have it`);
  const network = ofThisShell(env).filter((name) => !told.includes(name.toUpperCase()));
  if (network.length > 0)
    notes.push(
      `${network.join(', ')}: set here, and a scheduled tick does not have it; [network] of the configuration names proxies and certificates for ticks, git and agents`,
    );
  const basic = ['HOME', 'PATH', 'USER', 'LOGNAME', 'SHELL'];
  for (const { name, pass_env } of agents.values()) {
    const lacks = pass_env.filter((one) => !basic.includes(one) && !one.startsWith('MC_PICKUP_'));
    if (lacks.length > 0)
      notes.push(
        `agent ${name} hands on ${lacks.join(', ')} (pass_env), which a scheduled tick does not have: let the client log in by a file of its own`,
      );
  }
  return notes;
}
