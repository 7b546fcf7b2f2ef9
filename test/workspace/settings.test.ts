/*
 * What git itself accepts is accepted here, and what is read of git's output is the same whatever somebody has configured. One story for
 * each kind of repository: a worktree is made, worked in, looked at, judged and pushed as in a plain one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { repository } from '../../src/doctor/repository.ts';
import { branchDiff } from '../../src/workspace/diff.ts';
import { git as asked } from '../../src/workspace/git.ts';
import { hasCommits, isAtTip } from '../../src/workspace/head.ts';
import { prepareWorkspace } from '../../src/workspace/index.ts';
import { pushBranch } from '../../src/workspace/push.ts';
import { judgeWorktree } from '../../src/workspace/safe.ts';
import { aPolicy, aProject } from '../support/builders.ts';
import { inFormat, knowsReftable, NEEDS_REFTABLE } from '../support/git.ts';
import { aHome } from '../support/home.ts';

let dir = '';
let origin = '';
let count = 0;
/** As a person who has configured nothing. */
const git = (cwd: string, ...args: string[]): string =>
  execFileSync(
    'git',
    [
      '-c',
      'user.name=t',
      '-c',
      'user.email=t@t',
      '-c',
      'safe.directory=*',
      '-c',
      'commit.gpgSign=false',
      ...args,
    ],
    { cwd, encoding: 'utf8', stdio: 'pipe', env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null' } },
  ).trim();

beforeAll(() => {
  const made = aHome('mc-settings-');
  dir = made.dir;
  origin = join(dir, 'origin');
  mkdirSync(join(origin, 'sub'), { recursive: true });
  mkdirSync(join(origin, 'other'));
  git(origin, 'init', '-q', '-b', 'main');
  git(origin, 'config', 'uploadpack.allowFilter', 'true');
  for (const name of ['a.txt', 'sub/b.txt', 'other/c.txt']) writeFileSync(join(origin, name), `${name}\n`);
  for (const text of ['one\n', 'two\n']) {
    writeFileSync(join(origin, 'a.txt'), text);
    git(origin, 'add', '-A');
    git(origin, 'commit', '-qm', text.trim());
  }
  return made.gone;
});

/** A clone, below a home of its own. */
function clone(...args: string[]): string {
  const home = join(dir, `home-${++count}`);
  mkdirSync(home);
  process.env.HOME = home;
  const repo = join(home, 'repo');
  git(dir, 'clone', '-q', ...args, `file://${origin}`, repo);
  return repo;
}
const configure = (text: string) => writeFileSync(join(process.env.HOME ?? '', '.gitconfig'), text);
const project = (repo: string) => aProject({ name: 'p', repo, fetch: true });
const rootOf = () => join(process.env.HOME ?? '', 'worktrees', 'p');
const prepare = async (repo: string) => {
  const ticket = { id: 'MC-1', title: 't', created_at_ms: 1 };
  return prepareWorkspace({ project: project(repo), ticket, root: rootOf() });
};
const judge = (repo: string, worktree: string) =>
  judgeWorktree({ dir: worktree, registered: worktree, project: project(repo), key: 'MC-1@1' });

/** All that is done with a worktree. */
async function story(repo: string, whole = false): Promise<string> {
  const made = await prepare(repo);
  if (!made.ok) throw new Error(`${made.because}: ${made.error}`);
  expect(made.warnings).toEqual([]);
  const { worktree, branch } = made;
  if (whole) expect(await judge(repo, worktree)).toMatchObject({ ok: true, because: 'merged' });
  writeFileSync(join(worktree, 'sub', 'n\u00fc.txt'), 'new\n');
  git(worktree, 'add', '-A');
  git(worktree, 'commit', '-q', '-m', 'did \u00fc it');
  writeFileSync(join(worktree, 'a.txt'), 'changed\n');
  writeFileSync(join(worktree, 'sub', 'n\u00f6.txt'), '');
  const looked = await branchDiff({ project: project(repo), worktree, branch });
  expect(looked).toMatchObject({
    ok: true,
    diff: {
      ...{ branch, merged: false, commits: [{ subject: 'did \u00fc it' }] },
      files: [{ path: 'sub/n\u00fc.txt', status: 'A', added: 1, removed: 0 }],
      uncommitted: [
        { path: 'a.txt', status: 'M', added: 1, removed: 1 },
        { path: 'sub/n\u00f6.txt', status: '?' },
      ],
    },
  });
  if (whole) expect(await judge(repo, worktree)).toMatchObject({ because: 'unsaved' });
  git(worktree, 'checkout', '-q', '--', 'a.txt');
  rmSync(join(worktree, 'sub', 'n\u00f6.txt'));
  expect(await judge(repo, worktree)).toMatchObject({
    because: 'unmerged',
    says: expect.stringMatching(/^1 commit/),
  });
  expect(await prepare(repo)).toMatchObject({ ok: true, created: false, warnings: [] });
  const head = git(worktree, 'rev-parse', 'HEAD');
  expect(await pushBranch(repo, { remote: 'origin', branch, head })).toEqual({ ok: true });
  // The next clone finds it as it was.
  git(
    git(repo, 'remote', 'get-url', 'origin').replace('file://', ''),
    'update-ref',
    '-d',
    `refs/heads/${branch}`,
    head,
  );
  return worktree;
}

const OWNER = 12_345;
/** Each kind of repository, and how somebody comes to it. What is returned is the project's `repo`. */
const KINDS: Readonly<Record<string, () => string>> = {
  'a separate git dir, objects elsewhere, an index of version 4 that is split, a cache, a monitor, bare ones refused':
    () => {
      const repo = clone('--shared', `--separate-git-dir=${join(dir, `separate-${count + 1}`)}`);
      const core =
        'splitIndex = true\n\tuntrackedCache = true\n\tfsmonitor = true\n\tpreferSymlinkRefs = true\n';
      configure(
        `[safe]\n\tbareRepository = explicit\n[index]\n\tversion = 4\n[feature]\n\tmanyFiles = true\n[core]\n\t${core}`,
      );
      git(repo, 'reset', '-q', '--hard');
      return repo;
    },
  'a mirror, bare by config.worktree, with safe.bareRepository = explicit': () => {
    const repo = clone('--mirror');
    git(repo, 'config', 'extensions.worktreeConfig', 'true');
    git(repo, 'config', '--worktree', 'core.bare', 'true');
    git(repo, 'config', '--unset', 'core.bare');
    configure('[safe]\n\tbareRepository = explicit\n');
    return repo;
  },
  'core.worktree set to another place': () => {
    const repo = clone();
    const elsewhere = join(repo, '..', 'elsewhere');
    mkdirSync(elsewhere);
    git(repo, 'config', 'core.worktree', elsewhere);
    git(repo, 'reset', '-q', '--hard');
    return repo;
  },
  'a submodule of another repository': () => {
    const outer = clone();
    git(
      outer,
      '-c',
      'protocol.file.allow=always',
      'submodule',
      '--quiet',
      'add',
      `file://${origin}`,
      'inner',
    );
    return join(outer, 'inner');
  },
  'a partial clone without trees': () => clone('--filter=tree:0'),
};

describe.each(Object.entries(KINDS))('with %s', (_, make) => {
  it('all goes as in a plain clone', async () => {
    await story(make());
  });
});

describe.skipIf(process.geteuid?.() !== 0)("another user's repository (needs root)", () => {
  it.each([[[]], [['--bare']]])('is taken where safe.directory names it: clone %j', async (args) => {
    const repo = clone(...args);
    execFileSync('chown', ['-R', `${OWNER}:${OWNER}`, repo]);
    expect(await prepare(repo)).toMatchObject({
      // It is there: nobody is told to put it back.
      because: 'no_permission',
      error: expect.stringMatching(/dubious ownership[\s\S]*safe\.directory/),
    });
    configure(`[safe]\n\tdirectory = ${repo}\n`);
    await story(repo);
  });
});

const STORED: readonly (readonly [name: string, hash: string, refs: 'files' | 'reftable'])[] = [
  ['SHA-256', 'sha256', 'files'],
  ['reftable', 'sha1', 'reftable'],
  ['reftable and SHA-256', 'sha256', 'reftable'],
];
describe.each(STORED)('in a repository of %s', (_, hash, refs) => {
  const skipped = refs === 'reftable' && !knowsReftable;
  it.skipIf(skipped)(`all goes as in a plain clone${skipped ? ` (${NEEDS_REFTABLE})` : ''}`, async () => {
    process.env.HOME = join(dir, `home-${++count}`);
    const there = join(process.env.HOME, 'there');
    const repo = join(process.env.HOME, 'repo');
    mkdirSync(join(there, 'sub'), { recursive: true });
    inFormat(refs, () => {
      git(there, 'init', '-q', '-b', 'main', `--object-format=${hash}`);
      for (const name of ['a.txt', 'sub/b.txt']) writeFileSync(join(there, name), 'x\n');
      git(there, 'add', '-A');
      git(there, 'commit', '-qm', 'one');
      git(dir, 'clone', '-q', there, repo);
    });
    const worktree = await story(repo);
    expect(existsSync(join(repo, '.git', 'reftable'))).toBe(refs === 'reftable');
    expect(await hasCommits(worktree, 'mc/MC-1-t')).toBe(true);
    const tip = git(worktree, 'rev-parse', 'HEAD');
    expect(await isAtTip(worktree, 'mc/MC-1-t', tip)).toBe(true);
    // What was reset away is in the log of HEAD alone.
    git(worktree, 'reset', '-q', '--hard', 'HEAD~1');
    git(repo, 'update-ref', '-d', 'refs/remotes/origin/mc/MC-1-t');
    expect(await judge(repo, worktree)).toMatchObject({ because: 'merged', logged: [tip] });
    expect(await isAtTip(worktree, 'mc/MC-1-t', tip)).toBe(false);
    // And HEAD of a worktree whose files are gone is still known.
    git(worktree, 'switch', '-q', '-c', 'aside');
    rmSync(worktree, { recursive: true });
    expect(await prepare(repo)).toMatchObject({ tells: [expect.stringContaining('on the branch aside')] });
  });
});

describe('a sparse checkout', () => {
  it.each([
    ['cone', ['sub'], ['.git', 'a.txt', 'sub']],
    ['no-cone', ['/sub/', '/a.txt'], ['.git', 'a.txt', 'sub']],
  ])('(--%s) is that of the new worktree as well', async (how, patterns, files) => {
    const repo = clone();
    git(repo, 'sparse-checkout', 'set', `--${how}`, ...patterns);
    const worktree = await story(repo);
    expect(readdirSync(worktree).sort()).toEqual(files);
  });

  it('of a linked worktree that the project names is taken from there', async () => {
    const bare = clone('--bare');
    const repo = join(bare, '..', 'mine');
    git(bare, 'worktree', 'add', '-q', '-b', 'mine', repo);
    git(repo, 'sparse-checkout', 'set', 'sub');
    expect(readdirSync(await story(repo)).sort()).toEqual(['.git', 'a.txt', 'sub']);
  });
});

it('no setting of a person changes what is read of git, and none starts anything', async () => {
  const repo = clone();
  const canary = join(dir, 'canary');
  const evil = join(dir, 'evil');
  writeFileSync(evil, `#!/bin/sh\necho "$0 $*" >>${canary}\nexit 1\n`, { mode: 0o755 });
  // A stash, which `status` tells of where it is asked to; and a signed commit, whose signature `log` would check.
  writeFileSync(join(repo, 'a.txt'), 'x\n');
  git(repo, 'stash', '-q');
  configure(`
[color]\nui = always\nstatus = always\ndiff = always\nbranch = always
[column]\nui = always\nstatus = always
[core]\nquotePath = true\npager = ${evil}\nabbrev = 4\nfsmonitor = ${evil}\nhooksPath = /nowhere
[diff]\nnoprefix = true\nmnemonicPrefix = true\nrelative = true\nrenames = copies\nsubmodule = log\nignoreSubmodules = all\nexternal = ${evil}
[log]\nshowSignature = true\ndate = iso\ndecorate = full\nfollow = true
[gpg]\nprogram = ${evil}
[commit]\ngpgSign = true
[format]\npretty = fuller
[status]\nshowUntrackedFiles = no\nshort = true\nbranch = true\nshowStash = true\nrenames = copies\nsubmoduleSummary = true
[branch]\nsort = -committerdate\nautoSetupMerge = always\nautoSetupRebase = always
[push]\ndefault = nothing\nfollowTags = true\nrecurseSubmodules = check\ngpgSign = if-asked
[worktree]\nguessRemote = true
[help]\nautocorrect = immediate
[init]\ndefaultBranch = trunk
[pager]\nstatus = true\nlog = true\ndiff = true
[i18n]\nlogOutputEncoding = ISO-8859-1
[fetch]\nprune = true\npruneTags = true\nrecurseSubmodules = true
[submodule]\nrecurse = true
[core]\nautocrlf = input\neol = crlf
[advice]\ndetachedHead = true\n`);
  await story(repo, true);
  expect(existsSync(canary)).toBe(false);
});

describe('what a partial clone has left at its remote', () => {
  it('is fetched for a checkout, and by no question: that would start a program of its configuration', async () => {
    const repo = clone('--filter=blob:none', '--bare');
    const canary = join(dir, `canary-${count}`);
    const worktree = await story(repo);
    git(origin, 'checkout', '-q', '-b', `mc/MC-9-${count}`);
    writeFileSync(join(origin, 'a.txt'), 'of a colleague\n');
    git(origin, 'commit', '-qam', 'theirs');
    git(origin, 'checkout', '-q', 'main');
    git(
      repo,
      'fetch',
      '-q',
      'origin',
      `+refs/heads/mc/*:refs/heads/mc/*`,
      '--refmap=',
      `^refs/heads/mc/MC-1*`,
    );
    git(repo, 'config', 'remote.origin.uploadpack', `touch ${canary}; git-upload-pack`);
    const where = { project: project(repo), worktree: null, branch: `mc/MC-9-${count}` };
    const looked = await branchDiff(where);
    expect(looked).toMatchObject({ ok: false, because: 'git_failed' });
    expect(existsSync(canary)).toBe(false);
    git(repo, 'config', '--unset', 'remote.origin.uploadpack');
    // What it says to do helps.
    const [, command = ''] = /: (git -C .*) fetches that/.exec(looked.ok ? '' : looked.error) ?? [];
    execFileSync('sh', ['-c', `${command} >/dev/null`]);
    expect(await branchDiff(where)).toMatchObject({ ok: true, diff: { files: [{ path: 'a.txt' }] } });
    expect(existsSync(worktree)).toBe(true);
  });

  it('keeps an agent from starting where the remote is away, and says so', async () => {
    const repo = clone('--filter=blob:none', '--bare');
    git(repo, 'config', 'remote.origin.url', '/nowhere');
    expect(await prepare(repo)).toMatchObject({
      ok: false,
      error: expect.stringContaining('promisor remote'),
    });
  });
});

it('what lies beyond the cut of a shallow clone is no word of unmerged work, nor a count of it', async () => {
  const repo = clone('--depth=1');
  const worktree = await story(repo);
  const branch = git(worktree, 'symbolic-ref', '--short', 'HEAD');
  for (const text of ['three', 'four']) git(origin, 'commit', '-q', '--allow-empty', '-m', text);
  git(repo, 'fetch', '-q', '--depth=1', 'origin', 'main');
  // By the commit that it was made from, as long as its worktree is there.
  expect(await branchDiff({ project: project(repo), worktree, branch })).toMatchObject({
    diff: { merged: false, commits: [{ subject: 'did \u00fc it' }] },
  });
  git(repo, 'update-ref', 'refs/heads/main', 'origin/main');
  expect(await judge(repo, worktree)).toMatchObject({
    because: 'shallow',
    says: expect.stringContaining('--unshallow'),
  });
  expect(await branchDiff({ project: project(repo), worktree: null, branch })).toMatchObject({
    because: 'no_base',
    error: expect.stringContaining('--unshallow'),
  });
  // And doctor counts nothing that one of them lacks.
  const found = await repository({ ...project(repo), fetch: false }, aPolicy(), {});
  expect(found.find(({ check }) => check === 'base p')?.says).not.toMatch(/commits? (that|behind)/);
});

it('doctor goes by the address that git goes to', async () => {
  const repo = clone();
  git(repo, 'config', 'remote.origin.url', 'git@house:repo');
  configure(`[url "file://${origin}"]\n\tinsteadOf = git@house:repo\n`);
  const found = await repository(project(repo), aPolicy(), {});
  expect(found.map(({ check }) => check)).not.toContain('fetch p');
});

it('a question is asked of the repository that it stands in, and of no other', async () => {
  const repo = clone();
  configure('[safe]\n\tbareRepository = explicit\n');
  // A bare repository that an agent could plant: found by looking upwards, it is refused as git itself does.
  const planted = join(repo, 'planted.git');
  git(repo, 'init', '-q', '--bare', planted);
  mkdirSync(join(planted, 'deep'));
  expect(await asked(join(planted, 'deep'), ['rev-parse', '--git-dir'])).toMatchObject({ ok: false });
});
