import { pruneSeen } from '../act/index.ts';
import { monotonicMs } from '../clock.ts';
import { loadPolicy } from '../config/load.ts';
import { halted, readSwitches, recordHalt, unreadable } from '../killswitch.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { observe } from '../observe.ts';
import { isTerminal } from '../report/terminal.ts';
import { type TickReport, tickLines } from '../report/tick.ts';
import { lookAtSelf } from '../runtime/identity.ts';
import { stateFault } from '../state.ts';
import { newTickId, type TickResult, tick } from '../tick.ts';
import { type Context, openBoard, readBoard } from './context.ts';

interface Options {
  readonly dryRun?: boolean;
  readonly max?: number;
  readonly project?: string;
  readonly dispatch: boolean;
}

/** `dispatch` and `reconcile`: one tick under the tick lock, or a dry one that takes no lock and writes nothing. */
export async function dispatch(context: Context, options: Options): Promise<ExitCode> {
  const { places, env } = context;
  const tick_id = newTickId();
  const dry = options.dryRun === true;
  const now_ms = Date.now();
  const stop = halted(readSwitches(places, env, now_ms));
  if (stop !== null) {
    if (!dry) recordHalt(places.gate, stop, now_ms);
    const fault = stateFault(places.state) ?? unreadable(places, env);
    if (fault !== null) context.out.warn(fault);
    const code = show(context, empty(tick_id, dry, 'halted', stop), options);
    return fault === null ? code : EXIT.config;
  }
  const { policy } = loadPolicy(places.config, env);
  if (options.project !== undefined) knownProject(policy, options.project, places.config);
  const board = dry ? await readBoard(context) : await openBoard(context);
  try {
    const lock = dry ? null : (await import('../board/sqlite/index.ts')).tryTickLock(places.lock);
    if (!dry && lock === null) return show(context, empty(tick_id, dry, 'overlap', null), options);
    try {
      const mono_ms = monotonicMs();
      const started_at_ms = Date.now();
      const result = await tick({
        policy,
        options: { dispatch: options.dispatch, max: options.max ?? null, project: options.project ?? null },
        observe: () =>
          observe({
            places,
            board,
            tmux: context.tmux,
            policy,
            project: options.project ?? null,
            env,
            now_ms: started_at_ms,
            mono_ms,
            repair: !dry,
          }),
        hands: dry
          ? null
          : {
              places,
              board,
              tmux: context.tmux,
              policy,
              env,
              node: context.node,
              bin: context.bin,
              tick_id,
              clock: Date.now,
            },
        tick_id,
      });
      if (!dry) {
        const { boot_id } = lookAtSelf(result.world.host_id);
        await board.saveTick(
          {
            id: tick_id,
            host_id: result.world.host_id,
            boot_id,
            // At the end: time spent in hooks and launches counts against nobody's deadline.
            mono_ms: monotonicMs(),
            started_at_ms,
            finished_at_ms: Date.now(),
            outcome: result.report.outcome,
            report: JSON.stringify(result.report),
          },
          result.plan.refresh,
        );
        pruneSeen(result.plan, result.world, context);
      }
      return show(context, result.report, options, result);
    } finally {
      lock?.release();
    }
  } finally {
    board.close();
  }
}

/** A misspelt project would launch nothing, quietly, for ever. A broken configuration has its own complaint. */
function knownProject({ broken, projects }: Policy, name: string, config: string): void {
  if (broken.length > 0 || projects.has(name)) return;
  const known = [...projects.keys()];
  throw new UserError(
    EXIT.usage,
    `--project: no project "${name}" in ${config}${known.length > 0 ? `; known: ${known.join(', ')}` : ': run mc-pickup init --project in its repository'}`,
  );
}

function show(context: Context, report: TickReport, options: Options, result?: TickResult): ExitCode {
  if (context.json) context.out.json(report);
  else {
    const lines = tickLines(report, options.dryRun === true || isTerminal(1));
    const told = options.dryRun === true || isTerminal(1);
    if (report.outcome === 'halted' && told)
      lines.push(
        `halted by the killswitch, nothing is looked at (see mc-pickup killswitch status): ${report.gate.reason}`,
      );
    if (report.outcome === 'overlap' && told) lines.push('another tick is running');
    if (options.dryRun && lines.length === 0) lines.push('nothing to do');
    for (const line of lines) context.out.line(line);
  }
  return exitOf(report, options, result);
}

function exitOf(report: TickReport, options: Options, result?: TickResult): ExitCode {
  if (report.outcome === 'halted' || report.outcome === 'overlap') return EXIT.ok;
  if (report.outcome === 'unavailable') return EXIT.unavailable;
  if (options.dispatch && (report.config_errors?.length ?? 0) > 0) return EXIT.config;
  return result?.outcomes?.some((one) => one.result === 'failed') ? EXIT.partial : EXIT.ok;
}

function empty(
  tick_id: string,
  dry_run: boolean,
  outcome: 'halted' | 'overlap',
  stop: { readonly reason: string; readonly level: string } | null,
): TickReport {
  return {
    schema: 'mc-pickup.tick/1',
    tick_id,
    host_id: null,
    dry_run,
    outcome,
    gate: { open: stop === null, reason: stop?.reason ?? null, level: stop?.level ?? null },
    reconcile: [],
    dispatch: [],
    skipped: [],
    counts: {},
    duration_ms: 0,
  };
}
