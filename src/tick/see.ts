import { setTimeout as pause } from 'node:timers/promises';
import { act } from '../act/index.ts';
import { realOutside } from '../act/real.ts';
import type { OpenedBoard } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { decide } from '../decide/index.ts';
import { monotonicMs } from '../machine/clock.ts';
import { uniqueName } from '../model/hash.ts';
import type { Plan, Step } from '../model/plan.ts';
import type { ObservedRuntime } from '../model/world.ts';
import { tickReport } from '../report/tick.ts';
import { earlierTicks } from './earlier.ts';
import { beginLook } from './observe/eyes.ts';
import { observe } from './observe/index.ts';
import { save } from './save.ts';

/** What only says what an agent does. Whatever is done about it is for the next tick, and whether a turn is over: it was given something just now. */
function isSeen({ kind, because }: Step): boolean {
  return kind === 'normalize' || (kind === 'ask' && because === 'agent_waiting');
}

/** Longer than a level has to stand until it is believed: of a dialog that Escape has closed no event tells. */
const MOST_LOOKS = 6;
const BETWEEN_MS = 700;

/**
 * One look more after a person has answered an agent, and what it finds is written, as a tick would: whoever looks at the board next sees the
 * agent at work, or the dialog that it has opened since. Only under the tick lock. What goes wrong here is for the next tick, which looks again:
 * the answer itself was given.
 */
export async function seeAfter(context: Context, opened: OpenedBoard, ticket: string): Promise<void> {
  try {
    for (let n = 0; n < MOST_LOOKS; n += 1) {
      await pause(BETWEEN_MS);
      const seen = await see(context, opened, ticket);
      if (seen === null || !lags(seen)) return;
    }
  } catch {
    // See above.
  }
}

/** The events say that a dialog is open, and the level does not, for not long enough yet. */
function lags({ seen: { activity, level } }: ObservedRuntime): boolean {
  return activity === 'waiting' && level !== null && level !== 'waiting';
}

async function see(context: Context, opened: OpenedBoard, ticket: string): Promise<ObservedRuntime | null> {
  const { places, env, tmux, node, bin } = context;
  const { board, starter } = opened;
  const begun_ms = monotonicMs();
  const { policy } = loadPolicy(places.config, env);
  const serverStarts = starter !== null;
  const { claimersEnded } = earlierTicks(context, policy, { locked: true, serverStarts });
  const look = beginLook({ places, tmux, repair: true });
  const world = await observe({
    ...{ places, board, tmux, policy, env, project: null, also: [ticket], repair: true, claimersEnded, look },
    ...{ now_ms: Date.now(), mono_ms: begun_ms },
  });
  const all = decide(world, policy, { dispatch: false, max: null, project: null });
  const plan: Plan = {
    ...all,
    reconcile: all.reconcile.filter((step) => step.ticket === ticket && isSeen(step)),
  };
  const tick_id = `t-${uniqueName()}`;
  const within = { board, policy, tick_id, clock: Date.now };
  const outside = realOutside({ ...within, places, tmux, env, node, bin, starter });
  const outcomes = await act(plan, world, { ...within, outside });
  const head = { tick_id, dry_run: false, duration_ms: monotonicMs() - begun_ms, config_errors: [] };
  const report = tickReport(head, world, plan, outcomes);
  await save({ board, places, policy, serverStarts, dispatch: false }, { world, plan, outcomes, report });
  return world.runtimes.find(({ row }) => row.ticket_id === ticket) ?? null;
}
