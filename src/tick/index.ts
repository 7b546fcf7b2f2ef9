import { act } from '../act/index.ts';
import type { Hands } from '../act/outcome.ts';
import { decide } from '../decide/index.ts';
import { monotonicMs } from '../machine/clock.ts';
import { failpoint } from '../machine/failpoint.ts';
import { uniqueName } from '../model/hash.ts';
import type { DecideOptions, LaunchStep, Outcome, Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { World } from '../model/world.ts';
import { type TickReport, tickReport } from '../report/tick.ts';

export interface TickInput {
  readonly policy: Policy;
  readonly options: DecideOptions;
  readonly observe: () => Promise<World>;
  /** Of these tickets those in whose workspace an earlier launch still works, and what that is. */
  readonly beingMade: (launches: readonly LaunchStep[]) => Promise<World['being_made']>;
  /** null = a dry run: the same tick, without hands. */
  readonly hands: Hands | null;
  readonly tick_id: string;
}

export interface TickResult {
  readonly world: World;
  readonly plan: Plan;
  readonly outcomes: readonly Outcome[] | null;
  readonly report: TickReport;
}

/** One tick behind the gate: observe, decide, act. The summary of the program. */
export async function tick(input: TickInput): Promise<TickResult> {
  const { policy, options, hands, tick_id } = input;
  const start = monotonicMs();
  const seen = await input.observe();
  failpoint('observe-done');
  const { world, plan } = await decided(seen, policy, options, input.beingMade);
  failpoint('tick-decided');
  const outcomes = hands === null ? null : await act(plan, world, hands);
  const head = {
    tick_id,
    dry_run: hands === null,
    duration_ms: monotonicMs() - start,
    config_errors: options.dispatch ? policy.broken : [],
  };
  return { world, plan, outcomes, report: tickReport(head, world, plan, outcomes) };
}

/** The plan for a world. Only the tickets that it would launch are looked at for what an earlier launch still does there; where there is
 *  something, it is decided anew without them, and each that comes in their place is looked at as well. */
export async function decided(
  seen: World,
  policy: Policy,
  options: DecideOptions,
  beingMade: TickInput['beingMade'],
): Promise<{ readonly world: World; readonly plan: Plan }> {
  const looked = new Set<string>();
  for (let world = seen; ; ) {
    const plan = decide(world, policy, options);
    const launches = plan.dispatch.filter(
      (step): step is LaunchStep => step.kind === 'launch' && !looked.has(step.ticket),
    );
    const found = launches.length === 0 ? {} : await beingMade(launches);
    if (Object.keys(found).length === 0) return { world, plan };
    for (const { ticket } of launches) looked.add(ticket);
    world = { ...world, being_made: { ...world.being_made, ...found } };
  }
}

export function newTickId(): string {
  return `t-${uniqueName()}`;
}
