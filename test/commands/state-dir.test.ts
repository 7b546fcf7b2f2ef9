import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, BOUND_MS, makeSandbox, type Ran, type Sandbox } from '../support/sandbox.ts';

const NOBODY = 65_534;
const ROOT = process.getuid?.() === 0;
const WRITERS: readonly (readonly string[])[] = [
  ['init'],
  ['ticket', 'add', '--project', 'demo', '--title', 'One'],
  ['killswitch', 'on'],
  ['killswitch', 'off'],
  ['dispatch'],
  ['reconcile'],
  ['dispatch', '--max=1'],
];

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

/** As a user whom permissions bind: root passes them all. */
function bound(args: readonly string[], state: string): Ran {
  const done = spawnSync(process.execPath, [BIN, ...args], {
    env: { ...box.env, MC_PICKUP_STATE_DIR: state },
    encoding: 'utf8',
    input: '',
    timeout: BOUND_MS,
    ...(ROOT ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

function oneClearLine(done: Ran, what: RegExp): void {
  expect(done.err).toMatch(what);
  expect(done.err).toMatch(/^mc-pickup: [^\n]+\n$/);
  expect(done.err).not.toContain('a bug');
  expect(done.code).toBe(78);
}

describe.each(WRITERS.map((args) => ({ args })))('$args', ({ args }) => {
  it('says that the state dir is a file: exit 78', async () => {
    const state = join(box.dir, 'a-file');
    writeFileSync(state, 'mine');
    oneClearLine(await box.here(args, '', { MC_PICKUP_STATE_DIR: state }), /a-file is not a directory/);
    oneClearLine(await box.here(args, '', { MC_PICKUP_STATE_DIR: join(state, 'below') }), /not a directory/);
    expect(readFileSync(state, 'utf8')).toBe('mine');
  });

  it('says that the state dir can be neither read nor written: exit 78', () => {
    if (ROOT) chownSync(box.dir, NOBODY, NOBODY);
    const state = join(box.dir, 'shut');
    mkdirSync(state, { mode: 0o000 });
    if (ROOT) chownSync(state, NOBODY, NOBODY);
    oneClearLine(bound(args, state), /shut can't be read \(EACCES\)/);
    chmodSync(state, 0o500);
    const done = bound(args, state);
    // A switch is for what was made.
    if (args[0] === 'killswitch') oneClearLine(done, /no board in \S+shut: mc-pickup init/);
    else oneClearLine(done, /shut can't be written \(EACCES\)/);
    expect(readdirSync(state)).toEqual([]);
  });
});

it('a new state dir whose path cuts the PATH of agents in two is refused; one that is there is told of', async () => {
  const state = join(box.dir, 'a:b');
  const env = { MC_PICKUP_STATE_DIR: state };
  for (const args of [['init'], ['ticket', 'add', '--title', 'x'], ['dispatch']])
    oneClearLine(await box.here(args, '', env), /has a colon/);
  expect(existsSync(state)).toBe(false);
  mkdirSync(state, { mode: 0o700 });
  expect(await box.here(['init'], '', env)).toMatchObject({ code: 0, err: '' });
  expect((await box.here(['doctor'], '', env)).out).toContain('has a colon');
});

it('a path that is not UTF-8 is refused, and nothing is made under another name', () => {
  // No argument of Node's own can hold such a byte.
  const shell = (script: string): Ran => {
    const env = { ...box.env, NODE: process.execPath, BIN };
    const done = spawnSync('bash', ['-c', script], {
      cwd: box.dir,
      env,
      encoding: 'utf8',
      timeout: BOUND_MS,
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  };
  const before = readdirSync(box.dir);
  oneClearLine(shell(`MC_PICKUP_STATE_DIR=$PWD/$'odd\\xff' exec "$NODE" "$BIN" init`), /not UTF-8/);
  expect(readdirSync(box.dir)).toEqual(before);
  const project = shell(
    `mkdir $'r\\xff' && cd $'r\\xff' && git init -q && exec "$NODE" "$BIN" init --project`,
  );
  expect(project).toMatchObject({ code: 2, err: expect.stringMatching(/not UTF-8/) });
  expect(readFileSync(box.env.MC_PICKUP_CONFIG ?? '', 'utf8')).not.toContain('\ufffd');
});

it('a state dir in which nothing was ever made is told as one, and none is made: exit 78; init makes it', async () => {
  const state = join(box.dir, 'mistyped');
  const at = { MC_PICKUP_STATE_DIR: state };
  const all = [
    ...[
      ['status'],
      ['ticket', 'list'],
      ['log'],
      ['explain', 'MC-1'],
      ['clean'],
      ['clean', '--yes'],
      ['metrics'],
    ],
    ...[
      ['killswitch', 'on'],
      ['killswitch', 'off'],
      ['killswitch', 'status'],
      ['page', '--out', '-'],
    ],
    ...[
      ['agents'],
      ['agents', 'ready', 'scripted'],
      ['pool'],
      ['backup'],
      ['stop', 'MC-1'],
      ['ticket', 'export'],
    ],
    ...[
      ['ticket', 'move', 'MC-1', 'done'],
      ['ticket', 'comment', 'MC-1', 'x'],
      ['send', 'MC-1', 'x'],
    ],
  ];
  for (const args of all)
    oneClearLine(
      await box.here(args, '', at),
      /no board in \S+mistyped: mc-pickup init makes one there; --state-dir/,
    );
  expect(existsSync(state)).toBe(false);
  expect((await box.here(['init'], '', at)).code).toBe(0);
  expect(await box.here(['status'], '', at)).toMatchObject({ code: 0, err: '' });
});

it('a host id that can not be read is no bug of ours: exit 78', async () => {
  mkdirSync(join(box.state, 'host-id'), { recursive: true });
  oneClearLine(await box.here(['dispatch']), /host-id can't be read or made/);
});

it('a switch file with broken content stays on: exit 0, quiet on a pipe, and recorded', async () => {
  mkdirSync(box.state, { recursive: true });
  writeFileSync(join(box.state, 'killswitch.json'), '{"level":"perhaps"}');
  expect(await box.here(['dispatch'])).toEqual({ code: 0, out: '', err: '' });
  expect(JSON.parse(readFileSync(join(box.state, 'gate.json'), 'utf8'))).toMatchObject({ ticks: 1 });
});

it('a switch file that can not be read at all is on, recorded, and said: exit 78', async () => {
  mkdirSync(join(box.state, 'killswitch.json', 'full'), { recursive: true });
  oneClearLine(
    await box.here(['dispatch']),
    /killswitch\.json can't be read \(not a regular file\), which counts as on/,
  );
  expect(existsSync(join(box.state, 'gate.json'))).toBe(true);
  expect(existsSync(join(box.state, 'board.sqlite'))).toBe(false);
  const json = await box.here(['dispatch', '--json']);
  expect(json.code).toBe(78);
  expect(JSON.parse(json.out)).toMatchObject({ outcome: 'halted' });
  for (const args of [
    ['killswitch', 'on'],
    ['killswitch', 'off'],
  ])
    oneClearLine(await box.here(args), /was NOT changed/);
});

describe('a dry run behind a closed gate', () => {
  it.each(['dispatch', 'reconcile'])('%s says that it is halted, and why', async (command) => {
    await box.here(['ticket', 'add', '--title', 'One']);
    await box.here(['killswitch', 'on', '--level', 'all', '--reason', 'release day']);
    const done = await box.here([command, '--dry-run']);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toMatch(/^halted by the killswitch.*release day\n$/);
    expect(existsSync(join(box.state, 'gate.json'))).toBe(false);
  });
});

it('what shows a schedule shows none for a file', async () => {
  const state = join(box.dir, 'a-file');
  writeFileSync(state, 'mine');
  oneClearLine(
    await box.here(['schedule', 'show', '--with', 'cron'], '', { MC_PICKUP_STATE_DIR: state }),
    /a-file is not a directory/,
  );
});

it('a switch that the environment names is switched wherever the state dir is', async () => {
  const at = {
    MC_PICKUP_STATE_DIR: join(box.dir, 'mistyped'),
    MC_PICKUP_KILLSWITCH: join(box.dir, 'switch.json'),
  };
  expect(await box.here(['killswitch', 'on', '--reason', 'x'], '', at)).toMatchObject({ code: 0, err: '' });
  expect((await box.here(['killswitch', 'status'], '', at)).out).toContain('killswitch ON');
});
