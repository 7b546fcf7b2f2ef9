import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { startedWith } from '../../src/machine/proc.ts';
import { lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { fnv1a } from '../../src/model/hash.ts';
import { hookDone, hookLeft, hookPending, prepareWorkspace, runHook } from '../../src/workspace/index.ts';
import { aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome, aRepo } from '../support/home.ts';
import { waitFor } from '../support/wait.ts';

let dir = '';
let repo = '';
let root = '';
const project = (more: object = {}) =>
  aProject({ name: 'p', repo, fetch: true, fetch_timeout_seconds: 5, base_max_age_days: 14, ...more });
const go = (title = 'First thing', more: object = {}, id = 'MC-1', created_at_ms = 1) =>
  prepareWorkspace({ project: project(more), ticket: { id, title, created_at_ms }, root });
const made = async (...args: Parameters<typeof go>) => {
  const got = await go(...args);
  if (!got.ok) throw new Error(`${got.because}: ${got.error}`);
  return got;
};

const me = lookAtSelf('h');
const processesOf = (more: object = {}) => ({ me, lookAt, startedWith, notes: join(dir, 'hooks'), ...more });

beforeEach(() => {
  const made = aHome('mc-ws-');
  dir = made.dir;
  repo = aRepo(dir);
  root = join(dir, 'state', 'worktrees', 'p');
  return made.gone;
});

test('creates, then reuses with uncommitted work and another title', async () => {
  const first = await made('a;b|c $(x) --force');
  expect(first).toEqual({
    ok: true,
    worktree: join(root, 'MC-1'),
    branch: 'mc/MC-1-a-b-c-x-force',
    created: true,
    warnings: [],
    proven: true,
    fetched: true,
  });
  writeFileSync(join(first.worktree, 'work'), 'unsaved');
  const { proven: _, fetched: __, ...same } = first;
  expect(await made('New title')).toEqual({ ...same, created: false });
  expect(readFileSync(join(first.worktree, 'work'), 'utf8')).toBe('unsaved');
  git(first.worktree, 'add', '.');
  git(first.worktree, 'commit', '-qm', 'did it');
  expect(git(first.worktree, 'log', '--format=%s', 'main..HEAD')).toBe('did it');
  rmSync(first.worktree, { recursive: true });
  expect(await made('New title')).toEqual(first);
  expect(existsSync(join(first.worktree, 'work'))).toBe(true);
  rmSync(first.worktree, { recursive: true });
  mkdirSync(first.worktree);
  expect(await made('New title')).toEqual(first);
});

test('another ticket of the same number gets neither the worktree nor the branch of the first', async () => {
  const first = await made();
  writeFileSync(join(first.worktree, 'work'), 'x');
  git(first.worktree, 'add', '.');
  git(first.worktree, 'commit', '-qm', 'old work');
  expect(await go('First thing', {}, 'MC-1', 2)).toMatchObject({ ok: false, because: 'worktree_foreign' });
  git(repo, 'worktree', 'remove', first.worktree);
  const second = await made('First thing', {}, 'MC-1', 2);
  expect(second.branch).not.toBe(first.branch);
  expect(existsSync(join(second.worktree, 'work'))).toBe(false);
  git(repo, 'worktree', 'remove', second.worktree);
  expect(await made('First thing', {}, 'MC-1', 1)).toMatchObject({ branch: first.branch });
  expect(git(repo, 'log', '-1', '--format=%s', first.branch)).toBe('old work');
});

test('a daemon that git started and that keeps the pipes open holds nobody', async () => {
  const hook = join(repo, '.git/hooks/post-checkout');
  writeFileSync(
    hook,
    '#!/bin/sh\nsetsid sh -c "echo \\$\\$ > "$PWD/../../../../daemon"; exec sleep 3600" &\n',
    { mode: 0o755 },
  );
  expect((await made()).created).toBe(true);
  const pid = Number(
    await waitFor(() => existsSync(join(dir, 'daemon')) && readFileSync(join(dir, 'daemon'), 'utf8')),
  );
  expect(existsSync(`/proc/${pid}`), 'it was waited for').toBe(true);
  process.kill(pid, 'SIGKILL');
});

test('many at once, and an id is no prefix of another', async () => {
  const all = await Promise.all(['MC-1', 'MC-10', 'MC-11'].map((id) => made('日本', {}, id)));
  expect(all.map(({ branch }) => branch)).toEqual(['mc/MC-1', 'mc/MC-10', 'mc/MC-11']);
  expect(await go('x', {}, '../MC-1')).toMatchObject({ ok: false, because: 'git_failed' });
});

test('refuses what is not its own', async () => {
  mkdirSync(join(root, 'MC-1'), { recursive: true });
  writeFileSync(join(root, 'MC-1', 'x'), '');
  expect(await go()).toMatchObject({ because: 'worktree_foreign' });
  git(repo, 'worktree', 'add', '-q', '-b', 'by-hand', join(root, 'MC-2'));
  expect(await go('t', {}, 'MC-2')).toMatchObject({ because: 'worktree_foreign' });
  git(repo, 'checkout', '-q', '-b', 'mc/MC-3-mine');
  expect(await go('t', {}, 'MC-3')).toMatchObject({ because: 'branch_elsewhere' });
  expect(await go('t', { base: 'nope' }, 'MC-4')).toMatchObject({ because: 'base_missing' });
  expect(await go('t', { repo: join(dir, 'none') })).toMatchObject({ because: 'repo_missing' });
  const path = process.env.PATH;
  process.env.PATH = dir;
  expect(await go()).toMatchObject({ because: 'git_missing' });
  process.env.PATH = path;
});

test('what is wrong with the repository is no word on the worktree that is there', async () => {
  await made('t', {}, 'MC-1');
  const config = join(repo, '.git', 'config');
  const whole = readFileSync(config, 'utf8');
  writeFileSync(config, `${whole}[broken\n`);
  for (const id of ['MC-1', 'MC-2'])
    expect(await go('t', {}, id)).toMatchObject({
      because: 'repo_missing',
      error: expect.stringContaining(repo),
    });
  writeFileSync(config, whole);
  expect(await go('t', {}, 'MC-1')).toMatchObject({ ok: true, created: false });
});

test('a hook of git that complains without end is let finish', async () => {
  const hook = join(repo, '.git', 'hooks', 'post-checkout');
  mkdirSync(join(hook, '..'), { recursive: true });
  writeFileSync(hook, '#!/bin/sh\nhead -c 9000000 /dev/zero | tr "\\0" x >&2\ntouch ended\n', {
    mode: 0o755,
  });
  const { worktree } = await made();
  expect(existsSync(join(worktree, 'ended'))).toBe(true);
});

test('a project that fetches starts from what it has fetched, whatever another has asked just before', async () => {
  const origin = join(dir, 'origin');
  git(dir, 'clone', '-q', '--bare', repo, origin);
  git(repo, 'remote', 'add', 'origin', origin);
  git(repo, 'fetch', '-q', 'origin');
  const other = join(dir, 'other');
  git(dir, 'clone', '-q', origin, other);
  git(other, 'commit', '-q', '--allow-empty', '-m', 'newer');
  git(other, 'push', '-q', 'origin', 'HEAD');
  const newer = git(other, 'rev-parse', 'HEAD');
  const [still, fetching] = await Promise.all([
    go('t', { fetch: false }, 'MC-1'),
    go('t', { fetch: true }, 'MC-2'),
  ]);
  if (!still.ok || !fetching.ok) throw new Error(JSON.stringify([still, fetching]));
  expect(git(still.worktree, 'rev-parse', 'HEAD')).not.toBe(newer);
  expect(git(fetching.worktree, 'rev-parse', 'HEAD')).toBe(newer);
});

test('symlinked target, root and parent are refused', async () => {
  const away = join(dir, 'away');
  mkdirSync(away);
  mkdirSync(root, { recursive: true });
  symlinkSync(away, join(root, 'MC-1'));
  expect(await go()).toMatchObject({ because: 'worktree_symlink' });
  for (const part of [root, join(root, '..')]) {
    rmSync(part, { recursive: true });
    symlinkSync(away, join(part));
    expect(await go()).toMatchObject({ because: 'worktree_symlink' });
    rmSync(part);
    mkdirSync(part, { recursive: true });
  }
  expect(execFileSync('ls', [away], { encoding: 'utf8' })).toBe('');
});

test('fetches the base; a failing fetch and an old base only warn', async () => {
  const clone = join(dir, 'clone');
  git(dir, 'clone', '-q', repo, clone);
  git(repo, 'commit', '-q', '--allow-empty', '-m', 'newer', '--date', '2020-01-01T00:00:00');
  const got = await made('t', { repo: clone });
  expect(git(got.worktree, 'log', '-1', '--format=%s')).toBe('newer');
  git(repo, 'remote', 'add', 'origin', join(dir, 'nowhere'));
  expect((await made('t', {}, 'MC-2')).stale).toMatchObject({ because: 'fetch_failed' });
  execFileSync(
    'git',
    ['-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-q', '--amend', '--allow-empty', '-m', 'old'],
    { cwd: repo, env: { ...process.env, GIT_COMMITTER_DATE: '2020-01-01T00:00:00' } },
  );
  expect((await made('t', { fetch: false }, 'MC-3')).warnings[0]).toContain('days old');
});

test('hooks: exit codes, log, missing program, time limit, marker', async () => {
  const logFile = join(dir, 'logs', 'hook.log');
  const { worktree } = await made();
  const env = { PATH: process.env.PATH };
  const run = (argv: string[], timeout_seconds = 20, cwd = worktree) =>
    runHook({ spec: { argv, timeout_seconds }, worktree: cwd, logFile, env, processes: processesOf() });
  expect(await run(['sh', '-c', 'echo out; echo err >&2'])).toEqual({ ok: true, error: null });
  expect(readFileSync(logFile, 'utf8')).toMatch(/out[\s\S]*err|err[\s\S]*out/);
  expect(statSync(logFile).mode & 0o777).toBe(0o600);
  expect(await run(['sh', '-c', 'exit 3'])).toEqual({ ok: false, error: 'exit code 3' });
  expect((await run([join(dir, 'none')])).ok).toBe(false);
  const late = await run(['sh', '-c', 'sleep 300 & echo $! >../child; wait'], 3);
  expect(late.error).toContain('killed');
  const stat = `/proc/${readFileSync(join(root, 'child'), 'utf8').trim()}/stat`;
  expect(existsSync(stat) ? readFileSync(stat, 'utf8') : ') Z').toMatch(/\) [ZX]/);
  expect((await run(['sh', '-c', 'head -c 2000000 /dev/zero; echo why it fails; exit 1'])).ok).toBe(false);
  expect(statSync(logFile).size).toBe(1024 * 1024);
  expect(readFileSync(logFile, 'latin1')).toMatch(
    /^(out|err)[\s\S]*\[ +\d+ bytes are left out here\][\s\S]*why it fails\n$/,
  );
  // A log that many hooks write to has room for the newest one.
  expect((await run(['echo', 'the next one'])).ok).toBe(true);
  expect(readFileSync(logFile, 'utf8')).toBe('the next one\n');
  // Where it could not be noted it is not started.
  const bare = join(dir, 'bare');
  mkdirSync(bare);
  expect(await run(['touch', 'ran'], 20, bare)).toMatchObject({
    ok: false,
    error: expect.stringMatching(/not started/),
  });
  expect(readdirSync(bare)).toEqual([]);
  expect(hookPending(worktree)).toBe(true);
  hookDone(worktree);
  expect(hookPending(worktree)).toBe(false);
  expect(git(worktree, 'status', '--porcelain')).toBe('');
});

test('a hook that can not be told apart never begins', async () => {
  const { worktree } = await made();
  const spec = { argv: ['touch', 'ran'], timeout_seconds: 20 };
  const env = { PATH: process.env.PATH };
  const pids: number[] = [];
  const blind = (pid: number) => {
    pids.push(pid);
    return { kind: 'unreadable', error: 'EMFILE' } as const;
  };
  const logFile = join(dir, 'hook.log');
  const ran = await runHook({ spec, worktree, logFile, env, processes: processesOf({ lookAt: blind }) });
  expect(ran).toMatchObject({ ok: false, error: expect.stringContaining('was not let on') });
  await waitFor(() => pids.length === 1 && lookAt(pids[0] ?? 0).kind !== 'present', 'its end');
  expect(existsSync(join(worktree, 'ran'))).toBe(false);
});

/** A process that was started as a hook is, and a note of it at any place. */
function aHook(variable = 'MC_PICKUP_HOOK=the-word') {
  const [name = '', value = ''] = variable.split('=');
  const env = { PATH: process.env.PATH, [name]: value };
  const child = spawn('sleep', ['300'], { detached: true, stdio: 'ignore', env });
  const ended = new Promise((done) => child.once('exit', done));
  const pid = child.pid ?? 0;
  const look = lookAt(pid);
  const { host_id, boot_id, pid_ns, time_ns } = me;
  const pid_start = look.kind === 'present' ? look.start : '';
  const until_ms = Date.now() + 3_600_000;
  const note = { ...{ host_id, boot_id, pid_ns, time_ns, pid, pid_start }, until_ms, nonce: 'the-word' };
  return { child, ended, pid, note };
}

test('a hook that outlived its tick is waited for, and ended once it is past its limit', async () => {
  const { worktree } = await made();
  const left = (more: object = {}) => hookLeft(worktree, processesOf(more));
  expect(await left()).toBeNull();
  const file = join(dir, 'hooks', `${fnv1a(worktree)}.json`);
  const { ended, pid, note } = aHook();
  mkdirSync(join(dir, 'hooks'));
  const noted = (more: object = {}) => writeFileSync(file, JSON.stringify({ ...note, worktree, ...more }));
  noted();
  expect(await left()).toContain(`still runs in ${worktree} (process ${pid}`);
  expect(lookAt(pid).kind).toBe('present');
  // What can't be told is no word of its end.
  const blind = { lookAt: () => ({ kind: 'unreadable', error: 'EMFILE' }) as const };
  expect(await left(blind)).toContain('may still run');
  expect(await left({ me: { ...me, boot_id: null } })).toContain('may still run');
  noted({ pid_ns: 'pid:[1]', time_ns: null, pid: 999_999_999 });
  expect(await left()).toContain('may still run');
  expect(existsSync(file)).toBe(true);
  noted({ pid_ns: 'pid:[1]', time_ns: null, until_ms: Date.now() - 1 });
  expect(await left()).toBeNull();
  expect(existsSync(file)).toBe(false);
  for (const gone of [{ pid_start: 'another start' }, { boot_id: 'another boot' }]) {
    noted(gone);
    expect(await left()).toBeNull();
  }
  // Its writer was killed in the middle: the hook was never let on.
  writeFileSync(file, '{"host_id":"h","pi');
  expect(await left()).toBeNull();
  noted({ worktree: join(root, 'MC-2') });
  expect(await left()).toBeNull();
  expect(lookAt(pid).kind).toBe('present');
  noted({ until_ms: Date.now() - 1 });
  expect(await left()).toContain(String(pid));
  await ended;
  expect(await left()).toBeNull();
});

test('a process that a note names, and that no hook of ours became, is never ended', async () => {
  const { worktree } = await made();
  const own = git(worktree, 'rev-parse', '--absolute-git-dir');
  const { child, ended, pid, note } = aHook('MC_RUN_ID=another');
  const late = JSON.stringify({ ...note, worktree, until_ms: Date.now() - 1 });
  mkdirSync(join(dir, 'hooks'));
  // Where 0.1 noted its hooks, and where agents can write; and among our own notes, by the same user's hand.
  for (const file of [join(own, 'mc-pickup-hook.json'), join(dir, 'hooks', `${fnv1a(worktree)}.json`)]) {
    writeFileSync(file, late);
    await hookLeft(worktree, processesOf());
  }
  expect(await hookLeft(worktree, processesOf())).toContain(`process ${pid}`);
  // A signal would have ended it by now: this one is the first.
  expect(child.kill('SIGTERM')).toBe(true);
  await ended;
  expect([child.exitCode, child.signalCode]).toEqual([null, 'SIGTERM']);
});

test('git worktree add that outlived its tick is waited for: before anything shows, and while a hook of git runs', async () => {
  const adding = join(repo, '.git', 'mc-pickup-adding-MC-1');
  const busy = spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' });
  const ended = new Promise((done) => busy.once('exit', done));
  writeFileSync(adding, `${busy.pid}`);
  expect(await go()).toMatchObject({ because: 'being_made' });
  expect(existsSync(join(root, 'MC-1'))).toBe(false);
  rmSync(adding);
  const { worktree } = await made();
  writeFileSync(adding, `${busy.pid}`);
  expect(await go()).toMatchObject({ because: 'being_made', error: expect.stringContaining(worktree) });
  busy.kill('SIGKILL');
  await ended;
  expect(await made()).toMatchObject({ created: false });
});

/** Starts `git worktree add` on a large tree by hand and kills it while it writes the files. */
const interrupted = async (id = 'MC-1') => {
  for (let i = 0; i < 6000; i++) writeFileSync(join(repo, `f${i}`), `${i}`);
  git(repo, 'add', '.');
  git(repo, 'commit', '-qm', 'many');
  mkdirSync(root, { recursive: true });
  const target = join(root, id);
  const child = spawn('git', ['worktree', 'add', '-q', '-b', `mc/${id}-kept`, '--', target, 'main'], {
    cwd: repo,
    detached: true,
    stdio: 'ignore',
  });
  const ended = new Promise((done) => child.once('exit', done));
  while (!existsSync(join(target, 'f0'))) await new Promise((done) => setTimeout(done, 1));
  process.kill(-Number(child.pid), 'SIGKILL');
  await ended;
  expect(readFileSync(join(repo, '.git/worktrees', id, 'locked'), 'utf8').trim()).toBe('initializing');
  expect(existsSync(join(repo, '.git/worktrees', id, 'index'))).toBe(false);
  return { target, own: join(repo, '.git/worktrees', id) };
};

test('a worktree whose making was interrupted is made again, on its branch', async () => {
  const { target } = await interrupted();
  const got = await made();
  expect(got).toMatchObject({ worktree: target, branch: 'mc/MC-1-kept', created: true });
  expect(git(target, 'status', '--porcelain')).toBe('');
  expect(readdirSync(target).length).toBe(6001);
  expect(git(repo, 'worktree', 'list', '--porcelain')).not.toContain('locked');
  writeFileSync(join(target, 'work'), '');
  expect(await made()).toMatchObject({ created: false });
  // Missing or empty on disk, the lock must not stand in the way either.
  writeFileSync(join(repo, '.git/worktrees/MC-1/locked'), 'initializing');
  for (const name of ['mc-pickup-ready', 'index']) rmSync(join(repo, '.git/worktrees/MC-1', name));
  rmSync(target, { recursive: true });
  mkdirSync(target);
  expect(await made()).toMatchObject({ branch: 'mc/MC-1-kept', created: true });
});

test('an interrupted worktree that may be in use or still in the making is left alone', async () => {
  const { target, own } = await interrupted();
  writeFileSync(join(target, 'work'), 'unsaved');
  const note = join(repo, '.git', 'mc-pickup-adding-MC-1');
  const busy = spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' });
  writeFileSync(note, `${busy.pid}`);
  expect(await go()).toMatchObject({ because: 'being_made', error: expect.stringContaining('still') });
  busy.kill('SIGKILL');
  rmSync(note);
  for (const marker of ['mc-pickup-ready', 'mc-pickup-after-create-done', 'index']) {
    writeFileSync(join(own, marker), '');
    expect(await made()).toMatchObject({ created: false });
    for (const name of ['mc-pickup-ready', marker]) rmSync(join(own, name), { force: true });
  }
  writeFileSync(join(own, 'locked'), 'by hand');
  expect(await made()).toMatchObject({ created: false });
  expect(readFileSync(join(target, 'work'), 'utf8')).toBe('unsaved');
});

test('a root that is missing or empty may be a disk that is away', async () => {
  const worktrees = join(dir, 'disk');
  expect(await go('t', { worktrees })).toMatchObject({ because: 'worktrees_root_missing' });
  expect(existsSync(worktrees)).toBe(false);
  mkdirSync(worktrees);
  const one = await made('t', { worktrees });
  const two = await made('t', { worktrees }, 'MC-2');
  rmSync(one.worktree, { recursive: true });
  expect(await made('t', { worktrees })).toEqual(one);
  renameSync(worktrees, join(dir, 'unmounted'));
  expect(await go('t', { worktrees })).toMatchObject({ because: 'worktrees_root_missing' });
  mkdirSync(worktrees);
  expect(await go('t', { worktrees })).toMatchObject({
    because: 'worktree_missing',
    error: expect.stringContaining('git worktree prune'),
  });
  mkdirSync(one.worktree);
  expect(await go('t', { worktrees })).toMatchObject({ because: 'worktree_missing' });
  expect(git(repo, 'worktree', 'list')).toContain(one.worktree);
  rmSync(worktrees, { recursive: true });
  renameSync(join(dir, 'unmounted'), worktrees);
  expect(await made('t', { worktrees }, 'MC-2')).toMatchObject({ worktree: two.worktree, created: false });

  // The default root: the only worktree below it may go, one of many that all went may not.
  const own = await made('t', {}, 'MC-5');
  rmSync(root, { recursive: true });
  expect(await made('t', {}, 'MC-5')).toEqual(own);
  await made('t', {}, 'MC-6');
  rmSync(root, { recursive: true });
  expect(await go('t', {}, 'MC-5')).toMatchObject({ because: 'worktree_missing' });
});

test.each(['config', 'refs/heads/mc', 'logs/refs/heads/mc'])(
  'a link in place of %s of the repository stops a launch, and what it leads to is not written to',
  async (name) => {
    const [link, victim] = [join(repo, '.git', name), join(dir, 'victim')];
    mkdirSync(dirname(link), { recursive: true });
    const isFile = name === 'config';
    if (isFile) renameSync(link, victim);
    else mkdirSync(victim);
    symlinkSync(victim, link);
    const look = () => (isFile ? readFileSync(victim, 'utf8') : readdirSync(victim).join());
    const before = look();
    expect(await go()).toMatchObject({ ok: false, because: 'repo_odd' });
    expect(look()).toBe(before);
  },
);

test('a note of git worktree add from the future keeps nobody waiting', async () => {
  const note = join(repo, '.git', 'mc-pickup-adding-MC-1');
  const other = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
  writeFileSync(note, `${other.pid}`);
  expect(await go()).toMatchObject({ because: 'being_made' });
  const future = Date.now() / 1000 + 1e9;
  utimesSync(note, future, future);
  expect(await go()).toMatchObject({ ok: true });
  other.kill();
});
