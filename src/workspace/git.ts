import { type RunResult, run } from '../machine/spawn.ts';
import { HANDED_ON } from '../model/environment.ts';
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
  /** The repository's hooks are wanted: it is a checkout that somebody will work in. */
  readonly hooks?: boolean;
  /** It asks another machine. */
  readonly remote?: boolean;
}

const TIMEOUT_MS = 60_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** What stands before every command: agents can write the repository's hooks and configuration, and whatever git would start by
 *  those itself is started only where it is wanted. */
const NO_MONITOR = ['-c', 'core.fsmonitor=false'];
const NO_HOOKS = ['-c', 'core.hooksPath=/dev/null'];

/** Runs git in a directory, without a shell, a terminal, the repository's hooks, or more of our environment than agents get. Never
 *  throws; when the time is up its whole process group is killed (a fetch leaves ssh behind otherwise). */
export async function git(
  cwd: string,
  args: readonly string[],
  timeout_ms: number = TIMEOUT_MS,
  started: ((pid: number) => void) | null = null,
  { env = {}, most = MAX_BYTES, hooks = false, remote = false }: More = {},
): Promise<GitResult> {
  const all = [...NO_MONITOR, ...(hooks ? [] : NO_HOOKS), ...args];
  const [file, words] = started === null ? ['git', all] : gated('git', all);
  const done = await run(file, words, {
    ...{ cwd, timeoutMs: timeout_ms, most, env: { ...gitEnvironment(remote), ...env } },
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

/** How another machine is reached, and who we are there: for a push and a fetch alone. */
const REMOTE = [
  ...['SSH_AUTH_SOCK', 'SSH_AGENT_PID', 'GIT_SSH', 'GIT_SSH_COMMAND', 'GIT_SSH_VARIANT', 'KRB5CCNAME'],
  ...[
    'http_proxy',
    'https_proxy',
    'all_proxy',
    'no_proxy',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'ALL_PROXY',
    'NO_PROXY',
  ],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO', 'GIT_SSL_CAPATH'],
  ...['DBUS_SESSION_BUS_ADDRESS', 'GNUPGHOME'],
];

/** The environment of git, and of whatever it starts. GIT_DIR and its kin would point every call at another repository, and a filter
 *  or a hook that an agent has planted would read our tokens; nothing may ask at a terminal. */
export function gitEnvironment(remote = false): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ['PATH', ...HANDED_ON, ...(remote ? REMOTE : [])]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
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
  const done = await git(repo, args, timeout_seconds * 1000, null, { remote: true });
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
