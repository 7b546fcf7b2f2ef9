/** What the end-to-end tests say about a sandbox: tickets, runs, agents and ticks of the real program. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { StepReport } from '../../src/report/tick.ts';
import type { Served } from './mission-control/served.ts';
import { putTicket } from './put.ts';
import { AGENT, LIMITS, makeSandbox, type Ran, type Running, type Sandbox, until } from './sandbox.ts';
import './scratch.ts';

export interface TicketRow {
  readonly id: string;
  readonly status: string;
  readonly owner: string | null;
  readonly worker_pid: number | null;
  readonly attempts: number;
  readonly claim_epoch: number;
  readonly version: number;
  readonly trusted: number;
  readonly reason: string | null;
  readonly reason_text: string | null;
  readonly not_before_at_ms: number | null;
}

export interface RunRow {
  readonly id: string;
  readonly mark: string;
  readonly phase: string;
  readonly pid: number;
  readonly pid_start: string;
  readonly host_id: string;
  readonly tmux_pane: string;
  readonly worktree: string;
  readonly silent_ms: number;
  readonly ended_at_ms: number | null;
  readonly end_reason: string | null;
}

export interface Report {
  readonly code: number | null;
  readonly outcome: string;
  readonly dry_run: boolean;
  readonly reconcile: readonly StepReport[];
  readonly dispatch: readonly StepReport[];
  readonly skipped: readonly { ticket: string; because: string; evidence: unknown }[];
}

/** A hook that holds the launch of those tickets that `hold` names, until `letGo`. */
export const HOLDING_HOOK = `before_run = { timeout_seconds = 600, argv = ["/bin/sh", "-c", '''
n=$MC_PICKUP_STATE_DIR/notes; mkdir -p $n
[ -e $n/$MC_TICKET_ID.held ] || exit 0
echo $$ >>$n/$MC_TICKET_ID.inside
while [ ! -e $n/$MC_TICKET_ID.on ]; do sleep 0.02; done
'''] }`;

export class Rig {
  readonly box: Sandbox;

  #board = '';

  constructor(
    options: {
      readonly limits?: string;
      readonly project?: string;
      readonly more?: string;
      /** A Mission Control server in place of the file. */
      readonly server?: Served;
      /** That server starts the runtimes. */
      readonly sends?: boolean;
    } = {},
  ) {
    this.box = makeSandbox();
    const { server } = options;
    if (server !== undefined) {
      const token = join(this.box.dir, 'token');
      writeFileSync(token, `${server.token}\n`, { mode: 0o600 });
      this.#board = `[board]
kind = "mission-control"
url = ${JSON.stringify(server.url)}
token_file = ${JSON.stringify(token)}
${options.sends ? 'runtimes = "server"\n' : ''}`;
      this.box.boardFile = server.file;
    }
    this.configure(options);
  }

  /** `project` adds lines to the one project, `more` adds tables. */
  configure({ limits = LIMITS, project = '', more = '' }: ConstructorParameters<typeof Rig>[0] = {}): void {
    this.box.configure(`${limits}
${this.#board}[project.demo]
repo = ${JSON.stringify(this.box.repo)}
base = "main"
fetch = false
${project}

[agent.scripted]
kind = "command"
argv = [${JSON.stringify(AGENT)}]
${more}`);
  }

  /** A new ticket of this person's. With more words `ticket add` is typed. */
  add(behave: string, ...more: string[]): string {
    const title = `Do ${behave}`;
    const body = `behave: ${behave}`;
    if (more.length === 0) return putTicket(this.box, { title, body, project: 'demo', agent: 'scripted' });
    const words = ['--project', 'demo', '--agent', 'scripted', '--title', title, '--body', body];
    const done = this.box.run(['ticket', 'add', ...words, '--json', ...more]);
    expect(done).toMatchObject({ code: 0, err: '' });
    return (JSON.parse(done.out) as { id: string }).id;
  }

  /** From here on no tick registers its launchers: they do it by themselves. */
  launchersAlone(): void {
    const asking = join(this.box.state, 'asking');
    rmSync(asking, { recursive: true, force: true });
    mkdirSync(this.box.state, { recursive: true, mode: 0o700 });
    writeFileSync(asking, 'a file in place of the pipes');
  }

  ticket(id: string): TicketRow {
    const row = this.box.sql<TicketRow>('SELECT * FROM tickets WHERE id = ?', id)[0];
    if (row === undefined) throw new Error(`no ${id}`);
    return row;
  }

  runs(id: string): RunRow[] {
    return this.box.sql<RunRow>('SELECT * FROM runtime_sessions WHERE ticket_id = ? ORDER BY seq', id);
  }

  live(id: string): RunRow | undefined {
    return this.runs(id).find(({ ended_at_ms }) => ended_at_ms === null);
  }

  /** Ticks until this many agents were ever started for a ticket. None while one that was launched has not begun yet: a quick agent would have
   *  ended by then, and its run with it. */
  async ticksUntilStarted(id: string, count: number): Promise<void> {
    let awaited = 0;
    const reached = await until(() => {
      const before = this.started(id);
      if (before < awaited) return false;
      if (awaited > 0 && before >= count) return true;
      const { dispatch } = this.tick();
      if (dispatch.some(({ ticket, result }) => ticket === id && result === 'launched')) awaited = before + 1;
      return this.started(id) >= count;
    });
    expect(reached, `${this.started(id)} agents were started for ${id}, not ${count}`).toBe(true);
    expect(this.started(id)).toBe(count);
  }

  /** New tickets, whose agents have read all they need and hold. */
  async held(count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => this.add('hold'));
    this.tick();
    for (const id of ids) await this.holding(id);
    return ids;
  }

  /** The pid of our tmux server, as it was recorded. */
  tmuxPid(): number {
    return (JSON.parse(readFileSync(join(this.box.state, 'tmux-server.json'), 'utf8')) as { pid: number })
      .pid;
  }

  /** Ends the tmux server and all agents, so that nothing holds a mounted directory. */
  async endAll(): Promise<void> {
    this.box.tmux('kill-server');
    await until(() => this.box.processes().length === 0);
  }

  /** The living run of a ticket that must have one. */
  run(id: string): RunRow {
    const row = this.live(id);
    if (row === undefined) throw new Error(`${id} has no living run`);
    return row;
  }

  /** How many agents were ever started for a ticket. */
  started(id: string): number {
    return this.box.note(`${id}.started`).split('\n').filter(Boolean).length;
  }

  /** The agents of a ticket that live right now, by what the kernel says. */
  agents(id: string): number[] {
    const pids = this.box.note(`${id}.started`).split('\n').filter(Boolean);
    return pids.map((line) => Number(line.split(' ')[1])).filter((pid) => this.lives(pid, id));
  }

  private lives(pid: number, id: string): boolean {
    try {
      const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return env.includes(`MC_PICKUP_STATE_DIR=${this.box.state}`) && env.includes(`MC_TICKET_ID=${id}`);
    } catch {
      return false;
    }
  }

  tick(command = 'dispatch', ...more: string[]): Report {
    return reportOf(this.box.run([command, '--json', ...more]));
  }

  /** The same without a start of Node, where the tick itself is not what is tested. */
  async tickHere(command = 'dispatch', ...more: string[]): Promise<Report> {
    return reportOf(await this.box.here([command, '--json', ...more]));
  }

  async settle(id: string, status: string): Promise<void> {
    const reached = await until(() => this.ticket(id).status === status);
    expect(reached, `${id} is ${this.ticket(id).status}, not ${status}`).toBe(true);
  }

  async working(id: string, count = 1): Promise<void> {
    expect(await until(() => this.started(id) >= count), 'the agent never started').toBe(true);
  }

  /** Waits until the agent has read all it needs and holds. */
  async holding(id: string): Promise<void> {
    expect(await until(() => this.box.note(`${id}.holding`) !== ''), 'the agent never held').toBe(true);
  }

  /** Waits until the back-off of a ticket is over. */
  async due(id: string): Promise<void> {
    expect(await until(() => (this.ticket(id).not_before_at_ms ?? 0) <= Date.now())).toBe(true);
  }

  /** The next look at all that is held is due, as it is after its wait. */
  holdsDue(): void {
    const file = join(this.box.state, 'holds.json');
    const all = JSON.parse(readFileSync(file, 'utf8')) as { readonly holds: readonly object[] };
    const times = { next_at_ms: Date.now(), looked_at_ms: Date.now() - 60_000 };
    writeFileSync(file, JSON.stringify({ ...all, holds: all.holds.map((one) => ({ ...one, ...times })) }));
  }

  async kill(pid: number): Promise<void> {
    process.kill(pid, 'SIGKILL');
    await this.gone(pid);
  }

  /** The same for one that may have gone by itself meanwhile, with its pane. */
  async killLeft(pid: number): Promise<void> {
    try {
      await this.kill(pid);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async gone(pid: number): Promise<void> {
    expect(await until(() => state(pid) === null || state(pid) === 'Z')).toBe(true);
  }

  /** A started tick that stands inside the launch of this ticket; `letGo` lets it go on. */
  async heldTick(id: string, ...args: string[]): Promise<Running> {
    this.box.signal(`${id}.held`);
    const running = this.box.begin(['dispatch', '--json', ...args]);
    expect(await until(() => this.box.note(`${id}.inside`) !== ''), 'the hook never ran').toBe(true);
    return running;
  }

  letGo(id: string): void {
    this.box.signal(`${id}.on`);
  }

  async report(running: Running): Promise<Report> {
    return reportOf(await running.done);
  }

  /**
   * Takes a registered, living agent out of sight, as if it were not there yet: its pane's marks, the mark of its
   * ticket and its run directory, which the returned function puts back just as registration left them.
   */
  hide(id: string): () => void {
    const { box } = this;
    const { mark, tmux_pane } = this.run(id);
    const moves = [
      [join(box.state, 'marks', `${id}.json`), join(box.dir, `${id}.mark`)],
      [join(box.state, 'runs', mark), join(box.dir, `${id}.run`)],
      [join(box.state, 'own', mark), join(box.dir, `${id}.own`)],
    ] as const;
    for (const [from, to] of moves) renameSync(from, to);
    for (const name of ['@mc_run', '@mc_ticket'])
      expect(box.tmux('set-option', '-p', '-u', '-t', tmux_pane, name).code).toBe(0);
    return () => {
      for (const [from, to] of moves) renameSync(to, from);
      box.tmux('set-option', '-p', '-t', tmux_pane, '@mc_run', mark);
      expect(box.tmux('set-option', '-p', '-t', tmux_pane, '@mc_ticket', id).code).toBe(0);
    };
  }

  /** The board restored from a backup of before the launch. */
  lose(id: string): void {
    this.box.sql('DELETE FROM runtime_sessions WHERE ticket_id = ?', id);
    this.box.sql("UPDATE tickets SET status = 'todo', worker_pid = NULL WHERE id = ?", id);
  }

  /** Panes of our server that carry the ticket's mark: `pane pid dead`. */
  panes(id: string): string[] {
    const format = '#{@mc_ticket} #{pane_id} #{pane_pid} #{pane_dead}';
    const lines = this.box.tmux('list-panes', '-a', '-F', format).out.split('\n');
    return lines.filter((line) => line.startsWith(`${id} `)).map((line) => line.slice(id.length + 1));
  }

  runFiles(run: string): string[] {
    return readdirSync(join(this.box.state, 'runs', run));
  }

  /** What the agent of a run is told of, or what only the program keeps of it. */
  runFile(run: string, name: string): string {
    const own = join(this.box.state, 'own', run, name);
    return readFileSync(existsSync(own) ? own : join(this.box.state, 'runs', run, name), 'utf8');
  }
}

function reportOf({ code, out, err }: Ran): Report {
  if (out === '') throw new Error(`exit ${code}: ${err}`);
  return { ...(JSON.parse(out) as Report), code };
}

/** The kernel's state letter of a process; null = gone. */
export function state(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
  } catch {
    return null;
  }
}
