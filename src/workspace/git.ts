import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type RunResult, run } from '../machine/spawn.ts';
import { asUser } from '../machine/umask.ts';
import { gitSettingsOf, HANDED_ON, IDENTITY, networkOf } from '../model/environment.ts';
import { gated, letThrough } from './gate.ts';

export interface GitResult {
  readonly ok: boolean;
  readonly stdout: string;
  /** What to tell a person when `ok` is false. */
  readonly error: string;
  readonly missing: boolean;
}

export interface Asking {
  /** A minute, if nothing is said. */
  readonly timeout_ms?: number;
  /** Variables beside those that git gets anyway. */
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from its standard input. */
  readonly input?: string;
  /** How many bytes of an answer are read, if not 8 MiB; a longer one is a failure. */
  readonly most?: number;
  /** The repository's hooks are wanted: it is a checkout that somebody will work in. */
  readonly hooks?: boolean;
  /** It asks another machine. */
  readonly remote?: boolean;
  /** Hears git's process id before git begins. */
  readonly started?: (pid: number) => void;
}

const TIMEOUT_MS = 60_000;
/** So long git has to take its locks away when its time is up. */
const GRACE_MS = 10_000;
const MAX_BYTES = 8 * 1024 * 1024;
const NO_MONITOR = ['-c', 'core.fsmonitor=false'];
/** What stands before every command: agents can write the repository's hooks and configuration, and whatever git would start by
 *  those itself is started only where it is wanted. */
export const STARTS_NOTHING = [...NO_MONITOR, '-c', 'core.hooksPath=/dev/null'];
/** What stands before every question: what is read here is the same whatever a person has configured, and nothing is started for it. */
export const AS_READ = [
  ...STARTS_NOTHING,
  ...[
    '-c',
    'status.showUntrackedFiles=normal',
    '-c',
    'status.showStash=false',
    '-c',
    'submodule.recurse=false',
  ],
  ...['-c', 'i18n.logOutputEncoding=UTF-8', '-c', 'log.showSignature=false'],
];
/** What stands before a question about the files of a worktree: what is on disk counts, whatever is configured. */
export const ON_DISK = [
  ...['-c', 'core.untrackedCache=false', '-c', 'core.checkStat=default'],
  ...['-c', 'core.trustctime=true', '-c', 'core.ignoreStat=false'],
];

/** Runs git in a directory, without a shell, a terminal, the repository's hooks, or more of our environment than agents get. What is
 *  neither a checkout nor asks another machine reaches none: a partial clone would fetch what it lacks, by a program that its
 *  configuration names. Never throws; when the time is up its whole process group is ended (a fetch leaves ssh behind otherwise), with time
 *  to take its locks away. */
export async function git(cwd: string, args: readonly string[], asking: Asking = {}): Promise<GitResult> {
  const {
    timeout_ms = TIMEOUT_MS,
    env = {},
    most = MAX_BYTES,
    hooks = false,
    remote = false,
    started,
    input,
  } = asking;
  const all = [...(hooks ? NO_MONITOR : AS_READ), ...inGitDir(cwd), ...args];
  const [file, words] = started === undefined ? ['git', all] : gated('git', all);
  // What it writes into a repository or a checkout is the user's.
  const done = await asUser(() =>
    run(file, words, {
      ...{
        cwd,
        timeoutMs: timeout_ms,
        graceMs: GRACE_MS,
        most,
        env: { ...gitEnvironment({ remote, hooks }), ...env },
      },
      ...(input === undefined ? {} : { input }),
      ...(started === undefined ? {} : { started: (child) => letThrough(child, started) }),
    }),
  );
  return {
    ok: done.error === null && done.code === 0,
    stdout: done.stdout.replace(/\n$/, ''),
    error: `git ${subcommand(args)}: ${lacking(done, cwd, args) ?? whatIsWrong(done, timeout_ms)}`,
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

/** What a partial clone has left at its remote is fetched for nobody but a person, and a checkout. */
function lacking({ stderr }: RunResult, cwd: string, args: readonly string[]): string | null {
  if (!/promisor remote|lazy fetching disabled/.test(stderr)) return null;
  const words = plain(args).map((word) => (/^[\w./:=@^{}-]+$/.test(word) ? word : `'${word}'`));
  return `this partial clone lacks what it needs: git -C ${cwd} ${words.join(' ')} fetches that (${stderr.trim().split('\n').at(-1)})`;
}

function subcommand(args: readonly string[]): string {
  return plain(args)[0] ?? '';
}

/** Behind the settings that stand before it. */
function plain(args: readonly string[]): readonly string[] {
  return args.slice(args.findIndex((word, n) => word !== '-c' && args[n - 1] !== '-c'));
}

const NO_ANSWER = 'no answer within';

/** Whether an error says that no answer came in time. */
export function isSilence(error: string): boolean {
  return error.includes(NO_ANSWER);
}

/** The environment of git, and of whatever it starts: a filter or a hook that an agent has planted would read our tokens, GIT_DIR and its
 *  kin would point every call at another repository, and nothing may ask at a terminal. How other machines are reached is the user's. */
export function gitEnvironment({
  remote = false,
  hooks = false,
}: Pick<Asking, 'remote' | 'hooks'> = {}): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ['PATH', ...HANDED_ON, ...(remote ? IDENTITY : [])]) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return {
    ...env,
    ...networkOf(process.env),
    ...gitSettingsOf(process.env),
    ...(remote || hooks ? {} : { GIT_ALLOW_PROTOCOL: 'none', GIT_NO_LAZY_FETCH: '1' }),
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    SSH_ASKPASS_REQUIRE: 'never',
    LC_ALL: 'C',
  };
}

/** Git dirs of repositories that git itself has found good, as this user. */
const accepted = new Set<string>();

/** The git dir that all worktrees share, asked of git itself: of a bare repository, or by a directory inside of one. */
export async function askCommonDir(repo: string): Promise<GitResult> {
  const found = await git(repo, ['rev-parse', '--path-format=absolute', '--git-common-dir']);
  if (found.ok) accepted.add(realpathSync.native(found.stdout));
  return found;
}

/** What git needs to be told in a git dir, which it finds good by the work tree of it: that it is meant (`safe.bareRepository`), and where
 *  it is another user's, that it has been found good already (`safe.directory` names the work tree). */
export function inGitDir(cwd: string): string[] {
  if (!existsSync(join(cwd, 'HEAD')) || existsSync(join(cwd, '.git'))) return [];
  const good = accepted.has(cwd) ? ['-c', `safe.directory=${cwd}`] : [];
  return ['-c', 'safe.bareRepository=all', ...good];
}

/** The full name of a commit, whatever it was called by; null = there is none. */
export async function commitOf(cwd: string, name: string): Promise<string | null> {
  const found = await git(cwd, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]);
  return found.ok && /^[0-9a-f]{40,64}$/.test(found.stdout) ? found.stdout : null;
}

/** Whether its history is cut off somewhere: what git does not find in common may lie beyond. */
export function isShallow(common: string): boolean {
  return existsSync(join(common, 'shallow'));
}

/** A base, and the remote that it is fetched from. */
interface Upstream {
  readonly remote: string;
  readonly base: string;
}

/** Where work begins: at the remote's branch where there is one, else at the one here. */
export function baseRefs({ remote, base }: Upstream): [string, string] {
  return [`refs/remotes/${remote}/${base}`, `refs/heads/${base}`];
}

/** What is fetched, and to where, so that work begins at what the remote has: by name, since what a repository maps its remote's branches
 *  to may be another place or none (a bare clone, a mirror, a clone of one branch). */
export function fetchesTo(upstream: Upstream): string {
  return `+refs/heads/${upstream.base}:${baseRefs(upstream)[0]}`;
}
