import { join } from 'node:path';
import { fillIn, witness } from '../act/witnesses.ts';
import type { Board } from '../board/port/index.ts';
import { nextRamp } from '../decide/dispatch.ts';
import { monotonicMs } from '../machine/clock.ts';
import { failpoint } from '../machine/failpoint.ts';
import { clearHalt } from '../machine/killswitch.ts';
import type { Places } from '../machine/paths.ts';
import { EXIT, isDiskFault, messageOf, UserError } from '../model/errors.ts';
import type { Outcome, Plan, StepResult } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import type { World } from '../model/world.ts';
import type { TickReport } from '../report/tick.ts';
import { pruneEvents } from '../runs/events.ts';

/** What a tick saw, wanted, did and tells. */
export interface TickResult {
  readonly world: World;
  readonly plan: Plan;
  /** null = a dry run. */
  readonly outcomes: readonly Outcome[] | null;
  readonly report: TickReport;
}

interface At {
  readonly board: Board;
  readonly places: Places;
  readonly policy: Policy;
  /** A server starts the runtimes. */
  readonly serverStarts: boolean;
  /** The ramp after a halt belongs to the dispatch pass. */
  readonly dispatch: boolean;
}

/** Stores what the tick did and saw, for the next one. Returns why that could not be; null = it was. What the tick did stands, and is told;
 *  one that did nothing has failed, and throws. */
export async function save(at: At, result: TickResult): Promise<string | null> {
  try {
    await saveAll(at, result);
    return null;
  } catch (error) {
    const passes =
      error instanceof UserError
        ? error.exit === EXIT.unavailable || error.exit === EXIT.busy
        : isDiskFault(error);
    if (!passes || !result.outcomes?.some((one) => DID.has(one.result))) throw error;
    return `what this tick did stands, but could not be saved with the board: ${oneLine(messageOf(error), 400)}`;
  }
}

const DID: ReadonlySet<StepResult> = new Set(['done', 'launched', 'launching', 'adopted', 'released']);

async function saveAll(
  { board, places, policy, serverStarts, dispatch }: At,
  result: TickResult,
): Promise<void> {
  const { report, plan, world } = result;
  failpoint('keep-before');
  await board.saveTick({
    tick: {
      id: report.tick_id ?? '',
      host_id: world.host_id,
      boot_id: world.boot_id,
      // At the end: time spent in hooks and launches counts against nobody's deadline.
      mono_ms: monotonicMs(),
      started_at_ms: world.now_ms,
      finished_at_ms: Date.now(),
      outcome: report.outcome,
      ramp: dispatch ? nextRamp(world, policy.limits) : world.ramp,
      report: JSON.stringify(report),
    },
    refresh: plan.refresh,
  });
  failpoint('keep-saved');
  clearHalt(places.gate); // counted: the ramp has begun
  failpoint('keep-halt-cleared');
  pruneSeen(plan, world, places);
  fillIn(plan, world, places);
  // One that registered after its tick had stopped waiting for it.
  if (serverStarts)
    for (const { row, judgement, survivor } of world.runtimes)
      if (judgement?.verdict === 'alive' && survivor === null) witness(row, places);
  failpoint('keep-pruned');
}

/** Takes away the events that the board has taken in: only now that it holds the cursors. */
function pruneSeen(plan: Plan, world: World, { runs }: Places): void {
  const marks = new Map(world.runtimes.map(({ row }) => [row.id, row.mark]));
  for (const { run, seen } of plan.refresh)
    if (seen.fresh > 0) pruneEvents(join(runs, marks.get(run) ?? run, 'events'), seen.cursor);
}
