/** What doctor concludes from what the machine tells: plain tables, without a machine. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { pathIn } from '../../src/doctor/as-cron.ts';
import { fileSystemOf, judgeSpace } from '../../src/doctor/disk.ts';
import type { TopicFinding } from '../../src/doctor/finding.ts';
import { node, tooOld } from '../../src/doctor/programs.ts';
import { linger, openFiles, unitIn } from '../../src/doctor/server.ts';
import { show, summary } from '../../src/doctor/show.ts';
import { overSsh } from '../../src/doctor/ssh.ts';
import { longestGap } from '../../src/doctor/ticks.ts';
import { limitsIn } from '../../src/machine/limits.ts';

describe('the unit of a process, by /proc/PID/cgroup', () => {
  it.each([
    ['0::/system.slice/cron.service\n', { unit: 'cron.service', user: false }],
    ['0::/system.slice/mc-pickup.service/sub\n', { unit: 'mc-pickup.service', user: false }],
    [
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/mc-pickup.service\n',
      { unit: 'mc-pickup.service', user: true },
    ],
    [
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r3f.scope\n',
      { unit: 'run-r3f.scope', user: true },
    ],
    ['0::/user.slice/user-1000.slice/session-3.scope\n', { unit: 'session-3.scope', user: false }],
    ['9:name=systemd:/system.slice/cron.service\n4:memory:/m\n0::/\n', { unit: 'cron.service', user: false }],
    ['12:cpu,cpuacct:/a.service\n0::/\n', null],
    ['0::/\n', null],
    ['', null],
    ['no lines of that form', null],
  ])('%j', (text, unit) => expect(unitIn(text)).toEqual(unit));
});

describe('linger', () => {
  const dirs: string[] = [];
  afterEach(() => {
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
  });
  const machine = (): { root: string; env: { HOME: string } } => {
    const root = mkdtempSync(join(tmpdir(), 'mc-pickup-'));
    dirs.push(root);
    return { root, env: { HOME: join(root, 'home') } };
  };

  it('matters where a timer of ours runs in the manager of the user, or the tmux server does', () => {
    const { root, env } = machine();
    const units = join(env.HOME, '.config/systemd/user');
    mkdirSync(units, { recursive: true });
    expect(linger(env, { inManager: true, root })).toEqual([]);
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    expect(linger(env, { inManager: false, root })).toEqual([]);
    expect(linger(env, { inManager: true, root })).toMatchObject([
      { result: 'warn', fix: `loginctl enable-linger ${userInfo().username}` },
    ]);
    writeFileSync(join(units, 'mc-pickup.timer'), '');
    expect(linger(env, { inManager: false, root })).toMatchObject([
      { result: 'warn', says: expect.stringContaining('no tick runs') },
    ]);
    mkdirSync(join(root, 'var/lib/systemd/linger'), { recursive: true });
    writeFileSync(join(root, 'var/lib/systemd/linger', userInfo().username), '');
    expect(linger(env, { inManager: true, root })).toMatchObject([{ result: 'ok' }]);
  });
});

describe('room on a disk', () => {
  const MB = 256; // blocks of 4 KB
  const space = (free: number, all: number, files = 100_000, ffree = 90_000) =>
    judgeSpace('/state', { bsize: 4096, blocks: all * MB, bavail: free * MB, files, ffree });

  it.each([
    ['almost none', space(49, 100_000), 'fail'],
    ['less than a gigabyte', space(900, 10_000), 'warn'],
    ['less than a twentieth of a small disk', space(4000, 100_000), 'warn'],
    ['less than a twentieth of a large one', space(90_000, 4_000_000), 'ok'],
    ['enough', space(50_000, 100_000), 'ok'],
    ['no inodes', space(50_000, 100_000, 100_000, 12), 'fail'],
    ['few inodes', space(50_000, 100_000, 1_000_000, 5000), 'warn'],
    ['a file system that tells nothing', space(0, 0), 'ok'],
    ['a file system without inodes', space(50_000, 100_000, 0, 0), 'ok'],
  ])('%s', (_what, finding, result) => {
    expect(finding).toMatchObject({ check: 'disk', result });
    expect(finding.fix === null).toBe(result === 'ok');
  });
});

describe('the file system of a path, by /proc/self/mounts', () => {
  const mounts = [
    '/dev/vda / ext4 rw 0 0',
    'proc /proc proc rw 0 0',
    'nas:/home /home nfs4 rw 0 0',
    '/dev/vdb /home/ann/local xfs rw 0 0',
    'sshfs#x /mnt/with\\040space fuse.sshfs rw 0 0',
    '/dev/vdc /twice ext4 rw 0 0',
    'nas:/twice /twice cifs rw 0 0',
    '',
  ].join('\n');

  it.each([
    ['/var/lib', 'ext4'],
    ['/home', 'nfs4'],
    ['/home/ann/state', 'nfs4'],
    ['/homework', 'ext4'],
    ['/home/ann/local/state', 'xfs'],
    ['/mnt/with space/state', 'fuse.sshfs'],
    ['/twice/state', 'cifs'],
  ])('%s: %s', (path, type) => expect(fileSystemOf(mounts, path)).toBe(type));

  it('knows nothing of a path without any mount', () => expect(fileSystemOf('', '/x')).toBeNull());
});

it.each([
  ['ssh://git@example.com/shop.git', true],
  ['git@example.com:shop.git', true],
  ['example.com:shop.git', true],
  ['https://example.com/shop.git', false],
  ['file:///srv/shop.git', false],
  ['/srv/shop.git', false],
  ['../shop.git', false],
  ['./a:b', false],
])('%s goes over ssh: %s', (url, yes) => expect(overSsh(url)).toBe(yes));

describe('the PATH of an installed crontab', () => {
  const block = (line: string) =>
    [
      'PATH=/mine',
      '# >>> mc-pickup 0123abcd: /other/state (by "mc-pickup schedule install")',
      '* * * * * /usr/bin/env PATH=/other MC_PICKUP_STATE_DIR=/other/state /n/node /x dispatch',
      '# <<< mc-pickup 0123abcd',
      '# >>> mc-pickup 4567cdef: /ann/state (by "mc-pickup schedule install")',
      line,
      '# <<< mc-pickup 4567cdef',
      '* * * * * /usr/bin/env PATH=/later MC_PICKUP_STATE_DIR=/ann/state x',
      '',
    ].join('\n');
  it.each([
    ['* * * * * /usr/bin/env PATH=/a:/b MC_PICKUP_STATE_DIR=/ann/state /n/node /x dispatch', '/a:/b'],
    [
      "* * * * * /usr/bin/env 'PATH=/with space:/b' 'MC_PICKUP_STATE_DIR=/ann/state' /n/node /x dispatch",
      '/with space:/b',
    ],
    [
      "* * * * * /usr/bin/env PATH='/with space:/b' 'MC_PICKUP_STATE_DIR=/ann/state' /n/node /x dispatch",
      '/with space:/b',
    ],
    [
      '* * * * * /usr/bin/env PATH="/with space:/b" MC_PICKUP_STATE_DIR=/ann/state /n/node /x dispatch',
      '/with space:/b',
    ],
    ['* * * * * /usr/bin/env PATH=/a\\%b MC_PICKUP_STATE_DIR=/ann/state /n/node /x dispatch', '/a%b'],
    ['* * * * * /n/node /x dispatch', null],
  ])('%s', (line, path) => expect(pathIn(block(line), '/ann/state')).toBe(path));

  it('is not that of lines which are not ours, or of another state dir', () => {
    expect(pathIn('* * * * * /usr/bin/env PATH=/a MC_PICKUP_STATE_DIR=/s x\n', '/s')).toBeNull();
    expect(pathIn(block('x'), '/ann')).toBeNull();
    expect(pathIn('', '/ann/state')).toBeNull();
  });
});

describe('the longest gap between ticks', () => {
  const MIN = 60_000;
  const at = (wall: number, mono: number, boot = 'b1') => ({
    ...{ started_at_ms: wall * MIN, finished_at_ms: wall * MIN, mono_ms: mono * MIN },
    ...{ boot_id: boot, outcome: 'ok' },
  });
  it.each([
    ['none while ticks come', [at(1, 1), at(2, 2), at(3, 3)], null],
    ['one in which the machine ran', [at(1, 1), at(30, 30), at(31, 31)], { at_ms: MIN, ms: 29 * MIN }],
    ['none where the machine slept', [at(1, 1), at(500, 2), at(501, 3)], null],
    ['none across a reboot', [at(1, 900), at(500, 2, 'b2')], null],
    ['none where only the clock was set', [at(1, 1), at(500, 2)], null],
    ['none where the clock was set back', [at(500, 1), at(1, 30)], null],
  ])('%s', (_what, ticks, gap) => expect(longestGap(ticks, MIN)).toEqual(gap));
});

it('the soft limit of a process is read, and "unlimited" is none', () => {
  const text =
    'Limit                     Soft Limit           Hard Limit           Units     \nMax processes             96365                96365                processes \nMax open files            unlimited            unlimited            files     \n';
  expect(limitsIn(text, 'Max processes')[0]).toBe(96_365);
  expect(limitsIn(text, 'Max open files')[0]).toBeNull();
  expect(limitsIn(text, 'Max pigs')[0]).toBeNull();
});

it('a Node of a version manager is fine, and said to be one', () => {
  expect(node('24.1.0', '/home/ann/.nvm/versions/node/v24.1.0/bin/node')).toMatchObject({
    result: 'ok',
    says: expect.stringContaining("nvm's"),
  });
  expect(node('24.1.0', '/usr/bin/node').says).toBe('24.1.0 (/usr/bin/node)');
});

describe('what people see', () => {
  const findings: TopicFinding[] = [
    { topic: 'ticks', check: 'ticks', result: 'ok', says: 'the last one 4s ago: ok', fix: null },
    {
      ...{ topic: 'programs', check: 'git', result: 'fail', only_as_cron: true },
      says: 'not on PATH (/usr/bin:/bin), and this is a sentence that goes on for more than a line of a terminal',
      fix: 'install it, for example apt-get install git, and this too goes on for more than a line of it, really',
    },
    {
      ...{ topic: 'programs', check: 'a check with a long name', result: 'warn' },
      says: `\u001b[31m/a/path${'/that-is-long'.repeat(9)} ends`,
      fix: null,
    },
  ];

  it('is grouped, marked by words, and wrapped at the width of the terminal; a path stays whole', () => {
    const lines = show(findings, { color: false, width: 80 });
    expect(lines).toEqual([
      'programs',
      'FAIL git              only under cron: not on PATH (/usr/bin:/bin), and this is',
      '                      a sentence that goes on for more than a line of a terminal',
      '     -> install it, for example apt-get install git, and this too goes on for',
      '        more than a line of it, really',
      `warn a check with a long name [31m/a/path${'/that-is-long'.repeat(9)}`,
      '                      ends',
      '',
      'ticks',
      'ok   ticks            the last one 4s ago: ok',
      '',
      '1 to mend, 1 warning, 1 fine; 1 only under cron',
    ]);
  });

  it('on a pipe each finding is one line', () => {
    const lines = show(findings, { color: false, width: null });
    expect(lines.filter((line) => /^(ok|warn|FAIL) /.test(line))).toHaveLength(3);
    expect(lines).toHaveLength(9);
  });

  it('colour only goes around the words', () => {
    const plain = show(findings, { color: false, width: 80 });
    const coloured = show(findings, { color: true, width: 80 });
    expect(coloured[1]).toContain('\u001b[31m\u001b[1mFAIL\u001b[39m');
    expect(coloured.map((line) => line.replace(/\u001b\[\d+m/g, ''))).toEqual(plain);
  });

  it('sums up', () => expect(summary([])).toBe('0 to mend, 0 warnings, 0 fine'));
});

describe('how many files agents may have open', () => {
  const at = (soft: number | null, hard: number | null) => ({ soft, hard });
  it.each([
    ['as many as this shell', at(20_000, 20_000), at(20_000, 20_000), 'ok', '20000 open'],
    ['more', at(null, null), at(20_000, 20_000), 'ok', 'any number of'],
    [
      'fewer than they could have',
      at(1024, 20_000),
      at(20_000, 20_000),
      'warn',
      '1024 open files at a time of 20000',
    ],
    ['fewer than this shell', at(4096, 4096), at(20_000, null), 'warn', 'and this shell any number of'],
  ])('%s', (_, agents, here, result, says) => {
    expect(openFiles(agents, here)).toMatchObject([
      { check: 'agents limits', result, says: expect.stringContaining(says) },
    ]);
  });

  it('is not told where the system does not', () => {
    expect(openFiles(null, at(1, 1))).toEqual([]);
  });
});

it.each([
  ['tmux', 'tmux 3.1c', 'tmux 3.2 or newer is needed: update it'],
  ['tmux', 'tmux 3.2', null],
  ['tmux', 'tmux 3.10', null],
  ['tmux', 'tmux next-3.8', null],
  ['tmux', 'tmux openbsd-7.4', null],
  ['tmux', 'tmux master', null],
  ['git', 'git version 2.34.1', 'git 2.39 or newer is needed: update it'],
  ['git', 'git version 2.39.5 (Apple Git-154)', null],
  ['git', 'git version 2.100.0', null],
  ['git', 'git version 3.0.0', null],
] as const)('%s that calls itself "%s" is judged by its number', (name, says, why) => {
  expect(tooOld(name, says)).toBe(why);
});
