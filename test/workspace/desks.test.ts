/* One case more of each kind of repository that stands at people's desks, as somebody would come to it who does not know this program. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { lookAtProcesses } from '../../src/machine/processes.ts';
import { compareCommons, lookAtCommons } from '../../src/workspace/commons.ts';
import { branchDiff } from '../../src/workspace/diff.ts';
import { asLeft, prepareWorkspace } from '../../src/workspace/index.ts';
import { headOwner } from '../../src/workspace/remotes.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { aProject } from '../support/builders.ts';
import { git, WHO } from '../support/git.ts';
import { aHome } from '../support/home.ts';

let dir = '';
let repo = '';
const ids = { id: 'MC-1', title: 'Mend it', created_at_ms: 7 };
const branch = 'mc/MC-1-mend-it';

function commit(cwd: string, file: string, text: string): void {
  mkdirSync(dirname(join(cwd, file)), { recursive: true });
  writeFileSync(join(cwd, file), `${text}\n`);
  git(cwd, 'add', '-A');
  git(cwd, 'commit', '-qm', text);
}
const project = (more: object = {}) => aProject({ name: 'p', repo, ...more });
const go = (more: object = {}, over: object = {}) =>
  prepareWorkspace({ project: project(more), ticket: ids, root: join(dir, 'trees'), ...over });
async function made(more: object = {}) {
  const got = await go(more);
  if (!got.ok) throw new Error(`${got.because}: ${got.error}`);
  return got;
}
const diff = async (worktree: string) => {
  const looked = await branchDiff({ project: project(), worktree, branch });
  if (!looked.ok) throw new Error(looked.error);
  return looked.diff;
};
const judge = (worktree: string) =>
  judgeWorktree({ dir: worktree, registered: worktree, project: project(), key: 'MC-1@7' });
const submodule = (from: string, path: string): void => {
  git(repo, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', from, path);
};
function another(name: string): string {
  const at = join(dir, name);
  git(dir, 'init', '-q', '-b', 'main', at);
  commit(at, 'file', name);
  return at;
}

beforeEach(() => {
  const home = aHome('mc-desks-');
  dir = home.dir;
  repo = another('repo');
  return home.gone;
});

it('an agent began anew without a parent (`checkout --orphan`): its commits are found, told and kept', async () => {
  const { worktree } = await made();
  git(worktree, 'checkout', '-q', '--orphan', 'fresh');
  commit(worktree, 'new', 'from nothing');
  expect((await asLeft(await made(), project()))?.says).toContain('1 commit on fresh');
  expect(await diff(worktree)).toMatchObject({ branch: 'fresh', commits: [{ subject: 'from nothing' }] });
  expect(await judge(worktree)).toMatchObject({ because: 'unmerged' });
});

it('an agent died while a rebase stood at a test that failed, without any conflict', async () => {
  const { worktree } = await made();
  for (const text of ['one', 'two']) commit(worktree, 'work', text);
  spawnSync('git', [...WHO, 'rebase', '-q', '--exec', 'false', 'main'], { cwd: worktree });
  expect(await asLeft(await made(), project())).toMatchObject({
    operation: 'rebase',
    says: expect.stringContaining('exec false'),
  });
  expect((await diff(worktree)).commits.map(({ subject }) => subject)).toEqual(['two', 'one']);
});

it('hooks that npm installs (`core.hooksPath` beside the files) lack in a new worktree what npm makes: a warning', async () => {
  writeFileSync(join(repo, 'x'), '');
  mkdirSync(join(repo, '.husky'));
  writeFileSync(join(repo, '.husky', 'post-checkout'), '#!/bin/sh\n. "$(dirname "$0")/_/husky.sh"\n', {
    mode: 0o755,
  });
  commit(repo, 'y', 'hooks');
  git(repo, 'config', 'core.hooksPath', '.husky');
  expect(await made()).toMatchObject({ created: true, complaint: expect.stringContaining('husky.sh') });
});

it("a company's hook that takes branches by their names alone says so itself, and nothing is left of the attempt", async () => {
  const hook =
    '#!/bin/sh\n[ "$1" = prepared ] || exit 0\ngrep -q refs/heads/mc && { echo "call them feature/KEY-1" >&2; exit 1; }\nexit 0\n';
  writeFileSync(join(repo, '.git', 'hooks', 'reference-transaction'), hook, { mode: 0o755 });
  expect(await go()).toMatchObject({ ok: false, error: expect.stringContaining('call them feature/KEY-1') });
  expect(existsSync(join(dir, 'trees', 'MC-1'))).toBe(false);
});

it('a tag and a branch of a remote of the same name as the branch of the ticket are not taken for it', async () => {
  git(repo, 'tag', branch);
  git(repo, 'update-ref', `refs/remotes/${branch}`, 'HEAD');
  commit(repo, 'file', 'later');
  const { worktree } = await made();
  expect(git(worktree, 'symbolic-ref', 'HEAD')).toBe(`refs/heads/${branch}`);
  expect(git(worktree, 'log', '-1', '--format=%s')).toBe('later');
});

it('the `.git` of a repository is a link to where there is room', async () => {
  renameSync(join(repo, '.git'), join(dir, 'store'));
  symlinkSync(join(dir, 'store'), join(repo, '.git'));
  const { worktree } = await made();
  expect(await made()).toMatchObject({ created: false });
  expect(await judge(worktree)).toMatchObject({ ok: true, because: 'merged' });
});

it('the remote is a bundle, that somebody brings on a stick', async () => {
  const [bundle, there] = [join(dir, 'there.bundle'), repo];
  git(there, 'bundle', 'create', '-q', bundle, 'main');
  repo = join(dir, 'clone');
  git(dir, 'clone', '-q', bundle, repo);
  commit(there, 'file', 'newer');
  git(there, 'bundle', 'create', '-q', bundle, 'main');
  const { worktree } = await made({ fetch: true });
  expect(git(worktree, 'log', '-1', '--format=%s')).toBe('newer');
});

it('a repository in the repository that no `.gitmodules` names is passed over, and one with an odd name is there', async () => {
  submodule(another('lib'), 'vendor/with space ü');
  another('repo/stray');
  commit(repo, 'z', 'both');
  const { worktree } = await made();
  expect(readdirSync(join(worktree, 'vendor/with space ü'))).toContain('file');
  expect(await judge(worktree)).toMatchObject({ ok: true });
});

it('what npm and `sparse-checkout` write into the shared configuration is said, and only what can be put back is offered', async () => {
  const { worktree } = await made();
  const common = join(repo, '.git');
  const before = await lookAtCommons(common, Date.now());
  git(worktree, 'sparse-checkout', 'set', 'nothing');
  git(worktree, 'config', 'core.hooksPath', '.husky/_');
  mkdirSync(join(dir, 'notes'));
  const after = await lookAtCommons(common, Date.now());
  const found = await compareCommons(before, after, {
    notes: join(dir, 'notes'),
    apart: join(dir, 'trees'),
    shared: new Map(),
  });
  expect(found.says.join()).toMatch(/core\.hookspath is \.husky\/_.*extensions\.worktreeconfig is true/);
  expect(found.config.map(({ key }) => key)).toEqual(['core.hookspath']);
});

it('one remote that is fetched from upstream and pushed to a fork (`pushurl`): the pull request is of the fork', async () => {
  git(repo, 'remote', 'add', 'origin', 'https://github.com/upstream/app.git');
  git(repo, 'remote', 'set-url', '--push', 'origin', 'git@github.com:ann/app.git');
  expect(await headOwner(repo, { head: null, remote: 'origin', api_url: 'https://api.github.com' })).toBe(
    'ann',
  );
});

it('the base was made anew without any common history: the work of a ticket is still its own commits', async () => {
  const there = repo;
  repo = join(dir, 'clone');
  git(dir, 'clone', '-q', there, repo);
  const { worktree } = await made({ fetch: true });
  commit(worktree, 'work', 'work');
  git(there, 'checkout', '-q', '--orphan', 'new');
  commit(there, 'all', 'all new');
  git(there, 'branch', '-M', 'new', 'main');
  git(repo, 'fetch', '-q', 'origin', '+refs/heads/main:refs/remotes/origin/main');
  expect(await made({ fetch: true })).toMatchObject({ created: false });
  expect((await diff(worktree)).commits.map(({ subject }) => subject)).toEqual(['work']);
  expect(await judge(worktree)).toMatchObject({ because: 'unmerged' });
});

it('git was killed in a submodule of the worktree: its locks there go as well', async () => {
  submodule(another('lib'), 'lib');
  commit(repo, 'z', 'sub');
  const { worktree } = await made();
  const own = git(join(worktree, 'lib'), 'rev-parse', '--absolute-git-dir');
  const from_ms = Date.now() - 1000;
  writeFileSync(join(own, 'index.lock'), '');
  const worked = async () => [{ from_ms, to_ms: Date.now() + 1000 }];
  const witness = { worked, processes: () => lookAtProcesses(dir) };
  expect(await go({}, { witness })).toMatchObject({
    warnings: [expect.stringContaining('modules/lib/index.lock')],
  });
  expect(existsSync(join(own, 'index.lock'))).toBe(false);
});
