/*
 * The witnesses of a living agent beside its row on the board: the mark of its ticket, and which process has registered as its run. With
 * them it is found again when board and tmux have both lost it. The row is the first witness and is committed by then, so that a witness
 * that can't be written is no failure.
 */
import { join } from 'node:path';
import type { Places } from '../machine/paths.ts';
import type { ProcessIdentity } from '../model/identity.ts';
import type { Plan } from '../model/plan.ts';
import { identityOf, type Runtime } from '../model/runtime.ts';
import type { World } from '../model/world.ts';
import { runDir } from '../runs/dirs.ts';
import { fillWitnesses, readRegistered, writeMark, writeRegistered } from '../runs/marks.ts';

/** Leaves both witnesses of an agent that was adopted, or whose client goes on in another process. */
export function bearWitness(
  ticket: string,
  agent: ProcessIdentity & { readonly run: string },
  { marks, runs }: Places,
): void {
  writeMark(marks, ticket, agent);
  if (readRegistered(join(runs, agent.run))?.pid === agent.pid) return;
  try {
    writeRegistered(runDir(runs, agent.run), agent);
  } catch {
    // Its directory is gone.
  }
}

/** Leaves the same of a runtime that the server of the board has started: no launcher of ours has left them. */
export function witness(row: Runtime, places: Places): void {
  const identity = identityOf(row);
  if (identity === null || row.ticket_id === null || row.tmux_pane !== null) return;
  if (readRegistered(join(places.runs, row.mark))?.pid === identity.pid) return;
  try {
    bearWitness(row.ticket_id, { ...identity, run: row.mark }, places);
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
    const lacking = { ...identity, time_ns, run: row.mark, ticket: row.ticket_id };
    try {
      fillWitnesses(marks, runDir(runs, row.mark), lacking);
    } catch {
      // What they lack is not compared.
    }
  }
}
