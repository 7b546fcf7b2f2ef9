import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Server } from '../board/http/api.ts';
import type { Board } from '../board/port.ts';
import { monotonicMs } from '../clock.ts';
import { readSwitches, switchFile, writeSwitch } from '../killswitch.ts';
import type { Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import { identityOf, type Runtime } from '../model/runtime.ts';
import { blocks, type World } from '../model/world.ts';
import { kindOf } from '../observe.ts';
import type { Places } from '../paths.ts';
import { adapterOf } from '../runtime/agents/index.ts';
import { pruneEvents } from '../runtime/events.ts';
import { hostId, lookAt, lookAtSelf } from '../runtime/identity.ts';
import { keepLastScreen } from '../runtime/last-screen.ts';
import {
  programWord,
  readMarks,
  readRegistered,
  readRunFile,
  registeredFile,
  removeMark,
  runDir,
  writeMark,
  writeRegistered,
} from '../runtime/launcher.ts';
import { sightMark, sightPane, sightRow, witnesses } from '../runtime/sighting.ts';
import { closeDeadPane, startPane, type Tmux, viewServer } from '../runtime/tmux.ts';
import type { Neighbours, Outside, Started } from './outside.ts';

/** This machine, and what a tick knows of itself. */
export interface Here {
  readonly places: Places;
  readonly board: Board;
  readonly tmux: Tmux;
  readonly policy: Policy;
  readonly env: NodeJS.ProcessEnv;
  /** The Node and the script that launchers and agents call back. */
  readonly node: string;
  readonly bin: string;
  readonly tick_id: string;
  readonly clock: () => number;
  /** The server that starts the runtimes; absent = we start them. */
  readonly sender?: Server | null;
}

/** The files, the processes, the tmux server and the repositories of this machine. What only a launch needs is loaded by
 *  the first one. */
export function realOutside(here: Here): Outside {
  const { places, tmux, env, clock } = here;
  const worktreeOf = worktrees(places.runs);
  return {
    token: () => randomBytes(4).toString('hex'),
    halted: (project, agent) => blocks(readSwitches(places, env, clock()), project, agent) !== null,
    switchOff: (level, reason) => switchOff(level, reason, here),
    unlaunchable: async (step) => (await import('./prepare.ts')).unlaunchable(step, here),
    prepare: async (claimed) => (await import('./prepare.ts')).prepare(claimed, here),
    neighbours: (...which) => neighbours(...which, here, worktreeOf),
    start: (run, ticket, { worktree: cwd, command: argv }) =>
      here.sender
        ? sent(run, ticket, here, here.sender)
        : startPane(tmux, { name: run, run, ticket, cwd, argv }),
    registered: async (run, pid) => {
      const done = await registered(run, pid, here);
      const row = done && here.sender ? await here.board.runtime(run) : null;
      if (row !== null) witness(row, places);
      return done;
    },
    nudge: async ({ because }, ticket, row) => {
      const adapter = adapterOf(kindOf(row, places, here.policy));
      if (adapter === null) return null;
      const { deliver, nudgeText } = await import('./deliver.ts');
      const text = nudgeText(because, row.nudges, programWord(places));
      return deliver(here, { kind: 'nudge', ticket, row, adapter, text });
    },
    mark: async (ticket, sighting) => void writeMark(places.marks, ticket, sighting),
    forget: async (ticket, mark) => void removeMark(places.marks, ticket, mark),
    closePane: async (run, pane) => {
      await keepLastScreen(tmux, pane, join(places.runs, run));
      await closeDeadPane(tmux, pane, run);
    },
    recordUsage: async (world) => (await import('./usage.ts')).recordUsage(world, here),
  };
}

/** Leaves, of a runtime that somebody else has started, the witnesses that a launcher of ours leaves of itself: found
 *  again when the board and the server have both lost it. Only a second witness: what can't be written costs nothing. */
export function witness(row: Runtime, { marks, runs }: Places): void {
  const identity = identityOf(row);
  if (identity === null || row.ticket_id === null || row.tmux_pane !== null) return;
  if (readRegistered(join(runs, row.mark))?.pid === identity.pid) return;
  try {
    writeMark(marks, row.ticket_id, { ...identity, run: row.mark });
    writeRegistered(runDir(runs, row.mark), identity);
  } catch {
    // The next tick tries again.
  }
}

/** Takes away the events that the board has taken in: only once `saveTick` has committed the cursors. */
export function pruneSeen(plan: Plan, world: World, { places }: Pick<Here, 'places'>): void {
  const marks = new Map(world.runtimes.map(({ row }) => [row.id, row.mark]));
  for (const { run, seen } of plan.refresh) {
    if (seen.fresh > 0) pruneEvents(join(places.runs, marks.get(run) ?? run, 'events'), seen.cursor);
  }
}

function switchOff(level: 'dispatch', reason: string, { places, env, clock }: Here): boolean {
  const at_ms = clock();
  if (readSwitches(places, env, at_ms).some(({ scope }) => scope === '*')) return false;
  writeSwitch(switchFile(places, env), {
    ...{ level, scope: '*', reason, author: 'mc-pickup', at_ms, expires_at_ms: null },
  });
  return true;
}

/** Where runs were started. What is known is not read again: the file of a run is there before its pane, and stays as it is. */
function worktrees(runs: string): (run: string) => string | null {
  const known = new Map<string, string>();
  return (run) => {
    const worktree = known.get(run) ?? readRunFile(runs, run)?.worktree ?? null;
    if (worktree !== null) known.set(run, worktree);
    return worktree;
  };
}

async function neighbours(
  ticket: string,
  run: string,
  worktree: string,
  host_id: string,
  { tmux, places }: Here,
  worktreeOf: (run: string) => string | null,
): Promise<Neighbours> {
  const view = await viewServer(tmux, { repair: true });
  if (view.kind === 'unknown') return { ok: false, error: view.error };
  const me = lookAtSelf(host_id);
  const panes = view.kind === 'server' ? view.panes : [];
  const others = witnesses(panes, readMarks(places.marks), (one) => one.run !== run);
  // Only of those the processes are looked at: side by side many are launched, among hundreds that live.
  const near = (one: { readonly ticket: string; readonly run: string }): boolean =>
    one.ticket === ticket || worktreeOf(one.run) === worktree;
  return {
    ok: true,
    sightings: [
      ...others.panes.filter(near).map((pane) => sightPane(pane, me, places.runs)),
      ...others.marks.filter(near).map((mark) => sightMark(mark, me, places.runs)),
    ],
  };
}

/** The server starts the runtime, or says who is busy: that one is judged here, by the kernel. */
async function sent(run: string, ticket: string, { places, clock }: Here, server: Server): Promise<Started> {
  const text = readFileSync(join(runDir(places.runs, run), 'prompt.md'), 'utf8');
  const { send } = await import('../board/http/index.ts');
  const answer = await send(server, ticket, { run, text, nonce: `${run}-prompt`, now_ms: clock() });
  switch (answer.kind) {
    case 'accepted':
      return { ok: true, pid: 0 };
    case 'busy': {
      // Ours: a first answer was lost, and its key forgotten.
      if (answer.runtime.id === run) return { ok: true, pid: 0 };
      const me = lookAtSelf(hostId(places.state) ?? '');
      return { ok: false, busy: sightRow(answer.runtime, me, places.runs) };
    }
    case 'refused':
      return { ok: false, untouched: true, error: answer.why };
    case 'unknown':
      return { ok: false, error: answer.why };
  }
}

const LOOK_MS = 10;
/** So many looks for what a launcher leaves once it has registered, to one at the board and at its process. */
const LOOKS = 10;

async function registered(run: string, pid: number, { board, policy, places }: Here): Promise<boolean> {
  const end = monotonicMs() + policy.limits.register_wait_seconds * 1000;
  const left = registeredFile(runDir(places.runs, run));
  for (let n = 1; ; n++) {
    if (n % LOOKS === 0 || existsSync(left)) {
      const row = await board.runtime(run);
      if (row !== null && row.phase !== 'launching') return row.registered_at_ms !== null;
      if (monotonicMs() >= end) return false;
      const look = lookAt(pid);
      const gone = look.kind === 'gone' || (look.kind === 'present' && look.state === 'Z');
      if (gone) return (await board.runtime(run))?.registered_at_ms != null;
    }
    await pause(LOOK_MS);
  }
}
