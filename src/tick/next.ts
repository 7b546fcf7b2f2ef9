import { knownBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import type { Skip, Step } from '../model/plan.ts';
import type { ObservedRuntime } from '../model/world.ts';
import { decided } from './decided.ts';
import { earlierTicks } from './earlier.ts';
import { observe } from './observe/index.ts';
import { rehearsed } from './rehearsed.ts';

/** What a tick at this moment would do with one ticket. */
export interface Next {
  readonly steps: readonly Step[];
  readonly skips: readonly Skip[];
  readonly live: ObservedRuntime | null;
}

/** The very plan, made without hands, as far as it is about this ticket. */
export async function nextOf(context: Context, board: Board, ticket: string): Promise<Next> {
  const { places, env, tmux } = context;
  const { policy } = loadPolicy(places.config, env);
  const serverStarts = (await knownBoard(context)).starter !== null;
  const { claimersEnded, beingMade } = earlierTicks(context, policy, { locked: false, serverStarts });
  const seen = await observe({
    ...{ places, board, tmux, policy, env, project: null, also: [ticket], repair: false, claimersEnded },
    now_ms: Date.now(),
    mono_ms: monotonicMs(),
  });
  const options = { dispatch: true, max: null, project: null };
  const { world, plan } = await decided(rehearsed(seen, policy, context), policy, options, beingMade);
  const steps = [...plan.reconcile, ...plan.dispatch].filter((step) => step.ticket === ticket);
  const live = world.runtimes.find(({ row }) => row.ticket_id === ticket) ?? null;
  const since = live === null ? {} : { since: new Date(live.row.claimed_at_ms).toISOString() };
  const skips = plan.skipped
    .filter((skip) => skip.ticket === ticket)
    .map((skip) =>
      skip.because === 'launching' ? { ...skip, evidence: { ...skip.evidence, ...since } } : skip,
    );
  return { steps, skips, live };
}
