/** How a tick waits for a registration. The file that a launcher leaves is only the quickest sign: the board and the launcher's
 *  process are asked as well, and no wait is without an end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claim } from '../../src/act/launch/index.ts';
import type { Hands } from '../../src/act/outcome.ts';
import { realOutside } from '../../src/act/real.ts';
import type { Board } from '../../src/board/port/index.ts';
import { type Places, placesOf } from '../../src/machine/paths.ts';
import { writeRegistered } from '../../src/runs/marks.ts';
import { boardAt } from '../support/boards.ts';
import { aPolicy, aWorld, HOST, NOW } from '../support/builders.ts';

let dir: string;
let places: Places;
let board: Board;
let hands: Hands;
let run: string;
let launcher: ChildProcess;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mc-act-'));
  places = placesOf({ stateDir: dir, config: join(dir, 'config.toml') }, {});
  board = boardAt(places.board);
  const tmux = { socket: places.socket, serverFile: places.server, binary: 'tmux' };
  const policy = aPolicy({ limits: { register_wait_seconds: 0.5 } });
  const known = { board, policy, tick_id: 't-1', clock: () => NOW };
  hands = {
    ...known,
    outside: realOutside({ ...known, places, tmux, env: {}, node: process.execPath, bin: 'bin' }),
  };
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'house', labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const { id, status, owner, claim_epoch, version } = await board.addTicket(
    { ...ticket, ...from },
    { now_ms: NOW },
  );
  const claimed = await claim(
    {
      ...{
        kind: 'launch',
        ticket: id,
        because: 'next_in_order',
        evidence: { priority: 2, attempt: 1, agent: 'robot' },
        agent: 'robot',
      },
      ...{ project: 'house', guard: { status, owner, claim_epoch, version }, attempt: 1 },
    },
    aWorld(),
    hands,
  );
  if ('result' in claimed) throw new Error(`${claimed.result}: ${claimed.error}`);
  run = claimed.run;
  mkdirSync(join(places.runs, run), { recursive: true });
  launcher = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(launcher, 'spawn');
});
afterEach(async () => {
  const ended = launcher.exitCode === null && launcher.signalCode === null ? once(launcher, 'exit') : null;
  launcher.kill('SIGKILL');
  await ended;
  await board.close();
  rmSync(dir, { recursive: true, force: true });
});

const identity = () => ({
  host_id: HOST,
  boot_id: 'b',
  pid_ns: null,
  time_ns: null,
  pid: launcher.pid ?? 0,
  pid_start: '1',
});
async function register(): Promise<void> {
  const where = { tmux_server_pid: null, tmux_server_start: null, tmux_session: run, tmux_pane: '%0' };
  expect(await board.register({ run, ...identity(), ...where }, { now_ms: NOW })).toBe('won');
}
const wait = () => hands.outside.registered(run, launcher.pid ?? 0);

it('is seen on the board where the file could not be written', async () => {
  await register();
  expect(await wait()).toBe(true);
});

it('a file alone is no registration: the board has the word, and the wait an end', async () => {
  writeRegistered(join(places.runs, run), identity());
  expect(await wait()).toBe(false);
});

it('ends where a launcher lives and never registers, and at once where it is gone', async () => {
  expect(await wait()).toBe(false);
  const gone = once(launcher, 'exit');
  launcher.kill('SIGKILL');
  await gone;
  expect(await wait()).toBe(false);
});
