/*
 * The tick's side of a registration: a launcher asks here, so that it need not start a program for it. It saves that work, and decides nothing: a
 * launcher that reads anything but `go` and its own run's name registers by itself. PROTOCOL.md tells why that holds, also where a pipe is used again.
 */
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import type { Board } from '../../board/port/index.ts';
import { monotonicMs } from '../../machine/clock.ts';
import { failpoint } from '../../machine/failpoint.ts';
import { textAt } from '../../machine/foreign.ts';
import type { Places } from '../../machine/paths.ts';
import { parseStat } from '../../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../../machine/process.ts';
import { identify } from '../../model/identity.ts';
import { runDir } from '../../runs/dirs.ts';
import { ensurePipes, isPipe, pipeOf } from './pipes.ts';
import { leaveWitnesses, type Registration, registerProcess } from './register.ts';
import { askedFile } from './script.ts';

/** A line of /proc/PID/stat is shorter. */
const MOST_ASKED = 4096;
/** A registration that took longer is no reason to let an agent begin. */
const LATE_MS = 1000;

/** The pane in which a launcher was started. */
export interface LauncherPane {
  readonly pid: number;
  readonly pane: string;
  readonly server_pid: number;
}

/** What became of a launcher's question. `let_go`: it is registered, and becomes the agent. `on_its_own`: it could not be registered, or
 *  nobody knows; from here on it registers by itself, and leaves its witnesses itself. */
export type Answered = 'not_asked' | 'let_go' | 'on_its_own';

/** Answers the launchers of one tick. Only while the tick lock is held: each pipe is one launcher's then. */
export class Registrar {
  readonly #places: Places;
  readonly #board: Pick<Board, 'register'>;
  readonly #clock: () => number;
  readonly #pipes = new Map<string, string>();
  /** Our end of each pipe. No other process has it: it is closed on exec. */
  readonly #open = new Map<string, number>();
  readonly #panes = new Map<string, LauncherPane>();
  #made: Promise<void> = Promise.resolve();
  /** Stays as it is for a tick. */
  #host_id: string | null = null;

  constructor(places: Places, board: Pick<Board, 'register'>, clock: () => number) {
    this.#places = places;
    this.#board = board;
    this.#clock = clock;
  }

  /** So many launches are to come. */
  expect(count: number): void {
    this.#made = ensurePipes(this.#places, count);
  }

  /** Where the launcher of this run is to ask. */
  pipe(run: string): string {
    const path = this.#pipes.get(run) ?? pipeOf(this.#places, this.#pipes.size);
    this.#pipes.set(run, path);
    return path;
  }

  /** To be called before the launcher is started: a launcher that finds no tick at the end of its pipe takes that tick for dead. */
  async open(run: string): Promise<void> {
    await this.#made;
    const path = this.pipe(run);
    try {
      // Both ways, so that this does not wait for the launcher.
      if (isPipe(path)) this.#open.set(run, openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    } catch {
      // Then this launcher is on its own.
    }
    failpoint('launch-pipe-opened');
  }

  /** Its launcher was started here. */
  started(run: string, pane: LauncherPane): void {
    this.#panes.set(run, pane);
  }

  /** Registers the launcher of this run if it has asked for that, and lets it go on. */
  async answer(run: string): Promise<Answered> {
    const [pipe, pane] = [this.#open.get(run), this.#panes.get(run)];
    if (pipe === undefined || pane === undefined) return 'not_asked';
    const asks = asking(textAt(askedFile(this.#dir(run)), { most: MOST_ASKED }));
    if (asks === null) return 'not_asked';
    failpoint('launch-asked');
    try {
      const registered = await this.#inTime(run, pane, asks);
      if (registered === null) return 'on_its_own';
      leaveWitnesses(registered, this.#places);
      writeSync(pipe, `go ${run}\n`);
    } catch {
      return 'on_its_own'; // It asks the board itself, and says what is wrong.
    } finally {
      this.close(run);
    }
    failpoint('launch-answered');
    return 'let_go';
  }

  /** A registration that took long may be out of date when its answer comes: this process may have stood still, and a person may have taken
   *  back a ticket that nobody works on yet. Then the board is asked once more. */
  async #inTime(run: string, pane: LauncherPane, asks: Asking): Promise<Registration | null> {
    for (let tries = 0; tries < 2; tries++) {
      const asked_at_ms = monotonicMs();
      const registered = await this.#register(run, pane, asks);
      if (registered === null || monotonicMs() - asked_at_ms <= LATE_MS) return registered;
    }
    return null;
  }

  /** From here on the launcher of this run is on its own. */
  close(run: string): void {
    const pipe = this.#open.get(run);
    if (pipe === undefined) return;
    this.#open.delete(run);
    closeSync(pipe);
    try {
      rmSync(askedFile(this.#dir(run)), { force: true });
    } catch {
      // Nobody reads it any more.
    }
  }

  #dir(run: string): string {
    return runDir(this.#places.runs, run);
  }

  /** Registers the process that tmux has started, and no other. What the kernel shows of it here is compared with what it says of itself,
   *  because in another pid namespace the same number is another process. */
  async #register(
    run: string,
    { pid, pane, server_pid }: LauncherPane,
    asks: Asking,
  ): Promise<Registration | null> {
    this.#host_id ??= hostId(this.#places.state);
    const host_id = this.#host_id;
    const me = lookAtSelf(host_id ?? '');
    const look = lookAt(pid);
    const identity = identify(pid, me, look);
    if (host_id === null || identity === null || look.kind !== 'present' || asks.pid !== pid) return null;
    // The launcher that this tick has asked for is a child of the tmux server that has answered.
    if (look.ppid !== server_pid) return null;
    // Where there is no /proc there are no pid namespaces either: the pid alone is enough.
    const { stat } = asks;
    if (stat === null ? me.pid_ns !== null : stat.start !== look.start || stat.ppid !== look.ppid)
      return null;
    const server = lookAt(server_pid);
    const request = {
      ...{ run, ...identity },
      tmux_server_pid: server.kind === 'present' ? server_pid : null,
      tmux_server_start: server.kind === 'present' ? server.start : null,
      ...{ tmux_session: run, tmux_pane: pane },
    };
    return (await registerProcess(this.#board, request, this.#clock())) ? request : null;
  }
}

interface Asking {
  readonly pid: number;
  /** null = it has no /proc: then it knows no more of itself than its pid. */
  readonly stat: { readonly start: string; readonly ppid: number } | null;
}

/** What a launcher says of itself: its line of /proc/PID/stat, or its pid. null = it has not said all of it yet. */
function asking(text: string | null): Asking | null {
  if (text === null || !text.endsWith('\n')) return null;
  return { pid: Number.parseInt(text, 10), stat: parseStat(text) };
}
