/**
 * What agents can write is foreign. Each place that a tick or a command looks at is turned into what an agent may turn it into, with
 * the real thing: a link to files of the user's, a pipe that nobody writes to, a device, a file without end, a flood of names.
 * Then real ticks run: they come to an end, do their work for the others, and no file of the user's has changed.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';
import { until } from '../support/sandbox.ts';
import {
  holding,
  KINDS,
  type Kind,
  lookAtAll,
  othersGoOn,
  replacesFilesOfGitDir,
  replacesFilesOfRun,
} from './foreign.ts';

// Each program that is run here has a bound of a minute, which one command of git that waits would use up.

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.box.destroy());

/** Every file below a directory, by what is in it. */
function hashes(dir: string): Record<string, string> {
  const all = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return Object.fromEntries(
    all.map((one) => {
      const path = join(one.parentPath, one.name);
      return [relative(dir, path), createHash('sha256').update(readFileSync(path)).digest('hex')];
    }),
  );
}

/** Files of the user's, with names that an event, a log or a run's own file may have. */
function precious(): string {
  const dir = join(rig.box.dir, 'precious');
  mkdirSync(join(dir, 'events'), { recursive: true });
  for (const name of [
    'thesis.tex',
    'board.sqlite',
    'killswitch.json',
    'screen.txt',
    'output.log',
    'run.json',
  ])
    for (const at of [dir, join(dir, 'events')]) writeFileSync(join(at, name), `precious ${name}\n`);
  return dir;
}

describe('a link that an agent made', () => {
  it.each([
    ['its events', (run: string) => join(run, 'events')],
    ['its run directory', (run: string) => run],
  ])('in place of %s leads no tick to files of the user', async (_, place) => {
    const { id, run } = await holding(rig);
    const dir = precious();
    writeFileSync(join(run, 'events', 'busy.seen'), '{}');
    await rig.tickHere();
    const before = hashes(dir);
    const at = place(run);
    renameSync(at, `${at}.away`);
    symlinkSync(dir, at);
    lookAtAll(rig, id);
    lookAtAll(rig, id);
    expect(hashes(dir)).toEqual(before);
    expect(rig.agents(id)).toHaveLength(1);
    await othersGoOn(rig);
  });

  it('in place of its events leads no tick to the state dir', async () => {
    const { id, run } = await holding(rig);
    await rig.box.here(['killswitch', 'on', '--level', 'dispatch', '--reason', 'mine']);
    const kept = ['board.sqlite', 'killswitch.json', 'host-id', 'tmux-server.json'];
    rmSync(join(run, 'events'), { recursive: true });
    symlinkSync(rig.box.state, join(run, 'events'));
    for (let n = 0; n < 3; n++) await rig.tickHere();
    for (const name of kept) expect(existsSync(join(rig.box.state, name)), name).toBe(true);
    expect(rig.ticket(id).status).toBe('in_progress');
  });

  it('in place of the directory of all runs lets nothing be launched into what it leads to', async () => {
    const dir = precious();
    const before = hashes(dir);
    await holding(rig);
    const runs = join(rig.box.state, 'runs');
    renameSync(runs, `${runs}.away`);
    symlinkSync(dir, runs);
    const id = rig.add('review');
    for (let n = 0; n < 2; n++) await rig.tickHere();
    expect(rig.started(id)).toBe(0);
    expect(hashes(dir)).toEqual(before);
    expect(readdirSync(dir).sort()).toEqual(
      Object.keys(before)
        .filter((one) => !one.includes('/'))
        .concat('events')
        .sort(),
    );
    rmSync(runs);
    renameSync(`${runs}.away`, runs);
    await rig.ticksUntilStarted(id, 1);
    await rig.settle(id, 'in_review');
  });

  it('or a hard link, in place of what a tick writes, is replaced and never written through', async () => {
    const { id, run, own, worktree, gitDir } = await holding(rig);
    const dir = precious();
    const victims = ['thesis.tex', 'screen.txt'].map((name) => join(dir, name));
    const before = hashes(dir);
    const names = [
      ...['screen.txt', 'registered.json', 'asked', 'output.log'].flatMap((name) => [
        join(run, name),
        join(own, name),
      ]),
      ...['ready', 'start', 'after-create-done', 'hook.json', 'slot'].map((one) =>
        join(gitDir, `mc-pickup-${one}`),
      ),
    ].filter((path) => existsSync(join(path, '..')));
    const common = join(gitDir, '..', '..');
    names.push(join(common, `mc-pickup-adding-${id}`));
    for (const [n, path] of names.entries()) {
      rmSync(path, { force: true });
      if (n % 2 === 0) symlinkSync(victims[0] ?? '', path);
      else linkSync(victims[1] ?? '', path);
    }
    // Its end has its last screen kept, and its worktree made ready anew.
    await rig.kill(rig.run(id).pid);
    for (let n = 0; n < 3; n++) {
      await rig.tickHere();
      await rig.due(id);
    }
    expect(existsSync(worktree)).toBe(true);
    expect(hashes(dir)).toEqual(before);
  });

  it('in place of a run directory stays as it is when runs are cleaned, and so does what it leads to', async () => {
    const id = rig.add('review');
    await rig.tickHere();
    await rig.settle(id, 'in_review');
    await rig.tickHere();
    await rig.box.here(['ticket', 'move', id, 'done']);
    const { mark } = rig.runs(id)[0] ?? { mark: '' };
    const dir = precious();
    const before = hashes(dir);
    const run = join(rig.box.state, 'runs', mark);
    renameSync(run, `${run}.away`);
    symlinkSync(dir, run);
    // Two months later.
    const later = join(rig.box.dir, 'later.cjs');
    writeFileSync(later, 'const now = Date.now; Date.now = () => now() + 60 * 86_400_000;\n');
    const env = { NODE_OPTIONS: `--require ${later}` };
    const clean = () => rig.box.run(['clean', '--yes', '--json'], '', env);
    expect(clean()).toMatchObject({ code: 0, err: '' });
    expect(lstatSync(run).isSymbolicLink()).toBe(true);
    symlinkSync(dir, join(rig.box.state, 'trash'));
    expect([0, 3]).toContain(clean().code);
    expect(hashes(dir)).toEqual(before);
  });
});

// Each by the next kind in turn, all six of them: every file as every kind is foreign-files.test.ts.
const inTurn = (n: number): Kind => KINDS[n % KINDS.length]?.[1] ?? expect.fail('no kind');

describe('a pipe, a device, a file without end, a directory or a link', () => {
  it('in place of any file of a run holds up no tick and no command', () => replacesFilesOfRun(rig, inTurn));

  it('in place of any file of a git dir holds up no tick, before and after its agent has died', () =>
    replacesFilesOfGitDir(rig, inTurn));
});

it('a flood of events costs a tick no more than a bounded part of it, and goes in the end', async () => {
  const { id, run } = await holding(rig);
  const events = join(run, 'events');
  const script = `for (let n = 0; n < 60000; n++) require('node:fs').writeFileSync(${JSON.stringify(events)} + '/busy.' + n + 'x'.repeat(200), '{}')`;
  execFileSync(process.execPath, ['-e', script]);
  let left = 60_000;
  for (let n = 0; n < 8 && left > 0; n++) {
    const { code } = await rig.box.here(['dispatch']);
    expect(code).toBe(0);
    left = readdirSync(events).length;
  }
  expect(left).toBe(0);
  expect(rig.ticket(id).status).toBe('in_progress');
});

it('a process that a file in a git dir names is not ended by a tick', async () => {
  const { id, gitDir } = await holding(rig);
  const [victim = ''] = await rig.held(1);
  const { pid, pid_start, host_id } = rig.run(victim);
  const [{ boot_id, pid_ns } = { boot_id: '', pid_ns: '' }] = rig.box.sql<{
    boot_id: string;
    pid_ns: string;
  }>('SELECT boot_id, pid_ns FROM runtime_sessions WHERE ticket_id = ?', victim);
  const note = JSON.stringify({ host_id, boot_id, pid_ns, pid, pid_start, until_ms: 1 });
  writeFileSync(join(gitDir, 'mc-pickup-hook.json'), note);
  await rig.kill(rig.run(id).pid);
  for (let n = 0; n < 3; n++) {
    await rig.tickHere();
    await rig.due(id);
  }
  expect(rig.agents(victim)).toEqual([pid]);
});

it('what a run of 0.1 has left in its run directory is found there', async () => {
  const { id, run, own } = await holding(rig);
  for (const name of readdirSync(own)) renameSync(join(own, name), join(run, name));
  rmSync(own, { recursive: true });
  // The board is restored from a backup of before the launch: the pane and its registration tell.
  rig.lose(id);
  await rig.tickHere();
  expect(rig.ticket(id).status).toBe('in_progress');
  rig.box.signal(`${id}.go`);
  await rig.settle(id, 'in_review');
  expect(await until(() => rig.agents(id).length === 0)).toBe(true);
  await rig.tickHere();
  expect(rig.started(id)).toBe(1);
  expect(lstatSync(run).isDirectory()).toBe(true);
});
