/** What a machine has left, by files as the kernel writes them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookAtRoom, spaceAt } from '../../src/machine/room.ts';
import { DEFAULT_LIMITS } from '../../src/model/policy.ts';
import { isShort } from '../../src/model/room.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-room-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const MB = 1024 * 1024;
function put(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}
const look = (limits = {}, pid: number | null = 7) =>
  lookAtRoom(
    pid,
    { ...DEFAULT_LIMITS, ...limits },
    { proc: { root: join(dir, 'proc'), exists: () => true }, cgroups: join(dir, 'cgroup') },
  );
const meminfo = (mb: number) =>
  put(
    'proc/meminfo',
    `MemTotal:       24683520 kB\nMemFree:          1024 kB\nMemAvailable:   ${mb * 1024} kB\nBuffers: 1 kB\n`,
  );
function group(path: string, max: string, current: number, inactive = 0): void {
  put(`cgroup${path}/memory.max`, `${max}\n`);
  put(`cgroup${path}/memory.current`, `${current * MB}\n`);
  put(`cgroup${path}/memory.stat`, `anon 1\nfile 2\ninactive_anon 3\ninactive_file ${inactive * MB}\n`);
}

describe('memory', () => {
  it('is what the machine says is available', () => {
    meminfo(700);
    expect(look().memory).toEqual({ available_mb: 700, of: 'machine' });
  });

  it('is that of a control group of whoever starts the agents, or of any group above, where that is tighter', () => {
    meminfo(7000);
    put('proc/7/cgroup', '1:name=systemd:/x\n0::/user.slice/agents.scope\n');
    group('/user.slice/agents.scope', 'max', 100);
    expect(look().memory).toEqual({ available_mb: 7000, of: 'machine' });
    // Files that nobody has used of late are given up.
    group('/user.slice', `${1000 * MB}`, 900, 300);
    expect(look().memory).toEqual({ available_mb: 400, of: 'cgroup' });
    group('/user.slice/agents.scope', `${200 * MB}`, 100);
    expect(look().memory).toEqual({ available_mb: 100, of: 'cgroup' });
    put('proc/self/cgroup', '0::/\n');
    expect(look({}, null).memory).toEqual({ available_mb: 7000, of: 'machine' });
  });

  it('is that of a container, whose own group is all that it sees', () => {
    meminfo(7000);
    put('proc/7/cgroup', '0::/\n');
    group('', `${1000 * MB}`, 900);
    expect(look().memory).toEqual({ available_mb: 100, of: 'cgroup' });
    put('proc/7/cgroup', '0::/agents\n');
    expect(look().memory).toEqual({ available_mb: 100, of: 'cgroup' });
    put('proc/7/cgroup', '0::/../../outside\n');
    expect(look().memory).toEqual({ available_mb: 100, of: 'cgroup' });
  });

  it('is that of a control group of version 1, whose tree for memory is a place of its own', () => {
    meminfo(7000);
    put('proc/7/cgroup', '12:cpu,cpuacct:/x\n8:memory:/docker/abc\n0::/\n');
    put('cgroup/memory/memory.limit_in_bytes', '9223372036854771712\n');
    put('cgroup/memory/memory.usage_in_bytes', `${100 * MB}\n`);
    expect(look().memory).toEqual({ available_mb: 7000, of: 'machine' });
    put('cgroup/memory/docker/abc/memory.limit_in_bytes', `${1000 * MB}\n`);
    put('cgroup/memory/docker/abc/memory.usage_in_bytes', `${900 * MB}\n`);
    put('cgroup/memory/docker/abc/memory.stat', `inactive_file 1\ntotal_inactive_file ${50 * MB}\n`);
    expect(look().memory).toEqual({ available_mb: 150, of: 'cgroup' });
  });

  it('keeps nothing where it is not told, and is not read where nobody asks', () => {
    expect(look().memory).toBeNull();
    meminfo(1);
    expect(look({ min_free_memory_mb: 0 }).memory).toBeNull();
  });
});

it('pressure is the last minute of what a limit asks for', () => {
  put(
    'proc/pressure/io',
    'some avg10=99.00 avg60=12.34 avg300=1.00 total=1\nfull avg10=1.00 avg60=2.00 avg300=3.00 total=1\n',
  );
  put('proc/pressure/cpu', 'some avg10=1.00 avg60=2.00 avg300=3.00 total=1\n');
  expect(look({ max_io_pressure: 40, max_memory_pressure: 1 }).pressure).toEqual({ io: 12.34 });
});

describe('a disk', () => {
  const space = { bsize: 4096, blocks: 25_600_000, bavail: 1_000_000, files: 6_000_000, ffree: 5_000_000 };
  it.each([
    ['with room', {}, null, 0, false],
    ['with less than 500 MB', { bavail: 120_000 }, null, 0, true],
    ['that is small, with more than a twentieth', { blocks: 25_600, bavail: 1300 }, null, 0, false],
    ['that is small, with less', { blocks: 25_600, bavail: 1200 }, null, 0, true],
    ['with less than is asked for', {}, 5000, 0, true],
    ['with nothing, and nobody asks', { bavail: 0 }, 0, 0, false],
    ['with few inodes', { ffree: 900 }, null, 0, true],
    ['without a table of inodes', { files: 0, ffree: 0 }, null, 0, false],
    ['with fewer inodes than a checkout has files', { ffree: 90_000 }, null, 100_000, true],
    ['with less than so many files take at least', { bavail: 200_000 }, null, 300_000, true],
    ['that does not tell', { blocks: 0, bavail: 0 }, null, 0, false],
  ])('%s', (_name, over, least_mb, files, expected) => {
    expect(isShort({ ...space, ...over }, least_mb, files)).toBe(expected);
  });

  it('is that of the nearest directory that is there', () => {
    expect(spaceAt(join(dir, 'not', 'yet'))?.blocks).toBe(spaceAt(dir)?.blocks);
  });
});
