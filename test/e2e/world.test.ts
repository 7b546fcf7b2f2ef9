/** Faults of the world around a tick: tmux, disks, files and repositories, each made for real. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { Rig, state } from '../support/rig.ts';
import { git, LIMITS, until } from '../support/sandbox.ts';

let rig: Rig;
const mounted: string[] = [];
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  for (const dir of mounted.splice(0)) spawnSync('umount', ['-l', dir]);
  await rig.box.destroy();
});

async function held(behave = 'hold'): Promise<string> {
  const id = rig.add(behave);
  await rig.tickHere();
  await rig.working(id);
  if (behave === 'hold') await rig.holding(id);
  return id;
}

/** A small file system of its own at this directory. */
function mount(context: TestContext, dir: string, kilobytes: number): void {
  mkdirSync(dir, { recursive: true });
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=0700`, 'tmpfs', dir]);
  if (done.status !== 0) context.skip('mounting a small file system is not allowed here: run it as root');
  mounted.push(dir);
}

/** Leaves not a byte of room. */
function fill(dir: string): string {
  const file = join(dir, 'filler');
  spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k'], { stdio: 'ignore' });
  return file;
}

describe('the tmux server', () => {
  it('SIGKILLed: agents that die with it start again, one that ignores the hang-up is kept, nobody gets a second', async () => {
    const [dies, deaf] = [await held(), await held('deaf')];
    expect(
      await until(
        () => rig.box.note(`${deaf}.deaf`) !== '' || existsSync(join(rig.box.state, 'notes', `${deaf}.deaf`)),
      ),
    ).toBe(true);
    const [first, other] = [rig.run(dies), rig.run(deaf)];
    process.kill(Number(rig.box.tmux('display-message', '-p', '#{pid}').out.trim()), 'SIGKILL');
    await rig.gone(first.pid);
    const { reconcile, dispatch } = await rig.tickHere();
    expect(reconcile).toMatchObject([{ kind: 'retry', ticket: dies, because: 'tmux_server_lost' }]);
    expect(dispatch).toMatchObject([{ ticket: dies, result: 'launched' }]);
    await rig.working(dies, 2);
    expect(rig.agents(deaf)).toEqual([other.pid]);
    expect(rig.run(deaf)).toMatchObject({ id: other.id, pid: other.pid });
    await rig.tickHere();
    expect([rig.started(dies), rig.started(deaf)]).toEqual([2, 1]);
    await rig.kill(other.pid); // no hang-up will
  });

  it('hung (SIGSTOP): exit 69 within its bound, nothing written, nothing launched; it goes on, and all is as before', async () => {
    const id = await held();
    const waiting = rig.add('hold');
    const server = rig.tmuxPid();
    const before = rig.box.sql('SELECT id, status, version FROM tickets');
    process.kill(server, 'SIGSTOP');
    try {
      const done = await rig.box.here(['dispatch']);
      expect(done).toMatchObject({ code: 69 });
      expect(`${done.out}${done.err}`).toMatch(/tmux.*(answer|time)/);
      expect(rig.box.sql('SELECT id, status, version FROM tickets')).toEqual(before);
    } finally {
      process.kill(server, 'SIGCONT');
    }
    expect((await rig.tickHere()).dispatch).toMatchObject([{ ticket: waiting, result: 'launched' }]);
    expect(rig.started(id)).toBe(1);
  });
});

describe('a reboot', () => {
  it('takes every agent and no attempt: another boot id, no server, each ticket starts once again', async () => {
    const id = await held();
    const { pid } = rig.run(id);
    rig.box.tmux('kill-server');
    await rig.gone(pid);
    // What the kernel says after a reboot, against what was recorded before.
    rig.box.sql("UPDATE runtime_sessions SET boot_id = 'another-boot'");
    const { reconcile, dispatch } = await rig.tickHere();
    expect(reconcile).toMatchObject([{ kind: 'retry', ticket: id, because: 'rebooted', after: 'todo' }]);
    expect(dispatch).toMatchObject([{ ticket: id, result: 'launched' }]);
    expect(rig.ticket(id).attempts).toBe(0);
    await rig.working(id, 2);
    expect(rig.agents(id)).toHaveLength(1);
  });
});

describe('a full disk', () => {
  it('under the board: a clear error and no launch; with room again the next tick does it', async (context) => {
    await rig.box.destroy();
    rig = new Rig();
    mount(context, rig.box.state, 4096);
    const id = rig.add('review');
    const filler = fill(rig.box.state);
    const done = await rig.box.here(['dispatch']);
    expect(done).toMatchObject({ code: 69, err: expect.stringContaining('is full: make room') });
    expect(done.err).not.toMatch(/^\s+at /m);
    expect(rig.started(id)).toBe(0);
    rmSync(filler);
    await rig.ticksUntilStarted(id, 1);
    await rig.settle(id, 'in_review');
    expect(rig.started(id)).toBe(1);
    await rig.gone(rig.run(id).pid);
    await rig.endAll();
  });

  it('under the run directories: the claim is given back with the reason, and taken again when there is room', async (context) => {
    const runs = join(rig.box.state, 'runs');
    await rig.box.here(['status']);
    mount(context, runs, 1024);
    const id = rig.add('hold');
    const filler = fill(runs);
    const report = await rig.tickHere();
    expect(report.code).toBe(3);
    expect(report.dispatch).toMatchObject([
      { ticket: id, result: 'failed', error: expect.stringMatching(/ENOSPC/) },
    ]);
    expect(rig.started(id)).toBe(0);
    // The look is at that disk as well: no claim is made in vain.
    rig.holdsDue();
    expect((await rig.tickHere()).dispatch).toEqual([]);
    rmSync(filler);
    rig.holdsDue();
    await rig.ticksUntilStarted(id, 1);
    expect(rig.agents(id)).toHaveLength(1);
    await rig.endAll();
  });

  it('under the worktrees: the claim is given back, what is there stays, and the next tick makes it anew', async (context) => {
    const worktrees = join(rig.box.dir, 'worktrees');
    mount(context, worktrees, 1024);
    rig.configure({ project: `worktrees = ${JSON.stringify(worktrees)}`, limits: LIMITS });
    writeFileSync(join(rig.box.repo, 'big.bin'), Buffer.alloc(256 * 1024, 1));
    git(rig.box, 'add', '-A');
    git(rig.box, 'commit', '-qm', 'big');
    const id = rig.add('hold');
    const filler = fill(worktrees);
    const report = await rig.tickHere();
    expect(report.code).toBe(3);
    expect(report.dispatch).toMatchObject([{ ticket: id, result: 'failed' }]);
    expect(rig.started(id)).toBe(0);
    const held = (): unknown => JSON.parse(readFileSync(join(rig.box.state, 'holds.json'), 'utf8')).holds;
    const full = { scope: 'project:demo', because: 'disk_full' };
    expect(held()).toMatchObject([full]);
    // Room for some of it: git says which file it could not write, and not why.
    truncateSync(filler, statSync(filler).size - 128 * 1024);
    rig.holdsDue();
    expect((await rig.tickHere()).dispatch).toEqual([]);
    const says = expect.stringMatching(
      /unable to write file big.bin.*0 MB and \d+ files are free in .*worktrees/,
    );
    expect(held()).toMatchObject([{ ...full, says }]);
    rmSync(filler);
    rig.holdsDue();
    await rig.ticksUntilStarted(id, 1);
    expect(statSync(join(rig.run(id).worktree, 'big.bin')).size).toBe(256 * 1024);
    await rig.endAll();
  });
});

describe('the state dir', () => {
  it('on a disk that has become read-only: an error that says so, and the agents work on', async (context) => {
    await rig.box.destroy();
    rig = new Rig();
    mount(context, rig.box.state, 16_384);
    const id = await held();
    const { pid } = rig.run(id);
    expect(spawnSync('mount', ['-o', 'remount,ro', rig.box.state]).status).toBe(0);
    const done = await rig.box.here(['dispatch']);
    expect(done.code).toBe(78);
    expect(done.err).toMatch(/EROFS|read-only|readonly/i);
    expect(state(pid)).not.toBeNull();
    expect(spawnSync('mount', ['-o', 'remount,rw', rig.box.state]).status).toBe(0);
    expect(await rig.tickHere()).toMatchObject({ code: 0, reconcile: [], dispatch: [] });
    expect(rig.agents(id)).toEqual([pid]);
    await rig.endAll();
  });

  it.each([
    ['the state dir, by its group', '', 0o770],
    ['the state dir, by others', '', 0o707],
    ['the board, by its group', 'board.sqlite', 0o620],
    ['the board, by others', 'board.sqlite', 0o602],
  ])('%s: what anybody else may write to is refused, with what to do: exit 78', async (_what, name, mode) => {
    const id = rig.add('hold');
    const path = join(rig.box.state, name);
    chmodSync(path, mode);
    const done = await rig.box.here(['dispatch']);
    expect(done.code).toBe(78);
    expect(done.err).toContain(`chmod go-w ${path}`);
    expect(rig.started(id)).toBe(0);
    chmodSync(path, name === '' ? 0o700 : 0o600);
    expect(await rig.tickHere()).toMatchObject({ code: 0, dispatch: [{ ticket: id, result: 'launched' }] });
  });

  it('holds nothing that anybody else may read', async () => {
    await held();
    await rig.tickHere();
    const open: string[] = [];
    const look = (dir: string): void => {
      for (const name of readdirSync(dir)) {
        const path = join(dir, name);
        const { mode } = statSync(path);
        // The agent's own notes and its worktree are not ours.
        if (name === 'notes' || name === 'worktrees') continue;
        if ((mode & 0o077) !== 0) open.push(`${path} ${(mode & 0o777).toString(8)}`);
        if (statSync(path).isDirectory()) look(path);
      }
    };
    look(rig.box.state);
    expect(open).toEqual([]);
    expect(statSync(rig.box.state).mode & 0o777).toBe(0o700);
  });
});

describe('the worktree of a ticket', () => {
  /** A ticket whose agent has committed and died, so that the next attempt needs its worktree. */
  async function died(): Promise<{ id: string; worktree: string }> {
    const id = await held();
    const { pid, worktree } = rig.run(id);
    writeFileSync(join(worktree, 'kept.txt'), 'work of the first attempt\n');
    git(rig.box, '-C', worktree, 'add', '-A');
    git(rig.box, '-C', worktree, 'commit', '-qm', 'half of it');
    await rig.kill(pid);
    return { id, worktree };
  }

  async function again(id: string): Promise<void> {
    await rig.ticksUntilStarted(id, 2);
    expect(rig.agents(id)).toHaveLength(1);
  }

  it('removed by hand: made anew from its branch, the commits are there', async () => {
    const { id, worktree } = await died();
    rmSync(worktree, { recursive: true });
    await again(id);
    expect(readFileSync(join(rig.run(id).worktree, 'kept.txt'), 'utf8')).toContain('first attempt');
  });

  it('locked by a person: used as it is', async () => {
    const { id, worktree } = await died();
    git(rig.box, 'worktree', 'unlock', worktree); // it is ours until then
    git(rig.box, 'worktree', 'lock', worktree);
    await again(id);
    expect(rig.run(id).worktree).toBe(worktree);
    expect(readFileSync(join(worktree, 'kept.txt'), 'utf8')).toContain('first attempt');
  });

  it('with a git index lock left behind by the agent that was killed: it goes, and the next one starts', async () => {
    const { id, worktree } = await died();
    const own = git(rig.box, '-C', worktree, 'rev-parse', '--path-format=absolute', '--git-dir').trim();
    writeFileSync(join(own, 'index.lock'), '');
    await again(id);
    expect(existsSync(join(own, 'index.lock'))).toBe(false); // it was made while that run was at work, and nobody has it
  });

  it('whose repository was moved: no attempt is spent, the reason is told, and back in its place it goes on', async () => {
    const { id } = await died();
    const away = `${rig.box.repo}.moved`;
    await rig.tickHere();
    await rig.due(id);
    const { attempts } = rig.ticket(id);
    renameSync(rig.box.repo, away);
    const report = await rig.tickHere();
    expect(report.dispatch).toMatchObject([
      {
        ticket: id,
        result: 'failed',
        error: expect.stringMatching(/is not a directory.*put the repository back/),
      },
    ]);
    expect(rig.ticket(id)).toMatchObject({ status: 'todo', attempts });
    renameSync(away, rig.box.repo);
    await again(id);
  });
});
