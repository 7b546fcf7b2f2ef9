/** Who registers a launcher: the tick that has started it, while it stands there, and in every other case the launcher itself. The
 *  launch script, its pipe and the board are the real ones; in the place of Node a script notes that it was called. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ensurePipes } from '../../src/act/launch/pipes.ts';
import { Registrar } from '../../src/act/launch/registrar.ts';
import { askedFile, stageRun } from '../../src/act/launch/script.ts';
import { command } from '../../src/agents/command.ts';
import type { Board } from '../../src/board/port/index.ts';
import * as clock from '../../src/machine/clock.ts';
import { textOfFile } from '../../src/machine/files.ts';
import { type Places, placesOf } from '../../src/machine/paths.ts';
import { ensureHostId, lookAt } from '../../src/machine/process.ts';
import { readMarks, readRegistered } from '../../src/runs/marks.ts';
import { boardAt } from '../support/boards.ts';
import { aProfile, NOW } from '../support/builders.ts';
import { waitFor } from '../support/wait.ts';

const RUN = 'MC-1-e1-aa';
let dir: string;
let places: Places;
let board: Board;
let registrar: Registrar;
const started: ChildProcess[] = [];
vi.mock(import('../../src/machine/clock.ts'), async (actual) => ({ ...(await actual()) }));

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "mc-re'g-"));
  places = placesOf({ stateDir: join(dir, 'state'), config: join(dir, 'config.toml') }, {});
  ensureHostId(places.state);
  board = boardAt(places.board);
  registrar = new Registrar(places, board, () => NOW);
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'house', labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const { id, status, owner, claim_epoch, version } = await board.addTicket(
    { ...ticket, ...from },
    { now_ms: NOW },
  );
  const guard = { status, owner, claim_epoch, version };
  const of = {
    agent: 'robot',
    project: 'house',
    attempt: 1,
    host_id: 'h',
    boot_id: 'b',
    kind: 'command',
  } as const;
  expect(
    await board.claim(
      { ticket: id, run: RUN, guard, headless: false, ...of },
      { actor: 'tick:1', now_ms: NOW },
    ),
  ).toBe('won');
  stage();
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const child of started.splice(0)) {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
    child.kill('SIGKILL');
    await ended;
  }
  await board.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A launcher whose agent says that it lives, and which registers by itself with this exit code. */
function stage(code = 0): void {
  const node = join(dir, 'node');
  writeFileSync(node, `#!/bin/sh\necho "$@" >>${shell('calls')}\nexit ${code}\n`, { mode: 0o755 });
  const argv = ['/bin/sh', '-c', `echo $$ >${shell('agent')}; exec sleep 60`];
  stageRun({
    ...{ places, run: RUN, ticket: 'MC-1', owner: null, claim_epoch: 1, project: 'house', worktree: dir },
    ...{ branch: null, ticket_created_at_ms: NOW, headless: false, client_session: 'u', resume: null },
    pipe: PIPE(),
    ...{ node, bin: 'bin', prompt: 'p', env: { PATH: '/usr/bin:/bin' } },
    profile: aProfile({ argv }),
    adapter: { ...command, launchArgv: () => argv },
  });
}

const PIPE = (): string => join(places.asking, '1');
const shell = (name: string): string => `'${join(dir, name).replaceAll("'", "'\\''")}'`;
const byItself = (): boolean => existsSync(join(dir, 'calls'));
const agent = (): boolean => existsSync(join(dir, 'agent'));

/** As tmux starts it: the same process is the launcher, and then the agent. */
function launch(): ChildProcess & { readonly pid: number } {
  const child = spawn('/bin/sh', [join(places.own, RUN, 'launch')], { stdio: 'ignore' });
  started.push(child);
  return child as ChildProcess & { readonly pid: number };
}

async function ready(
  pid: (launcher: number) => number = (own) => own,
  server_pid = process.pid,
): Promise<ChildProcess> {
  registrar.expect(1);
  await registrar.open(RUN);
  const child = launch();
  registrar.started(RUN, { pid: pid(child.pid), pane: '%3', server_pid });
  await waitFor(() => textOfFile(askedFile(join(places.runs, RUN)))?.endsWith('\n'));
  return child;
}

/** What becomes of its question, once it has asked. */
async function answered(): Promise<string | null> {
  const answer = await registrar.answer(RUN);
  return answer === 'not_asked' ? null : answer;
}

it('registers the launcher that asks, and lets it become the agent', async () => {
  const prompt = {
    id: 'd',
    run_id: RUN,
    ticket_id: 'MC-1',
    kind: 'prompt',
    nonce: 'n',
    sha256: 'x',
  } as const;
  const where = { worktree: dir, branch: null, client_session: null, resumed: null };
  await board.staged({
    run: RUN,
    ...where,
    prompt: { ...prompt, bytes: 1, outcome: 'pending', ack_source: null, at_ms: NOW },
  });
  const child = await ready();
  expect(agent()).toBe(false);
  expect(await waitFor(answered)).toBe('let_go');
  // The shell makes the file before it writes to it.
  await waitFor(() => agent() && readFileSync(join(dir, 'agent'), 'utf8').endsWith('\n'));
  expect(byItself()).toBe(false);
  expect(readFileSync(join(dir, 'agent'), 'utf8')).toBe(`${child.pid}\n`);
  const look = lookAt(child.pid ?? 0);
  const identity = { pid: child.pid, pid_start: look.kind === 'present' ? look.start : null };
  const row = await board.runtime(RUN);
  expect(row).toMatchObject({ ...identity, phase: 'registered', tmux_session: RUN, tmux_pane: '%3' });
  expect(row).toMatchObject({ tmux_server_pid: process.pid });
  expect(readRegistered(join(places.runs, RUN))).toMatchObject(identity);
  expect(readMarks(places.marks)).toMatchObject([{ ...identity, ticket: 'MC-1', run: RUN }]);
  expect(await board.lastDelivery({ run: RUN, kinds: ['prompt'] })).toMatchObject({
    outcome: 'started',
    ack_source: 'registered',
  });
  expect(existsSync(askedFile(join(places.runs, RUN)))).toBe(false);
});

it('leaves no pipe open in the agent', async () => {
  const child = await ready();
  const open = (): string[] =>
    readdirSync(`/proc/${child.pid}/fd`).map((fd) => readlinkSync(`/proc/${child.pid}/fd/${fd}`));
  expect(open().filter((path) => path.startsWith(places.asking))).toEqual([]); // it is another shell that waits
  await waitFor(answered);
  await waitFor(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8') === 'sleep\n');
  expect(open().filter((path) => path.startsWith(places.asking))).toEqual([]);
});

it('a launcher without a pipe, or with one that no tick holds, registers by itself at once', async () => {
  launch();
  await waitFor(agent);
  expect(byItself()).toBe(true);
  rmSync(join(dir, 'agent'));
  rmSync(join(dir, 'calls'));
  await ensurePipes(places, 1);
  launch();
  await waitFor(agent);
  expect(byItself()).toBe(true);
});

it('a launcher takes no other word for the answer', async () => {
  await ready();
  writeFileSync(PIPE(), 'go\n');
  await waitFor(agent);
  expect(byItself()).toBe(true);
});

it('a launcher whose tick dies while it waits registers by itself', async () => {
  await ensurePipes(places, 1);
  const open = `const fs = require('node:fs'); fs.openSync(process.argv[1], fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    console.log('open'); setInterval(() => {}, 1000)`;
  const tick = spawn(process.execPath, ['-e', open, PIPE()], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(tick);
  await once(tick.stdout, 'data');
  launch();
  await waitFor(() => existsSync(askedFile(join(places.runs, RUN))));
  expect([agent(), byItself()]).toEqual([false, false]);
  tick.kill('SIGKILL');
  await waitFor(agent);
  expect(byItself()).toBe(true);
});

it('one that has lost its claim never becomes the agent, whoever it asks', async () => {
  stage(75);
  const row = await board.runtime(RUN);
  const dead = { end_reason: 'gave_way', exit_code: null, exit_signal: null };
  expect(
    await board.end(
      { runtime: { run: RUN, version: row?.version ?? 0 }, end: dead },
      { actor: 'tick:2', now_ms: NOW },
    ),
  ).toBe('won');
  const child = await ready();
  const ended = once(child, 'exit');
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  expect(await ended).toEqual([75, null]);
  expect([agent(), byItself()]).toEqual([false, true]);
  expect(readRegistered(join(places.runs, RUN))).toBeNull();
});

it('answers nobody but the process that tmux has started', async () => {
  await ready(() => process.pid);
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  await waitFor(agent);
  expect(byItself()).toBe(true);
  expect(await board.runtime(RUN)).toMatchObject({ phase: 'launching' });
});

it('answers no process that another one than that tmux server has started', async () => {
  await ready(undefined, process.ppid);
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  await waitFor(agent);
  expect(await board.runtime(RUN)).toMatchObject({ phase: 'launching' });
});

it.each([
  [
    'that was started at another time, as one in another pid namespace was',
    (stat: string) => stat.replace(/ \d+( \d+ \d+ 18446744073709551615 )/, ' 1$1'),
  ],
  ['of another parent', (stat: string) => stat.replace(/\) [A-Z] \d+ /, ') S 1 ')],
  ['that says no more of itself, since it sees no /proc', (stat: string) => `${Number.parseInt(stat, 10)}\n`],
])('answers no process of that number %s', async (_, changed) => {
  await ready();
  const said = readFileSync(askedFile(join(places.runs, RUN)), 'utf8');
  expect(changed(said)).not.toBe(said);
  writeFileSync(askedFile(join(places.runs, RUN)), changed(said));
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  expect(await board.runtime(RUN)).toMatchObject({ phase: 'launching' });
});

/** Each registration takes so long, and the ticket is taken back meanwhile. */
function standsStill(ms: number, takenBack: boolean): Pick<Board, 'register'> {
  let now_ms = 1000;
  vi.spyOn(clock, 'monotonicMs').mockImplementation(() => now_ms);
  return {
    register: async (...request) => {
      const won = await board.register(...request);
      const ticket = await board.ticket('MC-1');
      const to = { to: 'cancelled', why: 'no', trusted: false } as const;
      if (takenBack)
        await board.move(
          { ticket: 'MC-1', version: ticket?.version ?? 0, ...to },
          { actor: 'ann', now_ms: NOW },
        );
      now_ms += ms;
      return won;
    },
  };
}

it('lets no agent begin on a ticket that was taken back while the tick stood still', async () => {
  stage(75);
  registrar = new Registrar(places, standsStill(1001, true), () => NOW);
  const child = await ready();
  const ended = once(child, 'exit');
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  expect(await ended).toEqual([75, null]);
  expect(agent()).toBe(false);
  expect(readRegistered(join(places.runs, RUN))).toBeNull();
});

it('lets no agent begin on a word that is always too old', async () => {
  registrar = new Registrar(places, standsStill(1001, false), () => NOW);
  await ready();
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  await waitFor(agent);
  expect(byItself()).toBe(true);
});

it('what cannot be tidied up afterwards changes nothing', async () => {
  const asked = askedFile(join(places.runs, RUN));
  const hampering = {
    register: (...request: Parameters<Board['register']>) => {
      rmSync(asked);
      mkdirSync(asked);
      return board.register(...request);
    },
  };
  registrar = new Registrar(places, hampering, () => NOW);
  await ready();
  expect(await registrar.answer(RUN)).toBe('let_go');
  await waitFor(agent);
  expect(byItself()).toBe(false);
});

it('waits for the whole of what a launcher says', async () => {
  await ready();
  const said = readFileSync(askedFile(join(places.runs, RUN)), 'utf8');
  for (const part of ['', said.slice(0, 3), said.trimEnd()]) {
    writeFileSync(askedFile(join(places.runs, RUN)), part);
    expect(await registrar.answer(RUN)).toBe('not_asked');
    expect(await board.runtime(RUN)).toMatchObject({ phase: 'launching' });
  }
  writeFileSync(askedFile(join(places.runs, RUN)), said);
  expect(await registrar.answer(RUN)).toBe('let_go');
});

it('a launcher is on its own once it is given up, or where the board says nothing', async () => {
  await ready();
  registrar.close(RUN);
  await waitFor(agent);
  expect(byItself()).toBe(true);
  expect(existsSync(askedFile(join(places.runs, RUN)))).toBe(false);
  rmSync(join(dir, 'agent'));
  const broken = { register: () => Promise.reject(new Error('database is locked')) };
  registrar = new Registrar(places, broken, () => NOW);
  await ready();
  expect(await registrar.answer(RUN)).toBe('on_its_own');
  await waitFor(agent);
});

it('keeps its pipes, makes those that are missing, and does without where none can be made', async () => {
  await ensurePipes(places, 2);
  const made = readdirSync(places.asking).map((name) => statSync(join(places.asking, name)).ino);
  expect(made).toHaveLength(2);
  rmSync(PIPE());
  writeFileSync(PIPE(), 'a file');
  await ensurePipes(places, 3);
  const all = ['1', '2', '3'].map((name) => statSync(join(places.asking, name)));
  expect(readdirSync(places.asking).sort()).toEqual(['1', '2', '3']);
  expect(all.every((one) => one.isFIFO() && (one.mode & 0o777) === 0o600)).toBe(true);
  expect(made).toContain(all[1]?.ino);

  rmSync(places.asking, { recursive: true });
  writeFileSync(places.asking, 'a file');
  registrar.expect(1);
  await registrar.open(RUN);
  launch();
  await waitFor(agent);
  expect(byItself()).toBe(true);
  expect(await registrar.answer(RUN)).toBe('not_asked');
});

it('a launcher that still reads from the pipe of a tick that has died takes nothing that is said to another', async () => {
  await ready();
  const other = new Registrar(places, board, () => NOW);
  other.pipe('MC-9-e1-bb');
  await other.open('MC-9-e1-bb'); // the same pipe, before the first tick has let go of it
  registrar.close(RUN);
  expect([agent(), byItself()]).toEqual([false, false]);
  writeFileSync(PIPE(), 'go MC-9-e1-bb\n');
  await waitFor(agent);
  expect(byItself()).toBe(true);
  other.close('MC-9-e1-bb');
});
