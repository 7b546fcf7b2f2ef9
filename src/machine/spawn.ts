import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { uniqueName } from '../model/hash.ts';

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** How many bytes of its standard output are read, if not 4 MiB; one that prints more is ended, and has failed. */
  readonly most?: number;
  /** Is handed the program's standard input as soon as it has started, to write to and to close. What it throws is thrown. */
  readonly started?: (child: { readonly pid: number | undefined; readonly stdin: Writable }) => void;
}

export interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** null = the program ran to its end (whatever its exit code); else `ENOENT`, `timeout` or what went wrong. */
  readonly error: string | null;
}

const LIMIT = 4 * 1024 * 1024;
/** A daemon that inherited the pipes must not hold us: how long they may outlive the program itself. */
const DRAIN_MS = 200;

class Tail {
  private readonly parts: Buffer[] = [];
  private readonly most: number;
  private size = 0;
  over = false;

  constructor(most: number) {
    this.most = most;
  }

  add(part: Buffer): void {
    const room = this.most - this.size;
    if (part.length > room) this.over = true;
    if (room <= 0) return;
    this.parts.push(part.subarray(0, room));
    this.size += Math.min(part.length, room);
  }

  text(): string {
    return Buffer.concat(this.parts).toString('utf8');
  }
}

/** The same as `run` for a program that is given nothing to read, cheaper by what two pipes cost: what it prints goes to
 *  a nameless file. The caller can work while it runs. */
export function runToFile(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const files: number[] = [];
  try {
    files.push(namelessFile(), namelessFile());
  } catch {
    for (const fd of files) closeSync(fd);
    return run(file, args, options);
  }
  const [out = -1, err = -1] = files;
  return new Promise((done) => {
    let timer: NodeJS.Timeout | undefined;
    const finish = (code: number | null, signal: NodeJS.Signals | null, error: string | null): void => {
      clearTimeout(timer);
      const stdout = contents(out);
      const failure = error ?? (stdout === null ? 'output too long' : null);
      const result = { code, signal, stdout: stdout ?? '', stderr: contents(err) ?? '', error: failure };
      for (const fd of files) closeSync(fd);
      done(result);
    };
    let child: ReturnType<typeof spawn>;
    try {
      child = spawn(file, [...args], {
        detached: true,
        stdio: ['ignore', out, err],
        env: options.env ?? process.env,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      });
    } catch (error) {
      finish(null, null, String(error));
      return;
    }
    let late = false;
    timer = setTimeout(() => {
      late = true;
      killGroup(child.pid);
    }, options.timeoutMs);
    child.once('error', (error: NodeJS.ErrnoException) => finish(null, null, error.code ?? error.message));
    child.once('exit', (code, signal) => finish(code, signal, late ? 'timeout' : null));
  });
}

/** In memory, where the system has a place for that: on a disk, to make a file takes longer than to fill it. */
function namelessFile(): number {
  const name = `mc-pickup-${uniqueName()}`;
  try {
    return opened(`/dev/shm/${name}`);
  } catch {
    // Not os.tmpdir: to load that module takes longer than to make the file.
    return opened(`${process.env.TMPDIR || '/tmp'}/${name}`);
  }
}

function opened(path: string): number {
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

/** null = more than the limit. */
function contents(fd: number): string | null {
  const { size } = fstatSync(fd);
  if (size > LIMIT) return null;
  const bytes = Buffer.alloc(size);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, size, 0));
}

/** Kills a process group; one that is gone already is fine. */
export function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** Runs a program without a shell. Never throws of itself; on timeout its whole process group is killed. */
export function run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((done, fail) => {
    const { input, started, most = LIMIT } = options;
    const out = new Tail(most);
    const err = new Tail(most);
    let child: ReturnType<typeof spawn>;
    let settled = false;
    let timedOut = false;
    let drain: NodeJS.Timeout | undefined;
    const finish = (code: number | null, signal: NodeJS.Signals | null, error: string | null): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      clearTimeout(drain);
      const failure = error ?? (timedOut ? 'timeout' : out.over ? 'output too long' : null);
      done({ code, signal, stdout: out.text(), stderr: err.text(), error: failure });
      child?.stdout?.destroy();
      child?.stderr?.destroy();
    };
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
      drain = setTimeout(() => finish(null, null, 'timeout'), DRAIN_MS);
    }, options.timeoutMs);
    try {
      child = spawn(file, [...args], {
        detached: true,
        stdio: [input === undefined && started === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
        env: options.env ?? process.env,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      });
    } catch (error) {
      clearTimeout(timer);
      done({ code: null, signal: null, stdout: '', stderr: '', error: String(error) });
      return;
    }
    // One that prints without end is not waited for.
    const take = (tail: Tail) => (part: Buffer) => {
      tail.add(part);
      if (tail.over && !settled) killGroup(child.pid);
    };
    child.stdout?.on('data', take(out));
    child.stderr?.on('data', (part: Buffer) => err.add(part)); // what it complains of is cut, and ends nothing
    child.on('error', (error: NodeJS.ErrnoException) =>
      finish(null, null, error.code === 'ENOENT' ? 'ENOENT' : (error.code ?? error.message)),
    );
    child.on('exit', (code, signal) => {
      if (!settled) drain = setTimeout(() => finish(code, signal, null), DRAIN_MS);
    });
    child.on('close', (code, signal) => finish(code, signal, null));
    child.stdin?.on('error', () => {});
    if (input !== undefined) child.stdin?.end(input);
    try {
      if (started !== undefined && child.stdin !== null) started({ pid: child.pid, stdin: child.stdin });
    } catch (error) {
      fail(error);
    }
  });
}
