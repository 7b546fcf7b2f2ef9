import {
  configOf,
  type Fault,
  type Hold,
  type HoldScope,
  isDue,
  isTriedByRuns,
  nameOf,
  todoOf,
} from '../model/hold.ts';
import type { Step } from '../model/plan.ts';
import { blocks, type World } from '../model/world.ts';
import type { Hands } from './outcome.ts';

/** Holds the scope of a fault, and says so once. */
export async function begin(fault: Fault, run: string | null, hands: Hands): Promise<void> {
  if (!hands.outside.hold(fault)) return;
  await log(hands, run, fault, 'held', heldWords(fault));
}

/** The API of a client's model has refused one of a profile's runs: that holds it until then. A limit is told as one of its account. */
export async function refused(
  fault: Fault,
  { until_ms, evidence }: Extract<Step, { kind: 'hold' }>,
  hands: Hands,
): Promise<void> {
  if (!hands.outside.refused(fault, until_ms) || fault.because === 'api_limit') return;
  await log(hands, evidence.run, fault, 'held', heldWords(fault));
}

/** A run has found it to be over; false = nothing of the kind held it. */
export async function letGo(scope: HoldScope, hands: Hands): Promise<boolean> {
  const hold = hands.outside.over(scope);
  if (hold === null) return false;
  await log(hands, null, hold, 'let_go', goneWords(hold));
  return true;
}

/** What is wrong, and what a person can do about it. */
export function withTodo(fault: Fault): string {
  return `${fault.says}; ${todoOf(fault)}`;
}

/** Looks again at what is due, before anything is claimed: what is gone lets go in this very tick. What is held now. */
export async function lookAgain(world: World, hands: Hands): Promise<readonly Hold[]> {
  // What it says of projects and profiles is not whole: nothing is launched anyway.
  if (hands.policy.broken.length > 0) return world.holds;
  const left = await Promise.all(world.holds.map((hold) => lookAt(hold, world, hands)));
  return left.filter((hold) => hold !== null);
}

async function lookAt(hold: Hold, { now_ms, switches }: World, hands: Hands): Promise<Hold | null> {
  const { outside, policy } = hands;
  const config = configOf(hold.scope, policy);
  // The API of a model answers runs alone.
  if (config !== null && isTriedByRuns(hold)) return hold;
  if (config !== null && (!isDue(hold, config, now_ms) || switchedOff(hold, switches))) return hold;
  const found = config === null ? null : await outside.lookAgain(hold);
  outside.lookedAgain(hold, found);
  if (found !== null) {
    if (found.because === 'holds_unreadable') await tellOnce(found, hands);
    return { ...hold, ...found };
  }
  await log(hands, null, hold, 'let_go', goneWords(hold));
  return null;
}

/** Lines of the log that are looked through. */
const LOOKED = 500;

/** What can't be noted is told all the same, and not in every tick. */
async function tellOnce(fault: Fault, hands: Hands): Promise<void> {
  const text = heldWords(fault);
  const told = await hands.board.activity({ limit: LOOKED });
  if (!told.some((one) => one.kind === 'held' && one.text === text))
    await log(hands, null, fault, 'held', text);
}

function goneWords({ scope, says }: Hold): string {
  return `${scope} is held no more; it was: ${says}`;
}

function heldWords(fault: Fault): string {
  return `${fault.scope} is held: ${withTodo(fault)}`;
}

/** Nothing of it may be launched anyway. */
function switchedOff({ scope }: Hold, switches: World['switches']): boolean {
  const name = nameOf(scope);
  return (
    blocks(
      switches,
      scope.startsWith('project:') ? name : undefined,
      scope.startsWith('agent:') ? name : undefined,
    ) !== null
  );
}

async function log(
  { board, clock, tick_id }: Hands,
  run_id: string | null,
  { because }: Fault,
  kind: 'held' | 'let_go',
  text: string,
): Promise<void> {
  const actor = `tick:${tick_id}`;
  await board.log({ at_ms: clock(), ticket_id: null, run_id, actor, kind, because, text });
}
