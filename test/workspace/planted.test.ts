/** Programs that an agent has planted in a repository: none of them ever has what the dispatcher has in its environment. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepByRef } from '../../src/workspace/aside.ts';
import { branchDiff } from '../../src/workspace/diff.ts';
import { hasCommits } from '../../src/workspace/head.ts';
import { asLeft, prepareWorkspace } from '../../src/workspace/index.ts';
import { whereElse } from '../../src/workspace/merged.ts';
import { quietOptions } from '../../src/workspace/patch.ts';
import { pushBranch } from '../../src/workspace/push.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { fetchOnce } from '../../src/workspace/turn.ts';
import { aProject } from '../support/builders.ts';
import { aHome } from '../support/home.ts';

const SECRETS = { MC_TEST_TOKEN: 'secret-of-the-dispatcher', GH_TOKEN: 'secret-of-the-forge' };
const HOOKS = [
  ...['post-checkout', 'reference-transaction', 'post-index-change', 'pre-push', 'pre-auto-gc', 'post-merge'],
  ...['pre-commit', 'post-commit', 'post-rewrite', 'fsmonitor-watchman'],
];
let dir: string;
let repo: string;
const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: 'pipe',
    env: { PATH: process.env.PATH, HOME: dir },
  }).trim();

beforeEach(() => {
  const made = aHome('mc-planted-');
  dir = made.dir;
  Object.assign(process.env, SECRETS);
  repo = join(dir, 'repo');
  git(dir, 'init', '-q', '-b', 'main', repo);
  git(dir, 'init', '-q', '--bare', 'remote.git');
  writeFileSync(join(repo, 'a.txt'), 'one\n');
  git(repo, 'add', '-A');
  git(repo, 'commit', '-qm', 'first');
  git(repo, 'remote', 'add', 'origin', join(dir, 'remote.git'));
  git(repo, 'push', '-q', 'origin', 'main');
  return made.gone;
});
afterEach(() => {
  for (const name of Object.keys(SECRETS)) delete process.env[name];
});

/** A program that notes its name and its whole environment, and else does what its caller expects. */
function spy(name: string, then = 'exit 0'): string {
  const file = join(dir, `spy-${name}`);
  writeFileSync(file, `#!/bin/sh\necho ${name} >>'${dir}/started'\nenv >>'${dir}/env'\n${then}\n`);
  chmodSync(file, 0o755);
  return file;
}

function plant(): void {
  for (const hook of HOOKS) {
    writeFileSync(join(repo, '.git', 'hooks', hook), `#!/bin/sh\nexec '${spy(hook)}'\n`, { mode: 0o755 });
  }
  const set = (key: string, value: string) => git(repo, 'config', key, value);
  set('core.fsmonitor', spy('fsmonitor'));
  set('diff.external', spy('external'));
  set('diff.x.textconv', spy('textconv', 'cat "$1"'));
  set('diff.x.command', spy('driver'));
  set('filter.x.clean', spy('clean', 'cat'));
  set('filter.x.smudge', spy('smudge', 'cat'));
  set('merge.x.driver', spy('merge'));
  set('core.pager', spy('pager', 'cat'));
  set('core.editor', spy('editor'));
  set('gpg.program', spy('gpg'));
  set('commit.gpgSign', 'true');
  set('log.showSignature', 'true');
  set('core.sshCommand', spy('ssh'));
  set('credential.helper', spy('credential'));
  set('alias.status', `!${spy('alias')}`);
}

const started = (): string[] => {
  const file = join(dir, 'started');
  const names = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  rmSync(file, { force: true });
  return [...new Set(names)].sort();
};
const seen = (): string => (existsSync(join(dir, 'env')) ? readFileSync(join(dir, 'env'), 'utf8') : '');

it('a checkout starts hooks and filters, as it should, with the environment that agents get', async () => {
  const project = aProject({ name: 'p', repo, fetch: true });
  plant();
  writeFileSync(join(repo, '.git', 'info', 'attributes'), '* filter=x diff=x merge=x\n');
  const ticket = { id: 'MC-1', title: 'x', created_at_ms: 1 };
  const made = await prepareWorkspace({ project, ticket, root: join(dir, 'trees') });
  expect(made).toMatchObject({ ok: true, created: true });
  expect(started()).toEqual(expect.arrayContaining(['post-checkout', 'smudge']));
  expect(seen().includes(`HOME=${dir}`)).toBe(true);
  expect(seen().includes('secret')).toBe(false); // not the whole of it in a report
});

it('looks start nothing at all, nor do refs, a fetch and a push', async () => {
  const project = aProject({ name: 'p', repo });
  const ticket = { id: 'MC-1', title: 'x', created_at_ms: 1 };
  const made = await prepareWorkspace({ project, ticket, root: join(dir, 'trees') });
  if (!made.ok) throw new Error(made.error);
  const { worktree, branch } = made;
  writeFileSync(join(worktree, 'a.txt'), 'two\n');
  git(worktree, 'commit', '-qam', 'work');
  const head = git(worktree, 'rev-parse', 'HEAD');
  plant();
  writeFileSync(join(repo, '.git', 'info', 'attributes'), '* diff=x merge=x\n');
  appendFileSync(join(worktree, 'a.txt'), 'three\n');

  expect(await branchDiff({ project, worktree, branch })).toMatchObject({ ok: true });
  expect(await asLeft({ worktree, branch, created: false }, project)).toMatchObject({ onBranch: true });
  expect(await hasCommits(worktree, branch)).toBe(true);
  const judged = await judgeWorktree({ dir: worktree, registered: worktree, project, key: 'MC-1@1' });
  expect(judged).toMatchObject({ ok: false, because: 'unsaved' });
  await whereElse(worktree, join(repo, '.git'), { tip: head, base: 'main', remote: 'origin' });
  expect(await keepByRef(repo, 'MC-1', '1', [head])).toMatchObject({ ok: true });
  expect(await prepareWorkspace({ project, ticket, root: join(dir, 'trees') })).toMatchObject({ ok: true });
  expect(
    await fetchOnce(join(repo, '.git'), { remote: 'origin', base: 'main', fetch_timeout_seconds: 20 }),
  ).toBeNull();
  expect(await pushBranch(repo, { remote: 'origin', branch, head })).toEqual({ ok: true });
  expect(started()).toEqual([]);

  // A remote that is asked for by ssh starts what the repository names for that: without what is ours.
  git(repo, 'remote', 'set-url', 'origin', 'ssh://nobody@localhost/x');
  expect(await pushBranch(repo, { remote: 'origin', branch, head })).toMatchObject({ ok: false });
  expect(started()).toEqual(['ssh']);
  expect(seen().includes('secret')).toBe(false); // not the whole of it in a report
});

it('a filter of the worktree alone is left out too, and no pipe in the git dir of another worktree is waited for', async () => {
  git(repo, 'worktree', 'add', '-q', '-b', 'mine', join(dir, 'mine'));
  git(repo, 'worktree', 'add', '-q', '-b', 'other', join(dir, 'other'));
  git(repo, 'config', 'extensions.worktreeConfig', 'true');
  git(join(dir, 'mine'), 'config', '--worktree', 'filter.planted.clean', 'touch planted');
  const head = join(repo, '.git/worktrees/other/HEAD');
  rmSync(head);
  execFileSync('mkfifo', [head]); // and nobody writes to it
  expect(await quietOptions(join(dir, 'mine'))).toContain('filter.planted.clean=');
});

it('a pipe that the agent of another worktree makes anew whenever it was moved aside holds up no launch', async () => {
  git(repo, 'worktree', 'add', '-q', '-b', 'other', join(dir, 'other'));
  const own = join(repo, '.git/worktrees/other');
  rmSync(join(own, 'HEAD'));
  const again = spawn('sh', ['-c', 'while :; do [ -e HEAD ] || mkfifo HEAD; done'], { cwd: own });
  try {
    await once(again, 'spawn');
    const ticket = { id: 'MC-1', title: 'x', created_at_ms: 1 };
    const project = aProject({ repo, fetch: false });
    const asked = { project, ticket, root: join(dir, 'trees') };
    expect(await prepareWorkspace(asked)).toMatchObject({ ok: true });
    expect(readdirSync(own)).toContain('HEAD.mc-pickup-odd');
  } finally {
    again.kill('SIGKILL');
    await once(again, 'close');
  }
});
