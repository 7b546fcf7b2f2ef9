import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { failpoint } from '../machine/failpoint.ts';
import { readObject, realOf, textOfFile, writeAtomic } from '../machine/files.ts';
import { argvOf } from '../machine/proc.ts';
import { lookAt, lookAtSelf } from '../machine/process.ts';
import { findProgram } from '../machine/programs.ts';
import { type RunResult, run, runToFile } from '../machine/spawn.ts';
import { identify, identityIn, judge, type ObserverIdentity } from '../model/identity.ts';
import type { Pane, TmuxView } from '../model/world.ts';
import { MAX_SOCKET_PATH } from './dir.ts';

/** Our own tmux server: never the user's. */
export interface Tmux {
  readonly socket: string;
  /** Where the server's identity is recorded. */
  readonly serverFile: string;
  readonly binary: string;
}

export interface PaneStart {
  readonly name: string;
  readonly run: string;
  readonly ticket: string;
  readonly cwd: string;
  readonly argv: readonly string[];
}

export type Started =
  | {
      readonly ok: true;
      readonly session: string;
      readonly pane: string;
      readonly pid: number;
      readonly server_pid: number;
    }
  | {
      readonly ok: false;
      readonly error: string;
      /** tmux was never asked: nothing can have been started. */
      readonly untouched?: true;
    };

const TIMEOUT_MS = 5000;
const HEAL_MS = 2000;
const ENV_NAMES = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TERM', 'USER', 'SHELL', 'TZ', 'XDG_RUNTIME_DIR'];
const NAME = /^[A-Za-z0-9_-]+$/;
const PANE = /^%\d+$/;
/** What a pane's output is copied to. Once its process has ended, tmux closes the terminal of a pane without a pipe at once,
 *  and throws away what it had not read yet: the very lines that say why. With a pipe it reads on to the end. */
const DRAIN = 'exec cat >/dev/null';
const NOT_INSTALLED = 'tmux is not installed or not on PATH: install it, for example apt-get install tmux';
/** The longest name that we set. */
const MOST_NAME = 128;
/** A title that is longer says nothing to anybody. */
const MOST_TITLE = 1000;
/**
 * A program in a pane can set the pane's options and title to anything: to a megabyte, to lines that look like another pane's. So what
 * it can set is measured before it is looked at, and loses there what could end a field or a line: `!` stands for each such character
 * of a mark, and for one that is too long.
 */
const markField = (option: string): string =>
  `#{?#{e|<=:#{n:${option}},${MOST_NAME}},#{s/[^A-Za-z0-9_-]/!/:${option}},!}`;
/** A range, spelled so that none of them stands in the bundle, which is printable. */
const CONTROLS = decodeURIComponent('%01-%1f');
const TITLE = `#{?#{e|<=:#{n:pane_title},${MOST_TITLE}},#{s/[${CONTROLS}]/ /:pane_title},}`;
const FIELDS = [
  '#{session_id}',
  '#{pane_id}',
  '#{pane_pid}',
  '#{pane_dead}',
  '#{pane_dead_status}',
  '#{pane_dead_signal}',
  markField('@mc_run'),
  markField('@mc_ticket'),
  '#{window_activity}',
  '#{pid}',
  TITLE, // last: it may hold the separator
].join('|');

/** What our server shows. "None" needs proof: no answer AND the recorded server's process is dead. */
export async function viewServer(
  tmux: Tmux,
  options: {
    readonly repair?: boolean;
    readonly self?: ObserverIdentity;
    /** A process of a pane is known to have ended: tmux is made to notice. */
    readonly reap?: boolean;
  } = {},
): Promise<TmuxView> {
  const length = Buffer.byteLength(tmux.socket);
  if (length > MAX_SOCKET_PATH) {
    const error = `${tmux.socket} is too long for a socket (${length} bytes of ${MAX_SOCKET_PATH} at most): choose a shorter state dir`;
    return { kind: 'unknown', error };
  }
  const server = recordedServer(tmux, options.self);
  if (!existsSync(tmux.socket) && server.state === 'dead') {
    // Without the program the next launch would fail, and the one after it: nothing can be seen, so nothing is done.
    return findProgram(tmux.binary, process.env.PATH) === null
      ? { kind: 'unknown', error: NOT_INSTALLED }
      : { kind: 'none' };
  }
  if (options.repair === true && server.state === 'alive' && server.lacks) recordServer(tmux, server.pid);
  let answer = existsSync(tmux.socket) ? await list(tmux) : noServer;
  if (answer.kind === 'none' && server.state === 'unknown')
    return {
      kind: 'unknown',
      error: `no tmux server answers, and whether the recorded one lives cannot be read (look at ${tmux.serverFile}; if no such process lives, remove that file)`,
    };
  if (answer.kind === 'none' && server.state === 'alive') {
    if (!options.repair)
      return { kind: 'unknown', error: `the tmux server ${server.pid} lives but its socket was deleted` };
    if (!(await heal(tmux, server.pid)))
      return { kind: 'unknown', error: `the tmux server ${server.pid} lives but did not restore its socket` };
    answer = await list(tmux);
    if (answer.kind === 'none')
      return { kind: 'unknown', error: `the tmux server ${server.pid} does not answer` };
  }
  if (answer.kind === 'server' && (options.reap === true || answer.panes.some(unreaped))) {
    // tmux does not reap a zombie before its next SIGCHLD.
    await command(tmux, ['run-shell', 'true']);
    answer = await list(tmux);
  }
  return answer;
}

const noServer: TmuxView = { kind: 'none' };

/** Starts one detached pane without a shell, marked with its run, in ONE tmux invocation. */
export async function startPane(tmux: Tmux, start: PaneStart): Promise<Started> {
  for (const [what, value] of Object.entries({ name: start.name, run: start.run, ticket: start.ticket }))
    if (!NAME.test(value))
      return { ok: false, error: `not a valid ${what} for tmux: ${JSON.stringify(value)}`, untouched: true };
  // A single word would be given to a shell by tmux.
  if (start.argv.length < 2)
    return { ok: false, error: 'a pane needs at least two words to run without a shell', untouched: true };
  const server = recordedServer(tmux);
  if (server.state === 'dead') {
    // Also where a socket file is left of a server that was killed: what starts anew here must not end with the tick.
    await startInScope(tmux);
  } else if (!existsSync(tmux.socket)) {
    if (server.state === 'unknown' || !(await heal(tmux, server.pid)))
      return { ok: false, error: 'the tmux server lives but its socket was deleted', untouched: true };
  }
  const words = [
    ...['start-server', ';', 'set-option', '-g', 'exit-empty', 'off'],
    ...[';', 'set-option', '-g', 'remain-on-exit', 'on'],
    ...[';', 'set-option', '-g', 'update-environment', ''],
    ...[';', 'set-option', '-g', 'history-limit', '20000'],
    ...[
      ';',
      'new-session',
      '-d',
      '-P',
      '-F',
      '#{session_id}|#{pane_id}|#{pane_pid}|#{pid}',
      '-s',
      start.name,
    ],
    ...['-x', '200', '-y', '50', '-c', literal(start.cwd), '--', ...start.argv.map(word)],
    // By name, not by default: tmux's own choice is the session with the latest activity, which after a step
    // back of the clock is another agent's.
    ...[';', 'set-option', '-p', '-t', `=${start.name}:`, '@mc_run', start.run],
    ...[';', 'set-option', '-p', '-t', `=${start.name}:`, '@mc_ticket', start.ticket],
    ...[';', 'pipe-pane', '-t', `=${start.name}:`, DRAIN],
  ];
  failpoint('launch-pane-before');
  const answer = await inPrivate(() => command(tmux, words));
  const failure = failureOf(answer);
  if (failure === NOT_INSTALLED) return { ok: false, error: failure, untouched: true };
  if (failure !== null) return { ok: false, error: failure };
  const match = /^(\$\d+)\|(%\d+)\|(\d+)\|(\d+)$/.exec(answer.stdout.trim());
  const [, session, pane, pid, server_pid] = match ?? [];
  if (session === undefined || pane === undefined)
    return { ok: false, error: `tmux answered ${JSON.stringify(answer.stdout.slice(0, 200))}` };
  failpoint('launch-pane-started');
  recordServer(tmux, Number(server_pid));
  failpoint('launch-server-recorded');
  return { ok: true, session, pane, pid: Number(pid), server_pid: Number(server_pid) };
}

/** The process that tmux has started for a run: of the panes in the session of that name, the one that is marked with the run
 *  and has this process. null = there is none; a failure to ask is thrown in words. */
export async function paneStartedFor(
  tmux: Tmux,
  run: string,
  pid: number,
): Promise<{ readonly pane: string; readonly server_pid: number } | null> {
  if (!NAME.test(run)) return null;
  const answer = await command(tmux, ['list-panes', '-s', '-t', `=${run}:`, '-F', OF_RUN]);
  const failure = failureOf(answer);
  if (failure !== null && !NO_SUCH.test(failure)) throw new Error(failure);
  for (const line of failure === null ? answer.stdout.split('\n') : []) {
    const [pane = '', pane_pid, server_pid, mark] = line.split('|');
    if (PANE.test(pane) && Number(pane_pid) === pid && mark === run)
      return { pane, server_pid: Number(server_pid) };
  }
  return null;
}

const OF_RUN = '#{pane_id}|#{pane_pid}|#{pid}|#{@mc_run}';
const NO_SUCH =
  /can't find|no server running on|error connecting to .*\((No such file or directory|Connection refused)\)/;

/** The last lines that a pane shows, or null. */
export async function capturePane(tmux: Tmux, pane: string, lines: number): Promise<string | null> {
  if (!PANE.test(pane)) return null;
  const from = `-${Math.max(0, Math.trunc(lines))}`;
  const answer = await command(tmux, ['capture-pane', '-p', '-J', '-t', pane, '-S', from]);
  if (failureOf(answer) !== null) return null;
  return answer.stdout.trimEnd().split('\n').slice(-Math.max(1, lines)).join('\n');
}

/** Closes a pane in one command, only while it is dead and still this run's. */
export async function closeDeadPane(
  tmux: Tmux,
  pane: string,
  runId: string,
): Promise<'closed' | 'refused' | { readonly error: string }> {
  if (!PANE.test(pane) || !NAME.test(runId)) return { error: 'not a pane or not a run id' };
  const mine = `#{&&:#{==:#{pane_dead},1},#{==:#{@mc_run},${runId}}}`;
  return guarded(tmux, pane, mine, `kill-pane -t '${pane}'`, 'closed');
}

/** Words for a person's terminal: `tmux ...`. The session is an id such as `$3`, or a name. Read-only lets nothing
 *  through but the keys that detach. */
export function attachArgs(tmux: Tmux, session: string, readOnly = false): string[] {
  const target = session.startsWith('$') ? session : `=${session}:`;
  const words = ['-S', tmux.socket, '-f', '/dev/null', 'attach-session', '-t', target];
  return readOnly ? [...words, '-r'] : words;
}

/** Runs `then` in ONE tmux command if the format holds for the pane. For this folder only. */
export async function guarded<T extends string>(
  tmux: Tmux,
  pane: string,
  condition: string,
  then: string,
  done: T,
  otherwise = '',
): Promise<T | 'refused' | { readonly error: string }> {
  const refuse = `display-message -p refused${otherwise}`;
  const answer = await command(tmux, ['if-shell', '-F', '-t', pane, condition, then, refuse]);
  const failure = failureOf(answer);
  if (failure !== null)
    return /can't find (pane|session|window)/.test(failure) ? 'refused' : { error: failure };
  return answer.stdout.includes('refused') ? 'refused' : done;
}

/** One tmux invocation on our socket, in a clean environment. */
export function command(tmux: Tmux, words: readonly string[], input?: string): Promise<RunResult> {
  return run(tmux.binary, onSocket(tmux, words), {
    timeoutMs: TIMEOUT_MS,
    env: cleanEnv(),
    ...(input === undefined ? {} : { input }),
  });
}

function onSocket(tmux: Tmux, words: readonly string[]): string[] {
  return ['-S', tmux.socket, '-f', '/dev/null', ...words];
}

/** The title that the program in a pane gave it: untrusted text; null = it cannot be read. */
export async function paneTitle(tmux: Tmux, pane: string): Promise<string | null> {
  if (!PANE.test(pane)) return null;
  const answer = await command(tmux, ['display-message', '-p', '-t', pane, TITLE]);
  return failureOf(answer) === null ? answer.stdout.trim() : null;
}

/** A format that is the number of the line on which the pane shows a text, or 0. For texts of our own: what means
 *  something in a format or a pattern is refused; `?` stands for any character, and so does a comma, which would end
 *  the format's argument. */
export function searched(text: string): string {
  if (text === '' || /[#{};'"\\*[\]\u0000-\u001f]/.test(text))
    throw new Error(`not a text to search a pane for: ${JSON.stringify(text)}`);
  return `#{C:${text.replaceAll(',', '?')}}`;
}

/** Whether the living pane shows a text now; null = it can't be told. (Of a pane that is gone tmux says 0 as well.) */
export async function showsText(tmux: Tmux, pane: string, text: string): Promise<boolean | null> {
  if (!PANE.test(pane)) return null;
  const format = `#{pane_id} #{pane_dead} ${searched(text)}`;
  const answer = await command(tmux, ['display-message', '-p', '-t', pane, format]);
  const [id, dead, line = ''] = failureOf(answer) === null ? answer.stdout.trim().split(' ') : [];
  return id === pane && dead === '0' && /^\d+$/.test(line) ? Number(line) > 0 : null;
}

/** What went wrong in one invocation, in words; null = nothing. */
export function failureOf(answer: RunResult): string | null {
  if (answer.error === 'ENOENT' || answer.code === 127) return NOT_INSTALLED;
  if (answer.error === 'timeout') return `tmux did not answer within ${TIMEOUT_MS / 1000} s`;
  if (answer.error !== null) return `tmux: ${answer.error}`;
  if (answer.code === 0) return null;
  return `tmux: ${answer.stderr.trim().slice(0, 500) || `exit ${answer.code ?? answer.signal}`}`;
}

/** The last line of a whole answer: tmux does not notice when what it prints finds no room, and ends with 0. */
const END = 'mc-pickup-end';

async function list(tmux: Tmux): Promise<TmuxView> {
  const words = onSocket(tmux, ['list-panes', '-a', '-F', FIELDS, ';', 'display-message', '-p', END]);
  let answer = await runToFile(tmux.binary, words, { timeoutMs: TIMEOUT_MS, env: cleanEnv() });
  // The memory for files is full: a pipe takes all.
  if (isCutOff(answer)) answer = await run(tmux.binary, words, { timeoutMs: TIMEOUT_MS, env: cleanEnv() });
  // So answers a server without any session.
  const empty = answer.code === 1 && answer.stderr.trim() === 'no current target';
  const failure = empty ? null : failureOf(answer);
  if (failure !== null) {
    if (/no server running on|error connecting to .*\(No such file or directory\)/.test(failure))
      return noServer;
    return { kind: 'unknown', error: failure };
  }
  if (!empty && isCutOff(answer)) return { kind: 'unknown', error: 'the answer of tmux was cut off' };
  const panes: Pane[] = [];
  let server = 0;
  let malformed: string | null = null;
  for (const line of answer.stdout.split('\n')) {
    if (line === '' || line === END) continue;
    const parsed = parsePane(line);
    // What is no pane's line says nothing of any pane: a hook that somebody has set on the server may print.
    if (parsed === null) malformed ??= line;
    else {
      server = parsed.server;
      panes.push(parsed.pane);
    }
  }
  if (server === 0 && malformed !== null)
    return {
      kind: 'unknown',
      error: `tmux answered a malformed line: ${JSON.stringify(malformed.slice(0, 200))}`,
    };
  if (server === 0) {
    const pid = (await command(tmux, ['display-message', '-p', '#{pid}'])).stdout.trim();
    if (!/^\d+$/.test(pid)) return { kind: 'unknown', error: 'tmux did not tell its pid' };
    server = Number(pid);
  }
  const look = lookAt(server);
  return {
    kind: 'server',
    server_pid: server,
    server_start: look.kind === 'present' ? look.start : null,
    panes,
  };
}

function isCutOff({ error, code, stdout, stderr }: RunResult): boolean {
  if (error !== null || code === null) return false;
  return code === 0 ? !`\n${stdout}`.includes(`\n${END}\n`) : stderr === '';
}

/** `FIELDS`, as tmux fills them in. One pattern: each has to be compiled anew in every tick. */
const LINE = /^(\$\d+)\|(%\d+)\|(\d+)\|([01]?)\|(\d*)\|([^|]*)\|([\w!-]*)\|([\w!-]*)\|(\d*)\|(\d+)\|(.*)$/s;

/** One line of `list-panes`, or null when it is not exactly what was asked for. A pane whose marks are not ours is one without any. */
export function parsePane(line: string): { readonly pane: Pane; readonly server: number } | null {
  const [
    ,
    session = '',
    pane = '',
    pid,
    dead,
    status,
    signal = '',
    run = '',
    ticket = '',
    activity,
    server,
    title = '',
  ] = LINE.exec(line) ?? [];
  const exit_signal = signalNumber(signal);
  if (server === undefined || exit_signal === undefined) return null;
  const odd = run.includes('!') || ticket.includes('!');
  const view: Pane = {
    ...{ session, pane, pid: Number(pid), dead: dead === '1' },
    ...(odd ? ({ run: '', ticket: '', odd } as const) : { run, ticket }),
    exit_code: status === '' ? null : Number(status),
    exit_signal,
    output_at_s: activity === '' ? null : Number(activity),
    title: title.trim(),
  };
  return { pane: view, server: Number(server) };
}

/** tmux gives a number on Linux and a name (`KILL`) on BSD. */
function signalNumber(text: string): number | null | undefined {
  if (text === '') return null;
  if (/^\d+$/.test(text)) return Number(text) || null;
  const name = text.toUpperCase().replace(/^(SIG)?/, 'SIG');
  return (constants.signals as Readonly<Record<string, number>>)[name];
}

function unreaped(pane: Pane): boolean {
  return pane.dead && pane.exit_code === null && pane.exit_signal === null;
}

type Recorded =
  /** `lacks`: its record is of a time when less was noted. */
  | { readonly state: 'alive'; readonly pid: number; readonly lacks: boolean }
  | { readonly state: 'dead' }
  | { readonly state: 'unknown' };

function recordedServer(tmux: Tmux, known?: ObserverIdentity): Recorded {
  const record = readObject(tmux.serverFile);
  const { pid, start, boot_id, time_ns } = record ?? {};
  const self = known ?? lookAtSelf('');
  const { host_id, pid_ns } = self;
  const noted = identityIn({ host_id, boot_id, pid_ns, time_ns, pid, pid_start: start });
  // A record that can't be read proves nothing.
  if (noted === null) return { state: existsSync(tmux.serverFile) ? 'unknown' : 'dead' };
  const { verdict } = judge(noted, self, lookAt(noted.pid));
  if (verdict !== 'alive') return { state: verdict === 'dead' ? 'dead' : 'unknown' };
  // The record of a state dir that was copied names the server of the first one.
  const argv = argvOf(noted.pid);
  if (argv !== null && !namesSocket(argv, tmux.socket)) return { state: 'dead' };
  return { state: 'alive', pid: noted.pid, lacks: noted.time_ns === null && self.time_ns !== null };
}

function recordServer(tmux: Tmux, pid: number): void {
  const identity = identify(pid, lookAtSelf(''), lookAt(pid));
  if (identity === null) return;
  const { pid_start: start, boot_id, time_ns } = identity;
  const text = `${JSON.stringify({ pid, start, boot_id, time_ns })}\n`;
  if (textOfFile(tmux.serverFile) === text) return;
  try {
    writeAtomic(tmux.serverFile, text);
  } catch {
    // A full disk must not turn a pane that runs into a failed launch.
  }
}

/** tmux makes its socket again on SIGUSR1, which ends most other programs: the file that names the server is no proof, so the process
 *  itself must have been started with our socket. */
async function heal(tmux: Tmux, pid: number): Promise<boolean> {
  if (!namesSocket(argvOf(pid), tmux.socket)) return false;
  try {
    process.kill(pid, 'SIGUSR1');
  } catch {
    return false;
  }
  for (let waited = 0; waited < HEAL_MS; waited += 20) {
    if (existsSync(tmux.socket)) return true;
    await pause(20);
  }
  return existsSync(tmux.socket);
}

/** null = a system that does not tell. */
function namesSocket(argv: readonly string[] | null, socket: string): boolean {
  if (argv === null) return process.platform !== 'linux';
  const place = (path: string): string => join(realOf(dirname(path)), basename(path));
  return argv.some((word, n) => argv[n - 1] === '-S' && place(word) === place(socket));
}

/** Puts a new server outside the scheduler's cgroup, where systemd offers that; else the caller starts it. */
async function startInScope(tmux: Tmux): Promise<void> {
  const runtimeDir = `/run/user/${process.getuid?.() ?? 0}`;
  if (!existsSync(join(runtimeDir, 'bus'))) return;
  const dirs = (process.env.PATH ?? '').split(delimiter);
  if (!dirs.some((dir) => dir !== '' && existsSync(join(dir, 'systemd-run')))) return;
  const scope = ['systemd-run', '--user', '--scope', '--quiet', '--collect', '--', tmux.binary];
  const server = [
    '-S',
    tmux.socket,
    '-f',
    '/dev/null',
    'start-server',
    ';',
    'set-option',
    '-g',
    'exit-empty',
    'off',
  ];
  const [file = '', ...words] = [...scope, ...server];
  const env = { ...cleanEnv(), XDG_RUNTIME_DIR: runtimeDir };
  await inPrivate(() => run(file, words, { timeoutMs: TIMEOUT_MS, env }));
}

/** A server that is started keeps the umask of the program that starts it, and hands it on to its panes. */
function inPrivate<T>(start: () => T): T {
  const before = process.umask(0o077);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

function cleanEnv(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const name of ENV_NAMES) if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}

/** A trailing `;` would end the tmux command. */
function word(text: string): string {
  return text.endsWith(';') ? `${text.slice(0, -1)}\\;` : text;
}

/** A word that tmux expands as a format: `#` doubled is a plain `#`, so `#(...)` runs nothing. */
function literal(text: string): string {
  return word(text.replaceAll('#', '##'));
}
