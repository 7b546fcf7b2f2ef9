import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Commons, type Compared, compareCommons, lookAtCommons } from '../../src/workspace/commons.ts';
import { noteCommons } from '../../src/workspace/commons-notes.ts';
import { comparedAt, notedRuns } from '../../src/workspace/noted.ts';
import { configChanges, putBack, settingsIn } from '../../src/workspace/settings.ts';
import { git } from '../support/git.ts';

let dir = '';
let repo = '';
let common = '';
let tree = '';

beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-commons-')));
  repo = join(dir, 'repo');
  common = join(repo, '.git');
  tree = join(repo, 'trees', 'MC-1');
  mkdirSync(repo);
  git(repo, 'init', '-q', '-b', 'main');
  for (const name of ['a', 'b', 'c']) writeFileSync(join(repo, name), 'x\n');
  git(repo, 'add', '.');
  git(repo, 'commit', '-qm', 'base');
  // Somebody works there already.
  writeFileSync(join(repo, 'a'), "a person's\n");
  writeFileSync(join(repo, 'mine'), "a person's\n");
  git(repo, 'worktree', 'add', '-q', '-b', 'mc/MC-1', tree);
  // What is compared to the millisecond is written in another one.
  execFileSync('touch', ['-d', '1 hour ago', join(repo, 'a'), join(repo, 'mine')]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const look = (): Promise<Commons> => lookAtCommons(common, Date.now());
const since = async (before: Commons): Promise<Compared> =>
  compareCommons(before, await look(), {
    notes: join(dir, 'notes'),
    apart: join(repo, 'state'),
    shared: new Map(),
  });

test('what a run does in its own worktree and on its branch, and what was so before, is no change', async () => {
  const before = { ...(await look()), at_ms: Date.now() + 1 };
  writeFileSync(join(tree, 'b'), 'work\n');
  git(tree, 'commit', '-qam', 'work');
  git(repo, 'config', 'branch.mc/MC-1.mcPickupTicket', 'MC-1@1');
  git(repo, 'config', 'branch.mc/MC-1.remote', 'origin');
  mkdirSync(join(repo, 'state'));
  writeFileSync(join(repo, 'state', 'new'), '');
  expect(await since(before)).toEqual({ says: [], config: [] });
});

test('settings, hooks, the main checkout and its files are told; values that are nobody business are not', async () => {
  const before = await look();
  git(tree, 'config', 'core.bare', 'true');
  git(tree, 'config', 'user.name', 'Test Fixture');
  git(tree, 'config', 'http.https://x.example/.extraHeader', 'Authorization: Basic abc');
  git(tree, 'config', 'remote.origin.url', 'https://ann:a@secret@x.example/r.git');
  git(tree, 'config', 'http.proxy', 'ann:secret@proxy.example:3128');
  writeFileSync(join(common, 'hooks', 'post-checkout'), '#!/bin/sh\n');
  writeFileSync(join(repo, 'b'), 'changed\n');
  rmSync(join(repo, 'c'));
  writeFileSync(join(repo, 'new'), '');
  git(repo, '--work-tree', repo, 'symbolic-ref', 'HEAD', 'refs/heads/mc/MC-1');
  const { says } = await since(before);
  const text = says.join('\n');
  for (const one of [
    /core\.bare is true, and was false \(.*config\)/,
    /user\.name is Test Fixture, and was not set/,
    /extraheader is set, and was not set/,
    /remote\.origin\.url is https:\/\/\(hidden\)@x\.example\/r\.git/,
    /http\.proxy is set, and was not set/,
    /the hook post-checkout is new/,
    /the main checkout .*repo was at main at [0-9a-f]{12}, and is at mc\/MC-1 at/,
    /uncommitted changes in the main checkout/,
  ])
    expect(text).toMatch(one);
  expect(text).not.toMatch(/secret|Basic/);
  expect(text).not.toContain('mine');
  git(repo, '--work-tree', repo, 'symbolic-ref', 'HEAD', 'refs/heads/main');
});

test('settings are put back one by one; what was set since, and what has several values, stays', async () => {
  const file = join(dir, 'config');
  writeFileSync(file, '[core]\n\tbare = false\n[remote "o"]\n\tfetch = a\n\tfetch = b\n');
  const before = readFileSync(file, 'utf8');
  const git1 = (...args: string[]): string => git(dir, 'config', '--file', file, ...args);
  git1('core.bare', 'true');
  git1('user.name', 'Test Fixture');
  git1('--unset-all', 'remote.o.fetch');
  appendFileSync(file, '[branch "x"]\n\tmerge = y\n');
  const changes = await configChanges(before, file, join(dir, 'notes'));
  expect(changes.map(({ key }) => key)).toEqual(['core.bare', 'remote.o.fetch', 'user.name']);
  for (const one of changes) expect(await putBack(file, one)).toBe(null);
  expect(Object.fromEntries((await settingsIn(file)) ?? [])).toEqual({
    ...{ 'core.bare': ['false'], 'remote.o.fetch': ['a', 'b'], 'branch.x.merge': ['y'] },
  });
});

test('how the repository is stored is told, and never put back: what is on disk goes with it', async () => {
  const before = await look();
  git(repo, 'config', 'core.repositoryFormatVersion', '1');
  git(repo, 'config', 'extensions.worktreeConfig', 'true');
  git(repo, 'config', 'extensions.partialClone', 'origin');
  git(repo, 'config', 'remote.origin.promisor', 'true');
  git(repo, 'config', 'remote.origin.partialCloneFilter', 'blob:none');
  git(repo, 'config', 'remote.origin.pushUrl', '/elsewhere');
  const { says, config } = await since(before);
  expect(says.join('\n')).toMatch(/extensions\.partialclone is origin/);
  expect(says).toHaveLength(6);
  expect(config.map(({ key }) => key)).toEqual(['remote.origin.pushurl']);
});

test('a run that begins where none was noted is no reason to compare, one beside others puts it off no further', async () => {
  const notes = join(dir, 'begun');
  await noteCommons(notes, 'one', tree);
  const at_ms = comparedAt(notes);
  expect(at_ms).toBeGreaterThan(0);
  execFileSync('touch', ['-d', '1 hour ago', join(notes, 'compared')]);
  await noteCommons(notes, 'two', tree);
  expect(comparedAt(notes)).toBeLessThan(at_ms);
  expect(notedRuns(notes).sort()).toEqual(['one', 'two']);
});
