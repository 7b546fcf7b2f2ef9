/** Which branch a ticket gets, and what of the repository's own names stands in its way. Real git. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { repository } from '../../src/doctor/repository.ts';
import { hintsOf } from '../../src/report/hints.ts';
import { leftAtWork, prepareWorkspace } from '../../src/workspace/index.ts';
import { isOurBranch, pushBranch } from '../../src/workspace/push.ts';
import { aPolicy, aProject } from '../support/builders.ts';
import { git } from '../support/git.ts';
import { aHome, aRepo } from '../support/home.ts';
import { here } from '../support/processes.ts';

let dir = '';
let repo = '';
let count = 0;
beforeAll(() => {
  const home = aHome('mc-names-');
  dir = home.dir;
  return home.gone;
});
beforeEach(() => {
  count += 1;
  repo = aRepo(dir, `repo-${count}`);
});

const project = (more: object = {}) => aProject({ name: 'p', repo, ...more });
const ticket = (more: object = {}) => ({ id: 'MC-1', title: 'Mend the roof', created_at_ms: 5, ...more });
const root = () => join(dir, 'state', `${count}`);
const go = (more: object = {}, of: object = {}) =>
  prepareWorkspace({ project: project(more), ticket: ticket(of), root: root() });
const made = async (...args: Parameters<typeof go>) => {
  const got = await go(...args);
  if (!got.ok) throw new Error(`${got.because}: ${got.error}`);
  return got;
};
const lost = ({ worktree }: { worktree: string }) => rmSync(worktree, { recursive: true });
const pack = () => git(repo, 'pack-refs', '--all', '--prune');

describe('a name of the repository that shuts out ours', () => {
  it.each([
    ['loose', () => undefined],
    ['packed', pack],
  ])(
    'a branch "mc" (%s) is a fault of the project, said with the way out, and another prefix is one',
    async (_, keep) => {
      git(repo, 'branch', 'mc');
      keep();
      const refused = await go();
      expect(refused).toMatchObject({ ok: false, because: 'branch_collision' });
      expect(refused).toHaveProperty(
        'error',
        expect.stringMatching(/branch "mc".*branch -m mc .*project\.p\.branch_prefix/s),
      );
      const [found] = (await repository(project(), aPolicy(), process.env)).filter(
        ({ result }) => result === 'fail',
      );
      expect(found).toMatchObject({ check: 'branches p', says: expect.stringContaining('"mc"') });
      expect((await made({ branch_prefix: 'agents/mc' })).branch).toBe('agents/mc/MC-1-mend-the-roof');
      git(repo, 'branch', '-m', 'mc', 'mine');
      expect((await made({}, { id: 'MC-2' })).branch).toBe('mc/MC-2-mend-the-roof');
    },
  );

  it('one that differs by case shuts ours out where the file system does not tell case', async () => {
    git(repo, 'branch', 'MC/theirs');
    expect((await made()).branch).toBe('mc/MC-1-mend-the-roof');
    git(repo, 'config', 'core.ignorecase', 'true');
    git(repo, 'branch', '-D', '-q', 'MC/theirs');
    git(repo, 'branch', 'Agents/theirs');
    for (const keep of [() => undefined, pack]) {
      keep();
      expect(await go({ branch_prefix: 'agents' }, { id: 'MC-2' })).toMatchObject({
        because: 'branch_collision',
        error: expect.stringContaining('"Agents/theirs"'),
      });
    }
  });

  it('so does one of the same letters in another form, as a Mac writes them', async () => {
    git(repo, 'branch', 'mä'.normalize('NFD'));
    const prefix = { branch_prefix: 'mä'.normalize('NFC') };
    git(repo, 'config', 'core.ignorecase', 'true');
    expect(await go(prefix)).toMatchObject({ because: 'branch_collision' });
    git(repo, 'config', 'core.ignorecase', 'false');
    expect(await go(prefix)).toMatchObject({ ok: true });
  });

  it('the remote has a branch "mc": nothing of ours could be pushed, and once it is gone there it is in nobody\'s way', async () => {
    const remote = join(dir, `remote-${count}`);
    git(dir, 'clone', '-q', '--bare', repo, remote);
    git(remote, 'branch', 'mc');
    git(repo, 'remote', 'add', 'origin', remote);
    git(repo, 'fetch', '-q', 'origin');
    const review = { push: true, remote: 'origin' };
    expect((await made({}, { id: 'MC-3' })).branch).toBe('mc/MC-3-mend-the-roof');
    expect(await go({ review })).toMatchObject({
      because: 'branch_collision',
      error: expect.stringMatching(/origin has a branch "mc"/),
    });
    const told = await repository(project({ review }), aPolicy(), process.env);
    expect(told).toContainEqual(
      expect.objectContaining({ result: 'fail', fix: expect.stringContaining('fetch --prune origin') }),
    );
    // It came to be there only after the work had begun.
    const push = { remote: 'origin', branch: 'mc/MC-3-mend-the-roof', head: git(repo, 'rev-parse', 'main') };
    expect(await pushBranch(repo, push)).toMatchObject({
      because: 'failed',
      error: expect.stringContaining('its branch "mc" is in the way'),
    });
    git(remote, 'branch', '-D', '-q', 'mc');
    expect((await made({ review })).branch).toBe('mc/MC-1-mend-the-roof');
  });
});

describe('a name that another branch has taken', () => {
  it.each([
    ['as a directory', 'mc/MC-1-mend-the-roof/wip'],
    ['in another case', 'mc/mc-1-Mend-the-Roof'],
    ['as a directory in another case', 'mc/mc-1-mend-the-roof/wip'],
  ])('%s is not ours, and the next one is', async (_, name) => {
    git(repo, 'branch', name);
    expect((await made()).branch).toBe('mc/MC-1-mend-the-roof-5');
  });

  it('of a ticket without a word in its title', async () => {
    git(repo, 'branch', 'mc/MC-1/wip');
    expect((await made({}, { title: '日本' })).branch).toBe('mc/MC-1-5');
  });
});

describe('the prefix', () => {
  it('is for new branches: an old one is found by its key, packed or not, whatever the prefix is by now', async () => {
    const first = await made({ branch_prefix: 'bots' });
    git(first.worktree, 'commit', '-q', '--allow-empty', '-m', 'did it');
    const { proven: _, ...rest } = first;
    expect(await made({ branch_prefix: 'other' })).toEqual({ ...rest, created: false });
    for (const keep of [() => undefined, pack]) {
      lost(first);
      keep();
      expect((await made({ branch_prefix: 'other' })).branch).toBe('bots/MC-1-mend-the-roof');
    }
    // Another ticket of that number.
    lost(first);
    expect((await made({ branch_prefix: 'bots' }, { created_at_ms: 6 })).branch).toBe(
      'bots/MC-1-mend-the-roof-6',
    );
  });

  it('finds what versions without it have made, noted or not', async () => {
    git(repo, 'branch', 'mc/MC-1-of-old');
    expect((await made({ branch_prefix: 'bots' })).branch).toBe('mc/MC-1-of-old');
  });

  it('takes no branch by a key alone that bears another name: an agent can write both', async () => {
    git(repo, 'branch', 'release');
    git(repo, 'config', 'branch.release.mcPickupTicket', 'MC-1@5');
    expect((await made()).branch).toBe('mc/MC-1-mend-the-roof');
    const known = { prefix: 'bots', made: 'old/MC-1-roof' };
    expect(
      ['mc/MC-1', 'bots/MC-1-x', 'old/MC-1-roof', 'old/MC-1-else', 'release', 'bots/MC-12', 'MC-1'].filter(
        (branch) => isOurBranch(branch, 'MC-1', known),
      ),
    ).toEqual(['mc/MC-1', 'bots/MC-1-x', 'old/MC-1-roof']);
  });
});

it("a branch that is checked out in the person's own checkout waits for that, unclaimed, and is had as soon as it is free", async () => {
  const first = await made();
  lost(first);
  git(repo, 'worktree', 'prune');
  git(repo, 'switch', '-q', first.branch);
  expect(await go()).toMatchObject({ because: 'branch_elsewhere', error: expect.stringContaining(repo) });
  const look = (of: object = {}) =>
    leftAtWork({ project: project(), ticket: ticket(of), root: root() }, here(dir), false);
  expect(await look()).toEqual({
    because: 'branch_elsewhere',
    what: `${first.branch} is checked out in ${repo}: git -C '${repo}' switch --detach, or another branch there, lets it go`,
  });
  expect(await look({ id: 'MC-2' })).toBeNull();
  git(repo, 'switch', '-q', 'main');
  expect(await look()).toBeNull();
  expect(await made()).toEqual(first);
  // Its HEAD names no branch, and git holds it all the same.
  lost(first);
  git(repo, 'worktree', 'prune');
  git(repo, 'switch', '-q', first.branch);
  git(repo, 'commit', '-q', '--allow-empty', '-m', 'mine');
  expect(() => git(repo, 'rebase', '-q', '--force-rebase', '--keep-empty', '-x', 'false', 'main')).toThrow();
  expect(await look()).toMatchObject({ because: 'branch_elsewhere' });
  git(repo, 'rebase', '--abort');
  git(repo, 'bisect', 'start');
  git(repo, 'checkout', '-q', '--detach');
  expect(await go()).toMatchObject({ because: 'branch_elsewhere' });
});

it("a ticket's own worktree that was moved, or made where its project had them before, is named with the command that brings it back, and waits unclaimed", async () => {
  const state = join(dir, 'state-of-moved');
  for (const one of [state, join(dir, "other 'disk'")]) mkdirSync(one);
  writeFileSync(join(state, 'host-id'), 'a host\n');
  const prepare = (more: object = {}) =>
    prepareWorkspace({ project: project(more), ticket: ticket(), root: root(), state });
  const first = await prepare();
  if (!first.ok) throw new Error(first.error);
  writeFileSync(join(first.worktree, 'unsaved'), 'work\n');
  const more = { worktrees: join(dir, "other 'disk'") };
  const refused = await prepare(more);
  if (refused.ok) throw new Error('another worktree was made');
  expect(refused.because).toBe('branch_elsewhere');
  const asked = { project: project(more), ticket: ticket(), root: root(), state };
  expect(await leftAtWork(asked, here(dir), false)).toEqual({
    because: 'branch_elsewhere',
    what: refused.error,
  });
  // No other command is named beside that one.
  expect([refused.error.includes('switch'), hintsOf('branch_elsewhere', 'MC-1', [])]).toEqual([false, []]);
  const command = refused.error.slice(refused.error.indexOf('mkdir -p'));
  execFileSync('sh', ['-c', command], { stdio: 'pipe' });
  expect(await leftAtWork(asked, here(dir), false)).toBeNull();
  expect(await prepare(more)).toMatchObject({ ok: true, created: false, branch: first.branch });
  expect(existsSync(join(more.worktrees, 'MC-1', 'unsaved'))).toBe(true);
});
