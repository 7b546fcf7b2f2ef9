import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { lookAt } from '../machine/process.ts';
import { findProgram } from '../machine/programs.ts';
import { type RunResult, run, runToFile, TOO_LONG } from '../machine/spawn.ts';
import type { ObserverIdentity } from '../model/identity.ts';
import type { Pane, TmuxView } from '../model/world.ts';
import { MAX_SOCKET_PATH } from './dir.ts';
import { heal, recordedServer, recordServer } from './server.ts';
import { cleanEnv, command, failureOf, NOT_INSTALLED, onSocket, TIMEOUT_MS, type Tmux } from './tmux.ts';

/** The longest name that we set. */
const MOST_NAME = 128;
/** A title that is longer says nothing to anybody. */
const MOST_TITLE = 1000;
/** What only tmux can set. It comes first, so that nothing of a pane's own can pass for it. */
const KNOWN = [
  '#{session_id}',
  '#{pane_id}',
  '#{pane_pid}',
  '#{pane_dead}',
  '#{pane_dead_status}',
  '#{pane_dead_signal}',
  '#{window_activity}',
  '#{pid}',
];
/**
 * A program in a pane can set the pane's options and title to anything: to a megabyte, to lines that look like another pane's. So each is
 * counted before it is told, and a line is believed only if it holds all that was counted.
 */
const SAID = ['@mc_run', '@mc_ticket', 'pane_title'];
const COUNTED = [...KNOWN, ...SAID.map((one) => `#{n:${one}}`), ...SAID.map((one) => `#{${one}}`)].join('|');
/**
 * The same, made harmless by tmux itself, which takes it twice as long: what is longer than it may be, and what could end a field or a
 * line, is lost there; `!` stands for each such character of a mark, and for one that is too long.
 */
const markField = (option: string): string =>
  `#{?#{e|<=:#{n:${option}},${MOST_NAME}},#{s/[^A-Za-z0-9_-]/!/:${option}},!}`;
/** A range, spelled so that none of them stands in the bundle, which is printable. */
const CONTROLS = decodeURIComponent('%01-%1f');
export const TITLE = `#{?#{e|<=:#{n:pane_title},${MOST_TITLE}},#{s/[${CONTROLS}]/ /:pane_title},}`;
const CLEANED = [...KNOWN, '', '', '', markField('@mc_run'), markField('@mc_ticket'), TITLE].join('|');

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

/** The last line of a whole answer: tmux does not notice when what it prints finds no room, and ends with 0. */
const END = 'mc-pickup-end';

async function list(tmux: Tmux): Promise<TmuxView> {
  const options = { timeoutMs: TIMEOUT_MS, env: cleanEnv() };
  let answer = await runToFile(tmux.binary, listing(tmux, COUNTED), options);
  let told = panesIn(answer);
  // Something that a pane says of itself is not as we set it; or the memory for files is full, and a pipe takes all.
  if (told.malformed !== null || answer.error === TOO_LONG || isCutOff(answer)) {
    answer = await run(tmux.binary, listing(tmux, CLEANED), options);
    told = panesIn(answer);
  }
  // So answers a server without any session.
  const empty = answer.code === 1 && answer.stderr.trim() === 'no current target';
  const failure = empty ? null : failureOf(answer);
  if (failure !== null) {
    if (/no server running on|error connecting to .*\(No such file or directory\)/.test(failure))
      return noServer;
    return { kind: 'unknown', error: failure };
  }
  if (!empty && isCutOff(answer)) return { kind: 'unknown', error: 'the answer of tmux was cut off' };
  const { panes, malformed } = told;
  let { server } = told;
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

/** `-u`: a title is told as it is, though no language is set where a scheduler starts us. */
function listing(tmux: Tmux, fields: string): string[] {
  const ask = ['list-panes', '-a', '-F', fields, ';', 'display-message', '-p', END];
  return ['-u', ...onSocket(tmux, ask)];
}

interface Told {
  readonly panes: readonly Pane[];
  /** 0 = no pane tells it. */
  readonly server: number;
  /** The first line that is no pane's. It says nothing of any pane: a hook that somebody has set on the server may print. */
  readonly malformed: string | null;
}

function panesIn({ stdout }: RunResult): Told {
  const panes: Pane[] = [];
  let server = 0;
  let malformed: string | null = null;
  for (const line of stdout.split('\n')) {
    if (line === '' || line === END) continue;
    const parsed = parsePane(line);
    if (parsed === null) malformed ??= line;
    else {
      server = parsed.server;
      panes.push(parsed.pane);
    }
  }
  return { panes, server, malformed };
}

function isCutOff({ error, code, stdout, stderr }: RunResult): boolean {
  if (error !== null || code === null) return false;
  return code === 0 ? !`\n${stdout}`.includes(`\n${END}\n`) : stderr === '';
}

/** `COUNTED` and `CLEANED`, as tmux fills them in. One pattern: each has to be compiled anew in every tick. */
const LINE =
  /^(\$\d+)\|(%\d+)\|(\d*)\|([01]?)\|(\d*)\|([^|]*)\|(\d*)\|(\d+)\|(\d*)\|(\d*)\|(\d*)\|([\w!-]*)\|([\w!-]*)\|(.*)$/s;
const CONTROL = new RegExp(`[${CONTROLS}]`);

/** One line of `list-panes`, or null when it is not exactly what was asked for. A pane whose marks are not ours is one without any. */
export function parsePane(line: string): { readonly pane: Pane; readonly server: number } | null {
  const found = LINE.exec(line);
  if (found === null || (found[3] === '' && found[4] !== '1')) return null;
  // By their numbers: to walk through an array makes an object for each step, and there may be hundreds of panes.
  const { 1: session = '', 2: pane = '', 3: pid, 4: dead, 5: status, 6: signal = '', 7: activity } = found;
  const {
    8: server,
    9: runs,
    10: tickets,
    11: titles,
    12: run = '',
    13: ticket = '',
    14: title = '',
  } = found;
  if (!isAll(runs, run, MOST_NAME) || !isAll(tickets, ticket, MOST_NAME)) return null;
  if (!isAll(titles, title, MOST_TITLE)) return null;
  const exit_signal = signalNumber(signal);
  if (exit_signal === undefined) return null;
  const odd = run.includes('!') || ticket.includes('!');
  const view: Pane = {
    ...{ session, pane, pid: pid === '' ? null : Number(pid), dead: dead === '1' },
    ...(odd ? ({ run: '', ticket: '', odd } as const) : { run, ticket }),
    exit_code: status === '' ? null : Number(status),
    exit_signal,
    output_at_s: activity === '' ? null : Number(activity),
    title: title.trim(),
  };
  return { pane: view, server: Number(server) };
}

/** Whether a text is all that was counted of it, and harmless. What was cleaned is not counted. */
function isAll(count: string | undefined, text: string, most: number): boolean {
  if (count === '') return true;
  return Number(count) <= most && Number(count) === Buffer.byteLength(text) && !CONTROL.test(text);
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
