import type { Hands } from './act/index.ts';
import { act } from './act/index.ts';
import { monotonicMs } from './clock.ts';
import { type DecideOptions, decide } from './decide/index.ts';
import { failpoint } from './failpoint.ts';
import { uniqueName } from './model/hash.ts';
import type { Outcome, Plan } from './model/plan.ts';
import type { Policy } from './model/policy.ts';
import type { World } from './model/world.ts';
import { type TickReport, tickReport } from './report/tick.ts';

export interface TickInput {
  readonly policy: Policy;
  readonly options: DecideOptions;
  readonly observe: () => Promise<World>;
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
export async function tick({ policy, options, observe, hands, tick_id }: TickInput): Promise<TickResult> {
  const start = monotonicMs();
  const world = await observe();
  failpoint('observe-done');
  const plan = decide(world, policy, options);
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

export function newTickId(): string {
  return `t-${uniqueName()}`;
}
