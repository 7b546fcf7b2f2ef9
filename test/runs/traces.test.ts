/** What is left of a run among real processes, and what can't be told. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HOOK_MARK } from '../../src/model/environment.ts';
import { runsWithProcesses } from '../../src/runs/traces.ts';
import { until } from '../support/sandbox.ts';

let dir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-traces-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

function start(argv: readonly string[], env: Record<string, string> = {}): void {
  const [file = '', ...words] = argv;
  children.push(spawn(file, words, { env: { PATH: process.env.PATH, ...env }, stdio: 'ignore' }));
}

/** Between fork and exec a child is still this process. */
async function found(...runs: string[]): Promise<string[]> {
  let seen: ReadonlySet<string> | null = null;
  await until(() => {
    seen = runsWithProcesses(runs);
    return seen === null || seen.size > 0;
  });
  return [...(seen ?? ['unknown'])];
}

it('is a launcher, by the path in its command line, however the state dir was spelt', async () => {
  const launch = join(dir, 'runs', 'MC-1-e1-aa', 'launch');
  mkdirSync(join(dir, 'runs', 'MC-1-e1-aa'), { recursive: true });
  writeFileSync(launch, 'sleep 60 & wait\n');
  start(['/bin/sh', launch, 'clean']);
  expect(await found('MC-1-e1-aa', 'MC-1-e1-ab', 'C-1-e1-aa')).toEqual(['MC-1-e1-aa']);
});

it('is whatever carries the mark of the run', async () => {
  start(['sleep', '60'], { MC_RUN_ID: 'MC-2-e1-aa' });
  expect(await found('MC-2-e1-aa', 'MC-2-e1-a', 'MC-2-e1-aaa')).toEqual(['MC-2-e1-aa']);
});

it('is no hook, and nothing that one has left behind', async () => {
  start(['sleep', '60'], { MC_RUN_ID: 'MC-3-e1-aa', [HOOK_MARK]: 'after_create' });
  start(['sleep', '60'], { MC_RUN_ID: 'MC-3-e1-bb' });
  expect(await found('MC-3-e1-aa', 'MC-3-e1-bb')).toEqual(['MC-3-e1-bb']);
});

it("can't be told where there is no /proc, or another one than that of this process", () => {
  expect(runsWithProcesses(['r'], { root: join(dir, 'none') })).toBeNull();
  expect(runsWithProcesses(['r'], { root: dir })).toBeNull();
  const one = (pid: number): string => {
    mkdirSync(join(dir, String(pid)));
    return join(dir, String(pid));
  };
  one(process.pid);
  expect(runsWithProcesses(['r'], { root: dir })).toEqual(new Set());
  const other = one(process.pid + 1);
  writeFileSync(join(other, 'cmdline'), 'sleep\0');
  writeFileSync(join(other, 'environ'), 'MC_RUN_ID=r\0');
  expect(runsWithProcesses(['r'], { root: dir })).toEqual(new Set(['r']));
});
