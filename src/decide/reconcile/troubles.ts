import {
  agentScope,
  configOf,
  type Hold,
  isDue,
  isTriedByRuns,
  refusedUntil,
  todoOf,
} from '../../model/hold.ts';
import type { Step, WhyNot } from '../../model/plan.ts';
import { backOffMs } from '../../model/retry.ts';
import { EFFECTS, type TroubleKind } from '../../model/trouble.ts';
import { limitHolds } from '../../model/wait.ts';
import type { ObservedRuntime } from '../../model/world.ts';
import { type Cell, isLimited, NOTHING, profileOf, type Scene, together } from './cell.ts';

/*
 * What becomes of a profile when the API of its client's model refuses one of its runs. It is held, with the client's words, for a back-off that
 * grows, or until the moment that was announced. Then one run tries it: one that was cut off and lives, else the next launch. Where the model answers
 * that one the hold is gone, and all others that were cut off go on.
 */

/** What holds a profile by the API of its client's model; null = nothing. */
export function apiHoldOn(agent: string, holds: readonly Hold[]): Hold | null {
  return holds.find((one) => one.scope === agentScope(agent) && isTriedByRuns(one)) ?? null;
}

/** What a run tells of the API, for its account and its profile. */
export function troubleCell(observed: ObservedRuntime, scene: Scene): Cell {
  return together(limitOf(observed, scene), holdOf(observed, scene), overOf(observed, scene));
}

/** An announced limit: it is the account's, on every host. */
function limitOf({ row, seen }: ObservedRuntime, scene: Scene): Cell {
  const until_ms = seen.limited_until_ms;
  if (until_ms === null || !isLimited(seen, scene)) return NOTHING;
  return limited(row, until_ms, seen.trouble?.says ?? null, scene);
}

function limited(
  { agent, id, ticket_id }: ObservedRuntime['row'],
  until_ms: number,
  says: string | null,
  { world }: Scene,
): Cell {
  const known = world.accounts.find(({ name }) => name === agent) ?? null;
  const words = says ?? apiHoldOn(agent, world.holds)?.says ?? '';
  const closes = { agent, why: { because: 'account_limited', evidence: { until_ms, says: words } } } as const;
  if ((known?.not_before_at_ms ?? 0) >= until_ms) return { closes };
  const why = { because: 'rate_limited', evidence: { run: id, agent, until_ms, says: words } } as const;
  return { closes, steps: [{ kind: 'limit', ticket: ticket_id ?? '', ...why, agent, until_ms }] };
}

/** The hold that a refusal begins, or changes, with the account's wait where it is the account's. */
function holdOf(observed: ObservedRuntime, scene: Scene): Cell {
  const { row } = observed;
  const holds = newHold(observed, scene);
  if (holds === null) return NOTHING;
  const { scope, because, says, next_at_ms: until_ms } = holds;
  if (because !== 'api_limit' && because !== 'api_login' && because !== 'api_down') return NOTHING;
  const step: Step = {
    ...{ kind: 'hold', ticket: row.ticket_id ?? '', because, fault: { scope, because, says }, until_ms },
    evidence: { run: row.id, agent: row.agent, says, until_ms },
  };
  const waits =
    because === 'api_limit' && !isLimited(observed.seen, scene)
      ? limited(row, until_ms, says, scene)
      : NOTHING;
  return together(waits, { holds, steps: [step] });
}

/** The hold of its profile as a refusal that this look has found leaves it; null = it changes none. */
export function newHold({ row, seen: { trouble } }: ObservedRuntime, { world, policy }: Scene): Hold | null {
  const because = trouble === undefined ? null : EFFECTS[trouble.kind].holds;
  // A refusal that the row knows has had its effect.
  if (trouble === undefined || because === null || row.limited_until_ms !== null) return null;
  const { now_ms } = world;
  const scope = agentScope(row.agent);
  const before = apiHoldOn(row.agent, world.holds);
  const config = configOf(scope, policy) ?? '';
  const stands = before !== null && !isDue(before, config, now_ms);
  const announced = limitHolds(trouble.until_ms, now_ms) ? trouble.until_ms : null;
  const until_ms = stands
    ? Math.max(before.next_at_ms, announced ?? 0)
    : (announced ?? now_ms + backOffMs((before?.tries ?? 0) + 1, policy.limits));
  const { says } = trouble;
  if (stands && before.because === because && before.says === says && before.next_at_ms === until_ms)
    return null;
  return refusedUntil(before, { scope, because, says }, config, { now_ms, until_ms });
}

/** The model has answered the run that tries it. */
function overOf(observed: ObservedRuntime, { world, views }: Scene): Cell {
  const { row, seen, pane } = observed;
  const hold = apiHoldOn(row.agent, world.holds);
  if (hold?.probe === undefined || hold.probe.ticket !== row.ticket_id || row.ticket_id === null)
    return NOTHING;
  if (seen.trouble !== undefined) return NOTHING;
  const ticket = views.get(row.ticket_id)?.ticket;
  const told = ticket?.reason_run === row.id && (ticket.reason === 'reported' || ticket.reason === 'asked');
  const turned = seen.turn > hold.probe.turn && seen.limited_until_ms === null;
  const answered =
    turned && (seen.activity === 'idle' || seen.activity === 'waiting' || seen.answered === true);
  if (!(told || answered || (pane?.dead === true && pane.exit_code === 0))) return NOTHING;
  const { agent } = row;
  return {
    over: agent,
    steps: [
      {
        kind: 'ready',
        ticket: row.ticket_id,
        agent,
        because: 'agent_works',
        evidence: { run: row.id, agent },
      },
    ],
  };
}

/** Whether a run may try now what holds its profile: its time has come, and no other run is about to tell. */
export function mayTry(
  hold: Hold,
  { world, policy, views }: Pick<Scene, 'world' | 'policy' | 'views'>,
): boolean {
  if (!isDue(hold, configOf(hold.scope, policy) ?? '', world.now_ms)) return false;
  return !world.runtimes.some(({ row, seen, judgement }) => {
    if (row.ticket_id === null || row.ticket_id !== hold.probe?.ticket || judgement?.verdict === 'dead')
      return false;
    const works = seen.limited_until_ms === null && seen.not_ready === null;
    return works && views.get(row.ticket_id)?.ticket.status === 'in_progress';
  });
}

/** The run that goes on first, to try it: of those that were cut off and live; null = a launch has to. */
export function firstToTry(hold: Hold, scene: Scene): string | null {
  // A client that lives keeps the login that it was started with.
  if (hold.because === 'api_login' || !mayTry(hold, scene)) return null;
  const first = scene.world.runtimes.find(
    (one) =>
      agentScope(one.row.agent) === hold.scope &&
      scene.views.get(one.row.ticket_id ?? '')?.ticket.status === 'in_progress' &&
      mayGoOn(one, scene),
  );
  return first?.row.id ?? null;
}

/** Whether a client whose turn was cut off can be told to go on. */
export function mayGoOn(observed: ObservedRuntime, scene: Scene): boolean {
  const { row, seen, judgement, survivor } = observed;
  return (
    row.host_id === scene.world.host_id &&
    judgement?.verdict === 'alive' &&
    survivor === null &&
    !row.headless &&
    seen.limited_until_ms !== null &&
    !isLimited(seen, scene) &&
    seen.activity === 'idle' &&
    (profileOf(row, scene)?.on_idle ?? 'needs_input') !== 'leave' &&
    (row.nudged_turn === null || seen.turn > row.nudged_turn)
  );
}

/** Which trouble has cut the present turn of a run off, as far as it is known; null = none. */
export function cutOffBy({ row, seen }: ObservedRuntime, scene: Scene): TroubleKind | null {
  if (seen.trouble !== undefined) return seen.trouble.kind;
  if (seen.limited_until_ms === null) return null;
  if (isLimited(seen, scene)) return 'limit';
  const hold = apiHoldOn(row.agent, scene.world.holds);
  const kinds = Object.keys(EFFECTS) as TroubleKind[];
  return kinds.find((kind) => hold !== null && EFFECTS[kind].holds === hold.because) ?? null;
}

/** Why a run that was cut off waits. */
export function waitsFor(hold: Hold): WhyNot {
  const { scope, because, says, next_at_ms } = hold;
  if (because === 'api_limit') return { because: 'rate_limited', evidence: { until_ms: next_at_ms, says } };
  return { because: 'held', evidence: { scope, because, says, todo: todoOf(hold), next_at_ms } };
}
