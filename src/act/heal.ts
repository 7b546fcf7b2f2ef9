import type { By } from '../board/port/index.ts';
import { failpoint } from '../machine/failpoint.ts';
import { agentScope } from '../model/hold.ts';
import type { Outcome, Step } from '../model/plan.ts';
import { sentence, trippedText } from '../model/sentences.ts';
import { unreachable } from '../model/unreachable.ts';
import type { World } from '../model/world.ts';
import { letGo, refused } from './hold.ts';
import { cas, type Hands, outcome } from './outcome.ts';
import { takeIn } from './said.ts';

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
    case 'quit':
      return (await import('./quit.ts')).quit(step, world, hands);
    case 'limit': {
      const reason = step.evidence.says || sentence(step);
      const won = await board.limitAccount({ name: step.agent, until_ms: step.until_ms, reason }, by);
      return cas(step, null, null, won);
    }
    case 'hold':
      await refused(step.fault, step, hands);
      return outcome(step, null, 'done', null, null);
    case 'unready':
      return cas(
        step,
        null,
        null,
        await board.setReady({ name: step.agent, fix: step.fix, stamp: null }, by),
      );
    case 'ready': {
      const held = await letGo(agentScope(step.agent), hands);
      const won = await board.setReady({ name: step.agent, fix: null, stamp: null }, by);
      return cas(step, null, null, held ? 'won' : won);
    }
    case 'submit':
      return cas(step, step.runtime.run, 'in_review', await board.submit(step, by));
    case 'report':
      return report(step, world, hands);
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
    case 'adopt':
      return adopt(step, hands, by);
    case 'follow':
      return follow(step, world, hands, by);
    case 'close_pane':
      return closePane(step, hands);
    case 'trip':
      return trip(step, hands, by);
    case 'shorten':
      return cas(step, null, null, await board.shortenWait(step, by));
    case 'launch':
      return outcome(step, null, 'declined', null, 'a launch is no heal');
    default:
      return unreachable(step);
  }
}

type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;

async function adopt(step: StepOf<'adopt'>, { board, outside }: Hands, by: By): Promise<Outcome> {
  const { sighting, guard } = step;
  const { run: mark, session: tmux_session, pane: tmux_pane } = sighting;
  const request = { ...sighting, guard, instead_of: null, mark, tmux_session, tmux_pane };
  const won = await board.adopt(request, by);
  if (won === 'lost') return cas(step, null, null, won);
  await outside.mark(step.ticket, sighting);
  return outcome(step, sighting.run, 'adopted', 'in_progress', null);
}

async function report(step: StepOf<'report'>, { runtimes }: World, hands: Hands): Promise<Outcome> {
  const { run } = step.runtime;
  const row = runtimes.find((one) => one.row.id === run)?.row;
  if (row === undefined) return cas(step, run, null, 'lost');
  const { board, outside, tick_id, clock } = hands;
  const told = await takeIn(step.said, row, {
    ...{ board, said: outside.said, actor: `tick:${tick_id}`, now_ms: clock() },
  });
  return cas(step, run, told.to, told.won);
}

async function follow(
  step: StepOf<'follow'>,
  { runtimes }: World,
  { board, outside }: Hands,
  by: By,
): Promise<Outcome> {
  const { run } = step.runtime;
  const won = await board.follow(step, by);
  if (won === 'lost') return cas(step, run, null, won);
  const row = runtimes.find((one) => one.row.id === run)?.row;
  await outside.mark(step.ticket, { ...step.process, run: row?.mark ?? run });
  return outcome(step, run, 'adopted', step.guard.status, null);
}

/** Only once its run has ended on the board as well: a step before this one may have lost its race. */
async function closePane(step: StepOf<'close_pane'>, { board, outside }: Hands): Promise<Outcome> {
  const row = await board.runtimeByMark(step.run);
  if (row !== null && row.ended_at_ms === null) return outcome(step, step.run, 'lost_race', null, null);
  await outside.closePane(step.run, step, row?.tmux_pane ?? null);
  return outcome(step, step.run, 'done', null, null);
}

async function trip(step: StepOf<'trip'>, { board, outside }: Hands, by: By): Promise<Outcome> {
  const text = sentence(step);
  if (!outside.switchOff(step.level, step.scope, text)) return outcome(step, null, 'lost_race', null, null);
  await board.log({
    ...{ at_ms: by.now_ms, ticket_id: null, run_id: null, actor: by.actor },
    ...{ kind: 'killswitch', because: step.because, text: trippedText(step.scope, text) },
  });
  return outcome(step, null, 'done', null, null);
}

async function forget(ticket: string, run: string, world: World, { outside }: Hands): Promise<void> {
  failpoint('heal-committed');
  await outside.forget(ticket, world.runtimes.find(({ row }) => row.id === run)?.row.mark ?? run);
}
