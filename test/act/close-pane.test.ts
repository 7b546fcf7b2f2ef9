import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { act } from '../../src/act/index.ts';
import { claim } from '../../src/act/launch/index.ts';
import type { Hands } from '../../src/act/outcome.ts';
import { realOutside } from '../../src/act/real.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { lookAtSelf } from '../../src/machine/process.ts';
import type { LaunchStep, Step } from '../../src/model/plan.ts';
import { writeRegistered } from '../../src/runs/marks.ts';
import { startPane } from '../../src/tmux/pane.ts';
import type { Tmux } from '../../src/tmux/tmux.ts';
import { viewServer } from '../../src/tmux/view.ts';
import { boardAt } from '../support/boards.ts';
import { aPolicy, aWorld, NOW } from '../support/builders.ts';
import { ownTmux } from '../support/own-tmux.ts';
import { waitFor } from '../support/wait.ts';

let dir: string;
let tmux: Tmux;
beforeEach(() => {
  const own = ownTmux('mc-act-');
  ({ dir, tmux } = own);
  return own.gone;
});

it('a dead pane is not closed while the row of its run lives, whatever the plan believed; then it is, and its screen kept', async () => {
  const places = placesOf({ stateDir: dir, config: join(dir, 'config.toml') }, {});
  const board = boardAt(places.board);
  const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'house', labels: [] } as const;
  const from = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
  const { id, status, owner, claim_epoch, version } = await board.addTicket(
    { ...ticket, ...from },
    { now_ms: NOW },
  );
  const known = { board, policy: aPolicy(), tick_id: 't-1', clock: () => NOW };
  const here = { ...known, places, tmux, env: {}, node: process.execPath, bin: 'bin' };
  const hands: Hands = { ...known, outside: realOutside(here) };
  const step: LaunchStep = {
    ...{
      kind: 'launch',
      ticket: id,
      because: 'next_in_order',
      evidence: { priority: 2, attempt: 1, agent: 'robot' },
      agent: 'robot',
      project: 'house',
    },
    ...{ guard: { status, owner, claim_epoch, version }, attempt: 1 },
  };
  const claimed = await claim(step, aWorld(), hands);
  if ('result' in claimed) throw new Error(`${claimed.result}: ${claimed.error}`);
  const { run } = claimed;

  mkdirSync(join(places.runs, run), { recursive: true });
  const argv = ['/bin/sh', '-c', 'echo famous last words; exit 7'];
  const made = await startPane(tmux, { name: run, run, ticket: id, cwd: dir, argv });
  if (!made.ok) throw new Error(made.error);
  const panes = async () => {
    const view = await viewServer(tmux);
    return view.kind === 'server' ? view.panes.map(({ pane, dead }) => `${pane} ${dead}`) : [];
  };
  await waitFor(async () => (await panes())[0] === `${made.pane} true`);

  const close: Step = {
    ...{
      kind: 'close_pane',
      ticket: id,
      because: 'pane_of_ended_run',
      evidence: { pane: '%1', exit_code: 7, exit_signal: null },
      run,
    },
    ...{ pane: made.pane, pid: made.pid },
  };
  const plan = { reconcile: [close], dispatch: [], skipped: [], refresh: [] };
  expect(await act(plan, aWorld(), hands)).toMatchObject([{ result: 'lost_race', after: null }]);
  expect(await panes()).toEqual([`${made.pane} true`]);

  const row = await board.runtime(run);
  const end = { end_reason: 'launch_failed', exit_code: 7, exit_signal: null };
  expect(
    await board.end({ runtime: { run, version: row?.version ?? 0 }, end }, { actor: 't', now_ms: NOW }),
  ).toBe('won');
  expect(await act(plan, aWorld(), hands)).toMatchObject([{ result: 'done' }]);
  expect(await panes()).toEqual([]);
  const screen = join(places.own, run, 'screen.txt');
  expect(readFileSync(screen, 'utf8')).toContain('famous last words');

  // A pane in which somebody else has died, with the mark of this run: its words are none of the run's.
  const forged = await startPane(tmux, {
    ...{ name: 'forged', run, ticket: id, cwd: dir, argv: ['/bin/sh', '-c', 'echo forged words; exit 7'] },
  });
  if (!forged.ok) throw new Error(forged.error);
  await waitFor(async () => (await panes())[0] === `${forged.pane} true`);
  const { boot_id, pid_ns, time_ns } = lookAtSelf('');
  writeRegistered(join(places.runs, run), {
    ...{ host_id: 'h', boot_id: boot_id ?? '', pid_ns, time_ns, pid: made.pid, pid_start: '1' },
  });
  const again = { ...close, pane: forged.pane, pid: forged.pid };
  expect(await act({ ...plan, reconcile: [again] }, aWorld(), hands)).toMatchObject([{ result: 'done' }]);
  expect(await panes()).toEqual([]);
  expect(readFileSync(screen, 'utf8')).toContain('famous last words');
  await board.close();
});
