import { type RunResult, run } from '../spawn.ts';
import { gated, letThrough } from './gate.ts';

export interface GitResult {
  readonly ok: boolean;
  readonly stdout: string;
  /** What to tell a person when `ok` is false. */
  readonly error: string;
  readonly missing: boolean;
}

export interface More {
  /** Variables beside those that git gets anyway. */
  readonly env?: Readonly<Record<string, string>>;
  /** How many bytes of an answer are read, if not 8 MiB; a longer one is a failure. */
  readonly most?: number;
}

const TIMEOUT_MS = 60_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Runs git in a directory, without a shell, a terminal or the caller's GIT_* variables. Never throws; when the
 *  time is up its whole process group is killed (a fetch leaves ssh behind otherwise). */
export async function git(
  cwd: string,
  args: readonly string[],
  timeout_ms: number = TIMEOUT_MS,
  started: ((pid: number) => void) | null = null,
  { env = {}, most = MAX_BYTES }: More = {},
): Promise<GitResult> {
  const [file, words] = started === null ? ['git', args] : gated('git', args);
  const done = await run(file, words, {
    ...{ cwd, timeoutMs: timeout_ms, most, env: { ...gitEnvironment(), ...env } },
    ...(started === null ? {} : { started: (child) => letThrough(child, started) }),
  });
  return {
    ok: done.error === null && done.code === 0,
    stdout: done.stdout.replace(/\n$/, ''),
    error: `git ${subcommand(args)}: ${whatIsWrong(done, timeout_ms)}`,
    missing: done.error === 'ENOENT',
  };
}

function whatIsWrong({ error, code, signal, stderr }: RunResult, timeout_ms: number): string {
  if (error === 'timeout') return `${NO_ANSWER} ${timeout_ms / 1000} s`;
  if (error === 'ENOENT')
    return 'git is not installed or not on PATH: install it, for example apt-get install git';
  if (error === 'output too long') return 'it answered more than can be read';
  return error ?? (stderr.trim() || (code === 0 ? '' : `ended with ${code ?? signal}`));
}

/** Behind the settings that stand before it. */
function subcommand(args: readonly string[]): string {
  const at = args.findIndex((word, n) => word !== '-c' && args[n - 1] !== '-c');
  return args[at] ?? '';
}

/** GIT_DIR and its kin would point every call at another repository; nothing may ask at a terminal. */
export function gitEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !name.startsWith('GIT_')) env[name] = value;
  }
  return {
    ...env,
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    SSH_ASKPASS_REQUIRE: 'never',
    LC_ALL: 'C',
  };
}

/** What those that wait for each other at a repository ask but once. */
export type Shared = Map<string, GitResult>;

/** Repositories in which git did not answer in time, in this process: whoever waits for it again would hold up all the others. */
const silent = new Set<string>();

/** Whether git has kept silent in a repository; what it says from now on can't be waited for in this process. */
export function isSilent(repo: string): boolean {
  return silent.has(repo);
}

export function noteSilence(repo: string): void {
  silent.add(repo);
}

/** Whether an error says that no answer came in time. */
export function isSilence(error: string): boolean {
  return error.includes(NO_ANSWER);
}

const NO_ANSWER = 'no answer within';

const queues = new Map<string, { tail: Promise<unknown>; readonly shared: Shared }>();

/** Runs one piece of work at a time for each repository: parallel `worktree add`s race for the same lock files. `next` lets the
 *  next one begin before this one has ended. */
export function inTurn<T>(repo: string, work: (shared: Shared, next: () => void) => Promise<T>): Promise<T> {
  const queue = queues.get(repo) ?? { tail: Promise.resolve(), shared: new Map() };
  const { promise: early, resolve: next } = Promise.withResolvers<void>();
  const mine = queue.tail.then(() => work(queue.shared, next));
  const tail = Promise.race([early, mine.catch(() => undefined)]).then(() => {
    if (queue.tail === tail) queues.delete(repo); // nobody waits: the next one asks anew
  });
  queue.tail = tail;
  queues.set(repo, queue);
  return mine;
}

const fetched = new Map<string, Promise<string | null>>();

/** Fetches one branch at most once in this process. Returns a warning, or null. */
export function fetchOnce(
  commonDir: string,
  remote: string,
  base: string,
  timeout_seconds: number,
): Promise<string | null> {
  const key = [commonDir, remote, base].join('\0');
  let known = fetched.get(key);
  if (known === undefined) {
    known = fetchBase(commonDir, remote, base, timeout_seconds);
    fetched.set(key, known);
  }
  return known;
}

async function fetchBase(
  repo: string,
  remote: string,
  base: string,
  timeout_seconds: number,
): Promise<string | null> {
  const remotes = await git(repo, ['remote']);
  // A repository without the remote is a local one: nothing to warn about.
  if (!remotes.stdout.split('\n').includes(remote)) return null;
  const args = ['fetch', '--no-tags', '--end-of-options', remote, base];
  const done = await git(repo, args, timeout_seconds * 1000);
  return done.ok ? null : `the base may be old, ${done.error}`;
}

/** What a worktree holds: commits since the base, unsaved changes, the last commit's subject. A base that does not
 *  exist counts no commits. */
export async function branchFacts(
  worktree: string,
  base: string,
): Promise<{ commits: number; dirty: boolean; last: string }> {
  const [log, status] = await Promise.all([
    git(worktree, ['log', '-z', '--format=%s', '--end-of-options', `${base}..HEAD`, '--']),
    git(worktree, ['status', '--porcelain', '-z']),
  ]);
  const subjects = log.ok && log.stdout !== '' ? log.stdout.replace(/\0$/, '').split('\0') : [];
  return { commits: subjects.length, dirty: status.stdout !== '', last: subjects[0] ?? '' };
}
