/** Nobody can be told: the disk is full, or the reader has gone. What is done is done, and that is what the exit code says. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { BIN, BOUND_MS } from '../support/sandbox.ts';

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig.box.destroy();
});

const LOST = (code: string) =>
  `mc-pickup: stdout takes no more (${code}): what was to be printed is lost, what was done stands\n`;

/** Runs the program with a stdout that takes nothing. */
function run(where: 'full' | 'closed', args: string[], stderr: 'pipe' | 'full' = 'pipe') {
  // A pipe whose reader has gone: opened for both, then for writing, then closed for both.
  const script = `p=${join(rig.box.dir, 'p')}; [ -p $p ] || mkfifo $p; exec 4<>$p 5>$p 4<&-; exec "$@" >&5`;
  const [file = '', ...words] =
    where === 'full'
      ? [process.execPath, BIN, ...args]
      : ['sh', '-c', script, 'sh', process.execPath, BIN, ...args];
  const full = openSync('/dev/full', 'w');
  try {
    const done = spawnSync(file, words, {
      env: rig.box.env,
      encoding: 'utf8',
      timeout: BOUND_MS,
      stdio: ['ignore', where === 'full' ? full : 'pipe', stderr === 'full' ? full : 'pipe'],
    });
    return { code: done.status, err: done.stderr };
  } finally {
    closeSync(full);
  }
}

describe.each([
  ['full', 'ENOSPC'],
  ['closed', 'EPIPE'],
] as const)('a stdout that is %s', (where, code) => {
  it('takes nothing of a tick back: its agents work, its exit code is its own, and the loss is said once', async () => {
    const id = rig.add('hold');
    expect(run(where, ['dispatch', '--json'])).toEqual({ code: 0, err: LOST(code) });
    await rig.holding(id);
    expect(rig.ticket(id).status).toBe('in_progress');
    expect(rig.box.sql('SELECT outcome FROM ticks')).toEqual([{ outcome: 'ok' }]);
    expect(run(where, ['reconcile', '--json'])).toEqual({ code: 0, err: LOST(code) });
    expect(run(where, ['dispatch', '--dry-run', '--json'])).toEqual({ code: 0, err: LOST(code) });
    expect(rig.agents(id)).toHaveLength(1);
  });

  it('nor of a halted tick, by the gate or by the command line', () => {
    rig.box.run(['killswitch', 'on', '--level', 'all']);
    expect(run(where, ['dispatch', '--json'])).toEqual({ code: 0, err: LOST(code) });
    expect(run(where, ['dispatch', '--dry-run', '--json'])).toEqual({ code: 0, err: LOST(code) });
  });

  it('nor of a command that changes something', () => {
    expect(run(where, ['ticket', 'add', '--title', 'T', '--json'])).toEqual({ code: 0, err: LOST(code) });
    expect(rig.ticket('MC-1').status).toBe('todo');
  });

  it('nor ends a program on a stderr that takes nothing either', () => {
    expect(run(where, ['dispatch', '--json'], 'full').code).toBe(0);
    rig.box.run(['killswitch', 'on', '--level', 'all']);
    expect(run(where, ['dispatch', '--json'], 'full').code).toBe(0);
  });
});

it('what only shows something has failed on a full disk; a reader that has enough, of lines, is no failure', () => {
  rig.add('hold');
  rig.add('hold');
  for (const words of [['status'], ['ticket', 'list'], ['log'], ['ticket', 'export'], ['metrics']])
    expect(run('full', words), words.join(' ')).toEqual({ code: 69, err: LOST('ENOSPC') });
  for (const words of [['status'], ['log'], ['log', '--json'], ['metrics'], ['--help']])
    expect(run('closed', words), words.join(' ')).toEqual({ code: 0, err: '' });
  expect(run('full', ['--help'])).toEqual({ code: 0, err: LOST('ENOSPC') });
});
