import type { Board, Cas } from '../board/port.ts';
import { failpoint } from '../machine/failpoint.ts';
import type { Outcome, Plan, Step, StepResult } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import { sentence, trippedText } from '../model/sentences.ts';
import type { TicketStatus } from '../model/ticket.ts';
import { unreachable } from '../model/unreachable.ts';
import type { World } from '../model/world.ts';
import type { Claimed, Outside } from './outside.ts';

export interface Hands {
  readonly board: Board;
  readonly policy: Policy;
  readonly tick_id: string;
  readonly clock: () => number;
  readonly outside: Outside;
}

/**
 * Carries a plan out, step by step, each under its guard. Losing a race is an outcome; one step's failure never
 * stops the rest. Claims are made in the order of the plan; what follows a claim (worktree, hooks, tmux) runs
 * side by side.
 */
export async function act(plan: Plan, world: World, hands: Hands): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of plan.reconcile) {
    failpoint('heal-before');
    outcomes.push(await attempt(step, world, hands));
    failpoint('heal-done');
  }
  if (plan.dispatch.length > 0) outcomes.push(...(await dispatch(plan, world, hands)));
  if (world.runtimes.some(mayHaveUsed)) await hands.outside.recordUsage(world);
  return outcomes;
}

/** Observed time after its last sign of life in which a client's record may still be written to. */
const RECORD_LAGS_MS = 120_000;

/** Whether this runtime's record may tell of new use: something happened in it of late, or it has ended. */
export function mayHaveUsed({ row, judgement, seen }: World['runtimes'][number]): boolean {
  if (row.kind === '' || row.kind === 'command' || row.ticket_id === null) return false;
  return seen.fresh > 0 || row.silent_ms < RECORD_LAGS_MS || judgement?.verdict === 'dead';
}

async function dispatch(plan: Plan, world: World, hands: Hands): Promise<Outcome[]> {
  // Loaded only now: a tick without launches needs none of it.
  const { claim, launch } = await import('./launch/index.ts');
  const settle = (one: Claimed): Promise<Outcome> => guarded(one.step, () => launch(one, world, hands));
  hands.outside.expect(plan.dispatch.filter(({ kind }) => kind === 'launch').length);
  const begun: (Outcome | Promise<Outcome>)[] = [];
  for (const step of plan.dispatch) {
    if (step.kind !== 'launch') continue;
    const one = await guarded(step, async () => {
      const error = await hands.outside.unlaunchable(step);
      if (error !== null) return outcome(step, null, 'failed', null, error);
      return claim(step, world, hands);
    });
    if ('result' in one) {
      begun.push(one);
      continue;
    }
    begun.push(settle(one));
    // What the launches before have asked git for may have come.
    await new Promise((go) => setImmediate(go));
  }
  return Promise.all(begun);
}

async function attempt(step: Step, world: World, hands: Hands): Promise<Outcome> {
  return guarded(step, () => heal(step, world, hands));
}

async function guarded<T>(step: Step, work: () => Promise<T>): Promise<T | Outcome> {
  try {
    return await work();
  } catch (error) {
    return outcome(step, null, 'failed', null, error instanceof Error ? error.message : String(error));
  }
}

async function heal(step: Step, world: World, hands: Hands): Promise<Outcome> {
  const { board, tick_id } = hands;
  const actor = `tick:${tick_id}`;
  const now = hands.clock();
  switch (step.kind) {
    case 'normalize':
      return cas(
        step,
        step.runtime.run,
        'in_progress',
        await board.normalize(step.ticket, step.guard, step.runtime, step.pid, step.because, actor, now),
      );
    case 'ask':
    case 'park': {
      const what = {
        reason: step.kind === 'park' ? 'parked' : step.because,
        text: step.kind === 'ask' ? step.question : sentence(step.because, step.evidence),
        turn: step.turn,
        park: step.kind === 'park',
      };
      const won = await board.ask(step.ticket, step.guard, step.runtime, what, actor, now);
      return cas(step, step.runtime.run, 'needs_input', won);
    }
    case 'nudge':
      return (await import('./nudge.ts')).nudge(step, world, hands);
    case 'limit': {
      const reason = sentence(step.because, step.evidence);
      const won = await board.limitAccount(step.agent, step.until_ms, reason, actor, now);
      return cas(step, null, null, won);
    }
    case 'unready':
      return cas(step, null, null, await board.setReady(step.agent, step.fix, null, actor, now));
    case 'ready':
      return cas(step, null, null, await board.setReady(step.agent, null, null, actor, now));
    case 'submit': {
      const won = await board.submit(step.ticket, step.guard, step.runtime, step.because, actor, now);
      return cas(step, step.runtime.run, 'in_review', won);
    }
    case 'end': {
      const won = await board.end(step.runtime, step.end, actor, now);
      if (won === 'won') await forget(step.ticket, step.runtime.run, world, hands);
      return cas(step, step.runtime.run, null, won);
    }
    case 'retry': {
      const text = sentence(step.because, step.evidence);
      const why = { reason: step.because, text };
      const won = await board.retry(
        step.ticket,
        step.guard,
        step.runtime,
        step.end,
        step.to,
        why,
        actor,
        now,
      );
      if (won === 'won' && step.runtime !== null) await forget(step.ticket, step.runtime.run, world, hands);
      return cas(step, step.runtime?.run ?? null, step.to.status, won);
    }
    case 'adopt': {
      const { sighting } = step;
      const won = await board.adopt(
        {
          ...sighting,
          guard: step.guard,
          instead_of: null,
          mark: sighting.run,
          tmux_session: sighting.session,
          tmux_pane: sighting.pane,
        },
        actor,
        now,
      );
      if (won === 'won') await hands.outside.mark(step.ticket, sighting);
      return won === 'won'
        ? outcome(step, sighting.run, 'adopted', 'in_progress', null)
        : cas(step, null, null, won);
    }
    case 'follow': {
      const won = await board.follow(step.runtime, step.process, actor, now);
      if (won === 'lost') return cas(step, step.runtime.run, null, won);
      const row = world.runtimes.find((one) => one.row.id === step.runtime.run)?.row;
      await hands.outside.mark(step.ticket, { ...step.process, run: row?.mark ?? step.runtime.run });
      return outcome(step, step.runtime.run, 'adopted', step.guard.status, null);
    }
    case 'close_pane': {
      // Only once its run has ended on the board as well: a step before this one may have lost its race.
      const row = await board.runtimeByMark(step.run);
      if (row !== null && row.ended_at_ms === null) return outcome(step, step.run, 'lost_race', null, null);
      await hands.outside.closePane(step.run, step.pane, step.pid);
      return outcome(step, step.run, 'done', null, null);
    }
    case 'trip': {
      const text = sentence(step.because, step.evidence);
      if (!hands.outside.switchOff(step.level, step.scope, text))
        return outcome(step, null, 'lost_race', null, null);
      const what = { kind: 'killswitch', because: step.because, text: trippedText(step.scope, text) };
      await board.log({ at_ms: now, ticket_id: null, run_id: null, actor, ...what });
      return outcome(step, null, 'done', null, null);
    }
    case 'shorten': {
      const { ticket, agent, from_ms, to_ms } = step;
      const won = await board.shortenWait({ ticket, agent, from_ms, to_ms }, actor, now);
      return cas(step, null, null, won);
    }
    case 'launch':
      return outcome(step, null, 'declined', null, 'a launch is no heal');
    default:
      return unreachable(step);
  }
}

async function forget(ticket: string, run: string, world: World, { outside }: Hands): Promise<void> {
  failpoint('heal-committed');
  await outside.forget(ticket, world.runtimes.find(({ row }) => row.id === run)?.row.mark ?? run);
}

export function cas(step: Step, run: string | null, after: TicketStatus | null, won: Cas): Outcome {
  return won === 'won'
    ? outcome(step, run, 'done', after, null)
    : outcome(step, run, 'lost_race', null, null);
}

export function outcome(
  step: Step,
  run: string | null,
  result: StepResult,
  after: TicketStatus | null,
  error: string | null,
): Outcome {
  return { step, run, result, after, error };
}
