/** A person's terminal: a program in a pane of a tmux server of its own, which a test types into and looks at. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BOUND_MS } from './sandbox.ts';
import { waitFor } from './wait.ts';

export class Terminal {
  readonly socket: string;
  readonly #dir = mkdtempSync(join(tmpdir(), 'mc-term-'));
  readonly #env: NodeJS.ProcessEnv;

  /** A plain shell of that size; it has the environment and no prompt but `$ `. */
  constructor(env: NodeJS.ProcessEnv, columns: number, rows: number) {
    this.socket = join(this.#dir, 'tmux.sock');
    this.#env = { ...env, PS1: '$ ', TERM: 'xterm-256color' };
    const size = ['-x', String(columns), '-y', String(rows)];
    this.tmux('new-session', '-d', '-s', 't', ...size, 'env', 'PS1=$ ', '/bin/sh');
  }

  tmux(...words: string[]): string {
    const all = ['-S', this.socket, '-f', '/dev/null', ...words];
    const done = spawnSync('tmux', all, { env: this.#env, encoding: 'utf8', timeout: BOUND_MS });
    if (done.status !== 0) throw new Error(`tmux ${words.join(' ')}: ${done.stderr}`);
    return done.stdout;
  }

  /** Types a line. */
  type(line: string): void {
    this.tmux('send-keys', '-t', 't', '-l', '--', line);
    this.press('Enter');
  }

  press(...keys: string[]): void {
    this.tmux('send-keys', '-t', 't', ...keys);
  }

  resize(columns: number, rows: number): void {
    this.tmux('resize-window', '-t', 't', '-x', String(columns), '-y', String(rows));
  }

  screen(): string {
    return this.tmux('capture-pane', '-p', '-t', 't');
  }

  /** What the screen shows once it shows it. */
  async shows(what: RegExp, boundMs = 15_000): Promise<string> {
    try {
      return await waitFor(() => (what.test(this.screen()) ? this.screen() : ''), String(what), boundMs);
    } catch (error) {
      throw new Error(`${String(error)}\n${this.screen()}`);
    }
  }

  close(): void {
    spawnSync('tmux', ['-S', this.socket, 'kill-server'], { env: this.#env });
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
