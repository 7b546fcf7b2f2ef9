import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { worktreeFindings } from '../../src/doctor/worktrees.ts';
import { branchDiff } from '../../src/workspace/diff.ts';
import { hasCommits } from '../../src/workspace/head.ts';
import { asLeft, prepareWorkspace } from '../../src/workspace/index.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome } from '../support/home.ts';

let dir = '';
let repo = '';
let state = '';
let trees: string | null = null;
const commit = (cwd: string, file: string, text: string): void => {
  writeFileSync(join(cwd, file), `${text}\n`);
  git(cwd, 'add', file);
  git(cwd, 'commit', '-qm', text);
};
const project = () => aProject({ name: 'p', repo, worktrees: trees });
const go = (id = 'MC-1', created_at_ms = 7) =>
  prepareWorkspace({
    ...{ project: project(), ticket: { id, title: 'Mend it', created_at_ms } },
    ...{ root: join(state, 'worktrees', 'p'), state },
  });

beforeEach(() => {
  const made = aHome('mc-lost-');
  dir = made.dir;
  repo = join(dir, 'repo');
  state = join(dir, 'state');
  trees = null;
  mkdirSync(repo);
  mkdirSync(state);
  writeFileSync(join(state, 'host-id'), 'here\n');
  git(repo, 'init', '-q', '-b', 'main');
  commit(repo, 'shared', 'begun');
  return made.gone;
});

/** A worktree with a commit, a change, a staged file, a new file and an ignored one. */
async function worked(id = 'MC-1') {
  const made = await go(id);
  if (!made.ok) throw new Error(`${made.because}: ${made.error}`);
  const { worktree, branch } = made;
  commit(worktree, 'work', 'committed');
  writeFileSync(join(worktree, 'shared'), 'changed\n');
  writeFileSync(join(worktree, 'staged'), 'staged\n');
  git(worktree, 'add', 'staged');
  writeFileSync(join(worktree, 'fresh'), 'fresh\n');
  return { worktree, branch, own: git(worktree, 'rev-parse', '--absolute-git-dir') };
}

function filesOf(worktree: string): readonly (readonly [string, string])[] {
  const names = readdirSync(worktree).filter((name) => name !== '.git');
  return names.sort().map((name) => [name, readFileSync(join(worktree, name), 'utf8')] as const);
}

const prune = (): void => {
  rmSync(join(repo, '.git', 'worktrees'), { recursive: true, force: true });
};

/** How a repository and a worktree may have lost each other. The new place of the worktree, where it has one. */
const LOST: readonly (readonly [
  name: string,
  lose: (worktree: string, own: string) => string | undefined,
])[] = [
  [
    'the repository was moved',
    () => {
      renameSync(repo, join(dir, 'new'));
      repo = join(dir, 'new');
    },
  ],
  [
    'the disk of the worktrees was moved',
    (worktree) => {
      trees = join(dir, 'disk');
      renameSync(join(worktree, '..'), trees);
      return join(trees, 'MC-1');
    },
  ],
  [
    'both were moved',
    (worktree) => {
      trees = join(dir, 'disk');
      renameSync(join(worktree, '..'), trees);
      renameSync(repo, join(dir, 'new'));
      repo = join(dir, 'new');
      return join(trees, 'MC-1');
    },
  ],
  [
    'the repository and the state dir were put back elsewhere',
    (worktree) => {
      renameSync(state, join(dir, 'restored'));
      renameSync(repo, join(dir, 'new'));
      [state, repo] = [join(dir, 'restored'), join(dir, 'new')];
      return worktree.replace(/state/, 'restored');
    },
  ],
  [
    'its .git file is gone',
    (worktree) => {
      rmSync(join(worktree, '.git'));
    },
  ],
  [
    'git worktree prune ran while the disk was away',
    (worktree) => {
      git(repo, 'worktree', 'unlock', worktree);
      renameSync(worktree, join(dir, 'away'));
      git(repo, 'worktree', 'prune', '--expire=now');
      renameSync(join(dir, 'away'), worktree);
    },
  ],
  [
    'its HEAD and the way to the repository are empty files',
    (_, own) => {
      writeFileSync(join(own, 'HEAD'), '\0\0\0');
      writeFileSync(join(own, 'commondir'), '');
    },
  ],
  [
    'its registration was deleted',
    (_, own) => {
      rmSync(own, { recursive: true });
    },
  ],
  [
    'all registrations were deleted and the repository was moved',
    () => {
      prune();
      renameSync(repo, join(dir, 'new'));
      repo = join(dir, 'new');
    },
  ],
  [
    'its registration was deleted and another got its name',
    (_, own) => {
      rmSync(own, { recursive: true });
      git(repo, 'worktree', 'add', '-q', '--detach', join(dir, 'elsewhere', 'MC-1'));
    },
  ],
];

describe('a worktree is gone on with, and no file of it is touched, where', () => {
  it.each(LOST)('%s', async (_, lose) => {
    const { worktree: old, branch, own } = await worked();
    const files = filesOf(old);
    const worktree = lose(old, own) ?? old;
    // Nothing is told of it by what is another's, or nobody's.
    const before = await branchDiff({ project: project(), worktree, branch });
    if (!before.ok)
      expect(before).toMatchObject({
        because: 'no_repo',
        error: expect.stringMatching(/worktree repair|not a git repository/),
      });
    const judged = await judgeWorktree({
      dir: worktree,
      registered: worktree,
      project: project(),
      key: 'MC-1@7',
    });
    expect(judged).toMatchObject({ ok: false });
    // Said beforehand as well, without a touch.
    const told = () => worktreeFindings(project(), { worktrees: join(state, 'worktrees') }, new Set());
    expect(told()).toMatchObject([{ result: 'warn', says: expect.stringContaining(worktree) }]);
    expect(await go()).toMatchObject({ ok: true, worktree, branch, created: false });
    expect(filesOf(worktree)).toEqual(files);
    expect(git(worktree, 'log', '--format=%s')).toBe('committed\nbegun');
    const left = await asLeft({ worktree, branch, created: false }, project());
    expect(left).toMatchObject({
      onBranch: true,
      says: expect.stringMatching(/modified:\s+shared[\s\S]*fresh/),
    });
    const looked = await branchDiff({ project: project(), worktree, branch });
    expect(looked).toMatchObject({ ok: true, diff: { commits: [{ subject: 'committed' }] } });
    // Git knows it from both sides, and it is locked.
    expect(git(repo, 'worktree', 'list', '--porcelain')).toMatch(
      new RegExp(`worktree ${worktree}\\n[^\\n]*\\nbranch refs/heads/${branch}\\nlocked .*mc-pickup MC-1 of`),
    );
    expect(await go()).toMatchObject({ ok: true, created: false, warnings: [] });
    expect(told()).toEqual([]);
    expect(readdirSync(join(worktree, '..'))).toEqual(['MC-1']);
  });
});

describe('a worktree is left as it is, with what a person can do, where its registration is gone and', () => {
  const refused = async (wanted: object, id = 'MC-1', created_at_ms = 7) => {
    const at = join(trees ?? join(state, 'worktrees', 'p'), id);
    const before = filesOf(at);
    const got = await go(id, created_at_ms);
    expect(got).toMatchObject({ ok: false, ...wanted });
    expect(filesOf(at)).toEqual(before);
  };

  it('its branch as well', async () => {
    const { branch, own } = await worked();
    rmSync(own, { recursive: true });
    git(repo, 'branch', '-q', '-D', branch);
    await refused({
      because: 'worktree_lost',
      error: expect.stringMatching(/no branch of MC-1[\s\S]*mv .* the next attempt/),
    });
  });

  it("its branch is another ticket's of that number", async () => {
    const { own } = await worked();
    rmSync(own, { recursive: true });
    await refused({ because: 'worktree_lost', error: expect.stringContaining('MC-1@7') }, 'MC-1', 8);
  });

  it('its branch is checked out in another worktree', async () => {
    const { branch, own } = await worked();
    rmSync(own, { recursive: true });
    git(repo, 'worktree', 'add', '-q', join(dir, 'by-hand'), branch);
    await refused({ because: 'branch_elsewhere', error: expect.stringContaining(join(dir, 'by-hand')) });
  });

  it('is not gone: its repository was copied, and the project names the copy', async () => {
    const { worktree } = await worked();
    const first = repo;
    repo = join(dir, 'copy');
    cpSync(first, repo, { recursive: true });
    await refused({
      because: 'worktree_foreign',
      error: expect.stringContaining(`${worktree} is a worktree of ${first}/.git, and not of ${repo}`),
    });
    const got = await go();
    const [command = ''] = /git -C \S+ worktree repair \S+/.exec(got.ok ? '' : got.error) ?? [];
    execFileSync('sh', ['-c', command]);
    expect(await go()).toMatchObject({ ok: true, created: false });
  });

  it('is not gone, but held by another state dir', async () => {
    trees = join(dir, 'disk');
    mkdirSync(trees);
    const { worktree } = await worked();
    state = join(dir, 'other');
    mkdirSync(state);
    writeFileSync(join(state, 'host-id'), 'there\n');
    renameSync(repo, join(dir, 'new'));
    repo = join(dir, 'new');
    await refused({ because: 'other_board' });
    expect(existsSync(join(worktree, '.git'))).toBe(true);
  });
});

it('a tick that is killed between any two steps of registering a worktree again leaves the next one to end it', async () => {
  const { worktree, branch, own } = await worked();
  const files = filesOf(worktree);
  const beside = join(worktree, '..', '.joining-MC-1', 'MC-1');
  const add = () => git(repo, 'worktree', 'add', '-q', '--no-checkout', beside, branch);
  const steps = [
    () => mkdirSync(beside, { recursive: true }),
    add,
    () => {
      add();
      renameSync(join(beside, '.git'), join(worktree, '.git'));
    },
    () => {
      add();
      renameSync(join(beside, '.git'), join(worktree, '.git'));
      git(repo, 'worktree', 'repair', worktree);
    },
  ];
  let at = own;
  for (const step of steps) {
    rmSync(at, { recursive: true });
    step();
    expect(await go()).toMatchObject({ ok: true, worktree, branch });
    expect(filesOf(worktree)).toEqual(files);
    expect(git(worktree, 'status', '--porcelain')).toBe('M shared\n?? fresh\n?? staged');
    expect(git(repo, 'worktree', 'list').split('\n')).toHaveLength(2);
    at = git(worktree, 'rev-parse', '--absolute-git-dir');
  }
});

it('what HEAD alone led to in a worktree whose files are gone gets a ref, and the next agent is told', async () => {
  const { worktree } = await worked();
  await worked('MC-2');
  git(worktree, 'switch', '-q', '--detach');
  commit(worktree, 'more', 'on no branch');
  const head = git(worktree, 'rev-parse', 'HEAD');
  rmSync(worktree, { recursive: true });
  const made = await go();
  expect(made).toMatchObject({
    ok: true,
    created: true,
    tells: [expect.stringContaining('refs/mc-pickup/')],
  });
  expect(git(repo, 'for-each-ref', '--format=%(objectname)', 'refs/mc-pickup')).toBe(head);
  if (!made.ok) throw new Error(made.error);
  expect(await asLeft(made, project())).toMatchObject({
    isNew: true,
    says: expect.stringContaining('refs/mc-pickup/'),
  });
});

it('a branch of its own in a worktree whose files are gone stays work of the ticket', async () => {
  const { worktree, branch } = await worked();
  await worked('MC-2');
  git(worktree, 'switch', '-q', '-c', 'mine');
  commit(worktree, 'more', 'there');
  rmSync(worktree, { recursive: true });
  expect(await go()).toMatchObject({ ok: true, created: true, tells: [expect.stringContaining('mine')] });
  expect(await hasCommits(worktree, branch)).toBe(true);
  const looked = await branchDiff({ project: project(), worktree, branch });
  expect(looked).toMatchObject({ ok: true, diff: { elsewhere: [{ name: 'mine', commits: 1 }] } });
});
