import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { adapterOf } from '../agents/index.ts';
import type { Server } from '../board/http/api.ts';
import { monotonicMs } from '../machine/clock.ts';
import { isPlainFile, textAt } from '../machine/foreign.ts';
import { readSwitches, recordRelease, switchFile, writeSwitch } from '../machine/killswitch.ts';
import type { Places } from '../machine/paths.ts';
import { hostId, lookAt, lookAtSelf } from '../machine/process.ts';
import { messageOf } from '../model/errors.ts';
import { hasEnded } from '../model/identity.ts';
import type { Plan } from '../model/plan.ts';
import { identityOf, type Runtime } from '../model/runtime.ts';
import { blocks, type Pane, type World } from '../model/world.ts';
import { runDir } from '../runs/dirs.ts';
import { pruneEvents } from '../runs/events.ts';
import { keepLastScreen } from '../runs/last-screen.ts';
import {
  fillWitnesses,
  type Mark,
  readMarks,
  readRegistered,
  registeredFile,
  removeMark,
  writeMark,
  writeRegistered,
} from '../runs/marks.ts';
import { kindOf, readRunFile } from '../runs/run-file.ts';
import { sightMark, sightPane, sightRow, witnesses } from '../runs/sighting.ts';
import { programWord } from '../runs/tools.ts';

import { closeDeadPane, startPane, viewServer } from '../tmux/tmux.ts';
import type { Here } from './here.ts';
import { Registrar } from './launch/registrar.ts';
import type { Neighbours, Outside, Started } from './outside.ts';

/** The files, the processes, the tmux server and the repositories of this machine. What only a launch needs is loaded by
 *  the first one. */
export function realOutside(here: Here): Outside {
  const { places, tmux, env, clock } = here;
  const worktreeOf = worktrees(places.runs);
  const look = sharedLook(here);
  const claimed = new Map<string, number>();
  const unlaunchable = new Map<string, string | null>();
  const registrar = new Registrar(places, here.board, clock);
  return {
    token: () => randomBytes(4).toString('hex'),
    halted: (project, agent) => blocks(readSwitches(places, env, clock()), project, agent) !== null,
    switchOff: (level, scope, reason) => switchOff(level, scope, reason, here),
    unlaunchable: async (step) => {
      const known = unlaunchable.get(step.agent);
      const error =
        known === undefined ? await (await import('./launch/prepare.ts')).unlaunchable(step, here) : known;
      unlaunchable.set(step.agent, error);
      return error;
    },
    prepare: async (one) => {
      claimed.set(one.run, monotonicMs());
      return (await import('./launch/prepare.ts')).prepare(
        one,
        here,
        here.sender ? null : registrar.pipe(one.run),
      );
    },
    neighbours: async (...which) =>
      neighbours(...which, await look(claimed.get(which[1])), places.runs, worktreeOf),
    expect: (count) => {
      if (!here.sender) registrar.expect(count);
    },
    start: async (run, ticket, { where, command: argv }) => {
      if (here.sender) return sent(run, ticket, here, here.sender);
      try {
        await registrar.open(run);
      } catch (error) {
        registrar.close(run);
        return { ok: false, untouched: true, error: messageOf(error) };
      }
      const pane = { name: run, run, ticket, cwd: where.worktree, argv };
      try {
        const started = await startPane(tmux, pane);
        if (started.ok) registrar.started(run, started);
        else registrar.close(run);
        return started;
      } catch (error) {
        registrar.close(run);
        throw error;
      }
    },
    registered: async (run, pid) => {
      const done = await registered(run, pid, here, registrar).finally(() => registrar.close(run));
      const row = done && here.sender ? await here.board.runtime(run) : null;
      if (row !== null) witness(row, places);
      return done;
    },
    nudge: async ({ because }, ticket, row) => {
      const adapter = adapterOf(kindOf(row, places, here.policy));
      if (adapter === null) return null;
      const { deliver, nudgeText } = await import('./deliver/index.ts');
      const text = nudgeText(because, row.nudges, programWord(places));
      const { clientOf } = await import('../runs/program.ts');
      const client = clientOf(row, here.policy.agents.get(row.agent), env);
      return deliver(here, { kind: 'nudge', ticket, row, adapter, client, text });
    },
    mark: async (ticket, agent) => {
      writeMark(places.marks, ticket, agent);
      if (readRegistered(join(places.runs, agent.run))?.pid === agent.pid) return;
      try {
        writeRegistered(runDir(places.runs, agent.run), agent);
      } catch {
        // The mark is one witness, and the board's row is committed.
      }
    },
    forget: async (ticket, mark) => void removeMark(places.marks, ticket, mark),
    closePane: async (run, pane, pid) => {
      // Whoever is in a pane can give it any run's mark: only that run's own process has shown its last words.
      const registered = readRegistered(join(places.runs, run));
      if (registered !== null && registered.pid !== pid) return void (await closeDeadPane(tmux, pane, run));
      if (await keepLastScreen(tmux, pane, join(places.runs, run))) await closeDeadPane(tmux, pane, run);
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

/** Completes, beside the board, what the board has just been told of agents that were started by 0.1. */
export function fillIn(plan: Plan, world: World, { marks, runs }: Places): void {
  for (const { run, time_ns } of plan.refresh) {
    const row = time_ns === undefined ? undefined : world.runtimes.find((one) => one.row.id === run)?.row;
    const identity = row === undefined ? null : identityOf(row);
    if (row === undefined || identity === null || time_ns === undefined) continue;
    try {
      fillWitnesses(marks, runDir(runs, row.mark), {
        ...identity,
        time_ns,
        run: row.mark,
        ticket: row.ticket_id,
      });
    } catch {
      // What they lack is not compared.
    }
  }
}

/** Takes away the events that the board has taken in: only once `saveTick` has committed the cursors. */
export function pruneSeen(plan: Plan, world: World, { places }: Pick<Here, 'places'>): void {
  const marks = new Map(world.runtimes.map(({ row }) => [row.id, row.mark]));
  for (const { run, seen } of plan.refresh) {
    if (seen.fresh > 0) pruneEvents(join(places.runs, marks.get(run) ?? run, 'events'), seen.cursor);
  }
}

function switchOff(level: 'dispatch', scope: string, reason: string, { places, env, clock }: Here): boolean {
  const at_ms = clock();
  if (readSwitches(places, env, at_ms).some((one) => one.scope === '*' || one.scope === scope)) return false;
  writeSwitch(switchFile(places, env), {
    ...{ level, scope, reason, author: 'mc-pickup', at_ms, expires_at_ms: null },
  });
  recordRelease(places, scope, at_ms); // these deaths have had their effect, however the switch is taken away
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

/** What our tmux server and the marks show. */
type Sight =
  | { readonly ok: true; readonly panes: readonly Pane[]; readonly marks: readonly Mark[] }
  | { readonly ok: false; readonly error: string };

/** So long one look serves all launches that were claimed before it: many are launched side by side, and each look takes a
 *  program. */
const LOOK_SERVES_MS = 1000;

function sharedLook({ tmux, places }: Here): (claimed_at_ms?: number) => Promise<Sight> {
  let last: { readonly at_ms: number; readonly sight: Promise<Sight> } | null = null;
  const look = async (): Promise<Sight> => {
    const view = await viewServer(tmux, { repair: true });
    if (view.kind === 'unknown') return { ok: false, error: view.error };
    return { ok: true, panes: view.kind === 'server' ? view.panes : [], marks: readMarks(places.marks) };
  };
  return async (claimed_at_ms = Number.POSITIVE_INFINITY) => {
    if (last !== null && last.at_ms > claimed_at_ms && monotonicMs() - last.at_ms <= LOOK_SERVES_MS) {
      const shared = await last.sight.catch(() => null);
      if (shared?.ok) return shared;
    }
    last = { at_ms: monotonicMs(), sight: look() };
    return last.sight;
  };
}

function neighbours(
  ticket: string,
  run: string,
  worktree: string,
  host_id: string,
  sight: Sight,
  runs: string,
  worktreeOf: (run: string) => string | null,
): Neighbours {
  if (!sight.ok) return sight;
  const me = lookAtSelf(host_id);
  const others = witnesses(sight.panes, sight.marks, (one) => one.run !== run);
  // Only of those the processes are looked at: side by side many are launched, among hundreds that live.
  const near = (one: { readonly ticket: string; readonly run: string }): boolean =>
    one.ticket === ticket || worktreeOf(one.run) === worktree;
  return {
    ok: true,
    sightings: [
      ...others.panes.filter(near).map((pane) => sightPane(pane, me, runs)),
      ...others.marks.filter(near).map((mark) => sightMark(mark, me, runs)),
    ],
  };
}

/** The server starts the runtime, or says who is busy: that one is judged here, by the kernel. */
async function sent(run: string, ticket: string, { places, clock }: Here, server: Server): Promise<Started> {
  const file = join(runDir(places.runs, run), 'prompt.md');
  const text = textAt(file);
  if (text === null) return { ok: false, untouched: true, error: `${file} can't be read` };
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

const LOOK_MS = 5;
/** So many looks at what a launcher leaves, when it asks and when it has registered by itself, to one at the board and at its
 *  process. */
const LOOKS = 20;

async function registered(
  run: string,
  pid: number,
  { board, policy, places }: Here,
  registrar: Registrar,
): Promise<boolean> {
  const end = monotonicMs() + policy.limits.register_wait_seconds * 1000;
  const left = registeredFile(runDir(places.runs, run));
  let inVain = false;
  for (let n = 1; ; n++) {
    const answered = await registrar.answer(run);
    if (answered === true) return true;
    inVain ||= answered === false;
    const isLeft = isPlainFile(left);
    if (n % LOOKS === 0 || isLeft) {
      const row = await board.runtime(run);
      // Once we have tried in vain the row may say no more than that: what the launcher leaves is its own word.
      const told = isLeft || !inVain;
      if (told && row !== null && row.phase !== 'launching') return row.registered_at_ms !== null;
      if (monotonicMs() >= end) return false;
      if (hasEnded(lookAt(pid)))
        return (isPlainFile(left) || !inVain) && (await board.runtime(run))?.registered_at_ms != null;
    }
    await pause(LOOK_MS);
  }
}
