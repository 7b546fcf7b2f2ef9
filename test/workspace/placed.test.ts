/** What a worktree gets of the main checkout: copies and links. Real git and files; a whole ticket with it is in `e2e/workplace`. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { placedIn, placeFromMain, takeBack } from '../../src/workspace/placed.ts';
import { git } from '../support/git.ts';

const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-placed-')));
const notes = join(dir, 'state', 'placed');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let count = 0;
let repo = '';
let worktree = '';
beforeEach(() => {
  count++;
  repo = join(dir, `repo-${count}`);
  worktree = join(dir, `worktree-${count}`);
  git(dir, 'init', '-q', '-b', 'main', repo);
  put('.gitignore', '.env*\nnode_modules/\n');
  put('packages/app/file', 'x');
  git(repo, 'add', '.');
  git(repo, 'commit', '-q', '-m', 'base');
  git(repo, 'worktree', 'add', '-q', '--detach', worktree);
});

function put(path: string, text: string, root = repo): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
const place = (more: { copy?: string[]; link?: string[] }, created = true) =>
  placeFromMain({ project: { repo, copy: [], link: [], ...more }, worktree, notes, created });
const placed = () => [...placedIn(notes, worktree)].sort();
const text = (path: string) => readFileSync(join(worktree, path), 'utf8');

it('regular files are copied, mode 0600, and names are linked; in folders too, and each is known as it was given', async () => {
  put('.env', 'A=1');
  chmodSync(join(repo, '.env'), 0o644);
  put('.env.local', 'B=2');
  put('packages/app/.env', 'C=3');
  put('node_modules/pkg/index.js', 'x');
  put('packages/lib/node_modules/pkg/index.js', 'x');
  expect(await place({ copy: ['.env*', 'packages/*/.env'], link: ['packages/*/node_modules'] })).toEqual({
    warnings: [
      'git does not ignore packages/lib/node_modules, which its agent was given and may commit: name it in .gitignore',
    ],
    exposed: ['packages/lib/node_modules'],
  });
  expect([text('.env'), text('.env.local'), text('packages/app/.env')]).toEqual(['A=1', 'B=2', 'C=3']);
  expect(lstatSync(join(worktree, '.env')).mode & 0o777).toBe(0o600);
  expect(readlinkSync(join(worktree, 'packages/lib/node_modules'))).toBe(
    join(repo, 'packages/lib/node_modules'),
  );
  expect(existsSync(join(worktree, 'node_modules'))).toBe(false);
  expect(placed()).toEqual(['.env', '.env.local', 'packages/app/.env', 'packages/lib/node_modules']);
});

it('what is no small regular file of its own is left out, and said; nothing is reached through a link', async () => {
  put('secret/key', 'k');
  symlinkSync('secret/key', join(repo, '.env'));
  symlinkSync('secret', join(repo, 'by-link'));
  put('.env.big', 'x'.repeat(1024 * 1024 + 1));
  mkdirSync(join(repo, '.env.d'));
  symlinkSync('secret', join(repo, 'node_modules'));
  expect(await place({ copy: ['.env*', 'by-link/*'], link: ['node_modules'] })).toEqual({
    warnings: [
      `not taken from ${repo}: .env is no regular file, .env.big is larger than 1 MiB, .env.d is no regular file and 1 more`,
    ],
    exposed: [],
  });
  expect(placed()).toEqual([]);
  expect(git(worktree, 'status', '--porcelain', '--ignored')).toBe('');
});

it('what stands in the worktree stays: a file of the commit, a directory, a link that leads out', async () => {
  for (const path of ['tracked', 'dir', 'out/file']) put(path, 'of the main checkout');
  put('tracked', 'committed', worktree);
  mkdirSync(join(worktree, 'dir'));
  symlinkSync(repo, join(worktree, 'out'));
  const { warnings } = await place({ copy: ['tracked', 'out/file', 'dir'], link: ['dir'] });
  expect(warnings.join()).toMatch(/out\/file could not be placed .*is no directory of its own/);
  expect(text('tracked')).toBe('committed');
  expect(readFileSync(join(repo, 'out/file'), 'utf8')).toBe('of the main checkout');
  expect(lstatSync(join(worktree, 'dir')).isDirectory()).toBe(true);
  expect(placed()).toEqual([]);
});

it('a worktree is filled once: what its agent took away or changed stays so, and is its own', async () => {
  put('.env', 'A=1');
  put('.env.test', 'B=2');
  await place({ copy: ['.env*'] });
  rmSync(join(worktree, '.env'));
  put('.env.test', 'B=3', worktree);
  expect(await place({ copy: ['.env*'] }, false)).toEqual({ warnings: [], exposed: [] });
  expect(existsSync(join(worktree, '.env'))).toBe(false);
  expect(placed()).toEqual([]);
  // A new worktree at the same place is another one.
  rmSync(join(worktree, '.env.test'));
  await place({ copy: ['.env*'] });
  expect(placed()).toEqual(['.env', '.env.test']);
});

it('a tick that was killed after the copy and before its note: the next one knows it as given', async () => {
  put('.env', 'A=1');
  put('node_modules/x', 'x');
  put('.env', 'A=1', worktree);
  symlinkSync(join(repo, 'node_modules'), join(worktree, 'node_modules'));
  await place({ copy: ['.env'], link: ['node_modules'] }, false);
  expect(placed()).toEqual(['.env', 'node_modules']);
});

it('is taken back as far as it is as it was given; a hard link of the agent to a file of ours is not it', async () => {
  put('.env', 'A=1');
  put('.env.test', 'B=2');
  put('node_modules/x', 'x');
  await place({ copy: ['.env*'], link: ['node_modules'] });
  put('.env', 'mine', worktree);
  linkSync(join(worktree, '.env'), join(worktree, 'again'));
  takeBack(notes, worktree);
  expect(text('.env')).toBe('mine');
  for (const path of ['.env.test', 'node_modules']) expect(existsSync(join(worktree, path))).toBe(false);
  expect(existsSync(join(repo, 'node_modules/x'))).toBe(true);
  expect(placed()).toEqual([]);
});

it('a bare repository has no checkout, and that is said', async () => {
  git(dir, 'init', '-q', '--bare', `${repo}.git`);
  const project = { repo: `${repo}.git`, copy: ['.env'], link: [] };
  expect(await placeFromMain({ project, worktree, notes, created: true })).toEqual({
    warnings: [`${repo}.git is bare: there is no checkout to copy and link from`],
    exposed: [],
  });
});
