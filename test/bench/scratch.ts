/** What the bench makes: one temporary directory, tmux servers on sockets below it, and whatever else it names. All of it
 *  goes at the end, also after a failure or Ctrl-C: without waiting for promises, so that it works in an exit handler. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { lookAt } from '../../src/machine/process.ts';

const END_MS = 10_000;

interface Process {
  readonly pid: number;
  readonly start: string;
}

export class Interrupted extends Error {
  constructor(signal: string) {
    super(`stopped by ${signal}`);
  }
}

export class Scratch {
  readonly dir = mkdtempSync(join(tmpdir(), 'mcb-')); // short: a socket's path holds 107 bytes
  readonly #sockets = new Set<string>();
  readonly #extra = new Set<string>();
  readonly #stop = new AbortController();
  #closed = false;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        this.#stop.abort(new Interrupted(signal));
      });
    process.on('exit', () => this.close());
  }

  /** A tmux server may come to live on this socket. */
  socket(path: string): void {
    this.#sockets.add(path);
  }

  /** This goes too. */
  also(path: string): string {
    this.#extra.add(path);
    return path;
  }

  /** Between two runs: the runs themselves block, and a signal is only heard here. */
  async breathe(): Promise<void> {
    await turn();
    this.signal.throwIfAborted();
  }

  /** Aborted once we are told to stop. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Ends the tmux server on this socket and waits for its panes. */
  endServer(socket: string): void {
    this.#sockets.delete(socket);
    if (!existsSync(socket)) return;
    const processes = tmux(socket, 'list-panes', '-a', '-F', '#{pid}\n#{pane_pid}')
      .split('\n')
      .flatMap((word) => identityOf(Number(word)));
    tmux(socket, 'kill-server');
    const left = afterwards(processes);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    if (afterwards(left).length > 0) throw new Error(`processes of ${socket} do not end`);
    rmSync(socket, { force: true });
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      for (const socket of this.#sockets) this.endServer(socket);
    } finally {
      for (const path of [...this.#extra, this.dir]) this.remove(path);
    }
  }
}

function tmux(socket: string, ...words: string[]): string {
  const args = ['-S', socket, '-f', '/dev/null', ...words];
  return spawnSync('tmux', args, { encoding: 'utf8', timeout: END_MS, maxBuffer: 1 << 26 }).stdout ?? '';
}

function identityOf(pid: number): Process[] {
  const look = pid > 1 ? lookAt(pid) : null;
  return look?.kind === 'present' ? [{ pid, start: look.start }] : [];
}

/** Those that still live when all had time to end. */
function afterwards(processes: readonly Process[]): Process[] {
  const lives = ({ pid, start }: Process): boolean => {
    const look = lookAt(pid);
    return look.kind === 'present' && look.start === start && look.state !== 'Z';
  };
  for (const end = performance.now() + END_MS; performance.now() < end; sleep(10))
    if (!processes.some(lives)) return [];
  return processes.filter(lives);
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
