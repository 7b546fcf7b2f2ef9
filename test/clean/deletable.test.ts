/* What a user may not delete just so: told before anything is begun. Root may delete all, so the program runs as another user. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startedWith } from '../../src/machine/proc.ts';
import { ensureHostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { fillSlot } from '../../src/workspace/index.ts';
import { BIN } from '../support/sandbox.ts';
import { type Tree, World } from './world.ts';

const ROOT = process.getuid?.() === 0;
const NOBODY = 65_534;

let world: World;
let fixed: string[] = [];
let mounted: string[] = [];
beforeEach(() => {
  world = new World();
  writeFileSync(
    join(world.dir, 'config.toml'),
    `[project.p]\nrepo = ${JSON.stringify(world.repo)}\nfetch = false\n`,
  );
});
afterEach(async () => {
  for (const path of fixed) spawnSync('chattr', ['-i', path]);
  fixed = [];
  for (const path of mounted) spawnSync('umount', [path]);
  mounted = [];
  execFileSync('chmod', ['-R', 'u+rwX', world.dir]);
  await world.destroy();
});

function put(tree: Tree, name: string, mode = 0o644): string {
  const file = join(tree.dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, 'x');
  chmodSync(file, mode);
  return file;
}

interface Outcome {
  readonly name: string;
  readonly result: string;
}

/** From here on all is somebody's whom permissions bind, but for what is another's. */
function give(...anothers: string[]): void {
  if (!ROOT) return;
  execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, world.dir]);
  for (const path of anothers) chownSync(path, 0, 0);
}

/** The program, as it is typed by that one. */
function run(...args: string[]): string {
  const { dir, state } = world;
  const env = { PATH: process.env.PATH, HOME: dir, TMPDIR: dir, MC_PICKUP_STATE_DIR: state };
  const words = [BIN, ...args, '--config', join(dir, 'config.toml')];
  const as = ROOT ? { uid: NOBODY, gid: NOBODY } : {};
  const done = spawnSync(process.execPath, words, { env, encoding: 'utf8', cwd: '/', ...as });
  expect(done).toMatchObject({ stderr: '', status: 0 });
  return done.stdout;
}

const clean = (...args: string[]): { items: Outcome[]; left: Record<string, string>[] } =>
  JSON.parse(run('clean', '--only', 'worktrees', '--json', ...args));

it('read-only directories of package caches, and those that are closed, go; also what an earlier clean could not end', async () => {
  const [tree, earlier] = [await world.merged(), await world.merged()];
  for (const one of [tree, earlier]) {
    put(one, 'node_modules/mod/v1@x/deep/file.go', 0o444);
    put(one, 'node_modules/closed/in/it');
    // Ignored as a whole by a name that no tool is known by: its directories are locked, as those of a package cache.
    put(one, 'gopath.log/pkg/mod/file.go', 0o444);
    for (const name of ['mod/v1@x/deep', 'mod/v1@x', 'mod', 'closed/in'])
      chmodSync(join(one.dir, 'node_modules', name), 0o555);
    for (const name of ['pkg/mod', 'pkg', '.']) chmodSync(join(one.dir, 'gopath.log', name), 0o555);
    chmodSync(join(one.dir, 'node_modules/closed'), 0);
  }
  world.git(world.repo, 'worktree', 'lock', earlier.dir);
  const decided = join(world.root, `.cleaned-${earlier.id}-20261126T124500123Z`);
  renameSync(earlier.dir, decided);
  world.git(world.repo, 'worktree', 'unlock', earlier.dir);
  give();
  const { items, left } = clean('--yes');
  expect(left).toEqual([]);
  expect(items.map(({ name, result }) => [name, result])).toEqual([
    [tree.dir, 'done'],
    [decided, 'done'],
  ]);
  expect(readdirSync(world.root)).toEqual([]);
  expect(existsSync(join(world.repo, '.git/worktrees'))).toBe(false);
});

it.runIf(ROOT)(
  'what another user has filled is named with the command, and the worktree stays whole; what lies loose goes',
  async () => {
    const [full, loose] = [await world.merged(), await world.merged()];
    const file = put(full, "node_modules/a'b/made");
    const empty = join(loose.dir, 'node_modules/deep/empty');
    mkdirSync(empty, { recursive: true });
    give(file, dirname(file), put(loose, 'node_modules/made'), empty);
    const { items, left } = clean('--yes');
    expect(items.map(({ name, result }) => [name, result])).toEqual([[loose.dir, 'done']]);
    expect(left).toMatchObject([{ name: full.dir, because: 'undeletable' }]);
    const [, command] = /run (sudo .*)$/.exec(left[0]?.says ?? '') ?? [];
    expect(existsSync(join(world.repo, '.git/worktrees', full.id))).toBe(true);
    expect(existsSync(loose.dir)).toBe(false);
    // The command is the whole of it.
    execFileSync('sh', ['-c', command?.replace(/^sudo /, '') ?? 'false']);
    expect(clean('--yes').items).toMatchObject([{ name: full.dir, result: 'done' }]);
  },
);

it.runIf(ROOT)(
  'what was marked so that nobody changes it is named with the command, and the worktree stays whole',
  async (context) => {
    const tree = await world.merged();
    fixed = [put(tree, 'node_modules/a/fixed')];
    give();
    if (spawnSync('chattr', ['+i', ...fixed]).status !== 0) context.skip('no file can be marked here');
    const { items, left } = clean();
    expect(items).toEqual([]);
    expect(left).toMatchObject([
      { because: 'undeletable', says: expect.stringContaining(`sudo chattr -i -- '${fixed[0]}'`) },
    ]);
  },
);

it('a slot of the pool goes whole as well: one that is made anew, and one that the pool no longer has', async () => {
  const hook =
    'mkdir -p node_modules/a/b; touch node_modules/a/b/c; chmod 555 node_modules/a/b node_modules/a';
  const pool_setup = { argv: ['sh', '-c', hook], timeout_seconds: 60 };
  const project = { ...world.project, pool: 2, pool_setup };
  const me = lookAtSelf(ensureHostId(world.state));
  const processes = { me, lookAt, startedWith, notes: join(world.state, 'hooks') };
  const logFile = () => join(world.state, 'pool', 'log');
  for (const n of [1, 2])
    expect(
      await fillSlot({
        project,
        root: world.root,
        env: process.env,
        processes,
        logFile,
        placed: world.state,
      }),
    ).toEqual({
      ...{ kind: 'made', n },
    });
  rmSync(join(world.root, '.pool-1.json'));
  appendFileSync(join(world.dir, 'config.toml'), 'pool = 1\npool_setup = ["true"]\n');
  give();
  expect(clean('--yes').items).toMatchObject([{ name: join(world.root, '.pool-2'), result: 'done' }]);
  expect(run('pool')).toBe('p: slot 1 is ready\n');
  expect(existsSync(join(world.root, '.pool-1', 'node_modules'))).toBe(false);
  expect(readdirSync(world.root).sort()).toEqual(['.pool-1', '.pool-1.json']);
});

it.runIf(ROOT)(
  'what is mounted inside of one is named with the command, also where an earlier clean has left it',
  async (context) => {
    const [tree, earlier] = [await world.merged(), await world.merged()];
    const decided = join(world.root, `.cleaned-${earlier.id}-20261126T124500123Z`);
    renameSync(earlier.dir, decided);
    const places = [tree.dir, decided].map((dir) => join(dir, 'node_modules'));
    for (const place of places) {
      mkdirSync(place);
      if (spawnSync('mount', ['--bind', world.repo, place]).status !== 0)
        context.skip('nothing can be mounted here');
      mounted.push(place);
    }
    const { found } = await world.clean();
    expect(found.proposals).toEqual([]);
    const says = new Map(found.left.map(({ name, says: one }) => [name, one]));
    for (const [n, dir] of [tree.dir, decided].entries())
      expect(says.get(dir)).toContain(`run sudo umount '${places[n]}'`);
    expect(existsSync(join(world.repo, 'base.txt'))).toBe(true);
  },
);
