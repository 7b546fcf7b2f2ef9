import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { textAt } from '../../src/machine/foreign.ts';
import { bePrivate, configureUmask, umaskNotedBy } from '../../src/machine/umask.ts';
import { noteKey } from '../../src/workspace/branches.ts';
import { prepareWorkspace } from '../../src/workspace/index.ts';
import { aProject } from '../support/builders.ts';

let dir = '';
let repo = '';
const before = process.umask();
const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd: repo,
    encoding: 'utf8',
  });
const mode = (...path: string[]): string => (statSync(join(repo, ...path)).mode & 0o7777).toString(8);

/** The program as it is started under this umask. */
function startedUnder(umask: number): void {
  process.umask(umask);
  bePrivate();
}

const made = async (id: string): Promise<string> => {
  const at = {
    project: aProject({ name: 'p', repo, fetch: false }),
    root: join(dir, 'worktrees', 'p'),
    state: dir,
  };
  const got = await prepareWorkspace({ ...at, ticket: { id, title: 'x', created_at_ms: 1 } });
  if (!got.ok) throw new Error(got.error);
  return got.worktree;
};

/** The names in a worktree's own git dir whose rights are others than these. */
const others = (id: string, rights: (mode: number, isDir: boolean) => boolean): string[] => {
  const own = join(repo, '.git', 'worktrees', id);
  return ['.', ...(readdirSync(own, { recursive: true }) as string[])].filter((name) => {
    const stat = statSync(join(own, name));
    return !rights(stat.mode & 0o7777, stat.isDirectory());
  });
};

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-rights-')));
  writeFileSync(join(dir, 'host-id'), 'h');
  repo = join(dir, 'repo');
  mkdirSync(repo);
});
afterEach(() => {
  startedUnder(before);
  process.umask(before);
  umaskNotedBy(() => null);
  configureUmask(null);
  rmSync(dir, { recursive: true, force: true });
});

/** Made as a person makes it, who has this umask. */
function aRepository(umask: number, ...init: string[]): void {
  process.umask(umask);
  git('init', '-q', '-b', 'main', ...init);
  writeFileSync(join(repo, 'file'), 'x');
  git('add', '.');
  git('commit', '-qm', 'base');
}

test('the umask of the user is that of checkouts and of what git writes, and ours stays private', async () => {
  aRepository(0o022);
  startedUnder(0o022);
  const tree = await made('MC-1');
  expect((statSync(join(tree, 'file')).mode & 0o777).toString(8)).toBe('644');
  expect(statSync(tree).mode & 0o777).toBe(0o755);
  expect(others('MC-1', (one, isDir) => (one & 0o777) === (isDir ? 0o755 : 0o644))).toEqual([]);
  expect([mode('.git/refs/heads/mc'), mode('.git/config')]).toEqual(['755', '644']);
  expect(statSync(join(dir, 'worktrees')).mode & 0o777).toBe(0o700);
  expect(process.umask()).toBe(0o077);
});

test('the configured umask wins over the noted one, and that over the one of the scheduler', async () => {
  aRepository(0o022);
  startedUnder(0o077);
  const note = join(dir, 'umask');
  writeFileSync(note, '002\n');
  umaskNotedBy(() => textAt(note));
  expect(statSync(join(await made('MC-1'), 'file')).mode & 0o777).toBe(0o664);
  configureUmask('027');
  expect(statSync(join(await made('MC-2'), 'file')).mode & 0o777).toBe(0o640);
  configureUmask(null);
  rmSync(note);
  execFileSync('mkfifo', [note]); // and nobody writes to it
  umaskNotedBy(() => textAt(note)); // it is read once by each process
  expect(statSync(join(await made('MC-3'), 'file')).mode & 0o777).toBe(0o600);
});

test('a repository that a group shares stays open to it, whatever the umask of who adds a worktree', async () => {
  aRepository(0o077, '--shared=group');
  startedUnder(0o077);
  const tree = await made('MC-1');
  expect(statSync(join(tree, 'file')).mode & 0o777).toBe(0o600);
  expect(
    others('MC-1', (one, isDir) => (isDir ? (one & 0o2770) === 0o2770 : (one & 0o660) === 0o660)),
  ).toEqual([]);
  expect([mode('.git/worktrees'), mode('.git/refs/heads/mc'), mode('.git/config')]).toEqual([
    '2770',
    '2770',
    '660',
  ]);
});

test('a note in the configuration of a repository leaves it in the group and as open as it was', async () => {
  aRepository(0o022);
  startedUnder(0o022);
  const file = join(repo, '.git/config');
  chmodSync(file, 0o664);
  const group = process.getuid?.() === 0 ? 1 : statSync(file).gid;
  if (group === 1) execFileSync('chgrp', ['1', file]);
  expect(await noteKey(join(repo, '.git'), 'mc/MC-1', 'MC-1@1')).toBe(null);
  const { gid } = statSync(file);
  expect([gid, mode('.git/config')]).toEqual([group, '664']);
});
