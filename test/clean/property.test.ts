/** Whatever was done in a worktree: `clean --yes` loses no commit and no byte of unsaved work. */
import { createHash } from 'node:crypto';
import { type Dirent, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { draws, fc } from '../support/draws.ts';
import { type Tree, World } from './world.ts';

type Op = (world: World, tree: Tree, n: number) => void;
const git = (world: World, tree: Tree, ...args: string[]) => world.git(tree.dir, ...args);
const write = (tree: Tree, name: string, text: string) => {
  mkdirSync(dirname(join(tree.dir, name)), { recursive: true });
  writeFileSync(join(tree.dir, name), text);
};
const OPS: Readonly<Record<string, Op>> = {
  commit: (world, tree, n) => world.commit(tree.dir, `more ${n}`),
  merge: (world, tree) =>
    git(world, tree, 'push', '-q', '.', 'HEAD:refs/heads/incoming') && mergeIn(world, false),
  squash: (world, tree) =>
    git(world, tree, 'push', '-q', '.', '+HEAD:refs/heads/incoming') || mergeIn(world, true),
  amend: (world, tree, n) =>
    git(world, tree, 'commit', '-q', '--amend', '--allow-empty', '-m', `amended ${n}`),
  back: (world, tree) => git(world, tree, 'reset', '-q', '--hard', 'HEAD~1'),
  detach: (world, tree) => git(world, tree, 'switch', '-q', '--detach'),
  leave: (world, tree) => git(world, tree, 'switch', '-q', '--detach', 'main'),
  edit: (_world, tree, n) => write(tree, 'base.txt', `edited ${n}\n`),
  stage: (world, tree, n) => {
    write(tree, `staged-${n}`, `staged ${n}\n`);
    git(world, tree, 'add', '-A');
  },
  untracked: (_world, tree, n) => write(tree, `deep/new-${n}`, `new ${n}\n`),
  ignored: (_world, tree, n) => write(tree, `own-${n}/.env`, `SECRET=${n}\n`),
  modules: (_world, tree, n) => {
    write(tree, `node_modules/m/${n}.js`, `module ${n}\n`);
    write(tree, `${n}.log`, `log ${n}\n`);
  },
  stash: (world, tree) => git(world, tree, 'stash', '-q', '-u'),
  hide: (world, tree) => git(world, tree, 'update-index', '--assume-unchanged', 'base.txt'),
  away: (world, tree) => git(world, tree, 'branch', '-q', '-D', tree.branch),
};

function mergeIn(world: World, squash: boolean): void {
  world.git(world.repo, 'merge', '-q', ...(squash ? ['--squash'] : ['--no-ff', '-m', 'merged']), 'incoming');
  if (squash) world.git(world.repo, 'commit', '-q', '--allow-empty', '-m', 'squashed');
  world.git(world.repo, 'branch', '-q', '-D', 'incoming');
}

/** Objects that a ref, a HEAD or a log leads to. */
function objects(world: World, ...from: string[]): Set<string> {
  const all = world.git(world.repo, 'rev-list', '--objects', '--no-object-names', ...from);
  return new Set(all.split('\n'));
}

/** What tools leave: `clean` takes it (`src/workspace/ignored.ts`). */
function isMadeAnew({ name, parentPath }: Dirent): boolean {
  return parentPath.includes('node_modules') || name.endsWith('.log');
}

/** The blob of every file in the worktrees that no tool makes anew. */
function files(world: World): Map<string, string> {
  return new Map(
    readdirSync(world.root, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile() && one.name !== '.git' && !isMadeAnew(one))
      .map((one) => {
        const bytes = readFileSync(join(one.parentPath, one.name));
        const blob = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
        return [join(one.parentPath, one.name), blob];
      }),
  );
}

it('clean --yes loses no commit and no byte of unsaved work', async () => {
  const names = fc.array(fc.constantFrom(...Object.keys(OPS)), { maxLength: 5 });
  const seen = { done: 0, left: 0 };
  await fc.assert(
    fc.asyncProperty(names, async (ops) => {
      const world = new World();
      try {
        const tree = await world.merged();
        for (const [n, name] of ops.entries())
          try {
            OPS[name]?.(world, tree, n);
          } catch {
            // Git refuses what makes no sense here, such as to leave with changes: the next one.
          }
        const commits = objects(world, '--all', '--reflog');
        const bytes = files(world);
        const { outcomes } = await world.clean(['worktrees', 'branches']);
        expect(outcomes.filter(({ acted }) => acted.result === 'failed')).toEqual([]);
        const kept = objects(world, '--all', '--reflog');
        expect([...commits].filter((one) => !kept.has(one))).toEqual([]);
        const after = new Set([...files(world).values(), ...kept]);
        expect([...bytes].filter(([, blob]) => !after.has(blob))).toEqual([]);
        seen[outcomes.some(({ item }) => item.kind === 'worktree') ? 'done' : 'left'] += 1;
      } finally {
        await world.destroy();
      }
    }),
    {
      numRuns: 8 + draws(60), // the examples among them
      examples: [
        [[]],
        [['amend', 'merge']],
        [['commit', 'back']],
        [['commit', 'squash']],
        [['detach', 'commit', 'leave']],
        [['commit', 'leave', 'away']],
        [['edit']],
        [['modules']],
      ],
    },
  );
  expect(seen.done).toBeGreaterThan(3);
  expect(seen.left).toBeGreaterThan(1);
});
