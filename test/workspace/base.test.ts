/*
 * The base is what the remote has, in whatever kind of clone: a fetch that writes no ref which is then used left agents on the base of
 * the day of the clone, without a word.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { repositoryComplaints } from '../../src/config/repositories.ts';
import { repository } from '../../src/doctor/repository.ts';
import { startedWith } from '../../src/machine/proc.ts';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { branchDiff, droppedWords } from '../../src/workspace/diff.ts';
import { fillSlot, prepareWorkspace, tryOut } from '../../src/workspace/index.ts';
import { whereElse } from '../../src/workspace/merged.ts';
import { readSlot } from '../../src/workspace/slots.ts';
import { aPolicy, aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome } from '../support/home.ts';

let dir = '';
let origin = '';
let count = 0;
const clone = (...args: string[]): string => {
  const repo = join(dir, `clone-${++count}`);
  git(dir, 'clone', '-q', ...args, `file://${origin}`, repo);
  return repo;
};
const project = (repo: string, more: object = {}) => aProject({ name: 'p', repo, fetch: true, ...more });
const rootOf = (repo: string): string => join(dir, 'worktrees', repo.slice(dir.length + 1));
const prepare = async (repo: string, id: string, more: object = {}) => {
  const ticket = { id, title: 't', created_at_ms: 1 };
  const made = await prepareWorkspace({ project: project(repo, more), ticket, root: rootOf(repo) });
  if (!made.ok) throw new Error(`${made.because}: ${made.error}`);
  return { ...made, head: git(made.worktree, 'rev-parse', 'HEAD') };
};
/** The remote goes on. */
const newer = (): string => {
  git(origin, 'commit', '-q', '--allow-empty', '-m', `newer ${++count}`);
  return git(origin, 'rev-parse', 'main');
};

beforeAll(() => {
  const made = aHome('mc-base-');
  dir = made.dir;
  origin = join(dir, 'origin');
  mkdirSync(origin);
  git(origin, 'init', '-q', '-b', 'main');
  git(origin, 'commit', '-q', '--allow-empty', '-m', 'the day of the clone');
  git(origin, 'branch', 'other');
  // What a mirror has of it is no word of today.
  git(origin, 'update-ref', 'refs/remotes/origin/main', 'main');
  return made.gone;
});

/** Each kind of clone, and what was done to it. */
const CLONES: Readonly<Record<string, () => string>> = {
  'an ordinary clone': () => clone(),
  'a bare clone, which has no refspec': () => clone('--bare'),
  'a mirror': () => clone('--mirror'),
  'a mirror whose base is checked out somewhere': () => {
    const repo = clone('--mirror');
    git(repo, 'worktree', 'add', '-q', join(dir, `seen-${count}`), 'main');
    return repo;
  },
  'a clone of another branch alone': () => clone('--single-branch', '-b', 'other'),
  'a shallow clone of another branch': () => clone('--depth=1', '-b', 'other'),
  'a clone whose remote is kept under another name': () => {
    const repo = clone();
    git(repo, 'config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/up/*');
    return repo;
  },
  'a clone that leaves the base out': () => {
    const repo = clone();
    git(repo, 'config', '--add', 'remote.origin.fetch', '^refs/heads/main');
    return repo;
  },
  'a repository that was made by hand': () => {
    const repo = join(dir, `made-${++count}`);
    git(dir, 'init', '-q', '-b', 'main', repo);
    git(repo, 'fetch', '-q', origin, 'main:refs/heads/main', '--update-head-ok');
    git(repo, 'config', 'remote.origin.url', origin);
    return repo;
  },
};

describe.each(Object.entries(CLONES))('in %s', (_, make) => {
  let repo = '';
  beforeEach(() => {
    repo = make();
  });

  it('work begins at what the remote has, and every reader compares with that', async () => {
    const tip = newer();
    const made = await prepare(repo, 'MC-1');
    expect(made).toMatchObject({ head: tip, warnings: [] });
    git(made.worktree, 'commit', '-q', '--allow-empty', '-m', 'work');
    const looked = await branchDiff({ project: project(repo), worktree: made.worktree, branch: made.branch });
    expect(looked).toMatchObject({
      ok: true,
      diff: { base: { sha: tip }, commits: [{ subject: 'work' }], merged: false },
    });
    const common = git(repo, 'rev-parse', '--path-format=absolute', '--git-common-dir');
    const here = { base: 'main', remote: 'origin' };
    expect(await whereElse(made.worktree, common, { tip, ...here })).toMatchObject({ because: 'merged' });
    // The person's own fetch is not meddled with.
    expect(existsSync(join(common, 'FETCH_HEAD')) && git(common, 'rev-parse', 'FETCH_HEAD') === tip).toBe(
      false,
    );
  });
});

it('a worktree that is kept ready in a bare clone is of today as well', async () => {
  const repo = clone('--bare');
  const tip = newer();
  const pool = { pool: 1 };
  const filled = await fillSlot({
    ...{
      project: project(repo, pool),
      root: rootOf(repo),
      env: {},
      placed: dir,
      logFile: (n) => join(dir, `${n}.log`),
    },
    processes: { me: lookAtSelf('h'), lookAt, startedWith, notes: join(dir, 'hooks') },
  });
  expect(filled).toEqual({ kind: 'made', n: 1 });
  expect(readSlot(rootOf(repo), 1)).toMatchObject({ sha: tip });
  expect(await prepare(repo, 'MC-1', pool)).toMatchObject({ head: tip, warnings: [], fetched: true });
  expect(existsSync(join(rootOf(repo), '.pool-1'))).toBe(false);
});

it('a fetch that meets another one is no fault: what that one has written is what the remote has', async () => {
  const repo = clone();
  const tip = newer();
  // The remote's side runs it while it packs: after our fetch has read the old ref, before it writes the new one.
  const hook = join(dir, 'meanwhile');
  const ref = join(repo, '.git', 'refs', 'remotes', 'origin', 'main');
  writeFileSync(hook, `#!/bin/sh\necho ${tip} >${ref}\nexec "$@"\n`, { mode: 0o755 });
  const config = join(dir, '.gitconfig');
  writeFileSync(config, `[uploadpack]\n\tpackObjectsHook = ${hook}\n`);
  try {
    expect(await prepare(repo, 'MC-1')).toMatchObject({ head: tip, warnings: [] });
  } finally {
    rmSync(config);
  }
});

it('a remote of another name is named: nothing was fetched from it', async () => {
  const repo = clone('-o', 'github');
  const { warnings } = await prepare(repo, 'MC-1');
  expect(warnings).toEqual([expect.stringContaining('no remote "origin", but github')]);
  expect((await prepare(repo, 'MC-2', { remote: 'github' })).warnings).toEqual([]);
});

it('a mirror is told, as is how the branches of agents survive its next fetch', async () => {
  const repo = clone('--mirror');
  await prepare(repo, 'MC-1');
  const told = async () =>
    (await repository(project(repo), aPolicy(), {})).find(({ check }) => check === 'mirror p');
  expect(await told()).toMatchObject({ result: 'warn' });
  execFileSync('sh', ['-c', (await told())?.fix ?? '']);
  expect(await told()).toBeUndefined();
  git(repo, 'fetch', '-q', '--prune', 'origin');
  expect(git(repo, 'for-each-ref', '--format=%(refname)', 'refs/heads/mc')).toBe('refs/heads/mc/MC-1-t');
  expect(await prepare(repo, 'MC-2')).toMatchObject({ warnings: [] });
});

it('a base that was rewritten or pushed backwards leaves its dropped commits no work of the ticket, and that is said', async () => {
  const repo = clone();
  const before = git(origin, 'rev-parse', 'main');
  newer();
  const began = newer();
  const [made, idle] = [await prepare(repo, 'MC-1'), await prepare(repo, 'MC-2')];
  git(made.worktree, 'commit', '-q', '--allow-empty', '-m', 'work');
  git(origin, 'reset', '-q', '--hard', before);
  const dropped = async () => {
    git(repo, 'fetch', '-q');
    const looked = await branchDiff({ project: project(repo), worktree: made.worktree, branch: made.branch });
    if (!looked.ok) throw new Error(looked.error);
    return looked.diff;
  };
  const back = { base: { sha: began, name: 'origin/main' }, commits: [{ subject: 'work' }], dropped: 2 };
  expect(await dropped()).toMatchObject({ ...back, merged: false });
  // Of one that has nothing of its own nothing is pushed.
  expect(
    await branchDiff({ project: project(repo), worktree: idle.worktree, branch: idle.branch }),
  ).toMatchObject({ diff: { commits: [], merged: false, dropped: 2 } });
  const rewritten = newer();
  const diff = await dropped();
  expect(diff).toMatchObject(back);
  const words = droppedWords(diff);
  expect(words).toMatch(/^origin\/main was rewritten: 2 commits/);
  git(made.worktree, ...(/\(git (rebase .*) leaves/.exec(words)?.[1] ?? '').split(' '));
  expect(await dropped()).toMatchObject({
    ...{ base: { sha: rewritten }, commits: [{ subject: 'work' }], dropped: 0 },
  });
});

it('a base that is a tag or a commit is refused with the lines that make a branch of it', async () => {
  const repo = clone();
  git(repo, 'tag', '-a', '-m', 'x', 'v1', 'main');
  const ticket = { id: 'MC-1', title: 't', created_at_ms: 1 };
  const full = await tryOut({
    project: project(repo, { base: 'origin/main' }),
    root: rootOf(repo),
    fetch: true,
  });
  expect(full).toMatchObject({ because: 'base_missing', error: expect.stringMatching(/p\.base = "main"$/) });
  for (const base of ['v1', git(repo, 'rev-parse', '--short', 'main')]) {
    const odd = project(repo, { base });
    const refused = await prepareWorkspace({ project: odd, ticket, root: rootOf(repo) });
    if (refused.ok) throw new Error('it was made');
    expect(refused.because).toBe('base_missing');
    expect(await tryOut({ project: odd, root: rootOf(repo), fetch: true })).toEqual(refused);
    const complaints = await repositoryComplaints(aPolicy({ projects: [odd] }), '');
    expect(complaints.map(({ key, says }) => [key, says])).toEqual([['project.p.base', refused.error]]);
    expect((await repository(odd, aPolicy(), {}))[0]).toMatchObject({ result: 'fail', says: refused.error });
    const [, command = '', name = ''] =
      /branch: (git .*), then project.p.base = "(.*)" and/.exec(refused.error) ?? [];
    execFileSync('sh', ['-c', command]);
    expect(await prepare(repo, `MC-${++count}`, { base: name, fetch: false })).toMatchObject({
      warnings: [],
    });
  }
});
