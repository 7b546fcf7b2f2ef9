import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { startedWith } from '../../src/machine/proc.ts';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { fnv1a } from '../../src/model/hash.ts';
import { fillSlot, hookPending, prepareWorkspace } from '../../src/workspace/index.ts';
import { claimSlot, readSlot, writeSlot } from '../../src/workspace/slots.ts';
import { aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome } from '../support/home.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';

let dir = '';
let repo = '';
let root = '';
const commit = (name: string, text = 'x') => {
  writeFileSync(join(repo, name), text);
  git(repo, 'add', '-A');
  git(repo, 'commit', '-qm', name);
};
/** Installs what takes long, and notes that it did. */
const INSTALL = {
  argv: ['sh', '-c', 'mkdir -p node_modules && pwd >>node_modules/made && echo x >>"$HOME/installs"'],
  timeout_seconds: 20,
};
const project = (more: object = {}) => aProject({ name: 'p', repo, pool: 1, after_create: INSTALL, ...more });
const fill = (more: object = {}) =>
  fillSlot({
    project: project(more),
    root,
    env: process.env,
    logFile: (n) => join(dir, `slot-${n}.log`),
    placed: join(dir, 'placed'),
    processes: { me: lookAtSelf('h'), lookAt, startedWith, notes: join(dir, 'hooks') },
  });
const take = async (id = 'MC-1', more: object = {}) => {
  const made = await prepareWorkspace({
    project: project(more),
    ticket: { id, title: 'Do it', created_at_ms: 1 },
    root,
  });
  if (!made.ok) throw new Error(`${made.because}: ${made.error}`);
  return made;
};
const pooled = (worktree: string) => existsSync(join(worktree, 'node_modules'));
const installs = () => readFileSync(join(dir, 'installs'), 'utf8').length / 2;
const slot = () => join(root, '.pool-1');

beforeEach(() => {
  const made = aHome('mc-pool-');
  dir = made.dir;
  repo = join(dir, 'repo');
  root = join(dir, 'state', 'worktrees', 'p');
  mkdirSync(repo);
  git(repo, 'init', '-q', '-b', 'main');
  commit('.gitignore', 'node_modules\n');
  return made.gone;
});

describe('a slot', () => {
  it('is made one at a time until all are ready, and then nothing is done', async () => {
    expect(await fill({ pool: 2 })).toEqual({ kind: 'made', n: 1 });
    expect(await fill({ pool: 2 })).toEqual({ kind: 'made', n: 2 });
    expect(await fill({ pool: 2 })).toEqual({ kind: 'full' });
    expect(installs()).toBe(2);
    expect(readSlot(root, 1)).toMatchObject({ sha: git(repo, 'rev-parse', 'HEAD'), failed: null });
  });

  it('becomes the worktree of a ticket, on its branch, installed, with nothing left of the slot', async () => {
    await fill();
    const made = await take();
    expect(made).toMatchObject({
      worktree: join(root, 'MC-1'),
      branch: 'mc/MC-1-do-it',
      created: true,
      warnings: [],
    });
    expect(pooled(made.worktree)).toBe(true);
    expect(hookPending(made.worktree)).toBe(false);
    expect(git(made.worktree, 'status', '--porcelain', '--branch')).toBe('## mc/MC-1-do-it');
    expect(readdirSync(root)).toEqual(['MC-1']);
    writeFileSync(join(made.worktree, 'work'), 'unsaved');
    expect(await take()).toEqual({ ...made, created: false });
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
    expect(readFileSync(join(made.worktree, 'work'), 'utf8')).toBe('unsaved');
  });

  it('is brought to the tip of the base, unless what has to be installed has changed', async () => {
    await fill();
    commit('later.txt');
    const made = await take();
    expect(pooled(made.worktree)).toBe(true);
    expect(git(made.worktree, 'rev-parse', 'HEAD')).toBe(git(repo, 'rev-parse', 'main'));
    await fill();
    commit('package.json', '{}');
    const plain = await take('MC-2');
    expect(pooled(plain.worktree)).toBe(false);
    expect(git(plain.worktree, 'rev-parse', 'HEAD')).toBe(git(repo, 'rev-parse', 'main'));
    // It is made anew at the new tip.
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
    expect(pooled((await take('MC-3')).worktree)).toBe(true);
  });

  it('is made ready anew where it stands when the base has moved on or it is too old', async () => {
    await fill();
    commit('package.json', '{}');
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
    expect(readFileSync(join(slot(), 'node_modules/made'), 'utf8').split('\n')).toHaveLength(3);
    const state = readSlot(root, 1);
    if (state === null) throw new Error('no slot');
    writeSlot(root, 1, { ...state, made_at_ms: Date.now() - 25 * 3_600_000 });
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
    expect(await fill()).toEqual({ kind: 'full' });
  });

  it('goes to one of two that reach for it', async () => {
    await fill();
    expect([claimSlot(root, 1), claimSlot(root, 1)]).toEqual([
      expect.stringContaining('.pool-1.claimed-'),
      null,
    ]);
    // And whoever fills does not touch it while it is being taken.
    expect(await fill()).toEqual({ kind: 'full' });
  });

  it('made ready by a hook of its own leaves `after_create` to the launch', async () => {
    await fill({ pool_setup: INSTALL, after_create: { argv: ['true'], timeout_seconds: 5 } });
    const made = await take('MC-1', {
      pool_setup: INSTALL,
      after_create: { argv: ['true'], timeout_seconds: 5 },
    });
    expect([pooled(made.worktree), hookPending(made.worktree)]).toEqual([true, true]);
  });

  it('whose `git worktree add` outlived its maker is waited for', async () => {
    const busy = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    const ended = new Promise((done) => busy.once('exit', done));
    writeFileSync(join(repo, '.git', `mc-pickup-adding-slot-1-${fnv1a(slot())}`), `${busy.pid}`);
    expect(await fill()).toMatchObject({ kind: 'failed', error: expect.stringContaining('still making') });
    expect(existsSync(slot())).toBe(false);
    busy.kill('SIGKILL');
    await ended;
    rmSync(join(root, '.pool-1.json')); // as when its ten minutes are over
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
  });

  it('made, and its maker killed before it was marked, is made anew, unless somebody has a branch in it', async () => {
    mkdirSync(root, { recursive: true });
    git(repo, 'worktree', 'add', '-q', '--detach', slot(), 'main');
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
    git(repo, 'worktree', 'remove', '--force', slot());
    git(repo, 'worktree', 'add', '-q', '-b', 'mine', slot(), 'main');
    rmSync(join(root, '.pool-1.json'));
    expect(await fill()).toMatchObject({ kind: 'failed', error: expect.stringContaining("somebody's") });
    expect(git(slot(), 'branch', '--show-current')).toBe('mine');
  });

  it('whose hook fails is told, and not tried again at once', async () => {
    const bad = { after_create: { argv: ['sh', '-c', 'exit 3'], timeout_seconds: 5 } };
    expect(await fill(bad)).toMatchObject({
      kind: 'failed',
      n: 1,
      error: expect.stringContaining('exit code 3'),
    });
    expect(await fill(bad)).toEqual({ kind: 'full' });
    expect((await take('MC-1', bad)).created).toBe(true);
    // Somebody looks for the reason in it: what they leave there stays.
    writeFileSync(join(slot(), 'notes.txt'), 'mine\n');
    expect(await fill()).toMatchObject({
      kind: 'failed',
      error: expect.stringContaining('has changes in it'),
    });
    expect(readFileSync(join(slot(), 'notes.txt'), 'utf8')).toBe('mine\n');
    rmSync(join(slot(), 'notes.txt'));
    expect(await fill()).toEqual({ kind: 'full' });
  });
});

describe('a slot that is not as expected is left, and the worktree made in the ordinary way:', () => {
  it.each<[string, () => void, object]>([
    ['a changed file', () => writeFileSync(join(slot(), '.gitignore'), 'mine\n'), {}],
    ['a new file', () => writeFileSync(join(slot(), 'mine'), 'mine\n'), {}],
    [
      'a commit',
      () => {
        git(slot(), 'commit', '-q', '--allow-empty', '-m', 'mine');
      },
      {},
    ],
    [
      'a branch',
      () => {
        git(slot(), 'switch', '-q', '-c', 'mine');
      },
      {},
    ],
    [
      'a lock',
      () => {
        git(repo, 'worktree', 'lock', slot());
      },
      {},
    ],
    [
      'a symlink',
      () => {
        renameSync(slot(), join(dir, 'outside'));
        symlinkSync(join(dir, 'outside'), slot());
      },
      {},
    ],
    [
      "a directory of the user's own",
      () => {
        rmSync(slot(), { recursive: true });
        mkdirSync(slot());
        writeFileSync(join(slot(), 'diary'), 'mine\n');
      },
      {},
    ],
    ['another hook', () => undefined, { after_create: { argv: ['true'], timeout_seconds: 5 } }],
    [
      'an age beyond the limit',
      () => {
        const state = readSlot(root, 1);
        if (state !== null) writeSlot(root, 1, { ...state, made_at_ms: state.made_at_ms - 3_600_000 });
      },
      { pool_max_age_hours: 0.5 },
    ],
    [
      'a base that was rewritten',
      () => {
        git(repo, 'commit', '-q', '--amend', '-m', 'rewritten');
      },
      {},
    ],
  ])('%s', async (_what, make, more) => {
    await fill();
    make();
    const seen = existsSync(slot()) ? readdirSync(slot(), { recursive: true }).sort() : null;
    const made = await take('MC-1', more);
    expect(pooled(made.worktree)).toBe(false);
    expect(git(made.worktree, 'rev-parse', 'HEAD')).toBe(git(repo, 'rev-parse', 'main'));
    expect(existsSync(slot()) ? readdirSync(slot(), { recursive: true }).sort() : null).toEqual(seen);
  });

  it.each<[string, () => string]>([
    [
      'unsaved work',
      () => {
        writeFileSync(join(slot(), 'mine'), 'mine\n');
        return 'mine';
      },
    ],
    [
      'a commit of its own',
      () => {
        writeFileSync(join(slot(), 'mine'), 'mine\n');
        git(slot(), 'add', '-A');
        git(slot(), 'commit', '-qm', 'mine');
        return 'mine';
      },
    ],
    [
      "a directory of the user's own",
      () => {
        rmSync(slot(), { recursive: true });
        mkdirSync(slot());
        writeFileSync(join(slot(), 'diary'), 'mine\n');
        return 'diary';
      },
    ],
  ])('%s in it is never wiped by whoever fills', async (_what, make) => {
    const own = { pool_setup: INSTALL };
    await fill(own);
    const file = make();
    await take('MC-1', own);
    expect(await fill(own)).toMatchObject({
      kind: 'failed',
      n: 1,
      error: expect.stringContaining('.pool-1'),
    });
    expect(readFileSync(join(slot(), file), 'utf8')).toBe('mine\n');
  });
});

describe('whoever takes a slot and is killed', () => {
  const gone = () => renameSync(join(root, '.pool-1.json'), join(root, '.pool-1.claimed-999999999'));

  it('before it moved: it is made anew', async () => {
    await fill();
    gone();
    expect(pooled((await take()).worktree)).toBe(false);
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
    expect(readdirSync(root).sort()).toEqual(['.pool-1', '.pool-1.json', 'MC-1']);
  });

  it.each<[string, () => void]>([
    ['in the middle of the move', () => renameSync(slot(), join(root, 'MC-1'))],
    [
      'after the move',
      () => {
        git(repo, 'worktree', 'move', slot(), join(root, 'MC-1'));
      },
    ],
    [
      'after the branch',
      () => {
        git(repo, 'worktree', 'move', slot(), join(root, 'MC-1'));
        git(join(root, 'MC-1'), 'switch', '-q', '-c', 'mc/MC-1-do-it');
      },
    ],
  ])('%s: the ticket gets its worktree all the same', async (_when, make) => {
    await fill();
    gone();
    make();
    const made = await take();
    expect(made).toMatchObject({ worktree: join(root, 'MC-1'), branch: 'mc/MC-1-do-it', created: true });
    expect(git(made.worktree, 'status', '--porcelain', '--branch')).toBe('## mc/MC-1-do-it');
    expect(hookPending(made.worktree)).toBe(true);
    expect(await fill()).toEqual({ kind: 'made', n: 1 });
  });
});

it('a tick has a slot made beside itself, and the next launch does not wait for the hook', async () => {
  const hook =
    'mkdir -p $MC_PICKUP_STATE_DIR/notes; echo $PWD >>$MC_PICKUP_STATE_DIR/notes/hooks; sleep 1; mkdir node_modules; touch node_modules/x';
  const rig = new Rig({ project: `pool = 1\nafter_create = ["/bin/sh", "-c", '${hook}']` });
  try {
    writeFileSync(join(rig.box.repo, '.gitignore'), 'node_modules\n');
    execFileSync('git', ['-C', rig.box.repo, 'add', '-A'], { env: rig.box.env });
    execFileSync('git', ['-C', rig.box.repo, 'commit', '-qm', 'ignore'], { env: rig.box.env });
    const trees = join(rig.box.state, 'worktrees', 'demo');
    rig.tick();
    expect(await until(() => existsSync(join(trees, '.pool-1.json')))).toBe(true);
    const id = rig.add('review');
    expect(rig.tick().dispatch).toMatchObject([{ kind: 'launch', ticket: id, result: 'launched' }]);
    await rig.settle(id, 'in_review');
    expect(existsSync(join(trees, id, 'node_modules', 'x'))).toBe(true);
    expect(rig.box.note('hooks').split('\n')[0]).toBe(join(trees, '.pool-1'));
    expect(rig.box.note('hooks')).not.toContain(join(trees, id));
    // And it is made again.
    expect(await until(() => existsSync(join(trees, '.pool-1.json')))).toBe(true);
  } finally {
    await rig.box.destroy();
  }
});

it('nothing is made ready while a killswitch is on', async () => {
  const rig = new Rig({ project: 'pool = 1' });
  try {
    rig.tick();
    const slot = join(rig.box.state, 'worktrees', 'demo', '.pool-1.json');
    expect(await until(() => existsSync(slot))).toBe(true);
    rmSync(slot);
    await rig.box.start(['killswitch', 'on', '--reason', 'stop'], {});
    expect(await rig.box.start(['pool'], {})).toMatchObject({ code: 0, out: '' });
    expect(existsSync(slot)).toBe(false);
  } finally {
    await rig.box.destroy();
  }
});
