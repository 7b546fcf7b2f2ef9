import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pidsWith } from '../../src/machine/holder.ts';
import { tryTickLock } from '../../src/machine/lock.ts';
import { lookAt } from '../../src/machine/process.ts';
import { HOLDING_HOOK, Rig, state } from '../support/rig.ts';
import { git, type Running, until } from '../support/sandbox.ts';

let rig: Rig;
let holder: Running | null = null;
let bystander: ChildProcess | null = null;
beforeEach(() => {
  rig = new Rig({ project: HOLDING_HOOK });
});
afterEach(async () => {
  holder?.kill();
  bystander?.kill('SIGKILL');
  [holder, bystander] = [null, null];
  await rig.box.destroy();
});

const note = (): string => join(rig.box.state, 'tick-lock-holder.json');
const read = (): Record<string, unknown> => JSON.parse(readFileSync(note(), 'utf8'));
const change = (fields: Record<string, unknown>): void =>
  writeFileSync(note(), JSON.stringify({ ...read(), ...fields }));
/** Three hours earlier by the monotonic clock, as if it had held the lock for so long. */
const older = (): void => change({ mono_ms: (read().mono_ms as number) - 3 * 3_600_000 });

/** A real tick that stands in a hook with the tick lock, and is stopped there. */
async function stopped(): Promise<number> {
  const id = rig.add('review');
  holder = await rig.heldTick(id);
  process.kill(holder.pid, 'SIGSTOP');
  expect(await until(() => state(holder?.pid ?? 0) === 'T')).toBe(true);
  return holder.pid;
}

describe('a tick that has the tick lock past its bound', () => {
  it('is ended by the next one, which says so and goes on with its own tick', async () => {
    const pid = await stopped();
    const within = rig.box.run(['dispatch']);
    expect(within).toEqual({ code: 0, out: '', err: '' });
    expect(state(pid)).toBe('T');

    older();
    const check = rig.box.run(['status', '--check']);
    expect(check.code).toBe(69);
    expect(check.out).toContain(`TICKS HAVE STOPPED: process ${pid} (dispatch) has the tick lock for 3h`);

    const other = rig.add('review');
    const next = rig.box.run(['dispatch', '--json']);
    expect(next.code).toBe(0);
    expect(next.err).toContain(`process ${pid} (dispatch) has the tick lock for 3h`);
    expect(next.err).toContain('it was ended, and this tick goes on in its place');
    expect(JSON.parse(next.out)).toMatchObject({ outcome: 'ok' });
    await rig.gone(pid);
    await rig.settle(other, 'in_review');
    expect(rig.box.run(['log']).out).toContain('lock_holder_ended');
    expect(rig.box.run(['status', '--check']).code).toBe(0);
  });

  it('is left alone where nobody can tell since when it has it, and that is said', async () => {
    const pid = await stopped();
    for (const spoil of [() => rmSync(note()), () => writeFileSync(note(), '{"pid":')]) {
      spoil();
      const next = rig.box.run(['dispatch', '--json']);
      expect(next.code).toBe(0);
      expect(JSON.parse(next.out)).toMatchObject({ outcome: 'overlap' });
      expect(next.err).toContain(`process ${pid} has the tick lock and left no note`);
      expect(state(pid)).toBe('T');
    }
  });

  it('is no other process, whatever the note names: only who has the lock by the word of the kernel is ended', async () => {
    const pid = await stopped();
    bystander = spawn('sleep', ['600'], { stdio: 'ignore' });
    const look = lookAt(bystander.pid ?? 0);
    change({ pid: bystander.pid, pid_start: look.kind === 'present' ? look.start : '' });
    older();
    expect(JSON.parse(rig.box.run(['dispatch', '--json']).out)).toMatchObject({ outcome: 'overlap' });
    expect([state(bystander.pid ?? 0), state(pid)]).toEqual(['S', 'T']);
  });

  it('is left to a person where it is another program', () => {
    rig.tick();
    change({ mono_ms: 0 });
    const lock = tryTickLock(join(rig.box.state, 'tick-lock.sqlite'));
    try {
      const look = lookAt(process.pid);
      const start = look.kind === 'present' ? look.start : '';
      change({ pid: process.pid, pid_start: start, mono_ms: (read().mono_ms as number) - 1e10 });
      const next = rig.box.run(['dispatch', '--json']);
      expect(next.err).toContain('it is no mc-pickup, so it is left');
      expect(JSON.parse(next.out)).toMatchObject({ outcome: 'overlap' });
    } finally {
      lock?.release();
    }
    expect(rig.tick().outcome).toBe('ok');
  });

  it('has time for all that its configuration allows', () => {
    rig.tick();
    expect(read().bound_ms).toBeGreaterThanOrEqual(40 * 60_000);
    rig.configure({ project: 'before_run = { argv = ["true"], timeout_seconds = 7200 }' });
    rig.tick();
    expect(read().bound_ms).toBeGreaterThan(8 * 2 * 3_600_000);
    expect(existsSync(`${note()}.new`)).toBe(false);
  });
});

/** What is done beside the tick lock, under a lock of its own: by a program that first waits until its file is there. */
const BESIDE: Readonly<Record<string, (argv: string) => { project?: string; more?: string }>> = {
  publish: (argv) => ({
    project: `[project.demo.review]\npush = true\npull_request = "command"\ncommand = { argv = ${argv}, timeout_seconds = 600 }`,
  }),
  notify: (argv) => ({
    more: `[[notify]]\non = ["in_review"]\ncommand = { argv = ${argv}, timeout_seconds = 15 }\n`,
  }),
  pool: (argv) => ({ project: `pool = 1\npool_setup = { argv = ${argv}, timeout_seconds = 600 }` }),
};

describe('a process that is stopped with a lock beside the tick lock', () => {
  it.each(Object.keys(BESIDE))('holds others up for no longer than it may take itself: %s', async (name) => {
    const { box } = rig;
    const [at, go, lock] = [join(box.dir, 'at'), join(box.dir, 'go'), join(box.state, `${name}-lock.sqlite`)];
    const program = `cat >/dev/null; echo $$ >>${at}; while [ ! -e ${go} ]; do sleep 0.02; done`;
    rig.configure(BESIDE[name]?.(JSON.stringify(['/bin/sh', '-c', program])) ?? {});
    const bare = join(box.dir, 'bare');
    git(box, 'clone', '-q', '--bare', box.repo, bare);
    git(box, 'remote', 'add', 'origin', bare);
    const asked = (): number => (existsSync(at) ? readFileSync(at, 'utf8').split('\n').length - 1 : 0);
    const id = rig.add('review');
    rig.tick('dispatch');
    await rig.settle(id, 'in_review');
    holder = box.begin(['dispatch']);
    expect(await until(() => asked() === 1)).toBe(true);
    const [pid = 0] = pidsWith(lock) ?? [];
    expect(pid).toBeGreaterThan(0); // 0 would be this very group of processes
    if (pid !== holder.pid) await holder.done; // a process that a tick has started
    process.kill(pid, 'SIGSTOP');
    expect(await until(() => state(pid) === 'T')).toBe(true);
    writeFileSync(go, '');
    const note = join(box.state, `${name}-lock-holder.json`);

    const within = box.run(['dispatch']);
    expect(within).toEqual({ code: 0, out: '', err: '' });
    expect([state(pid), asked()]).toEqual(['T', 1]);

    const { mono_ms, ...rest } = JSON.parse(readFileSync(note, 'utf8')) as { mono_ms: number };
    writeFileSync(note, JSON.stringify({ ...rest, mono_ms: mono_ms - 3 * 3_600_000 }));
    const next = box.run(['dispatch']);
    expect(next.code).toBe(0);
    expect(next.err).toMatch(new RegExp(`process ${pid} \\(\\w+\\) has the lock of .* for 3h`));
    await rig.gone(pid);
    expect(await until(() => asked() > 1)).toBe(true);
  });

  it('is left alone where it left no note, and that is said once an hour', () => {
    rig.configure(BESIDE.notify?.('["true"]'));
    rig.tick();
    const file = join(rig.box.state, 'notify-lock.sqlite');
    rmSync(join(rig.box.state, 'notify-lock-holder.json'));
    const lock = tryTickLock(file);
    try {
      const said = rig.box.run(['dispatch']).err;
      expect(said).toContain(`process ${process.pid} has the lock of those that notify and left no note`);
      expect(rig.box.run(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
    } finally {
      lock?.release();
    }
  });
});
