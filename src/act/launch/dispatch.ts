import type { Hold } from '../../model/hold.ts';
import type { LaunchStep, Outcome, Plan } from '../../model/plan.ts';
import type { World } from '../../model/world.ts';
import { begin, withTodo } from '../hold.ts';
import { guarded, type Hands, outcome } from '../outcome.ts';
import type { Claimed } from '../outside.ts';
import { claim, launch } from './protocol.ts';

/**
 * Carries the launches of a plan out. Those of one project are claimed in the order of the plan, and what follows a claim (worktree,
 * hooks, tmux) runs side by side. But until a checkout of the project has come through they go one ahead of the other: the next is
 * claimed when the one before has its worktree, or has ended. So a fault of the project costs one claim, and those behind it are declined.
 */
export async function dispatch(plan: Plan, world: World, hands: Hands): Promise<Outcome[]> {
  const launches = plan.dispatch.filter((step): step is LaunchStep => step.kind === 'launch');
  await hands.outside.expect(launches.length);
  const outcomes = new Map<LaunchStep, Outcome>();
  const ofProject = async (steps: readonly LaunchStep[]): Promise<void> => {
    const settled: Promise<unknown>[] = [];
    /** Whether its checkout has come through. */
    const begun = async (step: LaunchStep): Promise<boolean> => {
      const placed = Promise.withResolvers<boolean>();
      const one = await guarded(step, () => taken(step, world, hands));
      if ('result' in one) {
        outcomes.set(step, one);
        return false;
      }
      const ended = guarded(step, () => launch(one, world, hands, placed.resolve));
      settled.push(
        ended.then((done) => {
          outcomes.set(step, done);
          placed.resolve(false);
        }),
      );
      return placed.promise;
    };
    const left = [...steps];
    for (let next = left.shift(); next !== undefined && !(await begun(next)); next = left.shift());
    // What keeps the proven one from going on may concern the others, and is met at once.
    await new Promise((go) => setImmediate(go));
    // All at once, so that the board commits their claims together.
    await Promise.all(left.map(begun));
    await Promise.all(settled);
  };
  await Promise.all([...Map.groupBy(launches, ({ project }) => project).values()].map(ofProject));
  return launches.flatMap((step) => outcomes.get(step) ?? []);
}

/** The claim, unless something is known to keep the launch from coming to anything: then nothing is claimed. */
async function taken(step: LaunchStep, world: World, hands: Hands): Promise<Claimed | Outcome> {
  const { outside } = hands;
  const held = (): Hold | null => outside.held(step.project, step.agent, step.tries === true);
  const fault = held() === null ? await outside.unlaunchable(step) : null;
  if (typeof fault === 'string') return outcome(step, null, 'failed', null, fault);
  if (fault !== null) await begin(fault, null, hands);
  const hold = held();
  // What was launched a moment ago may have taken it.
  const lacks = hold === null && fault === null ? outside.lacks(world) : null;
  if (lacks !== null) return outcome(step, null, 'declined', null, lacks);
  if (hold === null && fault === null) return claim(step, world, hands);
  // Told by whoever has met it; the others only wait for it.
  const says = fault === null ? (hold?.says ?? null) : withTodo(fault);
  return outcome(step, null, fault === null ? 'declined' : 'failed', null, says);
}
