import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { act, type Hands } from '../../src/act/index.ts';
import { openBoard } from '../../src/board/sqlite/index.ts';
import type { Step } from '../../src/model/plan.ts';
import { placesOf } from '../../src/paths.ts';
import { startPane, type Tmux, viewServer } from '../../src/runtime/tmux.ts';
import { aPolicy, aWorld, NOW } from '../support/builders.ts';
import { waitFor } from '../support/wait.ts';

let dir: string;
let tmux: Tmux;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-act-'));
  tmux = { socket: join(dir, 'tmux.sock'), serverFile: join(dir, 'server.json'), binary: 'tmux' };
});
afterEach(() => {
  spawnSync('tmux', ['-S', tmux.socket, 'kill-server']);
  rmSync(dir, { recursive: true, force: true });
});

it('a dead pane is not closed while the row of its run lives, whatever the plan believed; then it is, and its screen kept', async () => {
  const places = placesOf({ stateDir: dir, config: join(dir, 'config.toml') }, {});
  const board = openBoard(places.board);
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'p', labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const { id, status, owner, claim_epoch, version } = await board.addTicket({ ...ticket, ...from }, NOW);
  const guard = { status, owner, claim_epoch, version };
  const claim = {
    ticket: id,
    guard,
    run: 'r-1',
    agent: 'a',
    project: 'p',
    attempt: 1,
    host_id: 'h',
    boot_id: null,
  };
  expect(await board.claim(claim, 'ann', NOW)).toBe('won');

  mkdirSync(join(places.runs, 'r-1'), { recursive: true });
  const argv = ['/bin/sh', '-c', 'echo famous last words; exit 7'];
  const made = await startPane(tmux, { name: 'r-1', run: 'r-1', ticket: id, cwd: dir, argv });
  if (!made.ok) throw new Error(made.error);
  const panes = async () => {
    const view = await viewServer(tmux);
    return view.kind === 'server' ? view.panes.map(({ pane, dead }) => `${pane} ${dead}`) : [];
  };
  await waitFor(async () => (await panes())[0] === `${made.pane} true`);

  const hands: Hands = {
    ...{ places, board, tmux, policy: aPolicy(), env: {}, node: process.execPath, bin: 'bin' },
    ...{ tick_id: 't-1', clock: () => NOW },
  };
  const close: Step = {
    ...{ kind: 'close_pane', ticket: id, because: 'pane_of_ended_run', evidence: {}, run: 'r-1' },
    pane: made.pane,
  };
  const plan = { reconcile: [close], dispatch: [], skipped: [], refresh: [] };
  expect(await act(plan, aWorld(), hands)).toMatchObject([{ result: 'lost_race', after: null }]);
  expect(await panes()).toEqual([`${made.pane} true`]);

  const row = await board.runtime('r-1');
  const end = { end_reason: 'launch_failed', exit_code: 7, exit_signal: null };
  expect(await board.end({ run: 'r-1', version: row?.version ?? 0 }, end, 't', NOW)).toBe('won');
  expect(await act(plan, aWorld(), hands)).toMatchObject([{ result: 'done' }]);
  expect(await panes()).toEqual([]);
  expect(readFileSync(join(places.runs, 'r-1', 'screen.txt'), 'utf8')).toContain('famous last words');
  board.close();
});
