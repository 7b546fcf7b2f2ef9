import { existsSync } from 'node:fs';
import { failpoint } from '../machine/failpoint.ts';
import { inPrivate } from '../machine/umask.ts';
import type { Screen } from '../model/screen.ts';
import { heal, recordedServer, recordServer, startInScope } from './server.ts';
import { command, failureOf, guarded, NAME, PANE, refusalOf, type Tmux } from './tmux.ts';
import { TITLE } from './view.ts';

export interface PaneStart {
  readonly name: string;
  readonly run: string;
  readonly ticket: string;
  readonly cwd: string;
  readonly argv: readonly string[];
}

export type StartedPane =
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
      /** Nothing can have been started. */
      readonly untouched?: true;
      /** Nor can anything else be here: tmux does not start. */
      readonly refused?: true;
    };

/** What a pane's output is copied to. Once its process has ended, tmux closes the terminal of a pane without a pipe at once,
 *  and throws away what it had not read yet: the very lines that say why. With a pipe it reads on to the end. */
const DRAIN = 'exec cat >/dev/null';
/** What is asked of the session that was started. */
const STARTED = '#{session_id}|#{pane_id}|#{pane_pid}|#{pid}';

/** Starts one detached pane without a shell, marked with its run, in ONE tmux invocation. */
export async function startPane(tmux: Tmux, start: PaneStart): Promise<StartedPane> {
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
  failpoint('launch-pane-before');
  const answer = await inPrivate(() => command(tmux, wordsToStart(start)));
  const refusal = refusalOf(answer);
  if (refusal !== null) return { ok: false, error: refusal, untouched: true, refused: true };
  const failure = failureOf(answer);
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

function wordsToStart({ name, run, ticket, cwd, argv }: PaneStart): string[] {
  // By name, not by default: tmux's own choice is the session with the latest activity, which after a step
  // back of the clock is another agent's.
  const its = ['-t', `=${name}:`];
  return [
    ...['start-server', ';', 'set-option', '-g', 'exit-empty', 'off'],
    ...[';', 'set-option', '-g', 'remain-on-exit', 'on'],
    ...[';', 'set-option', '-g', 'update-environment', ''],
    ...[';', 'set-option', '-g', 'history-limit', '20000'],
    ...[';', 'new-session', '-d', '-P', '-F', STARTED, '-s', name],
    ...['-x', '200', '-y', '50', '-c', literal(cwd), '--', ...argv.map(word)],
    ...[';', 'set-option', '-p', ...its, '@mc_run', run],
    ...[';', 'set-option', '-p', ...its, '@mc_ticket', ticket],
    ...[';', 'pipe-pane', ...its, DRAIN],
  ];
}

/** A trailing `;` would end the tmux command. */
function word(text: string): string {
  return text.endsWith(';') ? `${text.slice(0, -1)}\\;` : text;
}

/** A word that tmux expands as a format: `#` doubled is a plain `#`, so `#(...)` runs nothing. */
function literal(text: string): string {
  return word(text.replaceAll('#', '##'));
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

/** What a pane shows now, and where its cursor is, in one answer; null = it is dead, or can't be told. */
export async function screenOf(tmux: Tmux, pane: string): Promise<Screen | null> {
  if (!PANE.test(pane)) return null;
  const format = '#{pane_id} #{pane_dead} #{alternate_on} #{cursor_x} #{cursor_y}';
  const cursor = ['display-message', '-p', '-t', pane, format];
  const answer = await command(tmux, [...cursor, ';', 'capture-pane', '-e', '-p', '-t', pane]);
  const [first = '', ...rows] = failureOf(answer) === null ? answer.stdout.split('\n') : [];
  const [, id, full, x, y] = /^(%\d+) 0 ([01]) (\d+) (\d+)$/.exec(first) ?? [];
  return id === pane ? { rows, x: Number(x), y: Number(y), full: full === '1' } : null;
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
