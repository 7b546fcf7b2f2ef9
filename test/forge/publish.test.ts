/** From `in_review` to a pull request, and from there to the end of the ticket; each step killed, lost and refused. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/sandbox.ts';
import { ForgeRig } from './rig.ts';

let f: ForgeRig;
beforeEach(async () => {
  f = await ForgeRig.start();
});
afterEach(async () => {
  await f.destroy();
});

const git = (cwd: string, ...args: string[]): string => {
  const done = spawnSync('git', ['-C', cwd, ...args], { encoding: 'utf8', env: f.rig.box.env });
  if (done.status !== 0) throw new Error(`git ${args.join(' ')}: ${done.stderr}`);
  return done.stdout.trim();
};

describe('work in review', () => {
  it('is pushed, and one pull request is opened for it, in which its agent calls nobody', async () => {
    const id = await f.byAgent();
    expect(f.forge.branches()).toEqual(['main']);
    const tick = await f.tick();
    expect(tick).toMatchObject({ code: 0, err: '', outcome: 'ok' });
    const branch = f.branch(id);
    expect(f.forge.tip(branch)).toBe(git(f.rig.box.repo, 'rev-parse', branch));
    expect(f.forge.pulls).toMatchObject([
      { branch, base: 'main', title: `${id}: Do review`, draft: false, state: 'open' },
    ]);
    expect(f.forge.pulls[0]?.body).toContain('```text\nReady for review.\n```');
    expect(f.row(id)).toMatchObject({ stage: 'open', number: 1, error: null, head: f.forge.tip(branch) });
    expect(f.log(id, 'published').map(({ because }) => because)).toEqual(['pushed', 'opened']);
    await f.tick();
    await f.tick();
    expect(f.opened()).toHaveLength(1);
    const explained = (await f.run('explain', id)).out;
    expect(explained).toContain('review: open: https://forge.example/ann/shop/pull/1');
    expect(f.rig.ticket(id).status).toBe('in_review');
  });

  it('is pushed to a fork, and its pull request goes to the repository that was forked: found again, followed, settled', async () => {
    const fork = f.forge.fork('bob');
    const { repo } = f.rig.box;
    // The address is an alias that git rewrites, and what is pushed to is another one.
    git(repo, 'remote', 'add', 'mine', 'https://github.example/bob/shop-fork');
    git(repo, 'config', 'remote.mine.pushurl', 'work:bob/shop-fork.git');
    git(repo, 'config', `url.${fork}.insteadOf`, 'work:bob/shop-fork.git');
    f.review('remote = "mine"');
    const [merged = '', closed = ''] = await f.inReview(2);
    f.forge.stranger = { repo: 'mallory/shop', branch: f.branch(merged) };
    f.forge.fail({ method: 'POST', kind: 'reset-after', times: 1 });
    await f.tick();
    for (const id of [merged, closed]) await f.due(id);
    await f.tick();
    expect(f.forge.branches()).toEqual(['main']);
    expect(f.forge.pulls).toMatchObject([
      { owner: 'bob', branch: f.branch(merged) },
      { owner: 'bob', branch: f.branch(closed) },
    ]);
    expect([merged, closed].map((id) => f.row(id))).toMatchObject([
      { stage: 'open', url: expect.stringMatching(/ann\/shop\/pull\/\d$/), error: null },
      { stage: 'open', error: null },
    ]);
    f.forge.merge(f.row(merged).number ?? 0);
    f.forge.close(f.row(closed).number ?? 0);
    f.forge.forks.set('bob', null);
    await f.tick();
    expect([merged, closed].map((id) => f.rig.ticket(id).status)).toEqual(['done', 'cancelled']);
  });

  it('is not pushed while a submodule is at a commit that its remote has not: nobody could check it out', async () => {
    const id = await f.byAgent();
    const { worktree } = f.rig.runs(id)[0] ?? expect.fail('no run');
    const lib = join(f.rig.box.dir, 'lib');
    const as = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'protocol.file.allow=always'];
    git(f.rig.box.repo, 'init', '-q', '-b', 'main', lib);
    git(lib, ...as, 'commit', '-q', '--allow-empty', '-m', 'one');
    git(worktree, ...as, 'submodule', '--quiet', 'add', lib, 'lib');
    const inside = join(worktree, 'lib');
    writeFileSync(join(inside, 'file'), 'work\n');
    git(inside, 'add', '-A');
    git(inside, ...as, 'commit', '-qm', 'work');
    git(worktree, ...as, 'commit', '-qam', 'with its library');
    await f.tick();
    expect(f.forge.branches()).toEqual(['main']);
    writeFileSync(join(inside, 'file'), 'more\n');
    const { out } = await f.rig.box.start(['diff', id], f.env);
    expect(out).toMatch(/Not committed in lib:\n[\s\S]*--- a\/lib\/file\n\+\+\+ b\/lib\/file\n[\s\S]*\+more/);
    const [, command = ''] = /push it there: (git .*)$/.exec(f.row(id).error ?? '') ?? [];
    expect(spawnSync('sh', ['-c', command], { env: f.rig.box.env }).status).toBe(0);
    await f.due(id);
    await f.tick();
    expect(f.forge.branches()).toContain(f.branch(id));
  });

  it('that is merged is done at a later tick, and one that is closed is cancelled', async () => {
    const [merged = '', closed = ''] = await f.inReview(2);
    await f.tick();
    const number = (id: string) => f.row(id).number ?? 0;
    f.forge.merge(number(merged));
    f.forge.close(number(closed));
    await f.tick();
    expect(f.rig.ticket(merged)).toMatchObject({ status: 'done', worker_pid: null });
    expect(f.rig.ticket(merged).reason_text).toBe(`merged: ${f.row(merged).url}`);
    expect(f.rig.ticket(closed).status).toBe('cancelled');
    expect(f.log(merged, 'moved')).toMatchObject([{ actor: 'forge', because: 'done' }]);
    expect([merged, closed].map((id) => f.row(id).stage)).toEqual(['merged', 'closed']);
    // Reopened there: a person's business.
    f.forge.reopen(number(closed));
    const asked = f.forge.requests.length;
    await f.tick();
    expect(f.rig.ticket(closed).status).toBe('cancelled');
    expect(f.forge.requests).toHaveLength(asked);
  });

  it('goes on to the same pull request with what its agent commits after the report', async () => {
    const id = await f.one();
    await f.tick();
    const { worktree } = f.rig.runs(id)[0] ?? expect.fail('no run');
    const before = f.forge.tip(f.branch(id));
    git(worktree, 'commit', '-q', '--allow-empty', '-m', 'one more thing');
    await f.due(id);
    await f.tick();
    expect(f.forge.tip(f.branch(id))).not.toBe(before);
    expect(f.forge.tip(f.branch(id))).toBe(git(worktree, 'rev-parse', 'HEAD').trim());
    expect(f.opened()).toHaveLength(1);
  });

  it("is never that of somebody else's fork, though its branch has the name", async () => {
    const id = await f.one();
    f.forge.stranger = { repo: 'mallory/shop', branch: f.branch(id) };
    await f.tick();
    expect(f.row(id).url).toBe('https://forge.example/ann/shop/pull/1');
    expect(f.opened()).toHaveLength(1);
  });

  it('is left alone by everything that is said of it once a person has moved it', async () => {
    const id = await f.one();
    await f.tick();
    f.forge.merge(1);
    await f.run('ticket', 'move', id, 'blocked', '--why', 'not yet');
    await f.tick();
    expect(f.rig.ticket(id)).toMatchObject({ status: 'blocked', reason_text: 'not yet' });
  });

  it('a move of a person between the look and the move wins', async () => {
    const id = await f.one();
    await f.tick();
    f.forge.merge(1);
    // The forge answers only after the person has moved the ticket.
    const { asked, go } = f.forge.hold();
    const tick = f.tick();
    await asked;
    f.rig.box.sql("UPDATE tickets SET status = 'blocked', version = version + 1 WHERE id = ?", id);
    go();
    expect(await tick).toMatchObject({ code: 0, outcome: 'ok' });
    expect(f.rig.ticket(id).status).toBe('blocked');
    expect(f.row(id).stage).toBe('open');
  });

  it('of a ticket that a person has taken over is theirs: nothing is pushed, and the reason is recorded', async () => {
    const id = await f.one();
    await f.run('ticket', 'edit', id, '--owner', 'ann');
    const tick = await f.tick();
    expect(tick.err).toContain(`${id}: not published: a person has taken it`);
    expect(f.forge.branches()).toEqual(['main']);
    expect(f.row(id)).toMatchObject({ stage: 'refused', next_at_ms: null });
    expect((await f.tick()).err).toBe('');
  });

  it('that its owner has changed is not finished by a merge', async () => {
    const id = await f.one();
    await f.tick();
    f.forge.merge(1);
    await f.run('ticket', 'edit', id, '--owner', 'ann');
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('in_review');
  });

  it('is only pushed where no pull request is wanted', async () => {
    f.review('', 'push = true');
    const { repo } = f.rig.box;
    const as = ['-c', 'user.name=t', '-c', 'user.email=t@t'];
    const tree = git(repo, 'rev-parse', 'main^{tree}');
    const dropped = git(repo, ...as, 'commit-tree', '-p', 'main', '-m', 'dropped later', tree);
    git(repo, 'push', '-q', 'origin', `${dropped}:main`);
    const id = await f.byAgent();
    // Its base is pushed backwards meanwhile: what that has dropped goes out with it, and is told.
    git(repo, 'push', '-qf', 'origin', 'main:main');
    await f.tick();
    expect(f.forge.tip(f.branch(id))).not.toBe('');
    expect(f.log(id, 'warning')).toMatchObject([
      {
        because: 'base_rewritten',
        text: expect.stringContaining(`--onto origin/main ${dropped.slice(0, 12)}`),
      },
    ]);
    expect(f.row(id)).toMatchObject({ stage: 'pushed', next_at_ms: null, url: null });
    expect(f.forge.requests).toEqual([]);
  });

  it('without a review table goes nowhere, and nothing is written', async () => {
    f.rig.configure();
    const id = await f.one();
    await f.tick();
    expect(f.forge.branches()).toEqual(['main']);
    expect(f.rows(id)).toEqual([]);
    expect(existsSync(join(f.rig.box.state, 'publish-lock.sqlite'))).toBe(false);
  });

  it('goes nowhere while a killswitch holds its project back', async () => {
    const id = await f.one();
    await f.run('killswitch', 'on', '--scope', 'project:demo', '--reason', 'release');
    await f.tick();
    expect(f.rows(id)).toEqual([]);
    await f.run('killswitch', 'off', '--scope', 'project:demo');
    await f.tick();
    expect(f.row(id).stage).toBe('open');
  });
});

describe('what stays', () => {
  it('comes next in a pass, once a killswitch is on', async () => {
    const ids = await f.inReview(2);
    const { asked, go } = f.forge.hold();
    const tick = f.tick();
    await asked;
    await f.run('killswitch', 'on', '--reason', 'stop');
    go();
    expect((await tick).code).toBe(0);
    expect(ids.flatMap((id) => f.rows(id))).toHaveLength(1);
    expect(f.forge.branches()).toHaveLength(2);
  });

  it('is the work of another host', async () => {
    const id = await f.one();
    f.rig.box.sql("UPDATE runtime_sessions SET host_id = 'elsewhere' WHERE ticket_id = ?", id);
    expect((await f.tick()).err).toBe('');
    expect(f.rows(id)).toEqual([]);
    expect(f.forge.branches()).toEqual(['main']);
  });
});

describe('a dry run', () => {
  it('shows what would go out, and writes nothing, here or there', async () => {
    const id = await f.one();
    const board = join(f.rig.box.state, 'board.sqlite');
    const before = [readFileSync(board), statSync(f.rig.box.state).mtimeMs];
    const dry = await f.tick('--dry-run');
    expect(dry.publish).toEqual([{ ticket: id, because: 'in_review', does: ['push', 'open'] }]);
    expect((await f.run('dispatch', '--dry-run')).out).toContain(
      `${id}: publish [planned] push its branch, open a pull request unless there is one [in_review]`,
    );
    expect([readFileSync(board), statSync(f.rig.box.state).mtimeMs]).toEqual(before);
    expect(f.forge.branches()).toEqual(['main']);
    expect(f.forge.requests).toEqual([]);
    await f.tick();
    await f.due(id);
    expect((await f.tick('--dry-run')).publish).toEqual([
      { ticket: id, because: 'check_due', does: ['look'] },
    ]);
  });
});

describe('a forge that fails', () => {
  it.each([
    ['is away', { kind: 'reset', times: 9 }, 'cannot be reached'],
    ['answers 500', { kind: 500, times: 9 }, 'answered 500'],
    ['refuses the token', { kind: 401, times: 9 }, 'refuses the token (401)'],
    ['has no such repository', { kind: 404, times: 9 }, 'has no ann/shop'],
    ['answers a page', { kind: 'html', times: 9 }, 'gives no list of pull requests'],
    ['leads elsewhere', { kind: 'redirect', times: 9 }, 'cannot be reached'],
  ] as const)('because it %s changes no tick; it is told once and tried again', async (_, fault, says) => {
    const id = await f.one();
    f.forge.fail(fault);
    const tick = await f.tick();
    expect(tick).toMatchObject({ code: 0, outcome: 'ok' });
    expect(tick.err).toContain(`${id}: not published: `);
    expect(tick.err).toContain(says);
    expect(f.row(id)).toMatchObject({ stage: 'pushed', attempts: 1, url: null });
    await f.due(id);
    const seen = (await f.run('status')).out;
    expect(seen).toContain(`in review\n  ${id}  !  `);
    expect((await f.tick()).err, 'the same again is no news').toBe('');
    expect(f.row(id).attempts).toBe(2);
    expect(f.log(id, 'warning')).toHaveLength(1);
    f.forge.mend();
    await f.due(id);
    await f.tick();
    expect(f.row(id)).toMatchObject({ stage: 'open', attempts: 0, error: null });
    expect(f.forge.pulls).toHaveLength(1);
  });

  it('by a limit is asked again when that is over, and counts as no failure', async () => {
    const id = await f.one();
    f.forge.fail({ kind: 'limit', times: 1 });
    await f.tick();
    const { attempts, next_at_ms } = f.row(id);
    expect(attempts).toBe(0);
    expect((next_at_ms ?? 0) - Date.now()).toBeGreaterThan(3_000_000);
  });

  it('ten times is left for a person, who has it published once it is mended', async () => {
    const id = await f.one();
    f.forge.fail({ kind: 500, times: 1 });
    await f.tick();
    f.rig.box.sql('UPDATE reviews SET attempts = 9, next_at_ms = 1 WHERE ticket_id = ?', id);
    f.forge.fail({ kind: 500, times: 1 });
    await f.tick();
    expect(f.row(id)).toMatchObject({ attempts: 10, next_at_ms: null });
    await f.tick();
    expect(f.forge.pulls).toEqual([]);
    const published = await f.run('ticket', 'publish', id);
    expect(published).toMatchObject({ code: 0, err: '' });
    expect(published.out).toContain('opened https://forge.example/ann/shop/pull/1');
    expect(f.row(id)).toMatchObject({ stage: 'open', attempts: 0 });
  });

  it.each(['reset-after', 'late'] as const)(
    'to tell of the pull request that it has made (%s): it is found, and no second one is made',
    async (kind) => {
      const id = await f.one();
      if (kind === 'late') {
        await f.tick();
        // As if the answer, and the note of it, had been lost; and the list does not show it yet.
        f.rig.box.sql("UPDATE reviews SET stage = 'opening', url = NULL, number = NULL, next_at_ms = 1");
        f.forge.fail({ kind, method: 'GET', times: 1 });
      } else f.forge.fail({ kind, method: 'POST', times: 1 });
      await f.tick();
      await f.due(id);
      await f.tick();
      expect(f.forge.pulls).toHaveLength(1);
      expect(f.row(id)).toMatchObject({ stage: 'open', number: 1 });
    },
  );
});

describe('a tick that is killed', () => {
  it('after its pull request was made, before it knew: the next one finds it', async () => {
    const id = await f.one();
    f.forge.fail({ kind: 'hold-after', method: 'POST', times: 1 });
    const tick = f.rig.box.begin(['dispatch'], f.env);
    expect(await until(() => f.forge.pulls.length === 1)).toBe(true);
    tick.kill();
    await tick.done;
    expect(f.row(id)).toMatchObject({ stage: 'opening', url: null });
    await f.due(id);
    await f.tick();
    expect(f.forge.pulls).toHaveLength(1);
    expect(f.row(id)).toMatchObject({ stage: 'open', number: 1 });
    expect(f.log(id, 'published').map(({ because }) => because)).toEqual(['pushed', 'found']);
  });

  it('while the remote takes its push: the next one pushes the same, and goes on', async () => {
    const id = await f.one();
    const hook = join(f.forge.bare, 'hooks', 'post-receive');
    const there = join(f.rig.box.dir, 'received');
    writeFileSync(hook, `#!/bin/sh\n: >${there}\nwhile [ -e ${there} ]; do sleep 0.05; done\n`);
    chmodSync(hook, 0o755);
    const tick = f.rig.box.begin(['dispatch'], f.env);
    expect(await until(() => existsSync(there))).toBe(true);
    tick.kill();
    await tick.done;
    expect(f.row(id)).toMatchObject({ stage: 'pushing', head: null });
    for (const one of [hook, there]) rmSync(one);
    await f.due(id);
    await f.tick();
    expect(f.row(id)).toMatchObject({ stage: 'open', number: 1 });
    expect(f.forge.pulls).toHaveLength(1);
  });

  it('two at a time publish a ticket once', async () => {
    const ids = await f.inReview(3);
    await Promise.all([f.beside(), f.beside(), f.beside()]);
    await f.tick();
    expect(f.forge.pulls).toHaveLength(ids.length);
    expect(f.opened()).toHaveLength(ids.length);
  });
});

describe('a branch', () => {
  it('that has other commits on the remote is not forced, and a person is told', async () => {
    const id = await f.one();
    const branch = f.branch(id);
    const other = git(f.rig.box.repo, 'commit-tree', 'main^{tree}', '-p', 'main', '-m', 'theirs');
    git(f.rig.box.repo, 'push', '-q', 'origin', `${other}:refs/heads/${branch}`);
    const tick = await f.tick();
    expect(tick.err).toContain(`origin has other commits on ${branch}`);
    expect(f.forge.tip(branch)).toBe(other);
    expect(f.row(id)).toMatchObject({ stage: 'refused', next_at_ms: null });
    expect(f.opened()).toEqual([]);
  });

  it('that the remote does not take is tried again later', async () => {
    const id = await f.one();
    const hook = join(f.forge.bare, 'hooks', 'pre-receive');
    writeFileSync(hook, '#!/bin/sh\nexit 1\n');
    chmodSync(hook, 0o755);
    expect((await f.tick()).err).toContain('origin does not take');
    expect(f.row(id)).toMatchObject({ stage: 'pushing', attempts: 1, head: null });
    rmSync(hook);
    await f.due(id);
    await f.tick();
    expect(f.row(id)).toMatchObject({ stage: 'open', attempts: 0 });
  });

  it('that somebody has committed to on the forge is not forced, and its merge still ends the ticket', async () => {
    const id = await f.one();
    await f.tick();
    const branch = f.branch(id);
    const theirs = git(f.rig.box.repo, 'commit-tree', 'main^{tree}', '-p', branch, '-m', 'theirs');
    git(f.rig.box.repo, 'push', '-q', 'origin', `${theirs}:refs/heads/${branch}`);
    // Its agent has committed too, which a new report would bring up.
    const { worktree = '' } = f.rig.runs(id)[0] ?? {};
    git(worktree, 'commit', '-q', '--allow-empty', '-m', 'more');
    f.rig.box.sql('UPDATE tickets SET version = version + 1 WHERE id = ?', id);
    expect((await f.tick()).code).toBe(0);
    expect(f.row(id)).toMatchObject({ stage: 'open' });
    expect(f.row(id).error).toContain('other commits');
    f.forge.merge(1);
    await f.due(id);
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('done');
  });

  it('is pushed without the hooks that an agent may have written, and without what is not committed', async () => {
    const id = await f.one();
    const hooks = join(f.rig.box.repo, '.git', 'hooks');
    for (const name of ['pre-push', 'reference-transaction']) {
      writeFileSync(join(hooks, name), `#!/bin/sh\n: >${f.rig.box.dir}/planted\nexit 1\n`);
      chmodSync(join(hooks, name), 0o755);
    }
    writeFileSync(join(f.rig.runs(id)[0]?.worktree ?? '', 'left.txt'), 'x');
    await f.tick();
    expect(existsSync(join(f.rig.box.dir, 'planted'))).toBe(false);
    expect(f.row(id).stage).toBe('open');
    expect(f.log(id, 'warning')).toMatchObject([{ because: 'uncommitted' }]);
    expect(f.forge.git('ls-tree', '--name-only', f.branch(id)).stdout).not.toContain('left.txt');
  });

  it('that its agent has left beside another goes nowhere, and once it is one, by its own name wherever it is', async () => {
    const id = await f.one();
    const { worktree = '' } = f.rig.runs(id)[0] ?? {};
    git(worktree, 'switch', '-q', '-c', 'mine', 'HEAD~1');
    git(worktree, 'commit', '-q', '--allow-empty', '-m', 'beside');
    expect((await f.tick()).err).toMatch(/its work is on mc.* there are 1 commit on mine: bring together/);
    expect(f.forge.branches()).toEqual(['main']);
    expect(f.row(id)).toMatchObject({ stage: 'refused' });
    git(worktree, 'merge', '-q', '--no-edit', f.branch(id));
    f.rig.box.sql('UPDATE tickets SET version = version + 1 WHERE id = ?', id);
    await f.tick();
    expect(f.forge.branches()).toEqual(['main', f.branch(id)]);
    expect(f.forge.git('rev-parse', f.branch(id)).stdout.trim()).toBe(git(worktree, 'rev-parse', 'mine'));
  });

  it('of a hostile title stays inert: in the shell, in argv, in refs and on the forge', async () => {
    const title = '"; touch planted; $(touch planted) `x` --force +refs/heads/* #1 @everyone\u202e';
    const added = await f.run(
      ...['ticket', 'add', '--project', 'demo', '--agent', 'scripted', '--json'],
      ...['--title', title, '--body', 'behave: review'],
    );
    const { id } = JSON.parse(added.out) as { id: string };
    await f.tick();
    await f.rig.settle(id, 'in_review');
    f.rig.box.sql('UPDATE tickets SET reason_text = ? WHERE id = ?', '````\n@ann closes #1 `x`', id);
    await f.tick();
    expect(f.forge.pulls).toMatchObject([{ title: `${id}: ${title.replace('\u202e', '')}` }]);
    expect(f.forge.pulls[0]?.body).toContain('`````text\n````\n@ann closes #1 `x`\n`````');
    expect(f.forge.branches()).toEqual(['main', f.branch(id)]);
    expect(f.branch(id)).toMatch(/^mc\/MC-\d+-[a-z0-9-]+$/);
    for (const dir of [f.rig.box.repo, f.rig.box.dir, f.rig.runs(id)[0]?.worktree ?? ''])
      expect(existsSync(join(dir, 'planted'))).toBe(false);
  });
});
