/** A ticket that a person takes back while the tick stands still between a registration and its word: no agent runs, the tick does
 *  not say that one does, and what the person answered is there for the next one. Real tmux, board and launcher. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { claim, launch } from '../../src/act/launch/index.ts';
import { stageRun } from '../../src/act/launch/script.ts';
import type { Hands } from '../../src/act/outcome.ts';
import { realOutside } from '../../src/act/real.ts';
import { command } from '../../src/agents/command.ts';
import type { Board } from '../../src/board/port/index.ts';
import * as clock from '../../src/machine/clock.ts';
import { type Places, placesOf } from '../../src/machine/paths.ts';
import { ensureHostId, hostId } from '../../src/machine/process.ts';
import { boardAt } from '../support/boards.ts';
import { aPolicy, aProfile, aProject, aWorld, NOW } from '../support/builders.ts';
import { BOUND_MS } from '../support/sandbox.ts';

vi.mock(import('../../src/machine/clock.ts'), async (actual) => ({ ...(await actual()) }));

let dir: string;
let places: Places;
let board: Board;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-tb-'));
  places = placesOf({ stateDir: join(dir, 's'), config: join(dir, 'c.toml') }, {});
  ensureHostId(places.state);
  board = boardAt(places.board);
});
afterEach(async () => {
  vi.restoreAllMocks();
  spawnSync('tmux', ['-S', places.socket, 'kill-server'], { stdio: 'ignore' });
  await board.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Launches a ticket with an answer to it, on a board that is slow by `ms`, and says what came of it. */
async function launched(
  ms: number,
  meanwhile: () => Promise<unknown>,
  prepared?: (run: string) => Promise<unknown>,
) {
  let now_ms = 1000;
  vi.spyOn(clock, 'monotonicMs').mockImplementation(() => now_ms++);
  const slow: Board = {
    ...board,
    register: async (...request) => {
      const won = await board.register(...request);
      await meanwhile();
      now_ms += ms;
      return won;
    },
  };
  const argv = ['/bin/sh', '-c', `: >${join(dir, 'agent')}; exec sleep 60`];
  const profile = aProfile({ name: 'robot', argv });
  const policy = aPolicy({
    agents: [profile],
    projects: [aProject({ name: 'house' })],
    limits: { register_wait_seconds: 60 },
  });
  const tmux = { socket: places.socket, serverFile: places.server, binary: 'tmux' };
  const known = { board: slow, policy, tick_id: 't-1', clock: () => NOW };
  const here = { ...known, places, tmux, env: process.env, node: '/bin/false', bin: 'bin' };
  const outside = realOutside(here);
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'house', labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const { id, status, owner, claim_epoch, version } = await board.addTicket(
    { ...ticket, ...from },
    { now_ms: NOW },
  );
  const answer = await board.keepAnswer(
    { ticket: id, text: 'Paint it green.', author: 'ann' },
    { now_ms: NOW },
  );
  const hands: Hands = {
    ...known,
    outside: {
      ...outside,
      prepare: async ({ run, ticket: of }) => {
        const staged = stageRun({
          ...{ places, run, ticket: of.id, owner: null, claim_epoch: 1, project: 'house', worktree: dir },
          ...{ branch: null, ticket_created_at_ms: NOW, headless: false, client_session: 'u', resume: null },
          ...{ pipe: join(places.asking, '1'), node: here.node, bin: 'bin', prompt: 'p', env: {} },
          profile,
          adapter: { ...command, launchArgv: () => argv },
        });
        await prepared?.(run);
        const where = { worktree: dir, branch: 'b', client_session: null, resumed: null };
        return { ok: true, where, answers: [answer], ...staged };
      },
    },
  };
  const world = aWorld({ host_id: hostId(places.state) ?? '' });
  const step = {
    ...({
      kind: 'launch',
      ticket: id,
      because: 'next_in_order',
      evidence: { priority: 2, attempt: 1, agent: 'robot' },
      agent: 'robot',
    } as const),
    ...{ project: 'house', guard: { status, owner, claim_epoch, version }, attempt: 1 },
  };
  const claimed = await claim(step, world, hands);
  if ('result' in claimed) throw new Error(`${claimed.result}: ${claimed.error}`);
  hands.outside.expect(1);
  const { result } = await launch(claimed, world, hands);
  const [words] = await board.words(id);
  return { result, owed: words?.honoured_by === null, had: words?.had.length };
}

it('is told as under way, and keeps its answers', async () => {
  const takenBack = async () => {
    const { version = 0 } = (await board.ticket('MC-1')) ?? {};
    await board.move(
      { ticket: 'MC-1', version, to: 'todo', why: 'no', trusted: true },
      { actor: 'ann', now_ms: NOW },
    );
  };
  expect(await launched(2000, takenBack)).toEqual({ result: 'launching', owed: true, had: 1 });
  expect(existsSync(join(dir, 'agent'))).toBe(false);
});

it('is launched, and has its answers, where nobody does that', async () => {
  expect(await launched(10, async () => undefined)).toEqual({ result: 'launched', owed: true, had: 1 });
  await vi.waitFor(() => expect(existsSync(join(dir, 'agent'))).toBe(true), {
    timeout: BOUND_MS,
    interval: 20,
  });
});

it('is not even started where its claim has ended while it was prepared', async () => {
  const ended = async (run: string) => {
    const { version = 0 } = (await board.runtime(run)) ?? {};
    const end = { end_reason: 'gave_way', exit_code: null, exit_signal: null };
    expect(await board.end({ runtime: { run, version }, end }, { actor: 'tick:2', now_ms: NOW })).toBe('won');
  };
  expect(await launched(10, async () => undefined, ended)).toEqual({
    result: 'lost_race',
    owed: true,
    had: 0,
  });
  expect([existsSync(places.socket), existsSync(join(dir, 'agent'))]).toEqual([false, false]);
});
