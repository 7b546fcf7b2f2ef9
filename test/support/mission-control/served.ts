import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../sandbox.ts';
import type { Fault, Options } from './server.ts';

/** A Mission Control in a process of its own, since the tests wait for their ticks without turning their event loop. */
export class Served {
  readonly dir = mkdtempSync(join(tmpdir(), 'mc-server-'));
  readonly file = join(this.dir, 'server.sqlite');
  url = '';
  token = '';
  #child: ChildProcess | null = null;
  #starts = 0;

  readonly #options: Options;

  private constructor(options: Options) {
    this.#options = options;
  }

  static async start(options: Options = {}): Promise<Served> {
    const served = new Served(options);
    await served.up();
    return served;
  }

  /** Starts it (again, at the same place and with the same token). */
  async up(more: Options = {}): Promise<void> {
    const out = openSync(this.#log(++this.#starts), 'w');
    const same = this.url === '' ? {} : { port: Number(new URL(this.url).port), token: this.token };
    const options = JSON.stringify({ ...this.#options, ...same, ...more });
    const args = [join(import.meta.dirname, 'serve.ts'), this.file, options];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', out, 'inherit'] });
    closeSync(out);
    if (!(await until(() => this.#said().length > 0))) throw new Error('the server never came up');
    Object.assign(this, JSON.parse(this.#said()[0] ?? '{}'));
  }

  async fail(fault: Fault): Promise<void> {
    const before = this.#said().length;
    this.#child?.stdin?.write(`${JSON.stringify(fault)}\n`);
    if (!(await until(() => this.#said().length > before)))
      throw new Error('the server did not hear of its fault');
  }

  kill(): Promise<void> {
    const child = this.#child;
    return this.#ended(() => child?.kill('SIGKILL'));
  }

  /** Ends it in good order; what it was asked or has answered against the contract. */
  async down(): Promise<string[]> {
    const child = this.#child;
    await this.#ended(() => child?.stdin?.end());
    return this.#said().filter((line) => line.startsWith('broken'));
  }

  async destroy(): Promise<string[]> {
    const broken = await this.down();
    rmSync(this.dir, { recursive: true, force: true });
    return broken;
  }

  async #ended(end: () => void): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode !== null || child.signalCode !== null) return;
    end();
    await gone;
  }

  #log(start: number): string {
    return join(this.dir, `server-${start}.log`);
  }

  #said(): string[] {
    return readFileSync(this.#log(this.#starts), 'utf8').split('\n').filter(Boolean);
  }
}
