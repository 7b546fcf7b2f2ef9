import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { uniqueName } from '../model/hash.ts';

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs: number;
  /** So long it has to end by itself when its time is up, asked by SIGTERM; none, if nothing is said. */
  readonly graceMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** How many bytes of its standard output are read, if not 4 MiB; one that prints more is ended, and has failed. */
  readonly most?: number;
  /** Is handed the program's standard input as soon as it has started, to write to and to close. What it throws is thrown. */
  readonly started?: (child: { readonly pid: number | undefined; readonly stdin: Writable }) => void;
}

/** How a program ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** null = the program ran to its end (whatever its exit code); else `ENOENT`, `timeout` or what went wrong. */
  readonly error: string | null;
}

export interface RunResult extends End {
  readonly stdout: string;
  readonly stderr: string;
}

/** The error of a program that has printed more than is read. */
export const TOO_LONG = 'output too long';
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

/** Runs a program without a shell. Never throws of itself; on timeout its whole process group is killed. */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { input, started, most = LIMIT } = options;
  const stdin = input === undefined && started === undefined ? 'ignore' : 'pipe';
  const child = start(file, args, options, [stdin, 'pipe', 'pipe']);
  if (typeof child === 'string') return { code: null, signal: null, stdout: '', stderr: '', error: child };
  const out = new Tail(most);
  const err = new Tail(most);
  let open = true;
  child.stdout?.on('data', (part: Buffer) => {
    out.add(part);
    // One that prints without end is not waited for.
    if (out.over && open) killGroup(child.pid, options.graceMs === undefined ? 'SIGKILL' : 'SIGTERM');
  });
  child.stderr?.on('data', (part: Buffer) => err.add(part)); // what it complains of is cut, and ends nothing
  child.stdin?.on('error', () => {});
  const ended = endOf(child, options.timeoutMs, options.graceMs);
  if (input !== undefined) child.stdin?.end(input);
  if (started !== undefined && child.stdin !== null) started({ pid: child.pid, stdin: child.stdin });
  const end = await ended;
  open = false;
  child.stdout?.destroy();
  child.stderr?.destroy();
  const error = end.error ?? (out.over ? TOO_LONG : null);
  return { ...end, stdout: out.text(), stderr: err.text(), error };
}

/** The same for a program that is given nothing to read, cheaper by what two pipes cost: what it prints goes to a nameless
 *  file. The caller can work while it runs. */
export async function runToFile(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const files: number[] = [];
  try {
    files.push(namelessFile(), namelessFile());
  } catch {
    for (const fd of files) closeSync(fd);
    return run(file, args, options);
  }
  const [out = -1, err = -1] = files;
  const child = start(file, args, options, ['ignore', out, err]);
  const end =
    typeof child === 'string'
      ? { code: null, signal: null, error: child }
      : await endOf(child, options.timeoutMs, options.graceMs);
  const stdout = contents(out);
  const stderr = contents(err) ?? '';
  for (const fd of files) closeSync(fd);
  return {
    ...end,
    ...{ stdout: stdout ?? '', stderr, error: end.error ?? (stdout === null ? TOO_LONG : null) },
  };
}

/** Starts a program that leads a process group of its own; a text = why it could not even be tried. */
function start(
  file: string,
  args: readonly string[],
  { env = process.env, cwd }: RunOptions,
  stdio: StdioOptions,
): ChildProcess | string {
  try {
    return spawn(file, [...args], { detached: true, stdio, env, ...(cwd === undefined ? {} : { cwd }) });
  } catch (error) {
    return String(error);
  }
}

/** Waits for a program that leads its own process group. When its time is up the whole group is asked to end where it has a grace, and
 *  killed when that is over; whoever has inherited its pipes, such as a daemon, does not hold us. */
export function endOf(child: ChildProcess, timeoutMs: number, graceMs = 0): Promise<End> {
  return new Promise((done) => {
    let late = false;
    let exited = false;
    let drain: NodeJS.Timeout | undefined;
    const finish = (code: number | null, signal: NodeJS.Signals | null, error: string | null): void => {
      clearTimeout(timer);
      clearTimeout(drain);
      // Whoever of the group did not heed it: what heeded it has closed its pipes.
      if (late) killGroup(child.pid);
      done({ code, signal, error: error ?? (late ? 'timeout' : null) });
    };
    // A process that was kept from its event loop for as long (by a write to the board, by a loaded machine) has heard and read nothing
    // meanwhile, and timers come first: it listens once more.
    const after = (ms: number, then: () => void) => setTimeout(() => setImmediate(then), ms);
    const kill = (): void => {
      killGroup(child.pid);
      drain = after(DRAIN_MS, () => finish(null, null, null));
    };
    let timer = after(timeoutMs, () => {
      if (exited) return;
      late = true;
      if (graceMs === 0) return kill();
      killGroup(child.pid, 'SIGTERM');
      timer = after(graceMs, kill);
    });
    child.on('error', (error: NodeJS.ErrnoException) => finish(null, null, error.code ?? error.message));
    child.once('exit', (code, signal) => {
      exited = true;
      clearTimeout(drain);
      // What it has started is taking its own locks away, say.
      if (!late || graceMs === 0) drain = after(DRAIN_MS, () => finish(code, signal, null));
    });
    child.once('close', (code, signal) => finish(code, signal, null));
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

/** Ends a process group; one that is gone already is fine. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}
