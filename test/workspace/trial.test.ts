/** What every launch of a project does, done for real on a scratch name: it tells what is wrong, and leaves nothing. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../../src/machine/spawn.ts';
import { git as runGit } from '../../src/workspace/git.ts';
import { prepareWorkspace, type Refused, type Tried, tryOut } from '../../src/workspace/index.ts';
import type { Trial } from '../../src/workspace/trial.ts';
import { aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { waitFor } from '../support/wait.ts';

let dir = '';
let repo = '';
let root = '';
const project = (more: object = {}) =>
  aProject({ name: 'p', repo, fetch: true, fetch_timeout_seconds: 20, ...more });
const tried = (more: Partial<Trial> = {}): Promise<Tried | Refused> =>
  tryOut({ project: project(), root, ...more });
/** Whatever of a trial is in the repository or beside the worktrees. */
const left = (): string[] => [
  ...git(repo, 'for-each-ref', '--format=%(refname)', 'refs/heads/')
    .split('\n')
    .filter((ref) => ref !== 'refs/heads/main'),
  ...readdirSync(join(repo, '.git')).filter((name) => name.includes('trial')),
  ...git(repo, 'worktree', 'list').split('\n').slice(1),
  ...(existsSync(root) ? readdirSync(root) : []),
];
const FINE = { ok: true, stale: null, unpushed: null, inside: null, complaint: '' };

const hook = (text: string): void => {
  const file = join(repo, '.git', 'hooks', 'post-checkout');
  mkdirSync(join(repo, '.git', 'hooks'), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
};
const filter = (smudge: string): void => {
  writeFileSync(join(repo, '.gitattributes'), '*.bin filter=f\n');
  writeFileSync(join(repo, 'a.bin'), 'x');
  git(repo, 'add', '.');
  git(repo, 'commit', '-q', '-m', 'filtered');
  git(repo, 'config', 'filter.f.required', 'true');
  git(repo, 'config', 'filter.f.smudge', smudge);
};

const launch = (id = 'MC-1') =>
  prepareWorkspace({ project: project(), ticket: { id, title: 't', created_at_ms: 1 }, root });

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-trial-')));
  repo = join(dir, 'repo');
  root = join(dir, 'state', 'worktrees', 'p');
  mkdirSync(repo);
  git(repo, 'init', '-q', '-b', 'main');
  writeFileSync(join(repo, 'file'), 'x');
  git(repo, 'add', '.');
  git(repo, 'commit', '-q', '-m', 'base');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('a repository where all is well passes, and is as it was', async () => {
  let inside: string[] = [];
  const looked = async (cwd: string) => {
    inside = readdirSync(cwd);
    return 'said';
  };
  expect(await tried({ inside: looked })).toEqual({ ...FINE, inside: 'said' });
  expect(inside).toContain('file');
  expect(left()).toEqual([]);
});

test.each<[string, () => unknown, Partial<Refused>]>([
  [
    'a required filter whose program is missing',
    () => filter('mc-no-such-filter'),
    // In one line, and each of git's complaints still a sentence of its own.
    {
      because: 'git_failed',
      error: expect.stringMatching(/mc-no-such-filter[^\n]*; (error|fatal): [^\n]*$/),
    },
  ],
  ['a base that is nowhere', () => ({ base: 'trunk' }), { because: 'base_missing' }],
  ['a repository that is gone', () => ({ repo: join(dir, 'gone') }), { because: 'repo_missing' }],
  [
    'worktrees on a disk that is away',
    () => ({ worktrees: join(dir, 'disk') }),
    { because: 'worktrees_root_missing' },
  ],
  ['a file where the worktrees go', () => writeFileSync(join(dir, 'state'), ''), { because: 'git_failed' }],
  [
    'a branch in the way of all new ones',
    () => void git(repo, 'branch', 'mc'),
    { because: 'branch_collision' },
  ],
  [
    'a path that is too long for the place of the worktrees',
    () => deep(),
    { because: 'git_failed', error: expect.stringContaining('name too long') },
  ],
  [
    'a disk that is full',
    () => filter('echo a.bin: No space left on device >&2; exit 1 #'),
    { because: 'disk_full' },
  ],
])('%s is told, and nothing is left', async (_, spoil, told) => {
  const more = (spoil() ?? {}) as object;
  expect(await tried({ project: project(more) })).toMatchObject({ ok: false, ...told });
  expect(readdirSync(join(repo, '.git')).filter((name) => name.includes('trial'))).toEqual([]);
  expect(git(repo, 'worktree', 'list').split('\n')).toHaveLength(1);
});

/** A file whose name is longer than file systems take. */
function deep(): undefined {
  const blob = git(repo, 'rev-parse', 'HEAD:file');
  git(repo, 'update-index', '--add', '--cacheinfo', `100644,${blob},${'n'.repeat(300)}`);
  git(repo, 'commit', '-q', '-m', 'deep');
}

test('what only a hook of the repository complains of is no fault: the worktree is complete, and the launch goes on with a warning', async () => {
  hook('echo the tools are missing >&2; exec mc-no-such-program');
  expect(await tried()).toMatchObject({
    ok: true,
    complaint: expect.stringContaining('the tools are missing'),
  });
  expect(left()).toEqual([]);
  const ticket = { id: 'MC-1', title: 't', created_at_ms: 1 };
  expect(await prepareWorkspace({ project: project(), ticket, root })).toMatchObject({
    ...{ ok: true, created: true, complaint: expect.stringContaining('mc-no-such-program') },
  });
});

test('a hook of the repository that fails and takes files away is told as what it is, and nobody is given what it has left', async () => {
  hook('rm -f file; exit 3');
  const says = { because: 'git_failed', error: expect.stringMatching(/ended with 3.*a hook .*: file$/) };
  expect(await tried()).toMatchObject(says);
  expect(await launch()).toMatchObject(says);
  hook('exit 0');
  const made = await launch();
  expect(made).toMatchObject({ ok: true, created: true });
  expect(existsSync(join(made.ok ? made.worktree : '', 'file'))).toBe(true);
});

test('a remote that is away, one without the base, and one that takes nothing are told apart', async () => {
  git(repo, 'remote', 'add', 'origin', join(dir, 'nowhere'));
  expect(await tried({ fetch: true, push: 'origin' })).toMatchObject({
    ...{ ok: true, stale: { because: 'fetch_failed' }, unpushed: expect.stringContaining('nowhere') },
  });
  const remote = join(dir, 'remote');
  git(dir, 'init', '-q', '--bare', '-b', 'trunk', remote);
  git(repo, 'remote', 'add', 'other', remote);
  const other = project({ remote: 'other' });
  expect(await tried({ project: other, fetch: true, push: 'other' })).toMatchObject({
    ...{ ok: true, stale: { because: 'base_gone' }, unpushed: null },
  });
  expect(git(remote, 'for-each-ref')).toBe('');
});

test.each<[string, string | null, () => Promise<unknown>]>([
  ['in its worktree', null, tried],
  ['in its worktree before a launch', null, launch],
  ['in its checkout', 'touch "$OUT/there"; while [ ! -e "$OUT/on" ]; do sleep 0.02; done', tried],
])('a trial that is killed %s leaves nothing after the next one', async (_, blocks, next) => {
  const there = join(dir, 'there');
  if (blocks !== null) hook(blocks.replaceAll('$OUT', dir));
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../support/trial-child.ts'), JSON.stringify(project()), root, there],
    { stdio: 'inherit' },
  );
  await waitFor(() => existsSync(there), 'the trial stands');
  child.kill('SIGKILL');
  await new Promise((done) => child.once('exit', done));
  expect(left()).not.toEqual([]);
  writeFileSync(join(dir, 'on'), '');
  const trials = () => left().filter((one) => /trial-\d+-[0-9a-f]{8}/.test(one));
  await waitFor(async () => (await next()) !== null && trials().length === 0, 'the next takes it away');
});

test('a checkout that takes longer than its project gives it is told with the key that gives it more, and leaves nothing', async () => {
  filter(`sh -c "while [ ! -e ${dir}/on ]; do sleep 0.02; done; cat" #`);
  const slow = project({ checkout_timeout_seconds: 0.5 });
  const ticket = { id: 'MC-1', title: 't', created_at_ms: 1 };
  for (const met of [await tried({ project: slow }), await prepareWorkspace({ project: slow, ticket, root })])
    expect(met).toMatchObject({
      because: 'checkout_slow',
      error: expect.stringContaining('within 0.5 s, which is project.p.checkout_timeout_seconds'),
    });
  expect(left()).toEqual([]);
});

test('the trial of another container, which counts its processes for itself, is left alone for a day', async () => {
  const scratch = join(root, `.trial-${2 ** 30}-00000000`);
  git(repo, 'worktree', 'add', '-q', '-b', `mc/${scratch.slice(root.length + 2)}`, scratch, 'main');
  expect(await tried()).toEqual(FINE);
  expect(left()).toHaveLength(3);
  utimesSync(scratch, 1, 1);
  expect(await tried()).toEqual(FINE);
  expect(left()).toEqual([]);
});

test('git that is out of time is asked to end first, so that it takes its own locks and its half-made worktree away', async () => {
  filter('sh -c "touch there; sleep 600" #');
  const done = await runGit(repo, ['worktree', 'add', '-q', '--detach', root, 'main'], { timeout_ms: 1000 });
  expect(done).toMatchObject({ ok: false, error: expect.stringContaining('no answer within 1 s') });
  expect(left()).toEqual([]);
  const heedless = 'trap "" TERM; echo $$; while :; do sleep 1; done';
  const { stdout } = await run('/bin/sh', ['-c', heedless], { timeoutMs: 300, graceMs: 100 });
  expect(() => process.kill(Number(stdout), 0)).toThrow('ESRCH');
});
