import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookAt } from '../../src/machine/process.ts';
import { gated, letThrough } from '../../src/workspace/gate.ts';
import { BOUND_MS, until } from '../support/sandbox.ts';

const GATE = new URL('../../src/workspace/gate.ts', import.meta.url).href;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-pickup-gate-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A program that says who it is and what it can read, and works until it is told. */
function program(): readonly [string, readonly string[]] {
  const file = join(dir, 'program');
  const words = `echo $$ >${dir}/begun; cat >${dir}/read; while [ ! -e ${dir}/go ]; do sleep 0.02; done`;
  writeFileSync(file, `#!/bin/sh\n${words}\n`, { mode: 0o700 });
  return gated(file, []);
}

const begun = () => existsSync(join(dir, 'begun'));
const gone = (pid: number) => lookAt(pid).kind !== 'present';

it('who is noted is the program itself: the same process, started at the same time, reading nothing', async () => {
  const [file, args] = program();
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  let noted = 0;
  letThrough(child, (pid) => {
    noted = pid;
    expect(begun()).toBe(false);
  });
  const before = lookAt(noted);
  expect(await until(() => existsSync(join(dir, 'read')))).toBe(true);
  expect(readFileSync(join(dir, 'begun'), 'utf8').trim()).toBe(`${noted}`);
  expect(readFileSync(join(dir, 'read'), 'utf8')).toBe('');
  const after = lookAt(noted);
  expect(before).toMatchObject({ kind: 'present' });
  expect((after as { start?: string }).start).toBe((before as { start?: string }).start);
  writeFileSync(join(dir, 'go'), '');
  expect(await until(() => child.exitCode === 0)).toBe(true);
});

it('when the note cannot be written, the program never begins', async () => {
  const [file, args] = program();
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  expect(() =>
    letThrough(child, () => {
      throw new Error('no space left');
    }),
  ).toThrow('no space left');
  expect(await until(() => child.exitCode !== null)).toBe(true);
  expect(child.exitCode).not.toBe(0);
  expect(begun()).toBe(false);
});

it('when the one who starts it is killed before it is noted, the program never begins', async () => {
  const script = join(dir, 'starter.ts');
  writeFileSync(
    script,
    `import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { letThrough } from ${JSON.stringify(GATE)};
const [file, args] = ${JSON.stringify(program())};
const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
letThrough(child, (pid) => {
  writeFileSync(${JSON.stringify(join(dir, 'waits'))}, String(pid));
  process.kill(process.pid, 'SIGKILL');
});
`,
  );
  const done = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: BOUND_MS });
  expect([done.signal, done.stderr]).toEqual(['SIGKILL', '']);
  const waits = Number(readFileSync(join(dir, 'waits'), 'utf8'));
  expect(await until(() => gone(waits))).toBe(true);
  expect(begun()).toBe(false);
});

it('a program that is not there, or may not be run, ends as in a shell', () => {
  const [file, args] = gated(join(dir, 'none'), []);
  expect(spawnSync(file, args, { input: 'go\n' }).status).toBe(127);
  writeFileSync(join(dir, 'plain'), 'x');
  const [shell, words] = gated(join(dir, 'plain'), []);
  expect(spawnSync(shell, words, { input: 'go\n' }).status).toBe(126);
});
