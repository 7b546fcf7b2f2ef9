/** What a program has printed reaches whoever waits for it, however late this process is at its own event loop. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../../src/machine/spawn.ts';
import { state } from '../support/rig.ts';
import { BOUND_MS } from '../support/wait.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-spawn-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const cell = new Int32Array(new SharedArrayBuffer(4));
const block = (ms: number) => Atomics.wait(cell, 0, 0, ms);

/** As a write to the board does: nothing else of this process happens meanwhile. */
function blockUntil(holds: () => boolean): void {
  for (const end = performance.now() + BOUND_MS; !holds(); block(1))
    if (performance.now() > end) throw new Error('it never came');
}

it('though the end of it is heard before its words, and nothing is read for as long as they are waited for', async () => {
  const [pid, go] = [join(dir, 'pid'), join(dir, 'go')];
  const script = `echo $$ >${pid}.new; mv ${pid}.new ${pid}; while [ ! -e ${go} ]; do sleep 0.01; done; echo answer`;
  const asked = run('sh', ['-c', script], { timeoutMs: BOUND_MS });
  const other = spawn('echo', ['words']);
  // The end of the other one is told in the same turn of the loop as its words: whose end it is, is asked after those were read.
  other.stdout.once('data', () => {
    writeFileSync(go, '');
    blockUntil(() => state(Number(readFileSync(pid, 'utf8'))) === 'Z');
    setImmediate(() => block(300));
  });
  blockUntil(() => existsSync(pid) && state(other.pid ?? 0) === 'Z');
  expect(await asked).toEqual({ code: 0, signal: null, error: null, stdout: 'answer\n', stderr: '' });
});

it('and a program that holds its pipes open does not hold whoever waits for it', async () => {
  const done = await run('sh', ['-c', 'echo answer; sleep 300 & echo $!'], { timeoutMs: BOUND_MS });
  const [words, pid] = done.stdout.split('\n');
  process.kill(Number(pid), 'SIGKILL');
  expect([done.code, done.error, words]).toEqual([0, null, 'answer']);
});

it('and one that has ended in time is not called late by who hears of it too late', async () => {
  const pid = join(dir, 'pid');
  const asked = run('sh', ['-c', `echo $$ >${pid}.new; mv ${pid}.new ${pid}; echo answer`], { timeoutMs: 1 });
  blockUntil(() => existsSync(pid) && state(Number(readFileSync(pid, 'utf8'))) === 'Z');
  expect(await asked).toEqual({ code: 0, signal: null, error: null, stdout: 'answer\n', stderr: '' });
});
