import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { branchDiff } from '../../src/workspace/diff.ts';
import { hasCommits } from '../../src/workspace/head.ts';
import { asLeft, prepareWorkspace } from '../../src/workspace/index.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { aProject } from '../support/builders.ts';
import { inFormat, knowsReftable, NEEDS_REFTABLE } from '../support/git.ts';
import { aHome } from '../support/home.ts';

/** The directory of a ticket's worktree, and git in it. */
interface Tree {
  readonly id: string;
  readonly dir: string;
  readonly branch: string;
  readonly key: string;
  git(...args: string[]): string;
  /** Fails, as it does where there are conflicts. */
  stuck(...args: string[]): void;
  /** A commit that writes a file; its subject is the text. */
  commit(file: string, text: string): void;
}

let dir = '';
let repo = '';
let root = '';
let number = 0;
const WHO = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'core.editor=true'];
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', [...WHO, ...args], { cwd, encoding: 'utf8', stdio: 'pipe' }).trim();
const commit = (cwd: string, file: string, text: string): void => {
  writeFileSync(join(cwd, file), `${text}\n`);
  git(cwd, 'add', file);
  git(cwd, 'commit', '-qm', text);
};
const project = () => aProject({ name: 'p', repo });
const ticketOf = (id: string) => ({ id, title: 'Mend it', created_at_ms: 7 });
const again = (id: string) => prepareWorkspace({ project: project(), ticket: ticketOf(id), root });

beforeAll(() => {
  const made = aHome('mc-moved-');
  dir = made.dir;
  begin('repo');
  return made.gone;
});

function begin(name: string): void {
  repo = join(dir, name);
  root = join(dir, `${name}-trees`);
  mkdirSync(repo);
  git(repo, 'init', '-q', '-b', 'main');
  commit(repo, 'shared', 'begun');
  git(repo, 'branch', 'theirs');
  // The person works elsewhere, so that an agent can switch to the base.
  git(repo, 'switch', '-q', '-c', 'desk');
  commit(repo, 'shared', 'another way');
  git(repo, 'branch', 'other-way');
  git(repo, 'switch', '-q', 'theirs');
  commit(repo, 'person', 'of a person');
  git(repo, 'switch', '-q', 'desk');
}

async function tree(): Promise<Tree> {
  number += 1;
  const id = `MC-${number}`;
  const made = await again(id);
  if (!made.ok) throw new Error(made.error);
  const at = made.worktree;
  return {
    ...{ id, dir: at, branch: made.branch, key: `${id}@7` },
    git: (...args) => git(at, ...args),
    stuck: (...args) => {
      const done = spawnSync('git', [...WHO, ...args], { cwd: at, encoding: 'utf8' });
      if (done.status === 0) throw new Error(`git ${args.join(' ')} was to end in a conflict`);
    },
    commit: (file, text) => commit(at, file, text),
  };
}

describe('what an agent has stashed', () => {
  it('is told to the next one and to who reviews, on its branch or in the middle of a rebase, and not to others', async () => {
    const [mine, other] = [await tree(), await tree()];
    for (const t of [mine, other]) t.commit('work', `first of ${t.id}`);
    const none = await branchDiff({ project: project(), worktree: other.dir, branch: other.branch });
    expect(none).toMatchObject({ diff: { stashed: [] } });
    writeFileSync(join(mine.dir, 'work'), 'half done\n');
    mine.git('stash', '-q');
    mine.git('switch', '-q', '--detach');
    writeFileSync(join(mine.dir, 'work'), 'more of it\n');
    mine.git('stash', 'push', '-qm', 'later');
    for (const t of [mine, other]) {
      const made = await again(t.id);
      if (!made.ok) throw new Error(made.error);
      const left = (await asLeft(made, project()))?.says ?? '';
      const looked = await branchDiff({ project: project(), worktree: t.dir, branch: t.branch });
      const says = looked.ok ? looked.diff.stashed.map((one) => one.says) : [];
      expect(says).toEqual(
        t === mine
          ? [
              'On (no branch): later',
              expect.stringMatching(`^WIP on ${mine.branch}: [0-9a-f]+ first of ${mine.id}$`),
            ]
          : [],
      );
      for (const one of says) expect(left).toContain(one);
      expect(left.includes('Stashed')).toBe(t === mine);
    }
  });
});

const subjects = (all: readonly { readonly subject: string }[]) =>
  all.map(({ subject }) => subject).reverse();

/** How an agent may have left its worktree, and where its work is then. */
const LEFT: readonly (readonly [
  name: string,
  leave: (tree: Tree) => void,
  found: {
    readonly commits: readonly string[];
    readonly elsewhere?: readonly string[];
    readonly undecided?: true;
    readonly operation?: string;
    /** What git, or we, say of it. */
    readonly says?: RegExp;
    /** The base has it. */
    readonly isSaved?: true;
    /** Why `clean` leaves it. */
    readonly kept?: RegExp;
  },
])[] = [
  [
    'a rebase with conflicts at its first commit',
    (t) => {
      t.commit('shared', 'my way');
      t.stuck('rebase', 'other-way');
    },
    {
      commits: ['my way'],
      elsewhere: ['a detached HEAD'],
      operation: 'rebase',
      says: /rebase in progress; onto[\s\S]*both modified:\s+shared/,
    },
  ],
  [
    'a rebase with conflicts in the middle',
    (t) => {
      t.commit('fine', 'first');
      t.commit('shared', 'my way');
      t.stuck('rebase', 'other-way');
    },
    {
      commits: ['first', 'my way'],
      elsewhere: ['a detached HEAD'],
      undecided: true,
      operation: 'rebase',
      says: /rebase in progress/,
    },
  ],
  [
    'a merge with conflicts',
    (t) => {
      t.commit('shared', 'my way');
      t.stuck('merge', 'other-way');
    },
    { commits: ['my way'], operation: 'merge', says: /You have unmerged paths/ },
  ],
  [
    'a cherry-pick with conflicts',
    (t) => {
      t.commit('shared', 'my way');
      t.stuck('cherry-pick', 'other-way');
    },
    { commits: ['my way'], operation: 'cherry-pick', says: /currently cherry-picking/ },
  ],
  [
    'a revert with conflicts',
    (t) => {
      t.commit('shared', 'my way');
      t.commit('shared', 'my second way');
      t.stuck('revert', '--no-edit', 'HEAD~1');
    },
    { commits: ['my way', 'my second way'], operation: 'revert', says: /currently reverting/ },
  ],
  [
    'patches that do not apply',
    (t) => {
      t.commit('shared', 'my way');
      const patch = join(dir, 'patch');
      writeFileSync(patch, git(repo, 'format-patch', '--stdout', '-1', 'other-way'));
      t.stuck('am', patch);
    },
    { commits: ['my way'], operation: 'am', says: /in the middle of an am session/ },
  ],
  [
    'a bisection',
    (t) => {
      for (const text of ['one', 'two', 'three']) t.commit('n', text);
      t.git('bisect', 'start', 'HEAD', 'main');
    },
    { commits: ['one', 'two', 'three'], operation: 'bisect', says: /currently bisecting/ },
  ],
  [
    'a branch of its own',
    (t) => {
      t.git('switch', '-q', '-c', `fix-${t.id}`);
      t.commit('work', 'done there');
    },
    { commits: ['done there'], says: /^Not on mc\/\S+: 1 commit on fix-/ },
  ],
  [
    'a branch of its own on top of its work',
    (t) => {
      t.commit('work', 'done here');
      t.git('switch', '-q', '-c', `fix-${t.id}`);
      t.commit('work', 'done there');
    },
    { commits: ['done here', 'done there'], says: /^Not on mc\/\S+: 1 commit on fix-/ },
  ],
  [
    'a branch of its own beside its work',
    (t) => {
      t.git('switch', '-q', '-c', `fix-${t.id}`);
      t.commit('work', 'done there');
      t.git('switch', '-q', t.branch);
      t.commit('work', 'done here');
      t.git('switch', '-q', `fix-${t.id}`);
    },
    {
      commits: ['done here'],
      elsewhere: ['FIX'],
      undecided: true,
      says: /^Not on mc\/\S+: 1 commit on fix-/,
    },
  ],
  [
    'a branch of its own that it has left again',
    (t) => {
      t.git('switch', '-q', '-c', `fix-${t.id}`);
      t.commit('work', 'done there');
      t.git('switch', '-q', t.branch);
    },
    {
      commits: ['done there'],
      kept: /^on fix-\S+, 1 commit is neither/,
      says: /^Not on mc\/\S+: 1 commit on fix-/,
    },
  ],
  [
    'a branch that keeps an earlier shape of its work',
    (t) => {
      t.commit('work', 'first shape');
      t.git('branch', `backup-${t.id}`);
      t.git('commit', '-q', '--amend', '-m', 'second shape');
    },
    { commits: ['second shape'], elsewhere: ['BACKUP'] },
  ],
  [
    'a branch that is called after the ticket as well',
    (t) => {
      t.commit('work', 'done here');
      t.git('switch', '-q', '-c', `mc/${t.id}-other`, 'HEAD~1');
      t.commit('other', 'done there');
    },
    { commits: ['done here'], elsewhere: ['OTHER'], undecided: true },
  ],
  [
    'a detached HEAD beside a newer copy of its branch',
    (t) => {
      t.commit('work', 'done here');
      t.git('switch', '-q', '-c', `mc/${t.id}-other`);
      process.env.GIT_COMMITTER_DATE = '2040-01-01T00:00:00';
      t.git('commit', '-q', '--allow-empty', '-m', 'later');
      delete process.env.GIT_COMMITTER_DATE;
      t.git('switch', '-q', '--detach', t.branch);
    },
    { commits: ['done here'], elsewhere: ['OTHER'] },
  ],
  [
    'a detached HEAD with commits',
    (t) => {
      t.git('switch', '-q', '--detach');
      t.commit('work', 'done nowhere');
    },
    { commits: ['done nowhere'], says: /1 commit on a detached HEAD[\s\S]*HEAD detached/ },
  ],
  [
    'the base, with its work on its own branch',
    (t) => {
      t.commit('work', 'done here');
      t.git('switch', '-q', 'main');
    },
    { commits: ['done here'], kept: /^on mc\/\S+, 1 commit is neither/ },
  ],
  [
    'another name of its branch',
    (t) => {
      t.commit('work', 'done here');
      t.git('branch', '-m', `mine-${t.id}`);
    },
    { commits: ['done here'] },
  ],
  [
    'no branch at all, since it was deleted',
    (t) => {
      t.commit('work', 'done here');
      t.git('switch', '-q', '--detach');
      t.git('branch', '-q', '-D', t.branch);
    },
    { commits: ['done here'] },
  ],
  [
    'a branch without a commit yet',
    (t) => {
      t.commit('work', 'done here');
      t.git('switch', '-q', '--orphan', `new-${t.id}`);
      writeFileSync(join(t.dir, 'fresh'), 'x');
    },
    { commits: ['done here'], says: /No commits yet/ },
  ],
  [
    'commits on the base itself',
    (t) => {
      t.git('checkout', '-q', '--ignore-other-worktrees', 'main');
      t.commit('work', 'done on the base');
      t.git('switch', '-q', t.branch);
    },
    { commits: ['done on the base'], isSaved: true },
  ],
  [
    'the branch of a person, without any work',
    (t) => {
      t.git('switch', '-q', 'theirs');
      t.git('switch', '-q', '--detach');
    },
    { commits: [], elsewhere: ['a detached HEAD'] },
  ],
];

const left = (): void => {
  it.each(LEFT)('%s is gone on with, and all its commits are found', async (_, leave, wanted) => {
    const t = await tree();
    leave(t);
    const before = picture(t);
    const got = await again(t.id);
    expect(got).toMatchObject({ ok: true, worktree: t.dir, branch: t.branch, created: false });
    expect(picture(t), 'something was changed').toEqual(before);
    const looked = await branchDiff({ project: project(), worktree: t.dir, branch: t.branch });
    if (!looked.ok) throw new Error(looked.error);
    const named = wanted.elsewhere?.map((one) =>
      one === 'OTHER'
        ? `mc/${t.id}-other`
        : one === 'FIX'
          ? `fix-${t.id}`
          : one === 'BACKUP'
            ? `backup-${t.id}`
            : one,
    );
    expect(subjects(looked.diff.commits)).toEqual(wanted.commits);
    expect(looked.diff.elsewhere.map(({ name }) => name ?? 'a detached HEAD')).toEqual(named ?? []);
    expect(looked.diff.undecided).toBe(wanted.undecided === true);
    expect(await hasCommits(t.dir, t.branch)).toBe(wanted.commits.length > 0);
    const left = await asLeft({ worktree: t.dir, branch: t.branch, created: false }, project());
    expect(left?.operation ?? null).toBe(wanted.operation ?? null);
    if (wanted.says !== undefined) expect(left?.says).toMatch(wanted.says);
    const judged = await judgeWorktree({ dir: t.dir, registered: t.dir, project: project(), key: t.key });
    if (wanted.commits.length > 0 && wanted.isSaved !== true)
      expect(judged, 'its work is called saved').toMatchObject({ ok: false });
    if (wanted.kept !== undefined) expect(judged).toMatchObject({ says: expect.stringMatching(wanted.kept) });
    expect(picture(t), 'a look has changed something').toEqual(before);
  });
};

describe('a worktree that an agent has left with', left);
describe.skipIf(!knowsReftable)(
  `a worktree of reftable (${NEEDS_REFTABLE}) that an agent has left with`,
  () => {
    beforeAll(() => inFormat('reftable', () => begin('tables')));
    left();
  },
);

it('a worktree on its branch with nothing to tell of is not told of', async () => {
  const t = await tree();
  t.commit('work', 'done here');
  expect(await asLeft({ worktree: t.dir, branch: t.branch, created: false }, project())).toBeNull();
});

it('a worktree of an earlier version, without a key in it, is known by the key of its branch wherever HEAD is', async () => {
  const t = await tree();
  const own = t.git('rev-parse', '--absolute-git-dir');
  t.git('switch', '-q', '--detach');
  writeFileSync(join(own, 'mc-pickup-ready'), '');
  const other = { project: project(), ticket: { ...ticketOf(t.id), created_at_ms: 8 }, root };
  expect(await prepareWorkspace(other)).toMatchObject({ ok: false, because: 'worktree_foreign' });
  expect(await again(t.id)).toMatchObject({ ok: true, created: false });
  // And now it is known by its own.
  git(repo, 'config', '--remove-section', `branch.${t.branch}`);
  expect(await prepareWorkspace(other)).toMatchObject({ ok: false, because: 'worktree_foreign' });
});

/** HEAD, all branches, what is staged and what is not. */
function picture(t: Tree): unknown {
  return {
    refs: git(repo, 'for-each-ref'),
    status: t.git('status', '--porcelain=v2', '--branch', '--untracked-files=all'),
  };
}
