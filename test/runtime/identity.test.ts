import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge, type ProcessIdentity } from '../../src/model/identity.ts';
import { lookAt, lookAtSelf } from '../../src/runtime/identity.ts';
import { waitFor } from '../support/wait.ts';
import { neverReaped } from '../support/zombie.ts';

const LOOK = resolve(import.meta.dirname, '../support/look-child.ts');
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
  const { boot_id, pid_ns } = lookAtSelf('h');
  if (look.kind !== 'present' || boot_id === null) throw new Error(`no process ${pid}`);
  return { host_id: 'h', boot_id, pid_ns, pid, pid_start: look.start };
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
    expect(verdict({ ...recorded, pid_ns: 'pid:[1]' }).verdict).toBe('unknown');
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

describe('what the kernel does not show', () => {
  const proc = () => ({ root: dir });
  const recorded = { host_id: 'h', boot_id: 'b', pid_ns: 'pid:[1]', pid: 7, pid_start: '42' };
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
