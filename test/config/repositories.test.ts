/** A configuration against the repositories that it names. Real git. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPolicy } from '../../src/config/load.ts';
import { repositoryComplaints } from '../../src/config/repositories.ts';
import { headOwner, hostedAt } from '../../src/workspace/remotes.ts';

describe('whose repository an address names', () => {
  it.each([
    ['https://github.com/ann/shop.git', 'github.com ann shop'],
    ['https://x-token:secret@github.com/ann/shop', 'github.com ann shop'],
    ['https://ghe.example:8443/ann/shop.git/', 'ghe.example ann shop'],
    ['ssh://git@ssh.github.com:443/ann/my.shop.git', 'ssh.github.com ann my.shop'],
    ['git@github.com:ann/shop.git', 'github.com ann shop'],
    ['git@github.com:/ann/shop', 'github.com ann shop'],
    ['work:ann/shop.git', 'work ann shop'],
    ['GitHub.com:Ann/shop', 'github.com Ann shop'],
    ['git+ssh://github.com/ann/shop', 'github.com ann shop'],
    // As GitHub names those whom a company manages.
    ['git@github.com:ann_corp/shop.git', 'github.com ann_corp shop'],
    ['/srv/git/ann/shop.git', null],
    ['../ann/shop.git', null],
    ['file:///srv/ann/shop.git', null],
    ['https://gitlab.example/group/sub/shop.git', null],
    ['host:~ann/shop.git', null],
    ['', null],
  ])('%s', (url, says) => {
    const found = hostedAt(url);
    expect(found && `${found.host} ${found.owner} ${found.name}`).toBe(says);
  });
});

describe('of a review', () => {
  let repo = '';
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', repo, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
  beforeAll(() => {
    repo = mkdtempSync(join(tmpdir(), 'mc-remotes-'));
    git('init', '-q', '-b', 'main');
    git('remote', 'add', 'origin', 'https://github.com/ann/shop');
    git('remote', 'add', 'fork', 'https://github.com/ann/shop');
    git('config', 'remote.fork.pushurl', 'gh:bob/shop.git');
    git('config', 'url.git@github.com:.insteadOf', 'gh:');
    git('remote', 'add', 'mirror', 'git@git.example:team/shop.git');
    git('remote', 'add', 'alias', 'git@github.com-work:Bob/shop.git');
    git('remote', 'add', 'plain', 'https://github.com/carl/shop');
    git('config', 'url.ssh://git@github.com/bob/.pushInsteadOf', 'https://github.com/carl/');
  });
  afterAll(() => rmSync(repo, { recursive: true, force: true }));
  const owner = (remote: string, head: string | null = null, api_url = 'https://api.github.com') =>
    headOwner(repo, { remote, head, api_url });

  it('the head is the owner of what its remote pushes to, as git rewrites it, and on that forge', async () => {
    expect(await owner('origin')).toBe('ann');
    expect(await owner('fork')).toBe('bob');
    expect(await owner('alias')).toBe('Bob');
    expect(await owner('plain')).toBe('bob');
    expect(await owner('mirror')).toBeNull();
    expect(await owner('mirror', null, 'https://git.example/api/v3')).toBe('team');
    expect(await owner('none')).toBeNull();
    expect(await owner('origin', 'carl')).toBe('carl');
  });

  const check = async (review: string) => {
    const text = `[project.p]\nrepo = ${JSON.stringify(repo)}\n\n[project.p.review]\npush = true\nrepo = "ann/shop"\npull_request = "github"\n${review}`;
    const { policy } = loadPolicy('config.toml', {}, { missing: false, error: null, text });
    expect(policy.broken).toEqual([]);
    return repositoryComplaints(policy, text);
  };

  it('a head that does not fit the remote, and a remote that is not there, are told with their line', async () => {
    for (const fine of [
      'remote = "fork"\nhead = "BOB"',
      'remote = "fork"',
      'remote = "mirror"\nhead = "bob"',
    ])
      expect(await check(fine)).toEqual([]);
    expect(await check('remote = "fork"\nhead = "ann"')).toEqual([
      {
        ...{ line: 9, column: 1, key: 'project.p.review.head' },
        says: expect.stringContaining('the remote "fork" pushes to bob/shop'),
      },
    ]);
    expect(await check('remote = "none"')).toMatchObject([
      { line: 8, key: 'project.p.review.remote', says: expect.stringContaining('has no remote "none"') },
    ]);
    // It stands nowhere: the table is named.
    git('remote', 'rename', 'origin', 'upstream');
    expect(await check('')).toMatchObject([{ line: 4, key: 'project.p.review.remote' }]);
  });
});
