import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseStat } from '../../src/machine/proc.ts';
import { ensureHostId, hostId, lookAt, lookAtSelf } from '../../src/machine/process.ts';
import { judge } from '../../src/model/identity.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-proc-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('stat with an evil name, a reused pid, a reboot', () => {
  const stat = (start: string) => `7 (a) Z 1 (\n) S 5 ${'0 '.repeat(17)}${start} 0`;
  const rest = { pgrp: 0, session: 0, tty: 0, tpgid: 0, forked: false, threads: 0 };
  expect(parseStat(stat('42'))).toEqual({ state: 'S', ppid: 5, start: '42', ...rest });
  expect(parseStat('7 (a')).toBeNull();
  mkdirSync(join(dir, 'sys/kernel/random'), { recursive: true });
  mkdirSync(join(dir, 'self/ns'), { recursive: true });
  mkdirSync(join(dir, '7'));
  symlinkSync('pid:[1]', join(dir, 'self/ns/pid'));
  writeFileSync(join(dir, 'self/stat'), stat('1'));
  const proc = { root: dir };
  const boot = (id: string) => writeFileSync(join(dir, 'sys/kernel/random/boot_id'), `${id}\n`);
  const recorded = { host_id: 'h', boot_id: 'b1', pid_ns: 'pid:[1]', time_ns: null, pid: 7, pid_start: '42' };
  const verdict = () => judge(recorded, lookAtSelf('h', proc), lookAt(7, proc)).because;
  boot('b1');
  expect(verdict()).toBe('process_gone');
  writeFileSync(join(dir, '7/stat'), stat('42'));
  expect(verdict()).toBe('process_alive');
  writeFileSync(join(dir, '7/stat'), stat('43'));
  expect(verdict()).toBe('pid_reused');
  boot('b2');
  expect(verdict()).toBe('rebooted');
});

test('a host has one id', () => {
  expect(hostId(dir)).toBeNull();
  expect(ensureHostId(dir)).toMatch(/^h-[0-9a-f]{16}$/);
  expect(hostId(dir)).toBe(ensureHostId(dir));
});
