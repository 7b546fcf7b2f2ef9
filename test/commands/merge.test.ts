/** `ticket merge`, and what `approve` says of what is merged nowhere: a real repository, worktrees and agents. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { git } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});
const type = async (...args: string[]) => await rig.box.here(['ticket', ...args]);
const at = (ref: string) => git(rig.box, 'rev-parse', ref).trim();

async function inReview(count = 1): Promise<string[]> {
  const ids = Array.from({ length: count }, () => rig.add('review'));
  await rig.tickHere();
  for (const id of ids) await rig.settle(id, 'in_review');
  return ids;
}
const branch = (id: string) => `mc/${id}-do-review`;

it('goes into the base by a fast-forward, the next by a merge commit; the clean checkout follows, and both are done', async () => {
  const [one = '', two = ''] = await inReview(2);
  const first = await type('merge', one);
  expect(first).toMatchObject({ code: 0, err: '' });
  expect(first.out).toContain(`${branch(one)} is in main by fast-forward`);
  expect(at('main')).toBe(at(branch(one)));
  const second = JSON.parse((await type('merge', two, '--json')).out);
  expect(second).toEqual({
    ...{ ticket: two, status: 'done', into: 'main', how: 'merge_commit', head: at('main') },
    ...{ checkout: rig.box.repo, pushed: false },
  });
  expect(git(rig.box, 'log', '-1', '--format=%P%n%s', 'main').trim()).toBe(
    `${at(branch(one))} ${at(branch(two))}\nMerge ${branch(two)}: Do review`,
  );
  for (const id of [one, two]) {
    expect(existsSync(join(rig.box.repo, `work-${id}.txt`))).toBe(true);
    expect(rig.ticket(id).status).toBe('done');
  }
  expect(git(rig.box, 'status', '--porcelain')).toBe('');
  expect((await type('merge', two)).out).toContain(`main has all of ${branch(two)} already`);
  expect((await rig.box.here(['log', '--ticket', one])).out).toContain('by fast-forward');
});

it('--no-ff makes a merge commit, and a base that is checked out nowhere goes ahead without a checkout', async () => {
  const [id = ''] = await inReview();
  git(rig.box, 'switch', '-q', '--detach');
  expect((await type('merge', id, '--no-ff')).out).toContain('by a merge commit');
  expect(git(rig.box, 'rev-list', '--count', '--merges', 'main').trim()).toBe('1');
  expect(existsSync(join(rig.box.repo, `work-${id}.txt`))).toBe(false);
});

it('what does not merge cleanly, or would touch somebody’s changes, moves nothing at all', async () => {
  const [id = ''] = await inReview();
  const before = at('main');
  const refused = async (says: RegExp) => {
    const done = await type('merge', id);
    expect(done.code).toBe(69);
    expect(done.err).toMatch(says);
    expect(rig.ticket(id).status).toBe('in_review');
  };
  const file = join(rig.box.repo, 'README.md');
  const was = readFileSync(file, 'utf8');
  writeFileSync(file, 'mine');
  await refused(/has changes of its own: README\.md; commit or stash them/);
  writeFileSync(file, was);
  // Not known to git, and in the way of what is to come.
  writeFileSync(join(rig.box.repo, `work-${id}.txt`), 'mine');
  await refused(/main did not go ahead, and is where it was/);
  expect(at('main')).toBe(before);
  git(rig.box, 'add', '.');
  git(rig.box, 'commit', '-qm', 'the same file');
  const mine = at('main');
  await refused(new RegExp(`both have changed work-${id}\\.txt: nothing was merged`));
  expect(at('main')).toBe(mine);
  expect(git(rig.box, 'status', '--porcelain')).toBe('');
});

it('only what is in review or done is merged, and only where there is work', async () => {
  const id = rig.add('review');
  expect(await type('merge', id)).toMatchObject({ code: 2, err: expect.stringContaining('is todo') });
  await type('move', id, 'done');
  expect(await type('merge', id)).toMatchObject({
    code: 69,
    err: expect.stringContaining('never had a branch'),
  });
  expect(await type('merge', id, '--push')).toMatchObject({
    code: 2,
    err: expect.stringContaining('review.push is not true'),
  });
});

it('--push takes the base to the remote of a project that pushes; one that refuses is told, and the merge stands', async () => {
  const [one = '', two = ''] = await inReview(2);
  const remote = join(rig.box.dir, 'remote');
  mkdirSync(remote);
  git({ ...rig.box, repo: remote }, 'init', '-q', '--bare', '-b', 'main');
  git(rig.box, 'remote', 'add', 'origin', remote);
  rig.configure({ project: '[project.demo.review]\npush = true' });
  expect((await type('merge', one)).code).toBe(0);
  expect(git({ ...rig.box, repo: remote }, 'branch', '--list').trim()).toBe('');
  expect((await type('merge', one, '--push')).out).toContain('pushed to origin');
  expect(git({ ...rig.box, repo: remote }, 'rev-parse', 'main').trim()).toBe(at('main'));
  rmSync(remote, { recursive: true });
  const third = await type('merge', two, '--push');
  expect(third).toMatchObject({ code: 3, err: expect.stringContaining('main was not pushed') });
  expect(rig.ticket(two).status).toBe('done');
});

it('approve says what is merged nowhere, how it would be, and who begins without it', async () => {
  const [id = ''] = await inReview();
  await type('add', '--project', 'demo', '--title', 'Then', '--body', 'x', '--depends-on', id);
  const { out } = await type('approve', id);
  expect(out).toContain(
    `not merged: 1 commit on ${branch(id)} (mc-pickup ticket merge ${id} takes them into main)`,
  );
  expect(out).toContain('MC-2 depends on it, and would begin without its commits');
  const { code } = await type('merge', id);
  expect([code, rig.ticket(id).status]).toEqual([0, 'done']);
});
