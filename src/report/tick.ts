import { type HoldFacts, holdFacts } from '../model/hold.ts';
import type { Outcome, Plan, Skip, Step, StepResult } from '../model/plan.ts';
import { sentence } from '../model/sentences.ts';
import { oneLine } from '../model/text.ts';
import type { TicketStatus } from '../model/ticket.ts';
import { unreachable } from '../model/unreachable.ts';
import type { World } from '../model/world.ts';

export type TickOutcome = 'ok' | 'halted' | 'overlap' | 'partial' | 'unavailable';

export interface StepReport {
  readonly kind: Step['kind'];
  readonly ticket: string | null;
  readonly run: string | null;
  readonly because: Step['because'];
  readonly evidence: Step['evidence'];
  readonly before: TicketStatus | null;
  readonly after: TicketStatus | null;
  readonly result: StepResult | 'planned';
  readonly error?: string;
}

/** What a tick would bring on its way out of the board. */
export interface PublishReport {
  readonly ticket: string;
  readonly because: 'in_review' | 'changed' | 'retry_due' | 'check_due';
  readonly does: readonly ('read' | 'push' | 'open' | 'look')[];
}

/** What `dispatch --json` prints, and `ticks` keeps: the contract `mc-pickup.tick/1`. */
export interface TickReport {
  readonly schema: 'mc-pickup.tick/1';
  /** null = halted at the gate. */
  readonly tick_id: string | null;
  readonly host_id: string | null;
  readonly dry_run: boolean;
  readonly outcome: TickOutcome;
  readonly gate: { readonly open: boolean; readonly reason: string | null; readonly level: string | null };
  readonly reconcile: readonly StepReport[];
  readonly dispatch: readonly StepReport[];
  readonly skipped: readonly Skip[];
  readonly counts: Readonly<Record<string, number>>;
  /** What held launches when this was decided; absent = nothing. */
  readonly holds?: readonly HoldFacts[];
  readonly config_errors?: readonly string[];
  readonly error?: string;
  /** Of a dry run, where a project publishes what is in review. */
  readonly publish?: readonly PublishReport[];
  readonly duration_ms: number;
}

/** Puts plan and outcomes into the form that is printed and stored. */
export function tickReport(
  head: Pick<TickReport, 'tick_id' | 'dry_run' | 'duration_ms'> & {
    readonly config_errors: readonly string[];
  },
  world: World,
  plan: Plan,
  outcomes: readonly Outcome[] | null,
): TickReport {
  const results = new Map(outcomes?.map((one) => [one.step, one]));
  const row = (step: Step): StepReport =>
    stepReport(step, outcomes === null ? null : (results.get(step) ?? null));
  const reconcile = plan.reconcile.map(row);
  const dispatch = plan.dispatch.map(row);
  const blind = world.tmux.kind === 'unknown';
  const failed = outcomes?.some(({ result }) => result === 'failed') ?? false;
  return {
    schema: 'mc-pickup.tick/1',
    tick_id: head.tick_id,
    host_id: world.host_id,
    dry_run: head.dry_run,
    outcome: blind ? 'unavailable' : failed || head.config_errors.length > 0 ? 'partial' : 'ok',
    gate: gateOf(world),
    reconcile,
    dispatch,
    skipped: plan.skipped,
    counts: {
      reconciled: reconcile.filter(({ result }) => result === 'done' || result === 'adopted').length,
      launched: dispatch.filter(({ result }) => result === 'launched').length,
      skipped: plan.skipped.length + world.beyond,
      live: world.runtimes.length,
      todo_beyond: world.beyond,
    },
    ...(world.holds.length > 0 ? { holds: world.holds.map(holdFacts) } : {}),
    ...(head.config_errors.length > 0 ? { config_errors: head.config_errors } : {}),
    ...(world.tmux.kind === 'unknown' ? { error: world.tmux.error } : {}),
    duration_ms: head.duration_ms,
  };
}

function gateOf({ switches }: World): TickReport['gate'] {
  const first = switches.find(({ scope }) => scope === '*') ?? switches[0];
  return { open: true, reason: first?.reason ?? null, level: first?.level ?? null };
}

function stepReport(step: Step, done: Outcome | null): StepReport {
  return {
    kind: step.kind,
    ticket: step.ticket === '' ? null : step.ticket,
    run: runOf(step) ?? done?.run ?? null,
    because: step.because,
    evidence: step.evidence,
    before: 'guard' in step ? step.guard.status : null,
    after: done === null ? plannedAfter(step) : done.after,
    result: done?.result ?? 'planned',
    ...(done?.error ? { error: done.error } : {}),
  };
}

function runOf(step: Step): string | null {
  if (step.kind === 'adopt') return step.sighting.run;
  if (step.kind === 'close_pane') return step.run;
  return 'runtime' in step && step.runtime !== null ? step.runtime.run : null;
}

function plannedAfter(step: Step): TicketStatus | null {
  switch (step.kind) {
    case 'follow':
      return step.guard.status;
    case 'normalize':
    case 'adopt':
    case 'launch':
      return 'in_progress';
    case 'ask':
    case 'park':
      return 'needs_input';
    case 'submit':
      return 'in_review';
    case 'report':
      return step.to;
    case 'retry':
      return step.to.status;
    case 'nudge':
    case 'quit':
    case 'end':
    case 'limit':
    case 'hold':
    case 'unready':
    case 'ready':
    case 'close_pane':
    case 'trip':
    case 'shorten':
      return null;
    default:
      return unreachable(step);
  }
}

/** A tick in words, a line a step; nothing at all for a tick with nothing to do. `all` adds what was skipped. */
export function tickLines(report: TickReport, all: boolean): string[] {
  const lines: string[] = [];
  const nothing = report.outcome === 'unavailable' ? 'nothing done: ' : '';
  if (report.error) lines.push(`mc-pickup: ${nothing}${report.error}`);
  for (const error of report.config_errors ?? []) lines.push(`mc-pickup: ${error}`);
  for (const step of [...report.reconcile, ...report.dispatch]) {
    if (step.kind === 'close_pane' && step.result !== 'failed') continue;
    const move = step.before !== null && step.after !== null ? ` ${step.before} -> ${step.after}` : '';
    const why = oneLine(step.error ?? sentence(step), 1000);
    lines.push(`${step.ticket ?? 'killswitch'}: ${step.kind}${move} [${step.result}] ${why}`);
  }
  for (const { ticket, because, does } of report.publish ?? [])
    lines.push(`${ticket}: publish [planned] ${does.map((one) => DOES[one]).join(', ')} [${because}]`);
  if (all) {
    for (const { scope, says, todo } of report.holds ?? [])
      lines.push(`${scope}: held: ${oneLine(`${says}; ${todo}`, 1000)}`);
    for (const skip of report.skipped) {
      lines.push(`${skip.ticket}: skipped [${skip.because}] ${oneLine(sentence(skip), 1000)}`);
    }
  }
  return lines;
}

const DOES = {
  read: 'ask another agent to read it',
  push: 'push its branch',
  open: 'open a pull request unless there is one',
  look: 'look at its pull request',
} as const;
