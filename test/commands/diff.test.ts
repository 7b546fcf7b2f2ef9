import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/machine/programs.ts';
import { Rig } from '../support/rig.ts';
import { BIN, git } from '../support/sandbox.ts';
import { Terminal } from '../support/terminal.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

async function reviewed(): Promise<{ id: string; worktree: string; branch: string }> {
  const id = rig.add('review');
  rig.tick();
  await rig.settle(id, 'in_review');
  const { worktree, pid } = rig.runs(id)[0] ?? expect.fail('no run');
  await rig.gone(pid);
  return { id, worktree, branch: `mc/${id}-do-review` };
}
const show = (id: string, ...more: string[]) => rig.box.run(['diff', id, ...more]);
const json = (id: string) => JSON.parse(show(id, '--json').out) as Record<string, unknown>;

describe('diff', () => {
  it('shows what was committed, and apart from it what was not; the patch can be applied', async () => {
    const { id, worktree, branch } = await reviewed();
    writeFileSync(join(worktree, 'new\u001b[2J.txt'), 'new\n');
    writeFileSync(join(worktree, 'README.md'), '# changed\n');
    // The base goes on meanwhile: that is none of the branch's doing.
    writeFileSync(join(rig.box.repo, 'other.txt'), 'other\n');
    git(rig.box, 'add', '-A');
    git(rig.box, 'commit', '-qm', 'other work');
    const { out, err, code } = show(id);
    expect({ err, code }).toEqual({ err: '', code: 0 });
    expect(out).toMatch(new RegExp(`^${branch} against main \\([0-9a-f]{12}\\)$`, 'm'));
    expect(out).toMatch(/1 commit\n +[0-9a-f]{9} .* Work on MC-1\n1 file\n +A +work-MC-1.txt +\+1 +-0\n/);
    expect(out).toMatch(/2 files not committed\n +M +README.md +\+1 +-1\n +new +new\[2J.txt\n/);
    expect(out).not.toContain('other');
    const [committed = '', dirty = ''] = out.slice(out.indexOf('diff --git')).split('\nNot committed:\n');
    expect(committed).toContain('+work of MC-1');
    expect(dirty).toContain('+# changed');
    expect(show(id, '--stat').out).not.toContain('diff --git');
    rmSync(join(rig.box.repo, 'other.txt'));
    const applied = spawnSync('git', ['-C', rig.box.repo, 'apply'], { input: committed, encoding: 'utf8' });
    expect(applied).toMatchObject({ status: 0, stderr: '' });
    expect(json(id)).toMatchObject({
      base: { name: 'main' },
      branch,
      merged: false,
      commits: [{ subject: 'Work on MC-1', author: 'agent' }],
      files: [{ path: 'work-MC-1.txt', status: 'A', added: 1, removed: 0 }],
      uncommitted: [
        { path: 'README.md', status: 'M' },
        { path: 'new\u001b[2J.txt', status: '?' },
      ],
    });
  });

  it('starts nothing that the repository or the agent has configured, whatever a branch is called', async () => {
    const { id, worktree, branch } = await reviewed();
    const canary = join(rig.box.dir, 'canary');
    const evil = join(rig.box.dir, 'evil.sh');
    writeFileSync(evil, `#!/bin/sh\necho "$0 $*" >>${canary}\ncat\n`, { mode: 0o755 });
    writeFileSync(join(worktree, '.gitattributes'), '* diff=evil filter=evil\n');
    writeFileSync(join(worktree, 'README.md'), '# changed\n');
    for (const key of [
      'core.fsmonitor',
      'diff.external',
      'diff.evil.textconv',
      'diff.evil.command',
      'core.pager',
      'pager.diff',
      'filter.evil.clean',
      'gpg.program',
    ])
      git(rig.box, 'config', key, evil);
    git(rig.box, 'config', 'log.showSignature', 'true');
    // Nor what a file has that the repository includes.
    const more = join(rig.box.dir, 'more.cfg');
    writeFileSync(more, `[filter "sly"]\n\tclean = ${evil}\n`);
    git(rig.box, 'config', 'include.path', more);
    writeFileSync(join(worktree, '.gitattributes'), '*.md filter=sly\n* diff=evil filter=evil\n');
    const odd = '--output=x;touch y|z';
    git(rig.box, '-C', worktree, 'branch', '-m', branch, `mc/${odd.replaceAll(' ', '')}`);
    const done = show(id);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toContain('+# changed');
    expect(done.out).toContain('mc/--output=x;touchy|z against main');
    // On a terminal there is a pager, and it is the user's own.
    const terminal = new Terminal(rig.box.env, 80, 40);
    try {
      terminal.type(`unset PAGER GIT_PAGER; ${process.execPath} ${BIN} diff ${id}; echo ended with $?`);
      expect(await terminal.shows(/ended with 0/)).toContain('+# changed');
    } finally {
      terminal.close();
    }
    expect(existsSync(canary) ? readFileSync(canary, 'utf8') : '').toBe('');
  });

  it('of a partial clone shows what is here, and fetches nothing by a program that the repository names', async () => {
    const { id, worktree, branch } = await reviewed();
    const canary = join(rig.box.dir, 'canary');
    for (const [key, value] of [
      ['extensions.partialClone', 'prom'],
      ['remote.prom.promisor', 'true'],
      ['remote.prom.url', rig.box.repo],
      ['remote.prom.uploadpack', `touch ${canary}; git-upload-pack`],
    ] as const)
      git(rig.box, 'config', key, value);
    expect(show(id)).toMatchObject({ code: 0, out: expect.stringContaining('+work of MC-1') });
    // What is not here is not fetched for it.
    rmSync(worktree, { recursive: true });
    const blob = git(rig.box, 'rev-parse', `${branch}:work-${id}.txt`).trim();
    rmSync(join(rig.box.repo, '.git', 'objects', blob.slice(0, 2), blob.slice(2)));
    expect(show(id)).toMatchObject({ code: 69, err: expect.stringContaining('this partial clone lacks') });
    expect(existsSync(canary)).toBe(false);
  });

  it('shows what a terminal would act on as characters, also where there is no pager', async () => {
    const { id, worktree } = await reviewed();
    writeFileSync(join(worktree, 'README.md'), 'x\u001b]0;owned\u0007\u001b[2Jy\n');
    const bin = join(rig.box.dir, 'bin');
    mkdirSync(bin);
    symlinkSync(findProgram('git', process.env.PATH) ?? '', join(bin, 'git'));
    const terminal = new Terminal(rig.box.env, 80, 40);
    try {
      terminal.type(`PATH=${bin} ${process.execPath} ${BIN} diff ${id}; echo ended with $?`);
      const shown = await terminal.shows(/ended with 0/);
      expect(shown).toContain('+x]0;owned[2Jy');
      expect(terminal.tmux('display-message', '-p', '-t', 't', '#{pane_title}')).not.toContain('owned');
    } finally {
      terminal.close();
    }
  });

  it('of a merged branch shows what it had brought', async () => {
    const { id, branch } = await reviewed();
    git(rig.box, 'merge', '-q', '--no-ff', '-m', 'merged', branch);
    expect(json(id)).toMatchObject({ merged: true, files: [{ path: 'work-MC-1.txt' }] });
    expect(show(id).out).toMatch(/, merged$/m);
  });

  it('goes by the branch alone once the worktree is gone, and says so when both are', async () => {
    const { id, worktree, branch } = await reviewed();
    git(rig.box, 'worktree', 'remove', '--force', '--force', worktree);
    const { out, code } = show(id);
    expect(code).toBe(0);
    expect(out).toContain('its worktree is gone: only what was committed is shown');
    expect(out).toContain('+work of MC-1');
    git(rig.box, 'branch', '-D', branch);
    const gone = show(id);
    expect(gone).toMatchObject({ code: 69, out: '' });
    expect(gone.err).toMatch(/MC-1: its branch mc\/MC-1-do-review is gone, and so is its worktree/);
  });

  it('of a ticket that nobody has worked on, and of one that is not there, is an error with a next step', () => {
    const id = rig.add('hold');
    expect(show(id)).toMatchObject({ code: 69, out: '' });
    expect(show(id).err).toContain('MC-1 never had a branch');
    expect(show('MC-9').code).toBe(2);
  });
});

describe('transcript', () => {
  it('of a program without a record is what its terminal last showed', async () => {
    const id = rig.add('die-talking');
    rig.tick();
    await rig.gone(rig.run(id).pid);
    rig.tick();
    const { out, code } = rig.box.run(['transcript', id]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^MC-1 {2}run MC-1-e1-\w+ {2}attempt 1 with scripted \(command\) {2}ended .*, failed: agent_exited\n/,
    );
    expect(out).toMatch(/thought 58\nthought 59\nout of words\n$/);
    const lines = rig.box.run(['transcript', id, '--json']).out.trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ at_ms: null, who: 'output', text: 'out of words' });
  });

  it('follows a run until it ends', async () => {
    const [id = ''] = await rig.held(1);
    const following = rig.box.begin(['transcript', id, '--follow']);
    rig.box.signal(`${id}.go`);
    await rig.settle(id, 'in_review');
    await rig.gone(rig.run(id).pid);
    rig.tick();
    const { out, code } = await following.done;
    expect(code).toBe(0);
    expect(out).toContain('committed as ');
  });

  it('says where it looked when there is nothing, and which runs there are', async () => {
    const id = rig.add('hold');
    expect(rig.box.run(['transcript', id])).toMatchObject({ code: 69, out: '' });
    rig.tick();
    await rig.holding(id);
    const done = rig.box.run(['transcript', id]);
    expect(done).toMatchObject({ code: 69, out: '' });
    expect(done.err).toMatch(
      /nothing is recorded of MC-1, run MC-1-e1-\w+ \(command\); looked at .*output\.log, its pane %\d+, .*screen\.txt/,
    );
    expect(rig.box.run(['transcript', id, '--run', 'x']).err).toMatch(
      /MC-1 has no run "x"; its newest: MC-1-e1-/,
    );
  });
});
