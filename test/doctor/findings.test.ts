/** What doctor finds on real directories, real repositories, a real board and a real tmux server; and that it leaves no
 *  trace of having looked. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Finding, TopicFinding } from '../../src/doctor/finding.ts';
import { looked, TOPICS } from '../../src/doctor/finding.ts';
import { EXIT, UserError } from '../../src/model/errors.ts';
import { Rig, state } from '../support/rig.ts';
import { BIN, git, until } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(async () => {
  rig = new Rig();
  expect((await rig.box.here(['init'])).code).toBe(0);
});
afterEach(() => rig.box.destroy());

/** What doctor says of one check, and its exit code. */
async function doctor(env: NodeJS.ProcessEnv = {}): Promise<{
  code: number | null;
  all: TopicFinding[];
  of: (check: string) => TopicFinding[];
}> {
  const done = await rig.box.here(['doctor', '--json'], '', env);
  expect(done.err).toBe('');
  const all = JSON.parse(done.out) as TopicFinding[];
  for (const { topic, check, result, says, fix } of all) {
    expect(TOPICS).toContain(topic);
    expect(['ok', 'warn', 'fail']).toContain(result);
    expect([typeof check, typeof says]).toEqual(['string', 'string']);
    // Whatever is wrong has something that can be done about it.
    expect(fix === null, `${check}: ${says}`).toBe(result === 'ok');
  }
  return { code: done.code, all, of: (check) => all.filter((one) => one.check === check) };
}

/** Every file below a directory, with what would show that it was touched. Where a trial was, a directory is as it was but for its time. */
function tree(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(dir, name));
      const { mode, size, mtimeMs, ctimeMs, ino } = stat;
      const tried = stat.isDirectory() && /(^|\/)(\.git|worktrees)(\/|$)/.test(name);
      return [name, mode, ...(tried ? [] : [size, mtimeMs, ctimeMs]), ino].join(' ');
    });
}

it('names who reads the board without an end, and not who has only opened it', async () => {
  const script = `const D = require('better-sqlite3'); const d = new D(process.argv[1]);
    d.prepare('SELECT 1').get(); if (process.argv[2] === 'reads') { d.exec('BEGIN'); d.prepare('SELECT * FROM tickets').all(); }
    console.log('there'); setInterval(() => d.open, 60_000)`;
  const children = ['reads', 'rests'].map((what) =>
    spawn(process.execPath, ['-e', script, rig.box.boardFile, what], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  try {
    await Promise.all(children.map((child) => new Promise((on) => child.stdout?.once('data', on))));
    const { of } = await doctor();
    expect(of('readers')).toMatchObject([
      { result: 'warn', fix: expect.stringContaining(`kill ${children[0]?.pid}`) },
    ]);
    expect(of('readers')[0]?.says).toContain(`process ${children[0]?.pid} (`);
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
});

describe('doctor leaves no trace', () => {
  it('of a world in use, nor of one that is not there yet', async () => {
    const [id = ''] = await rig.held(1);
    rig.configure({ more: `[agent.real]\nkind = "claude"\nargv = [${JSON.stringify(client('2.1.400'))}]\n` });
    const before = tree(rig.box.dir);
    expect((await rig.box.here(['doctor'])).code).toBe(0);
    expect((await rig.box.here(['doctor', '--as-cron'])).code).toBe(0);
    expect(tree(rig.box.dir)).toEqual(before);
    expect(rig.agents(id)).toHaveLength(1);

    const empty = join(rig.box.dir, 'nothing');
    const done = await rig.box.here(['--state-dir', empty, '--config', join(empty, 'config.toml'), 'doctor']);
    expect(done).toMatchObject({ code: 78, err: '' });
    expect(tree(rig.box.dir)).toEqual(before);
  });
});

it('is grouped under headings on a pipe too, and ends with a summary', async () => {
  const done = await rig.box.here(['doctor']);
  const heads = done.out.split('\n').filter((line) => (TOPICS as readonly string[]).includes(line));
  expect(heads).toEqual([...TOPICS]);
  expect(done.out).toMatch(/\n\d+ to mend, \d+ warnings?, \d+ fine\n$/);
  expect(await rig.box.here(['--quiet', 'doctor'])).toMatchObject({ code: 0, out: '', err: '' });
});

describe('at a terminal', () => {
  it('it is told what takes so long, and nothing of that is left; lines fit into its width', async () => {
    claude(client('2.1.400', '#!/bin/sh\nwhile [ ! -e "$HOME/go" ]; do sleep 0.05; done'));
    const line = `${process.execPath} ${BIN} doctor; sleep 60`;
    expect(
      rig.box.tmux('-f', '/dev/null', 'new-session', '-d', '-x', '80', '-y', '99', '-s', 'eyes', line),
    ).toMatchObject({ code: 0, err: '' });
    const screen = () => rig.box.tmux('capture-pane', '-p', '-t', '=eyes:').out;
    expect(await until(() => /agents, projects, tmux \.\.\./.test(screen()))).toBe(true);
    expect(screen()).not.toContain('to mend');
    writeFileSync(join(rig.box.env.HOME ?? '', 'go'), '');
    expect(await until(() => screen().includes('to mend'))).toBe(true);
    expect(screen()).not.toContain('tmux ...');
    expect(screen()).toMatch(/^programs\nok {3}node /);
    const colours = rig.box.tmux('capture-pane', '-p', '-e', '-t', '=eyes:').out;
    expect(colours).toMatch(/\u001b\[36m(\u001b\[\d+m)*ok/);
  });
});

describe('a check that throws is a finding', () => {
  it.each([
    [new UserError(EXIT.config, 'the lock is gone'), 'fail'],
    [new TypeError('x is not a function'), 'warn'],
    ['a word', 'warn'],
  ])('%s: %s', async (error, result) => {
    const found = await looked('one', () => Promise.reject(error));
    expect(found).toMatchObject([{ check: 'one', result, fix: expect.any(String) }]);
  });

  it('and hides no other', async () => {
    const fine: Finding = { check: 'one', result: 'ok', says: 'x', fix: null };
    expect(await looked('one', async () => [fine])).toEqual([fine]);
  });
});

describe('the state dir', () => {
  it('files that others may read are told, and a board that others may write keeps all from working', async () => {
    expect((await doctor()).of('state files')).toMatchObject([{ result: 'ok' }]);
    const board = join(rig.box.state, 'board.sqlite');
    chmodSync(board, 0o644);
    expect((await doctor()).of('state files')).toMatchObject([
      { result: 'warn', fix: `chmod go-rwx ${board}` },
    ]);
    chmodSync(board, 0o622);
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('state files')).toMatchObject([{ result: 'fail', says: expect.stringContaining('0622') }]);
    expect(of('board')).toMatchObject([
      { result: 'fail', says: expect.stringContaining('written by others') },
    ]);
  });

  it('of another user, or one that cannot be read, is told, and nothing is thrown', async (context) => {
    if (process.getuid?.() !== 0) {
      chmodSync(rig.box.state, 0o000);
      const { code, of } = await doctor();
      chmodSync(rig.box.state, 0o700);
      expect(code).toBe(78);
      expect(of('state dir')).toMatchObject([{ result: 'fail' }]);
      return;
    }
    chownSync(rig.box.state, 65_534, 65_534);
    expect((await doctor()).of('state dir')).toMatchObject([
      { result: 'fail', says: expect.stringMatching(/belongs to user 65534, and this is user 0/) },
    ]);
    chownSync(rig.box.state, 0, 0);
    chmodSync(rig.box.dir, 0o755);
    const done = spawnSync(process.execPath, [BIN, 'doctor', '--json'], {
      ...{ env: rig.box.env, encoding: 'utf8', uid: 65_534, gid: 65_534, cwd: '/' },
    });
    if (done.error !== undefined || done.stderr.includes('EACCES'))
      context.skip(`another user cannot run this checkout: ${done.error ?? done.stderr}`);
    const all = JSON.parse(done.stdout) as Finding[];
    expect(done.status).toBe(78);
    for (const check of ['state dir', 'board'])
      expect(all.filter((one) => one.check === check)).toMatchObject([
        { result: 'fail', says: expect.stringContaining("can't be read") },
      ]);
  });

  it('that is a file is told', async () => {
    const file = join(rig.box.dir, 'file');
    writeFileSync(file, '');
    const { code, of } = await doctor({ MC_PICKUP_STATE_DIR: file });
    expect(code).toBe(78);
    expect(of('state dir')).toMatchObject([
      { result: 'fail', says: expect.stringContaining('not a directory') },
    ]);
  });

  it('tools that lead to a program which was moved away are told', async () => {
    const file = join(rig.box.state, 'bin', 'mc-pickup');
    expect((await doctor()).of('tools')).toMatchObject([{ result: 'ok' }]);
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/'[^']*mc-pickup\.js'/, "'/gone/it'\\''s/mc-pickup.js'"),
    );
    expect((await doctor()).of('tools')).toMatchObject([
      {
        result: 'warn',
        says: expect.stringContaining("/gone/it's/mc-pickup.js"),
        fix: expect.stringContaining('init'),
      },
    ]);
    await rig.box.here(['init']);
    expect((await doctor()).of('tools')).toMatchObject([{ result: 'ok' }]);
  });

  it('on a full disk is told', async (context) => {
    const small = mkdtempSync(join(tmpdir(), 'mc-pickup-'));
    try {
      const done = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=40m,mode=0700', 'tmpfs', small]);
      if (done.status !== 0) context.skip('mounting a small file system is not allowed here: run it as root');
      const { code, of } = await doctor({ MC_PICKUP_STATE_DIR: small });
      expect(code).toBe(78);
      expect(of('disk')[0]).toMatchObject({ result: 'fail', says: expect.stringContaining(small) });
      expect(of('file system')).toMatchObject([{ result: 'ok', says: 'tmpfs' }]);
    } finally {
      spawnSync('umount', ['-l', small]);
      rmSync(small, { recursive: true });
    }
  });
});

describe('the configuration', () => {
  it('a key that is not known is told with its line and what was probably meant', async () => {
    rig.configure({ project: 'worktree = "/x"' });
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('configuration')).toMatchObject([
      { result: 'fail', says: expect.stringMatching(/config\.toml:\d+:\d+: .*did you mean "worktrees"/) },
    ]);
  });

  it('a variable that is wrong is told as one', async () => {
    const { code, of } = await doctor({ MC_PICKUP_MAX_AGENTS: 'x' });
    expect(code).toBe(78);
    expect(of('configuration')).toMatchObject([
      { says: expect.stringContaining('MC_PICKUP_MAX_AGENTS'), fix: expect.stringContaining('unset') },
    ]);
  });

  it('that is no TOML keeps nothing else from being looked at', async () => {
    rig.box.configure('not [ toml');
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('configuration')).toMatchObject([{ result: 'fail' }]);
    for (const check of ['tmux', 'disk', 'board', 'home']) expect(of(check).length, check).toBeGreaterThan(0);
  });
});

describe('the board', () => {
  it('damaged: told with what to do, and everything else is looked at', async () => {
    for (let n = 0; n < 20; n++) rig.add(`hold ${n}`);
    truncateSync(rig.box.boardFile, 5000);
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('board')).toMatchObject([{ result: 'fail', fix: expect.stringContaining('restore') }]);
    expect(of('agent scripted')).toMatchObject([{ result: 'ok' }]);
    rmSync(rig.box.boardFile);
  });

  it('of a newer mc-pickup: refused; of an older one: the next tick brings it forward', async () => {
    rig.box.sql('PRAGMA user_version = 99');
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('board')).toMatchObject([{ result: 'fail', says: expect.stringContaining('schema 99') }]);
    rig.box.sql('PRAGMA user_version = 2');
    const older = await doctor();
    expect(older.code).toBe(0);
    expect(older.of('schema')).toMatchObject([{ result: 'warn', says: expect.stringMatching(/^2, /) }]);
  });

  it("that is another program's file is said to be one", async () => {
    rmSync(rig.box.boardFile);
    rig.box.sql('CREATE TABLE bookmarks (url)');
    chmodSync(rig.box.boardFile, 0o600);
    expect((await doctor()).of('board')).toMatchObject([
      { result: 'fail', says: expect.stringContaining("another program's SQLite file") },
    ]);
    rmSync(rig.box.boardFile);
  });

  it('with a record of the future: the clock has jumped back', async () => {
    await rig.tickHere();
    expect((await doctor()).of('clock')).toEqual([]);
    rig.box.sql('UPDATE hosts SET last_seen_at_ms = ?', Date.now() + 3_600_000);
    expect((await doctor()).of('clock')).toMatchObject([
      { result: 'warn', says: expect.stringMatching(/(59m|1h) in the future/) },
    ]);
  });

  it('with a runtime of another host: said, with what frees its ticket', async () => {
    const [id = ''] = await rig.held(1);
    expect((await doctor()).of('other hosts')).toEqual([]);
    const { host_id } = rig.run(id);
    rig.box.sql("UPDATE runtime_sessions SET host_id = 'h-else' WHERE ticket_id = ?", id);
    expect((await doctor()).of('other hosts')).toMatchObject([
      { result: 'warn', fix: expect.stringContaining(`stop ${id} --release`) },
    ]);
    rig.box.sql('UPDATE runtime_sessions SET host_id = ? WHERE ticket_id = ?', host_id, id);
  });
});

/** A program that answers like a client of that version. */
function client(version: string, first = '#!/bin/sh'): string {
  const file = join(rig.box.dir, `client-${version}`);
  writeFileSync(file, `${first}\necho "${version} (a client)"\n`);
  chmodSync(file, 0o755);
  return file;
}

const claude = (file: string, more = '') =>
  rig.configure({ more: `[agent.real]\nkind = "claude"\nargv = [${JSON.stringify(file)}]\n${more}` });

describe('an agent', () => {
  it('whose program is run by one that is not on PATH: told, and not only that it is there', async () => {
    claude(client('2.1.400', '#!/usr/bin/env no-such-interpreter'));
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('agent real')).toMatchObject([
      { result: 'fail', says: expect.stringContaining('is run by "no-such-interpreter"') },
    ]);
  });

  it('that tells no version is said to', async () => {
    claude(client('nothing'));
    expect((await doctor()).of('agent real')).toMatchObject([
      { result: 'warn', fix: expect.stringContaining('--version') },
    ]);
  });

  it('its login: none, one in the environment that is not handed on, one that is; no secret is printed', async () => {
    claude(client('2.1.400'));
    expect((await doctor()).of('login real')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('none on record') },
    ]);
    const secret = { ANTHROPIC_API_KEY: 'sk-secret-0123' };
    expect((await doctor(secret)).of('login real')).toMatchObject([
      { result: 'warn', fix: 'pass_env = ["ANTHROPIC_API_KEY"] in [agent.real]' },
    ]);
    claude(client('2.1.400'), 'pass_env = ["ANTHROPIC_API_KEY"]\n');
    const given = await doctor(secret);
    expect(given.of('login real')).toMatchObject([{ result: 'ok', says: 'on record: ANTHROPIC_API_KEY' }]);
    expect(JSON.stringify(given.all)).not.toContain('sk-secret');
    expect((await doctor()).of('variables real')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('ANTHROPIC_API_KEY') },
    ]);
    const home = join(rig.box.env.HOME ?? '', '.claude');
    mkdirSync(home);
    writeFileSync(join(home, '.credentials.json'), '{"claudeAiOauth":{"accessToken":"sk-secret"}}', {
      mode: 0o600,
    });
    expect((await doctor()).of('login real')).toMatchObject([
      { result: 'ok', says: expect.stringContaining(home) },
    ]);
  });
});

describe('a project', () => {
  it('an agent that could commit as nobody is told of, with the two lines that mend it', async () => {
    git(rig.box, 'config', 'user.useConfigOnly', 'true');
    const [found] = (await doctor()).of('commits demo');
    expect(found).toMatchObject({ result: 'warn', says: expect.stringContaining("can't commit") });
    const done = spawnSync('/bin/sh', ['-c', found?.fix ?? ''], { env: rig.box.env });
    expect(done.status).toBe(0);
    expect((await doctor()).of('commits demo')).toMatchObject([
      { result: 'ok', says: 'as agent <agent@example.com>' },
    ]);
  });

  it('a profile that brings names of its own needs none of git', async () => {
    git(rig.box, 'config', 'user.useConfigOnly', 'true');
    const names = ['AUTHOR_NAME', 'AUTHOR_EMAIL', 'COMMITTER_NAME', 'COMMITTER_EMAIL'];
    rig.configure({ more: `env = { ${names.map((name) => `GIT_${name} = "a@b"`).join(', ')} }\n` });
    expect((await doctor()).of('commits demo')).toMatchObject([{ result: 'ok' }]);
  });

  it('an old base is told; commits that only the local base has are told, since no agent sees them', async () => {
    const old = { GIT_AUTHOR_DATE: '2020-01-01T00:00:00Z', GIT_COMMITTER_DATE: '2020-01-01T00:00:00Z' };
    const commit = (...words: string[]) =>
      spawnSync('git', ['-C', rig.box.repo, 'commit', '-q', '--allow-empty', ...words], {
        env: { ...rig.box.env, ...old },
      });
    commit('--amend', '-m', 'old');
    expect((await doctor()).of('base demo')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('days old') },
    ]);

    const origin = join(rig.box.dir, 'origin.git');
    git(rig.box, 'clone', '-q', '--bare', rig.box.repo, origin);
    git(rig.box, 'remote', 'add', 'origin', origin);
    git(rig.box, 'commit', '-q', '--allow-empty', '-m', 'fresh');
    git(rig.box, 'push', '-q', 'origin', 'main');
    git(rig.box, 'fetch', '-q', 'origin');
    expect((await doctor()).of('base demo')).toMatchObject([
      { result: 'ok', says: 'origin/main, last commit today' },
    ]);
    git(rig.box, 'commit', '-q', '--allow-empty', '-m', 'not pushed');
    expect((await doctor()).of('base demo')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('main has 1 commit that origin/main has not') },
    ]);
    git(rig.box, 'reset', '-q', '--hard', 'HEAD~2');
    expect((await doctor()).of('base demo')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('the local main is 1 commit behind it') },
    ]);
  });

  it('a remote over ssh needs an agent, or a key without a passphrase', async () => {
    rig.configure({ project: '' });
    rig.box.configure(readFileSync(join(rig.box.dir, 'config.toml'), 'utf8').replace('fetch = false', ''));
    git(rig.box, 'remote', 'add', 'origin', 'git@example.invalid:shop.git');
    expect((await doctor()).of('fetch demo')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('SSH_AUTH_SOCK') },
    ]);
    expect((await doctor({ SSH_AUTH_SOCK: '/x' })).of('fetch demo')).toMatchObject([{ result: 'ok' }]);
    const ssh = join(rig.box.env.HOME ?? '', '.ssh');
    mkdirSync(ssh);
    for (const [words, result] of [
      ['a passphrase', 'warn'],
      ['', 'ok'],
    ] as const) {
      rmSync(join(ssh, 'id_ed25519'), { force: true });
      const made = spawnSync('ssh-keygen', [
        '-q',
        '-t',
        'ed25519',
        '-N',
        words,
        '-f',
        join(ssh, 'id_ed25519'),
      ]);
      if (made.error !== undefined) return expect(process.env.CI, 'ssh-keygen is missing').toBeUndefined();
      expect((await doctor()).of('fetch demo')).toMatchObject([{ result }]);
    }
  });

  it('a hook that is not there, or that cannot be executed, is told: it fails every launch, or is left out', async () => {
    const hook = join(rig.box.repo, 'setup.sh');
    writeFileSync(hook, '#!/bin/sh\n', { mode: 0o644 });
    rig.configure({ project: 'after_create = ["./setup.sh"]\nbefore_run = ["no-such-program", "x"]' });
    const { code, of } = await doctor();
    expect(code).toBe(78);
    expect(of('hooks demo')).toMatchObject([
      { result: 'fail', says: expect.stringContaining('after_create: "./setup.sh"') },
      { result: 'warn', says: expect.stringContaining('before_run: "no-such-program"') },
    ]);
    chmodSync(hook, 0o755);
    rig.configure({ project: 'after_create = ["./setup.sh"]\nbefore_run = ["true"]' });
    expect((await doctor()).of('hooks demo')).toMatchObject([{ result: 'ok' }]);
  });

  it('worktrees that are not there, behind a symlink, or inside of the repository are told', async () => {
    const at = async (path: string) => {
      rig.configure({ project: `worktrees = ${JSON.stringify(path)}` });
      return (await doctor()).of('worktrees demo');
    };
    const real = join(rig.box.dir, 'worktrees');
    expect(await at(real)).toMatchObject([
      { result: 'fail', says: expect.stringContaining('does not exist') },
    ]);
    mkdirSync(real);
    expect(await at(real)).toMatchObject([{ result: 'ok' }]);
    const link = join(rig.box.dir, 'link');
    symlinkSync(real, link);
    expect(await at(link)).toMatchObject([{ result: 'fail', says: expect.stringContaining('symlink') }]);
    const inside = join(rig.box.repo, 'worktrees');
    mkdirSync(inside);
    expect(await at(inside)).toMatchObject([
      { result: 'warn', says: expect.stringContaining('inside the tree') },
    ]);
  });

  it('worktrees of closed tickets are counted', async () => {
    const id = rig.add('review');
    await rig.tickHere();
    await rig.settle(id, 'in_review');
    expect((await doctor()).of('worktrees demo')[0]?.says).not.toContain('closed');
    expect((await rig.box.here(['ticket', 'move', id, 'done'])).code).toBe(0);
    expect((await doctor()).of('worktrees demo')).toMatchObject([
      { result: 'ok', says: expect.stringContaining('1 worktree of closed tickets') },
    ]);
  });
});

describe('ticks', () => {
  const HOUR = 3_600_000;
  const add = (n: number, ago_ms: number, mono_ms: number, outcome = 'ok') => {
    const { host_id, boot_id } =
      rig.box.sql<{ host_id: string; boot_id: string }>('SELECT * FROM hosts')[0] ?? {};
    const at = Date.now() - ago_ms;
    rig.box.sql(
      'INSERT INTO ticks (id, host_id, boot_id, mono_ms, started_at_ms, finished_at_ms, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...[`t-${n}`, host_id ?? '', boot_id ?? '', mono_ms, at, at, outcome],
    );
  };

  it('that stopped coming are told, and those that could see nothing or failed', async () => {
    await rig.tickHere();
    expect((await doctor()).of('ticks')).toMatchObject([{ result: 'ok' }]);
    expect((await doctor()).of('recent ticks')).toMatchObject([{ result: 'ok' }]);
    rig.box.sql('DELETE FROM ticks');
    for (let n = 0; n < 12; n++) add(n, HOUR + (12 - n) * 1000, n * 1000, n < 3 ? 'unavailable' : 'ok');
    expect((await doctor()).of('ticks')).toMatchObject([{ result: 'warn', says: 'the last one 1h ago: ok' }]);
    expect((await doctor()).of('recent ticks')).toMatchObject([
      { result: 'warn', says: 'of the last 10: 1 unavailable', fix: expect.stringContaining('dry-run') },
    ]);
  });

  it('a gap in which the machine ran is told, and one in which it slept is not', async () => {
    await rig.tickHere();
    rig.box.sql('DELETE FROM ticks');
    add(1, 5 * HOUR, 0);
    add(2, 3 * HOUR, 60_000);
    add(3, 3 * HOUR - 60_000, 120_000);
    expect((await doctor()).of('gaps')).toMatchObject([{ result: 'ok' }]);
    add(4, HOUR, 120_000 + 2 * HOUR - 60_000);
    expect((await doctor()).of('gaps')).toMatchObject([
      { result: 'warn', says: expect.stringMatching(/^no tick for 1h from /) },
    ]);
  });

  it('that the killswitch halts are no missing ones, and it is told since when', async () => {
    await rig.tickHere();
    rig.box.sql('UPDATE ticks SET started_at_ms = 1000, finished_at_ms = 1000');
    await rig.box.here(['killswitch', 'on', '--level', 'all', '--reason', 'release day']);
    await rig.box.here(['dispatch']);
    await rig.box.here(['dispatch']);
    const { of } = await doctor();
    expect(of('killswitch')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('release day') },
    ]);
    expect(of('halted')).toMatchObject([{ result: 'ok', says: expect.stringMatching(/^2 ticks since 20/) }]);
    expect(of('ticks')).toMatchObject([{ result: 'ok', says: expect.stringMatching(/ago: halted$/) }]);
    await rig.box.here(['killswitch', 'off']);
    expect((await doctor({ MC_PICKUP_KILLSWITCH: 'disptach' })).of('killswitch')).toMatchObject([
      { result: 'warn', fix: 'unset MC_PICKUP_KILLSWITCH' },
    ]);
  });
});

describe('the tmux server', () => {
  it('alive; with its socket deleted, which is left to the next tick; and lost', async () => {
    expect((await doctor()).of('tmux server')).toMatchObject([
      { result: 'ok', says: expect.stringContaining('none yet') },
    ]);
    await rig.held(1);
    expect((await doctor()).of('tmux server')).toMatchObject([
      { result: 'ok', says: `pid ${rig.tmuxPid()}, 1 agent` },
    ]);
    rmSync(rig.box.socket);
    expect((await doctor()).of('tmux server')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('socket was deleted') },
    ]);
    expect(rig.box.tmux('list-panes', '-a').code).not.toBe(0);
    await rig.tickHere();
    expect((await doctor()).of('tmux server')).toMatchObject([{ result: 'ok' }]);
    const pid = rig.tmuxPid();
    rig.box.tmux('kill-server');
    await until(() => state(pid) === null);
    expect((await doctor()).of('tmux server')).toMatchObject([
      { result: 'warn', says: expect.stringContaining('1 runtime that it had') },
    ]);
  });

  it('that does not answer keeps every tick from working: exit 78, after a bounded wait', async () => {
    await rig.held(1);
    const pid = rig.tmuxPid();
    process.kill(pid, 'SIGSTOP');
    try {
      const { code, of } = await doctor();
      expect(code).toBe(78);
      expect(of('tmux server')).toMatchObject([
        { result: 'fail', says: expect.stringContaining('did not answer') },
      ]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});

describe('the home', () => {
  it('that is not set, or not there, is told', async () => {
    expect((await doctor({ HOME: '' })).of('home')).toMatchObject([{ result: 'fail' }]);
    expect((await doctor({ HOME: '/nowhere' })).of('home')).toMatchObject([{ result: 'fail' }]);
  });
});
