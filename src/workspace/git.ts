import { execa } from 'execa';
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
/** How long a daemon that git started (a hook's, a credential helper, ssh's master) may hold our pipes after git itself
 *  has ended. */
const DRAIN_MS = 200;

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
  const child = execa(file, [...words], {
    cwd,
    env: { ...gitEnvironment(), ...env },
    extendEnv: false,
    stdin: started === null ? 'ignore' : 'pipe',
    reject: false,
    detached: true,
    buffer: false,
  });
  // Before there is a timer to stop: it may throw.
  if (started !== null && child.stdin !== null) letThrough({ pid: child.pid, stdin: child.stdin }, started);
  const out = collect(child.stdout, most);
  const err = collect(child.stderr, MAX_BYTES);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child.pid);
  }, timeout_ms);
  let drain: NodeJS.Timeout | undefined;
  const exited = new Promise<null>((go) => {
    child.nodeChildProcess.once('exit', () => {
      drain = setTimeout(() => go(null), DRAIN_MS);
    });
  });
  const done = await Promise.race([child, exited]);
  clearTimeout(timer);
  clearTimeout(drain);
  child.stdout.destroy();
  child.stderr.destroy();
  const missing = (done as { readonly code?: unknown } | null)?.code === 'ENOENT';
  const said = err.text().trim() || (done?.failed ? done.shortMessage : '');
  const error = late
    ? `no answer within ${timeout_ms / 1000} s`
    : missing
      ? 'git is not installed or not on PATH: install it, for example apt-get install git'
      : out.over
        ? 'it answered more than can be read'
        : said;
  return {
    ok: !late && !out.over && child.nodeChildProcess.exitCode === 0,
    stdout: out.text().replace(/\n$/, ''),
    error: `git ${subcommand(args)}: ${error}`,
    missing,
  };
}

/** Behind the settings that stand before it. */
function subcommand(args: readonly string[]): string {
  const at = args.findIndex((word, n) => word !== '-c' && args[n - 1] !== '-c');
  return args[at] ?? '';
}

/** What a stream gives, up to a bound, also if nobody ever closes it. */
function collect(stream: NodeJS.ReadableStream, most: number): { readonly over: boolean; text(): string } {
  const parts: Buffer[] = [];
  let room = most;
  const all = {
    over: false,
    text: () => Buffer.concat(parts).toString('utf8'),
  };
  stream.on('data', (part: Buffer) => {
    if (part.length > room) all.over = true;
    parts.push(part.subarray(0, room));
    room -= Math.min(part.length, room);
  });
  return all;
}

/** Kills a process group; one that is gone already is fine. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone.
  }
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

const chains = new Map<string, Promise<unknown>>();

/** Runs one piece of work at a time for each repository: parallel `worktree add`s race for the same lock files. */
export function inTurn<T>(repo: string, work: () => Promise<T>): Promise<T> {
  const mine = (chains.get(repo) ?? Promise.resolve()).then(work);
  chains.set(
    repo,
    mine.catch(() => undefined),
  );
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
