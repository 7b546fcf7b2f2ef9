import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { propose } from '../../src/clean/index.ts';
import { ensureHostId, hostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { lookAtProcesses } from '../../src/machine/processes.ts';
import { writeMark } from '../../src/runs/marks.ts';
import { waitFor } from '../support/wait.ts';
import { picture, type Tree, World } from './world.ts';

let world: World;
const ends: (() => void)[] = [];
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await world.destroy();
});
const git = (cwd: string, ...args: string[]) => world.git(cwd, ...args);
const write = (tree: Tree, name: string, text = 'precious\n') => {
  mkdirSync(join(tree.dir, name, '..'), { recursive: true });
  writeFileSync(join(tree.dir, name), text);
};

/** A process that works in a directory, until the test is over. */
async function workIn(
  dir: string,
  { stdin, program = 'sleep' }: { readonly stdin?: number; readonly program?: string } = {},
): Promise<number> {
  const child = spawn(program, ['300'], { cwd: dir, stdio: [stdin ?? 'ignore', 'ignore', 'ignore'] });
  ends.push(() => child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  await waitFor(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n', 'sleep');
  return pid;
}

/** A live row of the ticket, claimed by that host. */
async function launch(id: string, host_id: string): Promise<void> {
  const ticket = await world.board.ticket(id);
  if (ticket === null) throw new Error(id);
  const { status, owner, claim_epoch, version } = ticket;
  const claim = {
    ticket: id,
    guard: { status, owner, claim_epoch, version },
    run: `run-${id}`,
    agent: 'a',
    project: 'p',
  };
  const more = { attempt: 1, host_id, boot_id: 'b', kind: 'command', headless: false } as const;
  expect(await world.board.claim({ ...claim, ...more }, { actor: 'tick:1', now_ms: Date.now() })).toBe('won');
}

describe('a merged and clean worktree of a settled ticket', () => {
  it.each(['done', 'cancelled'] as const)(
    'goes when the ticket is %s, and comes back by the command that is printed',
    async (status) => {
      const tree = await world.merged(status);
      write(tree, 'node_modules/a/index.js');
      const before = picture(tree.dir);
      const tip = git(tree.dir, 'rev-parse', 'HEAD');
      const { outcomes } = await world.clean();
      expect(outcomes).toMatchObject([
        { item: { name: tree.dir, because: 'merged' }, acted: { result: 'done' } },
      ]);
      expect(existsSync(tree.dir)).toBe(false);
      expect(picture(world.root)).toEqual(new Map());
      expect(git(world.repo, 'worktree', 'list')).not.toContain(tree.dir);
      expect(git(world.repo, 'rev-parse', tree.branch)).toBe(tip);
      const restore = outcomes[0]?.acted.result === 'done' ? outcomes[0].acted.restore : null;
      expect(spawnSync('sh', ['-c', restore ?? 'false'], { encoding: 'utf8' })).toMatchObject({ status: 0 });
      const after = picture(tree.dir);
      for (const [name, one] of before)
        if (!/^(node_modules|\.git$)/.test(name)) expect([name, after.get(name)]).toEqual([name, one]);
    },
  );

  it('is recreated by a launch as ever when its ticket is opened again', async () => {
    const tree = await world.merged();
    await world.clean();
    await world.move(tree.id, 'todo');
    expect(await world.worktree(tree.id)).toEqual(tree);
  });

  it('goes when its ticket waits for a review, and not when it has no commit of its own', async () => {
    const [reviewed, fresh] = [await world.merged('in_review'), await world.ticket()];
    const untouched = await world.worktree(fresh);
    await world.move(fresh, 'in_review');
    const { outcomes } = await world.clean();
    expect(outcomes.map(({ item }) => item.name)).toEqual([reviewed.dir]);
    expect(existsSync(untouched.dir)).toBe(true);
  });

  it.each(['todo', 'in_progress', 'needs_input', 'blocked'] as const)(
    'is not even looked at when the ticket is %s',
    async (status) => {
      const tree = await world.merged(status);
      expect((await world.clean()).found).toEqual({ proposals: [], left: [], advice: [] });
      expect(existsSync(tree.dir)).toBe(true);
    },
  );

  it.each([
    [
      'squashed',
      (tree: Tree) => {
        world.commit(tree.dir, 'second');
        git(world.repo, 'merge', '-q', '--squash', tree.branch);
        git(world.repo, 'commit', '-qm', 'squash');
        world.commit(world.repo, 'later');
      },
    ],
    [
      'squashed',
      (tree: Tree) => {
        world.commit(world.repo, 'before');
        git(world.repo, 'cherry-pick', tree.branch);
        writeFileSync(join(world.repo, `work-on-${tree.id}.txt`), 'changed later\n');
        git(world.repo, 'commit', '-qam', 'later');
      },
    ],
    [
      'pushed',
      (tree: Tree) => {
        git(world.repo, 'init', '-q', '--bare', join(world.dir, 'remote.git'));
        git(world.repo, 'remote', 'add', 'origin', join(world.dir, 'remote.git'));
        git(world.repo, 'push', '-q', 'origin', tree.branch);
      },
    ],
  ] as const)('goes when it is %s (%#)', async (because, make) => {
    const tree = await world.unmerged();
    make(tree);
    const before = picture(join(world.repo, '.git', 'objects'));
    const { found, outcomes } = await world.clean();
    expect(found.left).toEqual([]);
    expect(outcomes).toMatchObject([{ item: { because }, acted: { result: 'done' } }]);
    // The question wrote nothing to the repository.
    expect(picture(join(world.repo, '.git', 'objects'))).toEqual(before);
  });

  it('goes with a path that has spaces and a line break in it', async () => {
    await world.destroy();
    world = new World('mc clean \n-');
    const tree = await world.merged();
    const { outcomes } = await world.clean();
    expect(outcomes).toMatchObject([{ acted: { result: 'done' } }]);
    const restore = outcomes[0]?.acted.result === 'done' ? outcomes[0].acted.restore : null;
    expect(spawnSync('sh', ['-c', restore ?? 'false'], { encoding: 'utf8' })).toMatchObject({ status: 0 });
    expect(existsSync(join(tree.dir, 'base.txt'))).toBe(true);
  });

  it('keeps by refs what was amended or reset away in it', async () => {
    const tree = await world.merged();
    const lost = world.commit(tree.dir, 'tried');
    world.commit(tree.dir, 'tried on');
    const tip = git(tree.dir, 'rev-parse', 'HEAD');
    git(tree.dir, 'reset', '-q', '--hard', 'HEAD~2');
    git(world.repo, 'reflog', 'expire', '--expire=now', `refs/heads/${tree.branch}`);
    const { outcomes } = await world.clean();
    expect(outcomes).toMatchObject([{ acted: { result: 'done' } }]);
    const refs = git(world.repo, 'for-each-ref', '--format=%(objectname)', 'refs/mc-pickup/cleaned').split(
      '\n',
    );
    expect(refs).toContain(tip);
    git(world.repo, 'merge-base', '--is-ancestor', lost, tip);
  });
});

/** A worktree that a sub-agent made inside of another, on a branch of its own. */
function inner({ dir }: Tree, name: string): string {
  const path = join(dir, '.claude', 'worktrees', name);
  git(dir, 'worktree', 'add', '-q', '-b', `worktree-${name}`, path);
  return path;
}

/** A path that ends in bytes which are no UTF-8. */
const noText = ({ dir }: Pick<Tree, 'dir'>, below: string): Buffer =>
  Buffer.concat([Buffer.from(`${join(dir, below)}/`), Buffer.from([0x66, 0xfc, 0xfe])]);

it('worktrees inside of it, and what can be made anew, are named, and go with it', async () => {
  const tree = await world.unmerged();
  const nested = inner(tree, 'x');
  world.commit(nested, 'work of a sub-agent');
  const lost = world.commit(nested, 'tried');
  git(nested, 'reset', '-q', '--hard', 'HEAD~1');
  git(tree.dir, 'merge', '-q', '--no-ff', '-m', 'take it', 'worktree-x');
  git(world.repo, 'merge', '-q', '--no-ff', '-m', 'merge', tree.branch);
  const deep = inner({ ...tree, dir: nested }, 'y');
  git(deep, 'switch', '-q', '--detach');
  writeFileSync(join(world.repo, '.git/info/exclude'), 'big\nwhole/\ntagged/\nlink\n');
  writeFileSync(join(world.repo, '.env'), 'KEY=1\n');
  write(tree, '.env', 'KEY=1\n');
  write(tree, 'debug.log');
  writeFileSync(join(tree.dir, 'big'), Buffer.alloc(2 ** 20 + 1));
  symlinkSync(join(world.repo, '.env'), join(tree.dir, 'link'));
  write(tree, 'tagged/CACHEDIR.TAG');
  write(tree, 'tagged/some/file');
  for (let n = 0; n <= 500; n++) write(tree, `whole/${n}`);
  git(tree.dir, 'clone', '-q', world.repo, 'node_modules/lib');
  // To Linux any bytes are a name.
  mkdirSync(noText(tree, 'node_modules'));
  writeFileSync(Buffer.concat([noText(tree, 'node_modules'), Buffer.from([0x2f, 0xe4])]), '');
  const { outcomes, found } = await world.clean();
  expect([found.left, outcomes.map(({ acted }) => acted.result)]).toEqual([[], ['done']]);
  const says = outcomes[0]?.item.says ?? '';
  for (const name of [
    'worktrees/x (a worktree, merged)',
    'lib (a clone',
    '.env',
    'big',
    'link',
    'and 1 more',
  ])
    expect(says).toContain(name);
  expect(existsSync(tree.dir)).toBe(false);
  expect(git(world.repo, 'worktree', 'list').split('\n')).toHaveLength(1);
  const kept = git(world.repo, 'for-each-ref', '--format=%(objectname)', 'refs/mc-pickup/cleaned');
  expect(kept.split('\n')).toContain(lost);
});

it('one look at worktrees takes few programs, and leaves nothing in the repository', async () => {
  const trees = [
    await world.merged(),
    await world.unmerged(),
    await world.unmerged(),
    await world.unmerged(),
  ];
  for (const { dir } of trees.slice(1)) world.commit(dir, 'second');
  git(world.repo, 'merge', '-q', '--squash', trees[1]?.branch ?? '');
  git(world.repo, 'commit', '-qm', 'squash');
  git(trees[3]?.dir ?? '', 'switch', '-q', '--detach');
  const log = join(world.dir, '..', `${basename(world.dir)}.log`);
  const bin = join(world.dir, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh\necho x >>'${log}'\nPATH=\${PATH#*:} exec git "$@"\n`;
  writeFileSync(join(bin, 'git'), script, { mode: 0o755 });
  const [{ PATH }, before] = [process.env, picture(world.dir)];
  process.env.PATH = `${bin}:${PATH}`;
  ends.push(() => {
    process.env.PATH = PATH;
    rmSync(log);
  });
  const found = await propose(['worktrees'], world.here());
  expect([found.proposals.length, found.left.length]).toEqual([2, 2]);
  expect(picture(world.dir)).toEqual(before);
  const shared = 4;
  expect(readFileSync(log, 'utf8').length / 2).toBeLessThanOrEqual(8 * trees.length + shared);
});

type Make = (tree: Tree) => unknown;
const DANGERS: readonly (readonly [why: string, what: string, make: Make])[] = [
  ['unsaved', 'a changed file', (tree) => write(tree, 'base.txt')],
  ['unsaved', 'a deleted file', (tree) => rmSync(join(tree.dir, 'base.txt'))],
  [
    'unsaved',
    'a staged file',
    (tree) => {
      write(tree, 'new');
      git(tree.dir, 'add', 'new');
    },
  ],
  [
    'unsaved',
    'an untracked file, though the configuration hides those',
    (tree) => {
      git(world.repo, 'config', 'status.showUntrackedFiles', 'no');
      write(tree, 'deep/new');
    },
  ],
  ['unsaved', 'an untracked repository', (tree) => git(tree.dir, 'init', '-q', 'inner')],
  [
    'unsaved',
    'a change of the same size and time, with a lax look configured',
    (tree) => {
      git(world.repo, 'config', 'core.checkStat', 'minimal');
      git(world.repo, 'config', 'core.trustctime', 'false');
      const file = join(tree.dir, 'base.txt');
      const { atime, mtime } = statSync(file);
      writeFileSync(file, 'BASE\n');
      utimesSync(file, atime, mtime);
    },
  ],
  [
    'hidden_changes',
    'a change in a file that is assumed to be unchanged',
    (tree) => {
      git(tree.dir, 'update-index', '--assume-unchanged', 'base.txt');
      write(tree, 'base.txt');
    },
  ],
  [
    'hidden_changes',
    'a change in a file that is not to be looked at',
    (tree) => {
      git(tree.dir, 'update-index', '--skip-worktree', 'base.txt');
      write(tree, 'base.txt');
    },
  ],
  [
    'hidden_changes',
    'a change that a content filter takes out of what git sees',
    (tree) => {
      // As notebooks are kept without their output. Were it run, the canary would be there.
      const canary = join(world.dir, 'ran');
      git(world.repo, 'config', 'filter.strip.clean', `touch ${canary}; sed -e /OUTPUT/d`);
      mkdirSync(join(world.repo, '.git/info'), { recursive: true });
      writeFileSync(join(world.repo, '.git/info/attributes'), 'base* filter=strip\n');
      writeFileSync(join(tree.dir, 'base.txt'), 'base\nOUTPUT: three hours of results\n');
    },
  ],
  ['ignored_files', 'an ignored file that may be precious', (tree) => write(tree, '.env', 'KEY=1\n')],
  [
    'ignored_files',
    'an ignored file whose name is no text',
    (tree) => {
      writeFileSync(join(world.repo, '.git/info/exclude'), 'notes\n');
      mkdirSync(join(tree.dir, 'notes'));
      writeFileSync(noText(tree, 'notes'), 'x');
    },
  ],
  [
    'ignored_files',
    'a file that the repository alone was told to ignore',
    (tree) => {
      writeFileSync(join(world.repo, '.git/info/exclude'), 'notes\n');
      write(tree, 'notes/today');
    },
  ],
  [
    'nested_repository',
    'a repository in a directory that is made anew',
    (tree) => {
      mkdirSync(join(tree.dir, 'node_modules'));
      git(tree.dir, 'init', '-q', 'node_modules/lib');
      world.commit(join(tree.dir, 'node_modules/lib'), 'inner work');
    },
  ],
  [
    'nested_worktree',
    'a worktree inside of it with a changed file',
    (tree) => write({ ...tree, dir: inner(tree, 'x') }, 'base.txt'),
  ],
  [
    'nested_worktree',
    'a worktree inside of one inside of it with a commit of its own',
    (tree) => void world.commit(inner({ ...tree, dir: inner(tree, 'x') }, 'y'), 'alone'),
  ],
  [
    'nested_worktree',
    'a worktree inside of it that somebody has locked',
    (tree) => git(world.repo, 'worktree', 'lock', inner(tree, 'x')),
  ],
  [
    'ignored_files',
    'a file that the main checkout has otherwise, below a directory that is ignored as a whole',
    (tree) => {
      writeFileSync(join(world.repo, '.git/info/exclude'), 'secrets/\n');
      mkdirSync(join(world.repo, 'secrets'));
      writeFileSync(join(world.repo, 'secrets/key'), 'another\n');
      write(tree, 'secrets/key');
    },
  ],
  [
    'stashed',
    'a stash that was made in it',
    (tree) => {
      write(tree, 'base.txt');
      git(tree.dir, 'stash', '-q');
    },
  ],
  [
    'stashed',
    'a stash of a detached HEAD',
    (tree) => {
      git(tree.dir, 'switch', '-q', '--detach');
      write(tree, 'base.txt');
      git(tree.dir, 'stash', 'push', '-qm', 'mine');
    },
  ],
  ['unmerged', 'a commit that is nowhere else', (tree) => world.commit(tree.dir, 'more')],
  [
    'unmerged',
    'a detached HEAD with commits that nothing leads to',
    (tree) => {
      git(tree.dir, 'switch', '-q', '--detach');
      world.commit(tree.dir, 'alone');
    },
  ],
  [
    'unmerged',
    'a squash of the base that was taken back',
    (tree) => {
      world.commit(tree.dir, 'second');
      git(world.repo, 'merge', '-q', '--squash', tree.branch);
      git(world.repo, 'commit', '-qm', 'other words');
      world.commit(tree.dir, 'third');
    },
  ],
  ['base_missing', 'a base that is gone', () => git(world.repo, 'branch', '-m', 'main', 'trunk')],
  ['locked', 'a lock', (tree) => git(world.repo, 'worktree', 'lock', tree.dir)],
  [
    'in_progress',
    'a merge that is not over',
    (tree) => {
      write(tree, 'base.txt', 'ours\n');
      git(tree.dir, 'commit', '-qam', 'ours');
      writeFileSync(join(world.repo, 'base.txt'), 'theirs\n');
      git(world.repo, 'commit', '-qam', 'theirs');
      expect(() => git(tree.dir, 'merge', 'main')).toThrow();
    },
  ],
  [
    'in_progress',
    'a rebase that waits',
    (tree) => {
      spawnSync(
        'git',
        [
          '-c',
          'user.name=t',
          '-c',
          'user.email=t@t',
          '-c',
          'sequence.editor=sed -i 1ibreak',
          'rebase',
          '-q',
          '-i',
          'HEAD~1',
        ],
        { cwd: tree.dir },
      );
    },
  ],
  ['in_progress', 'a bisection', (tree) => git(tree.dir, 'bisect', 'start')],
  [
    'own_refs',
    'refs of its own',
    (tree) => {
      world.commit(tree.dir, 'kept');
      git(tree.dir, 'update-ref', 'refs/worktree/mine', 'HEAD');
      git(tree.dir, 'reset', '-q', '--hard', 'HEAD~1');
    },
  ],
  [
    'submodule',
    'a commit of a submodule, merged by its name, that is not on its remote',
    (tree) => {
      git(world.repo, 'init', '-q', '-b', 'main', join(world.dir, 'sub'));
      world.commit(join(world.dir, 'sub'), 'sub');
      git(tree.dir, 'submodule', '--quiet', 'add', join(world.dir, 'sub'), 'sub');
      world.commit(join(tree.dir, 'sub'), 'unpushed in the submodule');
      git(tree.dir, 'commit', '-qam', 'submodule');
      git(world.repo, 'merge', '-q', tree.branch);
    },
  ],
  [
    'not_a_worktree',
    "a directory of the user's own in its place",
    (tree) => {
      rmSync(tree.dir, { recursive: true });
      write(tree, 'diary');
    },
  ],
  [
    'not_a_worktree',
    'another repository in its place',
    (tree) => {
      rmSync(tree.dir, { recursive: true });
      git(world.root, 'clone', '-q', world.repo, tree.id);
    },
  ],
  [
    'not_a_worktree',
    'another worktree that was moved there by hand',
    (tree) => {
      rmSync(tree.dir, { recursive: true });
      git(world.repo, 'worktree', 'add', '-q', '--detach', join(world.dir, 'elsewhere'));
      renameSync(join(world.dir, 'elsewhere'), tree.dir);
    },
  ],
  [
    'not_a_worktree',
    'a setting that has git look at other files',
    (tree) => {
      git(world.repo, 'config', 'extensions.worktreeConfig', 'true');
      git(world.repo, 'worktree', 'add', '-q', '--detach', join(world.dir, 'clean'), tree.branch);
      git(tree.dir, 'config', '--worktree', 'core.worktree', join(world.dir, 'clean'));
      write(tree, 'new');
    },
  ],
  [
    'symlink',
    'a symlink that leads out',
    (tree) => {
      renameSync(tree.dir, join(world.dir, 'outside'));
      symlinkSync(join(world.dir, 'outside'), tree.dir);
    },
  ],
  [
    'repo_moved',
    'a repository that has moved',
    () => {
      renameSync(world.repo, join(world.dir, 'moved'));
      git(world.dir, 'init', '-q', '-b', 'main', world.repo);
      world.commit(world.repo, 'another');
    },
  ],
  ['repo_missing', 'a repository that is gone', () => renameSync(world.repo, join(world.dir, 'moved'))],
  [
    'other_ticket',
    'a branch of another ticket of that number',
    (tree) => git(world.repo, 'config', `branch.${tree.branch}.mcPickupTicket`, `${tree.id}@1`),
  ],
  [
    'in_use',
    'a process that works below it',
    async (tree) => {
      mkdirSync(join(tree.dir, 'empty'));
      await workIn(join(tree.dir, 'empty'));
    },
  ],
  [
    'in_use',
    'a process elsewhere that has a file of it open',
    async (tree) => {
      const file = openSync(join(tree.dir, '.gitignore'), 'r');
      await workIn(world.dir, { stdin: file });
      closeSync(file);
    },
  ],
  [
    'in_use',
    'a process elsewhere that runs a program of it',
    async (tree) => {
      const program = join(tree.dir, 'node_modules', 'sleep');
      mkdirSync(join(program, '..'));
      cpSync('/bin/sleep', program, { dereference: true });
      await workIn(world.dir, { program });
    },
  ],
];

const LATE: ReadonlySet<string> = new Set([
  ...['a changed file', 'an ignored file that may be precious', 'a commit that is nowhere else', 'a lock'],
  ...[
    "a directory of the user's own in its place",
    'a symlink that leads out',
    'a process that works below it',
    'a process elsewhere that has a file of it open',
    'a process elsewhere that runs a program of it',
  ],
]);

describe('a worktree stays, whole, because of', () => {
  it.each(DANGERS)('%s: %s', async (because, _what, make) => {
    const tree = await world.merged();
    await make(tree);
    const before = picture(world.dir);
    const { outcomes, because: why } = await world.clean();
    expect(outcomes).toEqual([]);
    expect(why(tree.dir)).toBe(because);
    expect(picture(world.dir)).toEqual(before);
  });

  it.each(DANGERS.filter(([, what]) => LATE.has(what)))(
    '%s that came between the proposal and its turn: %s',
    async (because, _what, make) => {
      const tree = await world.merged();
      let before = new Map<string, string>();
      const { outcomes, because: why } = await world.clean(['worktrees'], {
        between: async () => {
          await make(tree);
          before = picture(world.dir);
        },
      });
      expect(outcomes).toMatchObject([{ acted: { result: 'left' } }]);
      expect(why(tree.dir)).toBe(because);
      expect(picture(world.dir)).toEqual(before);
    },
  );

  it.each(['here', 'elsewhere'])('a run that has not ended, on a host %s', async (where) => {
    const own_id = ensureHostId(world.state);
    const id = await world.ticket();
    const tree = await world.worktree(id);
    await launch(id, where === 'here' ? own_id : 'h-other');
    await world.move(id, 'done');
    const { outcomes, because, found } = await world.clean();
    expect(outcomes).toEqual([]);
    expect(because(tree.dir)).toBe('runtime_alive');
    expect(found.left[0]?.says.includes('of host h-other')).toBe(where === 'elsewhere');
    expect(hostId(world.state)).toBe(own_id);
  });

  it('a symlink in the place of the directory of all worktrees', async () => {
    const tree = await world.merged();
    const outside = join(world.dir, 'outside');
    renameSync(world.root, outside);
    symlinkSync(outside, world.root);
    const before = picture(outside);
    const { outcomes, found } = await world.clean();
    expect([outcomes, found.left.map(({ because }) => because)]).toEqual([[], ['symlink']]);
    expect(picture(outside)).toEqual(before);
    expect(existsSync(tree.dir)).toBe(true);
  });

  it('a project that the configuration no longer knows, and a number that the board does not', async () => {
    await world.merged();
    const here = world.here();
    const policy = { ...here.policy, projects: new Map() };
    expect((await world.clean(['worktrees'], { over: { policy } })).found.left).toMatchObject([
      { because: 'project_unknown' },
    ]);
    mkdirSync(join(world.root, 'MC-99'));
    expect((await world.clean()).because(join(world.root, 'MC-99'))).toBe('no_ticket');
  });
});

it('a process uses its root, what is open by another name, and a program that was mapped; what is denied is counted', () => {
  const proc = join(world.dir, 'proc');
  const place = join(world.dir, 'place');
  mkdirSync(join(place, 'below'), { recursive: true });
  writeFileSync(join(place, 'below', 'file'), '');
  const process = (pid: number, links: Record<string, string>, maps = '') => {
    mkdirSync(join(proc, `${pid}`, 'fd'), { recursive: true });
    writeFileSync(join(proc, `${pid}`, 'maps'), maps);
    for (const [name, to] of Object.entries(links)) symlinkSync(to, join(proc, `${pid}`, name));
  };
  process(1, { cwd: '/', root: '/' });
  process(2, { cwd: '/', root: place });
  process(3, { cwd: '/', root: '/', 'fd/5': join(place, 'below', 'file') }, '');
  process(4, { cwd: '/', root: '/' }, `7f00-7f01 r-xp 00000000 fe:00 77 ${place}/below/li b.so\n`);
  process(5, { cwd: '/', root: '/', 'fd/5': 'socket:[1]' }, '7f00-7f01 rw-p 00000000 00:00 0 \n');
  // A thread may have files of its own (CLONE_FILES); where the main thread has ended, the others have all.
  process(6, { cwd: '/', root: '/', 'fd/5': '/' });
  process(7, { cwd: '/', root: '/' });
  for (const pid of [6, 7]) {
    mkdirSync(join(proc, `${pid}`, 'task', '77', 'fd'), { recursive: true });
    symlinkSync(join(place, 'below', 'file'), join(proc, `${pid}`, 'task', '77', 'fd', '5'));
  }
  const seen = lookAtProcesses(world.state, { root: proc });
  expect([seen.inside(place), seen.inside(join(place, 'below'))]).toEqual([[2], [3, 4, 6, 7]]);
  expect(seen.hidden).toBe(0);
});

it('one that fails stops none of the others', async () => {
  const [first, second] = [await world.merged(), await world.merged()];
  // Its ref can't be made: a file stands where a directory of refs has to be.
  mkdirSync(join(world.repo, '.git/refs/mc-pickup/cleaned'), { recursive: true });
  git(world.repo, 'update-ref', `refs/mc-pickup/cleaned/${first.id}`, 'HEAD');
  const { outcomes } = await world.clean();
  expect(outcomes.map(({ acted }) => acted.result)).toEqual(['failed', 'done']);
  expect([existsSync(first.dir), existsSync(second.dir)]).toEqual([true, false]);
});

it('the mark of a process that lives keeps a worktree', async () => {
  const tree = await world.merged();
  const self = lookAtSelf(ensureHostId(world.state));
  const look = lookAt(process.pid);
  if (look.kind !== 'present') throw new Error('not here');
  const { host_id, boot_id, pid_ns, time_ns } = self;
  writeMark(join(world.state, 'marks'), tree.id, {
    host_id,
    boot_id: boot_id ?? '',
    pid_ns,
    time_ns,
    pid: process.pid,
    pid_start: look.start,
    run: 'run-x',
  });
  const { outcomes, because } = await world.clean();
  expect(outcomes).toEqual([]);
  expect(because(tree.dir)).toBe('in_use');
});

it('tmux that does not tell keeps a worktree', async () => {
  const tree = await world.merged();
  const { tmux } = world.here();
  const { outcomes, because } = await world.clean(['worktrees'], {
    over: { tmux: { ...tmux, binary: '/nowhere/tmux' } },
  });
  expect(outcomes).toEqual([]);
  expect(because(tree.dir)).toBe('tmux_unknown');
});
