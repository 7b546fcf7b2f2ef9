/** What is read of git's files, and written to its configuration, without asking git. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as foreign from '../../src/machine/foreign.ts';
import { addToConfig } from '../../src/workspace/config-file.ts';
import { hasCommits } from '../../src/workspace/head.ts';
import { near } from '../../src/workspace/near.ts';
import { commonDir, gitDir, ownDir, registered } from '../../src/workspace/own.ts';
import { git } from '../support/git.ts';
import { aRepo } from '../support/home.ts';

let dir: string;
let repo: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc own \n-')));
  repo = aRepo(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the git dir', () => {
  it('is what git says it is: of a repository, a worktree of it, a submodule', () => {
    const tree = join(dir, 'a tree');
    git(repo, 'worktree', 'add', '-q', '-b', 'x', tree);
    git(repo, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', repo, 'sub');
    for (const path of [repo, tree, join(repo, 'sub')]) {
      const [common, own] = git(
        path,
        'rev-parse',
        '--path-format=absolute',
        '--git-common-dir',
        '--absolute-git-dir',
      ).split(/\n(?=\/)/);
      expect([commonDir(path), gitDir(path)]).toEqual([common, own]);
    }
    expect(registered(join(repo, '.git'))).toEqual([
      { path: tree, own: join(repo, '.git', 'worktrees', 'a-tree') },
    ]);
  });

  it('tells where its worktree is: read once, and again as soon as its file has changed', () => {
    const [tree, moved] = [join(dir, 'tree'), join(dir, 'moved')];
    git(repo, 'worktree', 'add', '-q', tree);
    const common = join(repo, '.git');
    expect(registered(common).map(({ path }) => path)).toEqual([tree]);
    const read = vi.spyOn(foreign, 'textAt');
    try {
      expect(registered(common).map(({ path }) => path)).toEqual([tree]);
      expect(read).not.toHaveBeenCalled();
    } finally {
      read.mockRestore();
    }
    git(repo, 'worktree', 'move', tree, moved);
    expect(registered(common).map(({ path }) => path)).toEqual([moved]);
    git(repo, 'worktree', 'remove', moved);
    expect(registered(common)).toEqual([]);
  });

  it('is left to git where it is of another shape', () => {
    git(dir, 'init', '-q', '--bare', 'bare');
    mkdirSync(join(repo, 'below'));
    const broken = join(dir, 'broken');
    mkdirSync(join(broken, '.git'), { recursive: true });
    for (const path of [join(dir, 'bare'), join(repo, 'below'), broken, join(dir, 'none')])
      expect(commonDir(path)).toBeNull();
  });

  it('of a worktree that somebody has copied is that of the first one alone', () => {
    const tree = join(dir, 'tree');
    git(repo, 'worktree', 'add', '-q', tree);
    cpSync(tree, join(dir, 'copy'), { recursive: true });
    const common = join(repo, '.git');
    const own = join(common, 'worktrees', 'tree');
    expect([ownDir(common, tree), ownDir(common, join(dir, 'copy'))]).toEqual([own, null]);
    rmSync(tree, { recursive: true });
    expect(ownDir(common, tree)).toBe(own); // registered all the same
  });

  it('is unknown once the repository of a worktree has moved', () => {
    const tree = join(dir, 'tree');
    git(repo, 'worktree', 'add', '-q', tree);
    renameSync(repo, join(dir, 'moved'));
    expect(gitDir(tree)).toBeNull();
  });

  it.each(['reftable', 'Reftable', '"reftable:///elsewhere"'])(
    'says nothing of refs in another format: %s',
    async (format) => {
      const common = join(repo, '.git');
      const look = () => near(common, { id: 'MC-1', prefixes: ['mc'], spaces: ['refs/heads'] });
      expect(look()).toEqual({ branch: false, prefix: false });
      writeFileSync(join(common, 'config'), `[extensions]\n\trefStorage = ${format}\n`, { flag: 'a' });
      expect(look()).toEqual({ branch: true, prefix: true });
      // What stands there in place of HEAD.
      writeFileSync(join(common, 'HEAD'), 'ref: refs/heads/.invalid\n');
      // No git that knows this format was asked anything here.
      expect(await hasCommits(repo, 'mc/MC-1')).toBeNull();
    },
  );
});

describe('a section added to the configuration', () => {
  const section = '[branch "mc/MC-1-do-it"]\n\tmcPickupTicket = MC-1@5\n';
  const file = () => join(repo, '.git', 'config');
  const said = () => git(repo, 'config', '--local', '--get', 'branch.mc/MC-1-do-it.mcPickupTicket');

  it('is what git would have written: git reads it, and takes it away with the branch', () => {
    git(repo, 'branch', 'mc/MC-1-do-it');
    chmodSync(file(), 0o640);
    expect(addToConfig(join(repo, '.git'), section)).toBe(true);
    expect(addToConfig(join(repo, '.git'), section.replace('@5', '@6'))).toBe(true);
    expect(said()).toBe('MC-1@6');
    expect(statSync(file()).mode & 0o777).toBe(0o640);
    git(repo, 'branch', '-D', 'mc/MC-1-do-it');
    expect(readFileSync(file(), 'utf8')).not.toContain('mcPickupTicket');
  });

  it('takes away a lock that one of us has left, and no other', () => {
    const left = `${file()}.mc-pickup-1`;
    writeFileSync(left, 'half');
    linkSync(left, `${file()}.lock`);
    expect(addToConfig(join(repo, '.git'), section)).toBe(false); // it may be at work
    expect(existsSync(`${file()}.lock`)).toBe(true);
    utimesSync(left, new Date(0), new Date(0));
    expect(addToConfig(join(repo, '.git'), section)).toBe(false);
    expect([existsSync(`${file()}.lock`), existsSync(left)]).toEqual([false, false]);
    expect(addToConfig(join(repo, '.git'), section)).toBe(true);
    expect(said()).toBe('MC-1@5');
    expect(readdirSync(join(repo, '.git')).filter((name) => name.startsWith('config'))).toEqual(['config']);
  });

  it('loses nothing of what git writes at the same time', async () => {
    const script = `n=0; while [ $((n += 1)) -le 150 ]; do
      until git config --local --add theirs.n $n 2>/dev/null; do :; done; done`;
    const theirs = spawn('sh', ['-c', script], { cwd: repo, stdio: 'ignore' });
    const done = new Promise<number | null>((go) => theirs.once('exit', go));
    let ours = 0;
    while (theirs.exitCode === null) {
      if (addToConfig(join(repo, '.git'), `[branch "mc/MC-${ours}"]\n\tmcPickupTicket = MC-${ours}@1\n`))
        ours += 1;
      await new Promise(setImmediate);
    }
    expect(await done).toBe(0);
    const count = (pattern: string) =>
      git(repo, 'config', '--local', '--get-regexp', pattern).split('\n').length;
    expect(ours).toBeGreaterThan(0);
    expect([count('^theirs'), count('mcpickupticket$')]).toEqual([150, ours]);
    expect(readdirSync(join(repo, '.git')).filter((name) => name.startsWith('config'))).toEqual(['config']);
  });

  it('goes into the file that a symlink names', () => {
    renameSync(file(), join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), file());
    expect(addToConfig(join(repo, '.git'), section)).toBe(true);
    expect(readFileSync(join(dir, 'elsewhere'), 'utf8')).toContain('MC-1@5');
    expect(said()).toBe('MC-1@5');
  });

  it.each([
    ['locked', () => writeFileSync(`${file()}.lock`, 'theirs')],
    ['not ended by a line break', () => writeFileSync(file(), '[a]\n\tb = c')],
    ['ended in the middle of a value', () => writeFileSync(file(), '[a]\n\tb = c\\\n')],
    ['gone', () => rmSync(file())],
  ])('is left to git where the file is %s, and nothing of it changes', (_, make) => {
    make();
    const look = () => (existsSync(file()) ? readFileSync(file(), 'utf8') : null);
    const before = look();
    const locked = existsSync(`${file()}.lock`);
    expect(addToConfig(join(repo, '.git'), section)).toBe(false);
    expect([look(), existsSync(`${file()}.lock`)]).toEqual([before, locked]);
  });
});
