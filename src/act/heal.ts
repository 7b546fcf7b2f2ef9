import { failpoint } from '../machine/failpoint.ts';
import type { Outcome, Step } from '../model/plan.ts';
import { sentence, trippedText } from '../model/sentences.ts';
import { unreachable } from '../model/unreachable.ts';
import type { World } from '../model/world.ts';
import { cas, type Hands, outcome } from './outcome.ts';

/** One step of the reconcile pass: one guarded write, and what follows it outside of the board. */
export async function heal(step: Step, world: World, hands: Hands): Promise<Outcome> {
  const { board } = hands;
  const by = { actor: `tick:${hands.tick_id}`, now_ms: hands.clock() };
  switch (step.kind) {
    case 'normalize':
      return cas(step, step.runtime.run, 'in_progress', await board.normalize(step, by));
    case 'ask':
    case 'park': {
      const park = step.kind === 'park';
      const reason = park ? 'parked' : step.because;
      const text = step.kind === 'ask' ? step.question : sentence(step);
      const won = await board.ask({ ...step, reason, text, park }, by);
      return cas(step, step.runtime.run, 'needs_input', won);
    }
    case 'nudge':
      return (await import('./nudge.ts')).nudge(step, world, hands);
    case 'limit': {
      const reason = sentence(step);
      const won = await board.limitAccount({ name: step.agent, until_ms: step.until_ms, reason }, by);
      return cas(step, null, null, won);
    }
    case 'unready':
    case 'ready': {
      const fix = step.kind === 'unready' ? step.fix : null;
      return cas(step, null, null, await board.setReady({ name: step.agent, fix, stamp: null }, by));
    }
    case 'submit':
      return cas(step, step.runtime.run, 'in_review', await board.submit(step, by));
    case 'end': {
      const won = await board.end(step, by);
      if (won === 'won') await forget(step.ticket, step.runtime.run, world, hands);
      return cas(step, step.runtime.run, null, won);
    }
    case 'retry': {
      const why = { reason: step.because, text: sentence(step) };
      const won = await board.retry({ ...step, why }, by);
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
        by,
      );
      if (won === 'won') await hands.outside.mark(step.ticket, sighting);
      return won === 'won'
        ? outcome(step, sighting.run, 'adopted', 'in_progress', null)
        : cas(step, null, null, won);
    }
    case 'follow': {
      const won = await board.follow(step, by);
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
      const text = sentence(step);
      if (!hands.outside.switchOff(step.level, step.scope, text))
        return outcome(step, null, 'lost_race', null, null);
      const what = { kind: 'killswitch', because: step.because, text: trippedText(step.scope, text) };
      await board.log({ at_ms: by.now_ms, ticket_id: null, run_id: null, actor: by.actor, ...what });
      return outcome(step, null, 'done', null, null);
    }
    case 'shorten':
      return cas(step, null, null, await board.shortenWait(step, by));
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
