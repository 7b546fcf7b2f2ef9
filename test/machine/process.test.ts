import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookAt, lookAtSelf, lookFrom, PS_WORDS } from '../../src/machine/process.ts';
import { lookAtProcesses } from '../../src/machine/processes.ts';
import { judge, type ProcessIdentity } from '../../src/model/identity.ts';
import { lookAtProgram } from '../../src/runs/program.ts';
import { stopProcess } from '../../src/runs/stop.ts';
import { survivors } from '../../src/runs/survivors.ts';
import { aRuntime, JUDGED } from '../support/builders.ts';
import { startOf } from '../support/start.ts';
import { waitFor } from '../support/wait.ts';
import { neverReaped } from '../support/zombie.ts';

const LOOK = resolve(import.meta.dirname, '../support/look-child.ts');
const JUDGE = resolve(import.meta.dirname, '../support/judge-child.ts');
const THREAD = resolve(import.meta.dirname, '../support/thread.py');
const STAT = `7 (agent) S 5 ${'0 '.repeat(17)}42 0`;

let dir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-id-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

function child(...argv: string[]): ChildProcess {
  const started = spawn(argv[0] ?? '', argv.slice(1), { stdio: 'ignore' });
  children.push(started);
  return started;
}

/** The identity of a process of this machine, as registration records it. */
function identity(pid: number): ProcessIdentity {
  const look = lookAt(pid);
  const { boot_id, pid_ns, time_ns } = lookAtSelf('h');
  if (look.kind !== 'present' || boot_id === null) throw new Error(`no process ${pid}`);
  return { host_id: 'h', boot_id, pid_ns, time_ns, pid, pid_start: look.start };
}

function verdict(recorded: ProcessIdentity) {
  return judge(recorded, lookAtSelf('h'), lookAt(recorded.pid));
}

describe.skipIf(process.platform !== 'linux')('a real process', () => {
  it('is alive under its own start time only: one tick more or less is another process', () => {
    const recorded = identity(child('/bin/sleep', '1000').pid ?? 0);
    expect(verdict(recorded)).toEqual({ verdict: 'alive', because: 'process_alive' });
    for (const off of [-1, 1]) {
      const other = { ...recorded, pid_start: String(Number(recorded.pid_start) + off) };
      expect(verdict(other)).toEqual({ verdict: 'dead', because: 'pid_reused' });
    }
    expect(verdict({ ...recorded, boot_id: 'another' })).toEqual({ verdict: 'dead', because: 'rebooted' });
    expect(verdict({ ...recorded, host_id: 'another' }).verdict).toBe('not_mine');
    expect(verdict({ ...recorded, pid_ns: 'pid:[1]', time_ns: null }).verdict).toBe('unknown');
  });

  it('that is a zombie, because its parent does not reap it, is dead', async () => {
    const { parent, child: pid } = await neverReaped();
    children.push(parent);
    const recorded = identity(pid);
    expect(verdict(recorded)).toEqual({ verdict: 'alive', because: 'process_alive' });
    process.kill(pid, 'SIGKILL');
    await waitFor(() => verdict(recorded).verdict === 'dead', 'its end');
    expect(lookAt(pid)).toMatchObject({ kind: 'present', state: 'Z', start: recorded.pid_start });
    expect(verdict(recorded)).toEqual({ verdict: 'dead', because: 'zombie' });
  });
});

/** A process whose leader has ended by itself while another thread of it adds to the file `work`. */
async function leaderGone(
  env: NodeJS.ProcessEnv = {},
): Promise<{ pid: number; recorded: ProcessIdentity; work: () => number }> {
  const [file, on] = [join(dir, 'work'), join(dir, 'on')];
  const started = spawn('python3', [THREAD, file, on], {
    stdio: 'ignore',
    cwd: dir,
    env: { ...process.env, ...env },
  });
  children.push(started);
  const pid = started.pid ?? 0;
  await waitFor(() => existsSync(file), 'its work');
  const recorded = identity(pid);
  writeFileSync(on, '');
  await waitFor(() => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), 'the end of its leader');
  return { pid, recorded, work: () => readFileSync(file).length };
}

const PYTHON = spawnSync('python3', ['-c', 'import ctypes']).status === 0;

describe.skipIf(process.platform !== 'linux' || !PYTHON)(
  'a leader that ends before its other threads',
  () => {
    it('is alive as long as one of them is, and dead with the last', async () => {
      const { pid, recorded, work } = await leaderGone();
      const before = work();
      await waitFor(() => work() > before, 'more work');
      expect(verdict(recorded)).toEqual({ verdict: 'alive', because: 'process_alive' });
      expect(startOf(pid)).toBe(recorded.pid_start);
      process.kill(pid, 'SIGKILL');
      await waitFor(() => verdict(recorded).verdict === 'dead', 'its end');
    });

    it('is the client still: its program is told, and its run lives on in it when its wrapper is dead', async () => {
      const row = aRuntime({ pid: 1, pid_start: '0', worktree: dir });
      const { pid, recorded } = await leaderGone({ MC_RUN_ID: row.mark, MC_PICKUP_STATE_DIR: dir });
      expect(lookAtProgram(pid)).toMatchObject({ script: THREAD });
      const client = { recorded: null, kind: 'command', argv: [THREAD], path: undefined } as const;
      expect(survivors(lookAtSelf('h'))(row, JUDGED.dead, client)).toEqual({
        judgement: { verdict: 'alive', because: 'client_lives_on' },
        survivor: recorded,
      });
    });

    it('is ended whole by stop, and found by its mark and its directory', async () => {
      const mark = `MC-7-e1-${process.pid}`;
      const { recorded, work } = await leaderGone({ MC_RUN_ID: mark, MC_PICKUP_STATE_DIR: dir });
      const seen = lookAtProcesses(dir);
      expect(seen.marked).toEqual([{ pid: recorded.pid, run: mark }]);
      expect(seen.inside(dir)).toEqual([recorded.pid]);
      // Its own row may name another process: then the mark alone leads to it.
      const other = { ...recorded, pid_start: '1' };
      const self = lookAtSelf('h');
      expect(await stopProcess({ identity: other, mark: 'MC-7-e1-none', self, graceMs: 10 })).toMatchObject({
        signalled: 0,
      });
      expect(await stopProcess({ identity: other, mark, self, graceMs: 500 })).toEqual({
        ended: true,
        signalled: 1,
      });
      expect(verdict(recorded).verdict).toBe('dead');
      const after = work();
      expect(work()).toBe(after);
    });
  },
);

describe.skipIf(process.platform !== 'linux')('from a place with another view', () => {
  /** What a process behind these words says of it; null = they can't be had on this machine. */
  function judged(recorded: ProcessIdentity, ...words: string[]): unknown {
    const [file = '', ...args] = [...words, process.execPath, JUDGE, JSON.stringify(recorded)];
    const said = spawnSync(file, args, { encoding: 'utf8' });
    return said.status === 0 ? JSON.parse(said.stdout) : null;
  }
  const STRANGER = [
    'setpriv',
    '--regid',
    '65534',
    '--clear-groups',
    '--bounding-set',
    '-all',
    '--inh-caps',
    '-all',
  ];
  const mounted = (options: string): string[] => [
    ...['unshare', '--mount', 'sh', '-c', `mount -t proc -o ${options} proc /proc && exec "$@"`, 'sh'],
  ];
  /** Runs as another user. */
  const nobody = (): ProcessIdentity => {
    const { pid = 0 } = child(
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'sleep',
      '1000',
    );
    return identity(pid);
  };

  it.for(['hidepid=1', 'hidepid=2', 'hidepid=ptraceable'])(
    "another user's process that /proc hides (%s) is not gone; one that has ended is",
    async (options, { skip }) => {
      const recorded = nobody();
      await waitFor(() => readFileSync(`/proc/${recorded.pid}/comm`, 'utf8').trim() === 'sleep', 'the exec');
      const there = judged(recorded, ...mounted(options), ...STRANGER);
      if (there === null) skip('no mount of its own here');
      expect(there).toEqual({ verdict: 'unknown', because: 'proc_unreadable' });
      // Who may see it all knows more.
      expect(judged(recorded, ...mounted(options))).toEqual({ verdict: 'alive', because: 'process_alive' });
      process.kill(recorded.pid, 'SIGKILL');
      await waitFor(() => lookAt(recorded.pid).kind === 'gone', 'its end');
      expect(judged(recorded, ...mounted(options), ...STRANGER)).toEqual({
        verdict: 'dead',
        because: 'process_gone',
      });
    },
  );

  it('a /proc of processes alone does not tell the boot: unknown', ({ skip }) => {
    const recorded = identity(child('/bin/sleep', '1000').pid ?? 0);
    const seen = judged(recorded, ...mounted('subset=pid'));
    if (seen === null) skip('no mount of its own here');
    expect(seen).toEqual({ verdict: 'unknown', because: 'boot_unreadable' });
  });

  it('a /proc of another pid namespace shows somebody else under every number: unknown', ({ skip }) => {
    const recorded = identity(child('/bin/sleep', '1000').pid ?? 0);
    const seen = judged({ ...recorded, pid_ns: 'mine', pid_start: '1' }, 'unshare', '--pid', '--fork');
    if (seen === null) skip('no pid namespace here');
    expect(seen).toEqual({ verdict: 'unknown', because: 'proc_unreadable' });
  });

  it('another time namespace counts starts from another moment: unknown, whatever it sees', async ({
    skip,
  }) => {
    const recorded = identity(child('/bin/sleep', '1000').pid ?? 0);
    const words = ['unshare', '--time', '--boottime', '1000', '--fork'];
    const seen = judged(recorded, ...words);
    if (seen === null) skip('no time namespace here');
    expect(recorded.time_ns).toMatch(/^time:\[\d+\]$/);
    expect(seen).toEqual({ verdict: 'unknown', because: 'other_time_namespace' });
    process.kill(recorded.pid, 'SIGKILL');
    await waitFor(() => lookAt(recorded.pid).kind === 'gone', 'its end');
    expect(judged(recorded, ...words)).toEqual({ verdict: 'unknown', because: 'other_time_namespace' });
    // Of a record without one nothing is compared.
    expect(judged({ ...recorded, time_ns: null }, ...words)).toEqual({
      verdict: 'dead',
      because: 'process_gone',
    });
  });
});

describe('what the kernel does not show', () => {
  const proc = () => ({ root: dir });
  const recorded = { host_id: 'h', boot_id: 'b', pid_ns: 'pid:[1]', time_ns: null, pid: 7, pid_start: '42' };
  const because = () => judge(recorded, lookAtSelf('h', proc()), lookAt(7, proc()));
  beforeEach(() => {
    mkdirSync(join(dir, 'sys/kernel/random'), { recursive: true });
    mkdirSync(join(dir, 'self/ns'), { recursive: true });
    mkdirSync(join(dir, '7'));
    symlinkSync('pid:[1]', join(dir, 'self/ns/pid'));
    writeFileSync(join(dir, 'self/stat'), STAT);
    writeFileSync(join(dir, 'sys/kernel/random/boot_id'), 'b\n');
  });

  it('a stat that cannot be read is unreadable, never gone: unknown', () => {
    mkdirSync(join(dir, '7/stat'));
    expect(lookAt(7, proc())).toEqual({ kind: 'unreadable', error: 'EISDIR' });
    expect(because()).toEqual({ verdict: 'unknown', because: 'proc_unreadable' });
  });

  it('a stat that may not be read (EACCES) is unreadable, never gone', (context) => {
    writeFileSync(join(dir, '7/stat'), STAT);
    chmodSync(join(dir, '7/stat'), 0o000);
    // Root reads everything, unless it has given up its capabilities.
    const weak =
      process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'] : ['env'];
    const [file = '', ...args] = [...weak, process.execPath, LOOK, dir];
    const look = (pid: number) => spawnSync(file, [...args, String(pid)], { encoding: 'utf8' });
    const gone = look(8);
    if (gone.status !== 0) context.skip(`cannot give up capabilities here: ${gone.error ?? gone.stderr}`);
    expect(JSON.parse(gone.stdout)).toEqual({ kind: 'gone' });
    expect(JSON.parse(look(7).stdout)).toEqual({ kind: 'unreadable', error: 'EACCES' });
  });

  it('a stat that makes no sense is unreadable: unknown', () => {
    writeFileSync(join(dir, '7/stat'), '7 (agent) S 5');
    expect(because()).toEqual({ verdict: 'unknown', because: 'proc_unreadable' });
  });

  it.each([
    ['knows it', true, 'unknown'],
    ['does not', false, 'dead'],
  ])('a process without an entry, and the kernel %s', (_name, exists, verdict) => {
    const look = lookAt(7, { root: dir, exists: () => exists });
    expect(judge(recorded, lookAtSelf('h', proc()), look).verdict).toBe(verdict);
  });

  it.each([
    ['Z', 'S', 'alive'],
    ['X', 'D', 'alive'],
    ['Z', 'Z', 'dead'],
    ['Z', 'X', 'dead'],
    ['X', null, 'dead'],
  ])('a leader in state %s whose other thread is in %s is %s', (leader, thread, verdict) => {
    const stat = (pid: number, state: string) => `${pid} (agent) ${state} 5 ${'0 '.repeat(17)}42 0`;
    writeFileSync(join(dir, '7/stat'), stat(7, leader));
    for (const [tid, state] of [[7, leader], ...(thread === null ? [] : [[8, thread] as const])] as const) {
      mkdirSync(join(dir, `7/task/${tid}`), { recursive: true });
      writeFileSync(join(dir, `7/task/${tid}/stat`), stat(tid, state));
    }
    expect(because().verdict).toBe(verdict);
  });

  it('a leader that has ended with threads that cannot be read is unknown', () => {
    writeFileSync(join(dir, '7/stat'), STAT.replace(' S ', ' Z '));
    mkdirSync(join(dir, '7/task/8/stat'), { recursive: true });
    expect(because()).toEqual({ verdict: 'unknown', because: 'proc_unreadable' });
    rmSync(join(dir, '7/task'), { recursive: true });
    expect(because()).toEqual({ verdict: 'dead', because: 'zombie' });
  });

  it('a missing process is gone only where our own entry can be read in the same pass', () => {
    expect(because()).toEqual({ verdict: 'dead', because: 'process_gone' });
    rmSync(join(dir, 'self/stat'));
    expect(because()).toEqual({ verdict: 'unknown', because: 'proc_unreadable' });
  });

  it('an unreadable boot id or another namespace is unknown, whatever the process', () => {
    writeFileSync(join(dir, '7/stat'), STAT);
    rmSync(join(dir, 'sys/kernel/random/boot_id'));
    expect(because()).toEqual({ verdict: 'unknown', because: 'boot_unreadable' });
    writeFileSync(join(dir, 'sys/kernel/random/boot_id'), 'b\n');
    expect(because()).toEqual({ verdict: 'alive', because: 'process_alive' });
    rmSync(join(dir, 'self/ns/pid'));
    expect(because()).toEqual({ verdict: 'unknown', because: 'other_namespace' });
  });
});

describe('where there is no /proc', () => {
  const says = (stdout: string, status = 0, stderr = '') => lookFrom({ stdout, status, stderr });
  const START = 'Mon Nov 30 15:11:32 2026';
  it.each([
    ['a process of macOS', says(`${START}     S+    501\n`), { state: 'S', start: START, ppid: 501 }],
    ['a day of one digit', says('Tue Dec  1 09:00:00 2026     Ss      1\n'), { state: 'S', ppid: 1 }],
    ['one that has ended', says(`${START}     Z     501\n`), { state: 'Z' }],
    ['no such process', says('', 1), { kind: 'gone' }],
    ['a refusal', says('', 1, 'ps: Operation not permitted'), { kind: 'unreadable' }],
    // The answer of macOS to `-o lstart=,stat=,ppid=`: one column, and the rest is its heading.
    ['a heading', says(`,stat=,ppid=\n${START}\n`), { kind: 'unreadable' }],
    ['a start that is unknown', says('-     S+    501\n'), { kind: 'unreadable' }],
  ])('ps tells of %s', (_, look, what) => {
    expect(look).toMatchObject(what);
  });

  it.skipIf(!existsSync('/bin/ps'))(
    'each word that ps is asked is a column of its own, without a heading',
    () => {
      const asked = spawnSync('/bin/ps', [...PS_WORDS, String(process.pid)], {
        encoding: 'utf8',
        env: { LC_ALL: 'C', TZ: 'UTC' },
      });
      expect(lookFrom(asked)).toMatchObject({ kind: 'present', ppid: process.ppid });
      // As the BSDs read words: a `=` is the last of its word.
      expect(PS_WORDS.every((word) => !word.includes('=') || word.indexOf('=') === word.length - 1)).toBe(
        true,
      );
    },
  );
});
