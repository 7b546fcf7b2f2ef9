import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Judgement, ObserverIdentity } from '../../src/model/identity.ts';
import { whyNotTheClient } from '../../src/runs/foreground.ts';
import { isStillLeft, leftoversOf } from '../../src/runs/leftovers.ts';
import {
  type Client,
  lookAtProgram,
  type Program,
  parseProgram,
  programName,
  programText,
  readsCommands,
  sameProgram,
  stillProgram,
  whoseProgram,
} from '../../src/runs/program.ts';
import { survivors } from '../../src/runs/survivors.ts';
import { anEnded, aRuntime, HOST, JUDGED } from '../support/builders.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mc-program-')));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const proc = () => ({ root: join(dir, 'proc') });

/** A file of the machine; the same one for the same name. */
function file(name: string, text = ''): string {
  const path = join(dir, 'root', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}

interface Shown {
  readonly exe: string;
  readonly argv: readonly string[];
  readonly cwd?: string;
  /** null = it can't be read. */
  readonly run?: string | null;
  readonly ppid?: number;
  readonly pgrp?: number;
  readonly session?: number;
  readonly tty?: number;
  readonly tpgid?: number;
  readonly state?: string;
  readonly start?: number;
  readonly flags?: number;
  readonly stdin?: string;
  readonly stdout?: string;
}

/** A process of a /proc of our own. */
function process_(pid: number, one: Shown): number {
  const at = join(dir, 'proc', String(pid));
  rmSync(at, { recursive: true, force: true });
  mkdirSync(join(at, 'fd'), { recursive: true });
  symlinkSync(one.exe, join(at, 'exe'));
  symlinkSync(one.cwd ?? dir, join(at, 'cwd'));
  symlinkSync(one.stdin ?? '/dev/null', join(at, 'fd', '0'));
  symlinkSync(one.stdout ?? '/dev/null', join(at, 'fd', '1'));
  writeFileSync(join(at, 'cmdline'), one.argv.map((word) => `${word}\0`).join(''));
  const {
    state = 'S',
    ppid = 1,
    pgrp = pid,
    session = pid,
    tty = 0,
    tpgid = -1,
    start = 800,
    flags = 0,
  } = one;
  const between = Array.from({ length: 12 }, () => 0).join(' ');
  writeFileSync(
    join(at, 'stat'),
    `${pid} (a ) b) ${state} ${ppid} ${pgrp} ${session} ${tty} ${tpgid} ${flags} ${between} ${start} 1\n`,
  );
  if (one.run === null) mkdirSync(join(at, 'environ'));
  else
    writeFileSync(
      join(at, 'environ'),
      one.run === undefined ? '' : `A=b\0MC_RUN_ID=${one.run}\0MC_PICKUP_STATE_DIR=${dir}\0`,
    );
  return pid;
}

function look(one: Shown): Program | null {
  return lookAtProgram(process_(77, one), proc());
}

describe('which program a process is', () => {
  it.each([
    ['a program of its own', 'bin/claude', ['claude', '--flag', 'x.js'], null],
    ['a script by its path', 'bin/node', ['node', '/x/client.js', 'run'], '/x/client.js'],
    [
      'a script behind options that take a word',
      'bin/node',
      ['node', '-r', '/x/hook.js', '--max=1', '/x/client.js'],
      '/x/client.js',
    ],
    [
      'a script by a path that begins where it works',
      'bin/python3.11',
      ['python3', 'agent.py'],
      'WORK/agent.py',
    ],
    ['a module', 'bin/python3.11', ['python3', '-Im', 'agent', 'x.py'], '-m agent'],
    ['a subcommand before the script', 'bin/bun', ['bun', 'run', '/x/client.ts'], '/x/client.ts'],
    ['a script of a shell', 'bin/dash', ['/bin/sh', '-e', '/x/agent.sh', '-c'], '/x/agent.sh'],
    ['a shell that reads its terminal', 'bin/bash', ['bash', '--norc', '-i'], null],
    ['a shell of a login', 'bin/bash', ['-bash'], null],
    ['a shell that reads its standard input', 'bin/bash', ['bash', '-s', 'word'], null],
    ['a title of its own', 'bin/node', ['npm run dev', '', ''], 'title:npm run dev'],
    ['another name, which is no title', 'bin/node', ['client'], null],
    ['a shell by another name', 'bin/bash', ['agent.sh', '', ''], null],
    ['a shell whose script is its terminal', 'bin/bash', ['bash', '/dev/tty'], null],
  ])('%s', (_, exe, argv, script) => {
    const cwd = join(dir, 'WORK');
    mkdirSync(cwd);
    expect(look({ exe: file(exe), argv, cwd })?.script).toBe(script?.replace('WORK', cwd) ?? null);
  });

  it('code on the command line is told from other code', () => {
    const exe = file('bin/dash');
    const [one, other] = [look({ exe, argv: ['sh', '-lc', 'a'] }), look({ exe, argv: ['sh', '-c', 'b'] })];
    expect(one?.script).toMatch(/^code:/);
    expect(one?.script).not.toBe(other?.script);
  });

  it('is not told of a launcher that has not become the agent, or of what cannot be read', () => {
    for (const dir of ['own', 'runs'])
      expect(
        look({ exe: file('bin/dash'), argv: ['/bin/sh', `/s/${dir}/MC-1-e1-0a/launch`, 'clean'] }),
      ).toBeNull();
    expect(look({ exe: file('bin/env'), argv: ['/usr/bin/env', '-i'] })).toBeNull();
    expect(look({ exe: join(dir, 'no-file'), argv: ['x'] })).toBeNull();
    expect(lookAtProgram(78, proc())).toBeNull();
  });

  it('is kept as text, and what is no such text is nothing', () => {
    const program = look({ exe: file('bin/node'), argv: ['node', file('client.js')] });
    expect(program).not.toBeNull();
    if (program !== null) expect(parseProgram(programText(program))).toEqual(program);
    for (const text of [null, undefined, '', '{', '[]', '{"exe":1}']) expect(parseProgram(text)).toBeNull();
  });

  it('stays the same when its file is replaced, and when it goes elsewhere or gives itself a title', () => {
    const exe = file('bin/node');
    const first = look({ exe, argv: ['node', file('client.js')] });
    rmSync(file('client.js'));
    const replaced = look({ exe, argv: ['node', file('client.js', 'new')] });
    const titled = look({ exe, argv: ['pi', ''] });
    const elsewhere = look({ exe, argv: ['node', 'client.js'], cwd: '/' });
    const other = look({ exe, argv: ['node', file('server.js')] });
    const shell = look({ exe: file('bin/bash'), argv: ['bash'] });
    if (first === null || replaced === null || titled === null || elsewhere === null)
      throw new Error('no look');
    if (other === null || shell === null) throw new Error('no look');
    expect(sameProgram(first, replaced)).toBe(true);
    expect([titled, elsewhere, replaced].map((now) => stillProgram(first, now))).toEqual([true, true, true]);
    expect([other, shell].map((now) => stillProgram(first, now))).toEqual([false, false]);
    expect([titled, other].map((now) => sameProgram(first, now))).toEqual([false, false]);
    expect([shell, first].map(readsCommands)).toEqual([true, false]);
    expect([first, titled, shell].map(programName)).toEqual(['node client.js', 'pi', 'bash']);
  });
});

describe('a client that has updated itself while it works', () => {
  it.each([
    ['share/tool/versions/1.9.0', 'share/tool/versions/1.10.0-rc.1', null],
    ['opt/tool-1.9.0/bin/tool', 'opt/tool-1.10.0/bin/tool', null],
    ['node/v22.13.0/bin/node', 'node/v24.1.0/bin/node', ['lib/tool@1.9.0/cli.js', 'lib/tool@2.0.0/cli.js']],
  ] as const)('is known in %s as it was in %s', (before, after, scripts) => {
    const at = (exe: string, script: string | undefined) =>
      look({ exe: file(exe), argv: script === undefined ? ['tool'] : ['node', file(script)] });
    const [old, now] = [at(before, scripts?.[0]), at(after, scripts?.[1])];
    if (old === null || now === null) throw new Error('no look');
    expect([sameProgram(old, now), stillProgram(old, now)]).toEqual([true, true]);
    // The profile names the old one, which is there still.
    const client = { recorded: old, kind: 'command', argv: [old.exe], path: undefined } as const;
    expect(whoseProgram(now, client)).toBe('own');
    const others = [
      at('share/other/versions/1.10.0', undefined),
      at('node/v24.1.0/bin/node', 'lib/server@2.0.0/cli.js'),
    ];
    for (const other of others) expect(other === null || sameProgram(old, other)).toBe(false);
  });
});

describe('whose program it is', () => {
  const client = (over: Partial<Client>): Client => ({
    ...{ recorded: null, kind: 'command', argv: [], path: join(dir, 'root/bin') },
    ...over,
  });

  it.each([
    ['own', ['MINE', '--x']],
    ['own', ['nice', '-n', '5', 'mine']],
    ['own', ['sh', '-c', 'cd /x && MINE "$1"; echo ended']],
    ['own', ['WRAPPER']],
    ['wrapped', ['NAMES']],
    ['other', ['/x/other']],
    ['other', []],
  ] as const)('%s: a program beside argv %j', (whose, words) => {
    const mine = file('bin/mine');
    const wrapper = file('wrapper.sh', `#!/bin/sh\n${mine} "$@"\n`);
    const names = file('names.sh', `#!/bin/sh\nclient --server ${mine} "$@"\n`);
    const argv = words.map((word) =>
      word.replace('MINE', mine).replace('WRAPPER', wrapper).replace('NAMES', names),
    );
    const program = look({ exe: mine, argv: ['mine'] });
    expect(program === null ? null : whoseProgram(program, client({ argv }))).toBe(whose);
  });

  it.each([
    ['own', ['node', 'SCRIPT']],
    ['own', ['SCRIPT']],
    ['own', ['sh', '-c', 'exec node client.js']],
    ['other', ['node', '/somewhere/else/client.mjs.bak']],
    ['other', ['node']],
  ] as const)('%s: a script beside argv %j', (whose, words) => {
    const script = file('client.js');
    const program = look({ exe: file('bin/node'), argv: ['node', script] });
    const argv = words.map((word) => word.replace('SCRIPT', script));
    expect(program === null ? null : whoseProgram(program, client({ argv }))).toBe(whose);
  });

  it.each([
    ['own', 'claude', 'share/claude/versions/2.1.330', ['claude']],
    ['own', 'claude', 'bin/claude.exe', ['claude']],
    ['own', 'claude', 'bin/node', ['node', '/x/node_modules/@anthropic-ai/claude-code/cli.js']],
    ['own', 'codex', 'bin/codex', ['codex']],
    [
      'own',
      'gemini',
      'bin/node',
      ['node', '--max-old-space-size=8', '/x/node_modules/@google/gemini-cli/dist/index.js'],
    ],
    ['other', 'claude', 'bin/node', ['node', '/x/node_modules/vite/bin/vite.js']],
    ['other', 'claude', 'bin/node', ['npm run dev', '', '']],
    ['other', 'codex', 'bin/node', ['node', '/worktrees/codex/server.js']],
    ['other', 'gemini', 'bin/bash', ['bash']],
  ] as const)('%s: of the kind %s is %s %j', (whose, kind, exe, argv) => {
    const program = look({ exe: file(exe), argv });
    expect(program === null ? null : whoseProgram(program, client({ kind }))).toBe(whose);
  });
});

const ME: ObserverIdentity = {
  host_id: HOST,
  boot_id: 'b-1',
  pid_ns: null,
  time_ns: null,
  self_readable: true,
};
const SELF: Client = { recorded: null, kind: 'command', argv: [], path: undefined };

describe('a client whose recorded process is dead', () => {
  const row = aRuntime({ pid: 500, pid_start: '700', worktree: '/wt' });
  const mine = () => ({ exe: file('bin/mine'), argv: ['mine'], run: row.mark });
  const client = (): Client => ({ ...SELF, argv: [file('bin/mine')] });
  const survived = (dead: Judgement = JUDGED.dead, known = client()) =>
    survivors(ME, proc())(row, dead, known);

  it('lives on in the one that was started first, and rather in the worktree', () => {
    process_(601, { ...mine(), start: 900 });
    process_(602, { ...mine(), start: 850 });
    expect(survived()).toEqual({
      judgement: { verdict: 'alive', because: 'client_lives_on' },
      survivor: { host_id: HOST, boot_id: 'b-1', pid_ns: null, time_ns: null, pid: 602, pid_start: '850' },
    });
    process_(603, { ...mine(), start: 950, cwd: '/wt/sub' });
    expect(survived().survivor?.pid).toBe(603);
  });

  it('is nothing that was forked a moment ago, which may be about to become a tool: that is not known', () => {
    const forked = { ...mine(), flags: 0x40_0040 };
    const up = (s: number) => writeFileSync(join(dir, 'proc', 'uptime'), `${s} 1.00\n`);
    process_(601, forked);
    up(9.5);
    expect(survived()).toEqual({ judgement: { verdict: 'unknown', because: 'just_forked' }, survivor: null });
    process_(602, { ...mine(), start: 900 });
    expect(survived().survivor?.pid).toBe(602);
    process_(602, { ...forked, exe: file('bin/server'), start: 900 });
    up(10.5);
    expect(survived().survivor?.pid).toBe(601);
  });

  it('is known by the session of its run where its environment is empty', () => {
    process_(601, { ...mine(), run: '', session: 500 });
    expect(survived().survivor?.pid).toBe(601);
    expect(survived({ verdict: 'dead', because: 'pid_reused' }).survivor).toBeNull();
  });

  it.each([
    ['of another run', { run: 'r-other' }],
    ['a zombie', { state: 'Z' }],
  ])('is not one %s', (_, over) => {
    process_(601, { ...mine(), ...over });
    expect(survived()).toEqual({ judgement: JUDGED.dead, survivor: null });
  });

  it('is nothing that the wrapper script only names, unless it was started in front, at the terminal', () => {
    const argv = [file('wrapper.sh', `#!/bin/sh\nclient --server ${file('bin/mine')}\n`)];
    for (const [over, pid] of [
      [{}, null],
      [{ stdin: '/dev/pts/3' }, 601],
      [{ stdin: '/dev/pts/3', start: 9000 }, 601],
      [{ stdin: 'pipe:[7]', stdout: '/dev/pts/3' }, 601],
      [{ stdin: '/dev/null', stdout: '/dev/pts/3' }, null],
      [{ stdin: 'pipe:[7]', stdout: 'pipe:[8]' }, null],
    ] as const) {
      process_(601, { ...mine(), ...over });
      expect(survived(JUDGED.dead, { ...SELF, argv }).survivor?.pid ?? null).toBe(pid);
    }
  });

  it('is no plain tool that a script has left in front of itself, though it names it', () => {
    const argv = [file('agent.sh', '#!/bin/sh\nwhile :; do sleep 60; done\n')];
    process_(601, { ...mine(), exe: file('bin/sleep'), argv: ['sleep', '60'], stdin: '/dev/pts/3' });
    expect(survived(JUDGED.dead, { ...SELF, argv })).toEqual({ judgement: JUDGED.dead, survivor: null });
  });

  it.each(['xargs -n1', 'xargs -0 \\\n ', 'parallel -j1'])(
    'is what a wrapper script has started by %s, which gives it nothing to read',
    (by) => {
      const argv = [file('wrapper.sh', `#!/bin/sh\nwatcher &\necho one | ${by} ${file('bin/mine')}\n`)];
      process_(601, { ...mine(), stdin: '/dev/null', stdout: 'pipe:[8]' });
      process_(602, { ...mine(), exe: file('bin/watcher'), argv: ['watcher'], start: 700 });
      expect(survived(JUDGED.dead, { ...SELF, argv }).survivor?.pid).toBe(601);
    },
  );

  it.each([
    [{ argv: ['any', `/s/runs/${row.mark}/prompt.md`] }, 601],
    [{ argv: ['any', `--prompt=/s/runs/${row.mark}/prompt.md`] }, 601],
    [{ stdin: `/s/runs/${row.mark}/prompt.md` }, 601],
    [{ argv: ['any', '/s/runs/r-other/prompt.md'] }, null],
    [{ exe: 'bin/tail', argv: ['tail', '-f', `/s/runs/${row.mark}/prompt.md`] }, null],
    [{ exe: 'bin/coreutils', argv: ['cat', `/s/runs/${row.mark}/prompt.md`] }, null],
  ] as const)('is whatever was given the prompt of the run, but no plain tool: %j', (one, pid) => {
    const exe = 'exe' in one ? one.exe : undefined;
    process_(601, { ...mine(), argv: ['any'], ...one, exe: file(exe ?? 'bin/any') });
    expect(survived(JUDGED.dead, { ...SELF, argv: ['/x/wrapper'] }).survivor?.pid ?? null).toBe(pid);
  });

  it('is not known where a member of its session cannot be read; whom else cannot be is nobody’s', () => {
    process_(601, { ...mine(), run: null, session: 4 });
    expect(survived().judgement).toEqual(JUDGED.dead);
    process_(602, { ...mine(), run: null, session: 500 });
    expect(survived()).toEqual({ judgement: JUDGED.unknown, survivor: null });
    process_(603, mine());
    expect(survived().survivor?.pid).toBe(603);
  });

  it('is not known where it works in the worktree, and nothing says to be of which run', () => {
    const unmarked = { ...mine(), run: '', session: 4, cwd: '/wt/sub' };
    const unknown = { judgement: { verdict: 'unknown', because: 'client_unmarked' }, survivor: null };
    process_(601, unmarked);
    expect(survived()).toEqual(unknown);
    for (const other of [
      { ...unmarked, cwd: '/wt-2' },
      { ...unmarked, start: 600 },
      { ...unmarked, exe: file('bin/sleep') },
      { ...unmarked, run: 'r-other' },
    ]) {
      process_(601, other);
      expect(survived().judgement).toEqual(JUDGED.dead);
    }
  });

  it('did not outlive a reboot', () => {
    process_(601, mine());
    expect(survived(JUDGED.rebooted).survivor).toBeNull();
  });
});

it('nothing is typed at what cannot be told, or has no terminal any more', () => {
  const row = aRuntime({ pid: 500, program: null });
  const client: Client = { ...SELF, argv: [file('bin/mine')] };
  const why = () => whyNotTheClient(row, 'MC-1', client, proc());
  expect(why()).toContain('is gone');
  process_(500, { exe: join(dir, 'no-file'), argv: ['mine'] });
  expect(why()).toContain("can't be read");
  process_(500, { exe: file('bin/mine'), argv: ['mine'] });
  expect(why()).toContain('no terminal');
  process_(500, { exe: file('bin/mine'), argv: ['mine'], tty: 34_816, tpgid: 500 });
  expect(why()).toBeNull();
});

it('what is left is of runs of this state dir that have ended, and none of those that this process was started by', async () => {
  const shown = { exe: file('bin/sleep'), argv: ['sleep'], run: 'r-over' };
  process_(601, shown);
  process_(602, { ...shown, run: 'r-live' });
  process_(process.pid, { ...shown, ppid: 604 });
  process_(604, shown);
  writeFileSync(join(dir, 'proc', 'uptime'), '18.00 1.00\n');
  const over = anEnded({ id: 'r-over' });
  const ended = async (run: string) => (run === 'r-over' ? over : null);
  const found = await leftoversOf(dir, ended, proc());
  expect(found).toEqual([
    {
      pid: 601,
      start: '800',
      run: 'r-over',
      ticket: 'MC-1',
      program: 'sleep',
      age_ms: 10_000,
      rss_bytes: null,
    },
  ]);
  expect(await leftoversOf('/other', ended, proc())).toEqual([]);
  const [one] = found;
  if (one === undefined) throw new Error('nothing is left');
  expect(isStillLeft(one, dir, proc())).toBe(true);
  process_(601, { ...shown, start: 801 });
  expect(isStillLeft(one, dir, proc())).toBe(false);
});
