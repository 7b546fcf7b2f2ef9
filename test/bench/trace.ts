/** Child processes and system calls of one run, counted by strace. A tmux server that the run starts counts as a process of
 *  the run; what that server does then, and the panes that it starts, would be there without the run as well. */
import { spawn, spawnSync } from 'node:child_process';
import { createReadStream, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command, Subject } from './measure.ts';
import type { Scratch } from './scratch.ts';

const BOUND_MS = 180_000;

export interface Counted {
  /** All descendants. */
  readonly children: number;
  /** Those that the program started itself. */
  readonly children_direct: number;
  /** What they ran, in the order of their start: two spaces more for each generation. */
  readonly commands: readonly string[];
  readonly syscalls: number;
}

export class Strace {
  /** Why nothing can be counted here; null = it can. */
  readonly missing: string | null;
  readonly #file: string;
  readonly #scratch: Pick<Scratch, 'dir' | 'breathe'>;

  constructor(scratch: Pick<Scratch, 'dir' | 'breathe'>) {
    this.#scratch = scratch;
    this.#file = join(scratch.dir, 'strace.txt');
    const tried = spawnSync('strace', ['-D', '-f', '-qq', '-o', this.#file, 'true'], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    const error = tried.error as NodeJS.ErrnoException | undefined;
    this.missing =
      error?.code === 'ENOENT'
        ? 'strace is not installed'
        : tried.status !== 0
          ? `strace cannot trace here: ${tried.stderr.trim().split('\n')[0] ?? ''}`
          : null;
  }

  /** `ended`: after the program, before its traced daemons are waited for; it has to end them. */
  async count(subject: Subject, ended: () => void = () => {}): Promise<Counted | null> {
    if (this.missing !== null) return null;
    await this.#scratch.breathe();
    const code = await this.#run(await subject.ready(), ended);
    if (code !== 0) throw new Error(`${subject.name} under strace: exit ${code}`);
    await subject.done?.();
    const counted = await countIn(this.#file);
    rmSync(this.#file, { force: true });
    return counted;
  }

  /** With -D the traced program is our own child and strace a process beside it: the program's end is seen although strace
   *  goes on until the daemons have ended, and its closing of the pipes tells when the file is whole. */
  async #run({ file, args, env, input }: Command, ended: () => void): Promise<number | null> {
    const words = ['-D', '-f', '-qq', '-s', '64', '-o', this.#file, '--', file, ...args];
    const child = spawn('strace', words, { env, stdio: ['pipe', 'pipe', 'pipe'], timeout: BOUND_MS });
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    child.stdout.resume();
    child.stderr.resume();
    const closed = new Promise<void>((go) => child.once('close', () => go()));
    const code = await new Promise<number | null>((go, fail) => {
      child.once('exit', go);
      child.once('error', fail);
    });
    ended();
    await closed;
    return code;
  }
}

interface Seen {
  parent: number | null;
  /** The process that a thread belongs to. */
  readonly leader: number;
  calls: number;
  what: string;
  serves: boolean;
}

async function countIn(file: string): Promise<Counted> {
  const seen = new Map<number, Seen>();
  const leaders = new Map<number, number>();
  const halves = new Map<number, string>();
  const calls = new Map<number, number>();
  const of = (pid: number): Seen => {
    const found = seen.get(pid) ?? { parent: null, leader: pid, calls: 0, what: '', serves: false };
    seen.set(pid, found);
    return found;
  };
  let root = 0;
  for await (const line of createInterface({ input: createReadStream(file, 'latin1') })) {
    const [, id = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const pid = Number(id);
    if (pid === 0 || /^(\+\+\+|---)/.test(rest)) continue;
    root ||= pid;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    if (resumed === undefined) calls.set(pid, (calls.get(pid) ?? 0) + 1);
    const text = resumed === undefined ? rest : (halves.get(pid) ?? '') + resumed;
    if (text.endsWith('<unfinished ...>')) {
      halves.set(pid, text.slice(0, -'<unfinished ...>'.length));
      continue;
    }
    halves.delete(pid);
    const result = Number(/= (-?\d+)[^=]*$/.exec(text)?.[1] ?? -1);
    if (/^(clone3?|v?fork)\(/.test(text) && result > 0) {
      if (text.includes('CLONE_THREAD')) leaders.set(result, leaderOf(pid, leaders));
      else of(result).parent = leaderOf(pid, leaders);
    } else if (text.startsWith('execve(') && result === 0) of(pid).what = wordsOf(text);
    else if (text.startsWith('listen(') && result === 0) of(leaderOf(pid, leaders)).serves = true;
  }
  for (const [pid, n] of calls) of(leaderOf(pid, leaders)).calls += n;
  return sum(root, seen);
}

function leaderOf(pid: number, leaders: ReadonlyMap<number, number>): number {
  let leader = pid;
  for (let next = leaders.get(leader); next !== undefined; next = leaders.get(leader)) leader = next;
  return leader;
}

function sum(root: number, seen: ReadonlyMap<number, Seen>): Counted {
  const commands: string[] = [];
  let direct = 0;
  const walk = (pid: number, depth: number): number => {
    const own = seen.get(pid);
    if (own?.serves) return 0; // its own work and its panes are not the run's
    let calls = own?.calls ?? 0;
    for (const [child, { parent, what, serves }] of [...seen].sort(([a], [b]) => a - b)) {
      if (parent !== pid) continue;
      if (depth === 0) direct++;
      commands.push(`${'  '.repeat(depth)}${serves ? '(the tmux server)' : what || '(a fork)'}`);
      calls += walk(child, depth + 1);
    }
    return calls;
  };
  const syscalls = walk(root, 0);
  return { children: commands.length, children_direct: direct, commands, syscalls };
}

/** `git worktree add`, `tmux list-panes`: the program and what it is told to do. */
function wordsOf(execve: string): string {
  const [file = '', , ...args] = [...execve.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word);
  const plain = args.filter((word) => /^[a-z][a-z-]*$/.test(word));
  return [basename(file), ...plain.slice(0, plain[0] === 'worktree' ? 2 : 1)].join(' ');
}
