import { existsSync, rmSync, statSync } from 'node:fs';
import { fillIn, pruneSeen, realOutside, witness } from '../act/real.ts';
import type { Server } from '../board/http/api.ts';
import type { Board } from '../board/port.ts';
import type { SweepRows } from '../clean/retention.ts';
import { loadPolicy } from '../config/load.ts';
import { readText } from '../config/read.ts';
import { type Context, ensureHost, openBoard, readBoard, serverOf } from '../context.ts';
import { nextRamp } from '../decide/dispatch.ts';
import { monotonicMs } from '../machine/clock.ts';
import { failpoint } from '../machine/failpoint.ts';
import { numberOf, readObject, textOfFile, writeAtomic } from '../machine/files.ts';
import { noteHolder } from '../machine/holder.ts';
import {
  clearHalt,
  halted,
  readSwitches,
  recordHalt,
  switchFile,
  unreadable,
  writeSwitch,
} from '../machine/killswitch.ts';
import { lookAtSelf } from '../machine/process.ts';
import { stateFault } from '../machine/state.ts';
import { TICK_BOUND_MS, tickBoundMs } from '../model/bounds.ts';
import { EXIT, type ExitCode, isDiskFault, UserError } from '../model/errors.ts';
import type { StepResult } from '../model/plan.ts';
import type { PageSpec, Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import type { PublishOptions } from '../publish/index.ts';
import { isTerminal } from '../report/terminal.ts';
import { type PublishReport, type TickReport, tickLines } from '../report/tick.ts';
import type { After } from '../tick/after.ts';
import { earlierTicks } from '../tick/earlier.ts';
import { newTickId, type TickResult, tick } from '../tick/index.ts';
import { beginLook, type Look, observe } from '../tick/observe.ts';
import { showing, watched } from './progress.ts';

interface Options {
  readonly dryRun?: boolean;
  readonly max?: number;
  readonly project?: string;
  readonly dispatch: boolean;
}

type Say = (what: string) => void;

interface Done {
  readonly code: ExitCode;
  /** null = halted, or another tick is running. */
  readonly result: TickResult | null;
  /** The page that this tick is to see to. */
  readonly page?: PageSpec | null;
  /** Where worktrees are to be kept ready. */
  readonly pools?: Policy | null;
  /** What it saw that a pass over tickets in review goes by; null = no project wants one. */
  readonly review?: (PublishOptions & { readonly host_id: string }) | null;
}

/** What is to follow this tick, once its configuration is known; null = nothing is. */
interface Then {
  after: After | null;
}

/** `dispatch` and `reconcile` by the command line. */
export async function dispatch(context: Context, options: Options): Promise<ExitCode> {
  return (await runTick(context, options)).code;
}

/** One tick under the tick lock, or a dry one that takes no lock and writes nothing. A board that is damaged switches
 *  everything off: what is left of it may say anything. */
export async function runTick(context: Context, options: Options): Promise<Done> {
  const then: Then = { after: null };
  try {
    const done = await showing(context, 'ticking', (say) => lockedTick(context, options, say, then));
    await then.after?.end(done.result, done.code);
    if (done.review) await seeToReviews(context, done.review);
    if (done.page) await seeToPage(context, done.page);
    if (done.pools) await (await import('./pool.ts')).startFilling(context, done.pools);
    return done;
  } catch (error) {
    if (options.dryRun !== true && error instanceof UserError && error.name === 'DamagedBoard')
      switchOffDamaged(context, error);
    await then.after?.failed(error);
    throw error;
  }
}

/** What is in review goes out when all is saved and the next tick may begin, since a forge may be slow. Whatever goes
 *  wrong with it is no part of the tick: it is recorded with the ticket, and told once. */
async function seeToReviews(
  context: Context,
  { host_id, ...options }: PublishOptions & { readonly host_id: string },
): Promise<void> {
  try {
    const { publishInTurn } = await import('./publish.ts');
    await publishInTurn(context, host_id, options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    context.out.warn(`what is in review was not published: ${oneLine(why, 400)}`);
  }
}

/** The page comes last, when all is saved and the next tick may begin. Most ticks find it new enough by one look at its
 *  time; whatever goes wrong with it is no part of the tick. */
async function seeToPage(context: Context, page: PageSpec): Promise<void> {
  try {
    const made = statSync(page.file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const age_ms = Date.now() - made;
    // A time in the future is a clock that was set back.
    if (age_ms >= 0 && age_ms < page.every_minutes * 60_000) return;
    await (await import('./page.ts')).writeConfigured(context, page);
    rmSync(context.places.pageFault, { force: true });
  } catch (error) {
    const why = oneLine(error instanceof Error ? error.message : String(error), 400);
    if (isNews(context.places.pageFault, why)) context.out.warn(`the page was not written: ${why}`);
  }
}

/** How often a tick takes old things away. */
const RETENTION_MS = 10 * 60_000;

/** A small step of the removal of what is old, now and then: under the tick lock, since no tick may be launching what it
 *  looks at. Whatever goes wrong with it is no part of the tick. */
async function seeToRetention(
  context: Context,
  here: { readonly policy: Policy; readonly board: Board; readonly server: Server | null },
): Promise<void> {
  const { places, env, tmux } = context;
  const { policy, board, server } = here;
  const { retention } = policy;
  if (Object.values(retention).every((days) => days === 0)) return;
  try {
    const now_ms = Date.now();
    const age_ms = now_ms - (numberOf(readObject(places.retention), 'at_ms') ?? 0);
    if (age_ms >= 0 && age_ms < RETENTION_MS) return;
    const { sweepOld } = await import('../board/sqlite/care.ts');
    const { sweep } = await import('../clean/retention.ts');
    const rows: SweepRows = server === null ? (...step) => sweepOld(places.board, ...step) : null;
    await sweep(retention, rows, {
      ...{ places, env, tmux, board, policy, now_ms },
      server: server?.url ?? null,
    });
    rmSync(places.retentionFault, { force: true });
  } catch (error) {
    const why = oneLine(error instanceof Error ? error.message : String(error), 400);
    if (isNews(places.retentionFault, why)) context.out.warn(`what is old was not removed: ${why}`);
  }
}

/** Cron mails what a tick says: the same once an hour is enough. */
function isNews(file: string, why: string): boolean {
  try {
    const age_ms = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (age_ms >= 0 && age_ms < 3_600_000 && textOfFile(file) === why) return false;
    writeAtomic(file, why);
  } catch {
    // A state dir that takes no more: said each time.
  }
  return true;
}

function switchOffDamaged({ places, env, out }: Context, { message }: UserError): void {
  const now_ms = Date.now();
  if (halted(readSwitches(places, env, now_ms)) !== null) return;
  const switched = {
    level: 'all',
    scope: '*',
    author: 'mc-pickup',
    at_ms: now_ms,
    expires_at_ms: null,
  } as const;
  try {
    writeSwitch(switchFile(places, env), { ...switched, reason: oneLine(message, 300) });
    out.warn('the killswitch is on for everything until a person has looked: mc-pickup killswitch off');
  } catch {
    // The error itself is told.
  }
}

async function lockedTick(context: Context, options: Options, say: Say, then: Then): Promise<Done> {
  const { places, env } = context;
  const tick_id = newTickId();
  const dry = options.dryRun === true;
  const now_ms = Date.now();
  failpoint('tick-gate');
  const stop = halted(readSwitches(places, env, now_ms));
  if (stop !== null) {
    if (!dry) recordHalt(places.gate, stop, now_ms);
    const fault = stateFault(places.state) ?? unreadable(places, env);
    if (fault !== null) context.out.warn(fault);
    const code = show(context, empty(tick_id, dry, 'halted', stop), options);
    return { code: fault === null ? code : EXIT.config, result: null };
  }
  if (dry) return await lookedAt(context, options, tick_id, say);
  const { tryTickLock } = await import('../board/sqlite/index.ts');
  // In a state dir that is not known to be ours yet nothing is made before its board is known to be one.
  if (!existsSync(places.lock)) (await openBoard(context)).close();
  failpoint('tick-lock-before');
  let lock = tryTickLock(places.lock);
  let ended: string | null = null;
  if (lock === null) {
    const instead = await (await import('../tick/overlap.ts')).takeOver(context);
    if (instead === null)
      return { code: show(context, empty(tick_id, dry, 'overlap', null), options), result: null };
    ({ lock, ended } = instead);
  }
  try {
    failpoint('tick-lock-held');
    const me = lookAtSelf(ensureHost(context));
    noteHolder(places.lock, me, verb(options), TICK_BOUND_MS);
    failpoint('tick-host-known');
    const look = beginLook({ places, tmux: context.tmux, repair: true, me });
    return await lookedAt(context, options, tick_id, say, { look, then, ended });
  } finally {
    lock.release();
  }
}

/** The tick itself. `real`: its look was begun already under the tick lock; without it, it is a dry run. */
async function lookedAt(
  context: Context,
  options: Options,
  tick_id: string,
  say: Say,
  real: { readonly look: Look; readonly then: Then; readonly ended: string | null } | null = null,
): Promise<Done> {
  const look = real?.look ?? null;
  const { places, env, tmux, node, bin } = context;
  const dry = look === null;
  const text = readText(places.config);
  const { policy } = loadPolicy(places.config, env, text);
  const bound_ms = tickBoundMs(policy);
  if (look !== null && bound_ms > TICK_BOUND_MS) noteHolder(places.lock, look.me, verb(options), bound_ms);
  // Most configurations ask for none of these, and pay nothing.
  if (real !== null && (policy.notify.length > 0 || policy.ping !== null || policy.metrics !== null))
    real.then.after = (await import('../tick/after.ts')).beginAfter(context, policy);
  const server = await serverOf(context, text); // from here on its board, and no other
  if (options.project !== undefined) knownProject(policy, options.project, places.config);
  failpoint('tick-policy-read');
  const board = dry ? await readBoard(context) : await openBoard(context);
  try {
    failpoint('tick-board-open');
    if (real !== null && real.ended !== null) await logEnded(board, tick_id, real.ended);
    const mono_ms = monotonicMs();
    const now_ms = Date.now();
    const clock = Date.now;
    const sender = server?.sends === true ? server : null;
    const here = { places, board, tmux, policy, env, node, bin, tick_id, clock, sender };
    const { dispatch, max = null, project = null } = options;
    const { claimersEnded, beingMade } = earlierTicks(context, policy, {
      locked: !dry,
      sends: sender !== null,
    });
    const eyes = { places, board, tmux, policy, project, env, now_ms, mono_ms, repair: !dry, look };
    const result = await tick({
      policy,
      options: { dispatch, max, project },
      observe: () => observe({ ...eyes, claimersEnded }),
      beingMade,
      hands: dry ? null : { board, policy, tick_id, clock, outside: watched(realOutside(here), say) },
      tick_id,
    });
    const save = () => keep(board, { context, policy, options, result, now_ms, server });
    const unsaved = dry ? null : await whyUnsaved(save, result);
    const review = reviewsOf(policy, { options, result, now_ms });
    const planned = review === null ? null : await plannedReviews(board, review, dry);
    const told = {
      ...result.report,
      ...(unsaved === null ? {} : { outcome: 'partial' as const, error: unsaved }),
    };
    const report = dry && planned !== null ? { ...told, publish: planned } : told;
    const code = show(context, report, options, result);
    failpoint('keep-reported');
    if (!dry) await seeToRetention(context, { policy, board, server });
    const pools = !dry && dispatch && [...policy.projects.values()].some((one) => one.pool > 0);
    const page = dry ? null : policy.page;
    // Most ticks find nothing due: they take no lock for it, and open no board again.
    const due = dry || planned?.length === 0 ? null : review;
    return { code, result, page, pools: pools ? policy : null, review: due };
  } finally {
    board.close();
  }
}

function verb({ dispatch }: Options): string {
  return dispatch ? 'dispatch' : 'reconcile';
}

/** Who was ended for this tick. */
function logEnded(board: Board, tick_id: string, text: string): Promise<void> {
  const what = { kind: 'warning', because: 'lock_holder_ended', text };
  return board.log({ at_ms: Date.now(), ticket_id: null, run_id: null, actor: `tick:${tick_id}`, ...what });
}

function reviewsOf(
  policy: Policy,
  o: { readonly options: Options; readonly result: TickResult; readonly now_ms: number },
): (PublishOptions & { readonly host_id: string }) | null {
  const { options, result, now_ms } = o;
  if (!options.dispatch || [...policy.projects.values()].every(({ review }) => review === null)) return null;
  const { switches, host_id } = result.world;
  return { policy, switches, host_id, project: options.project ?? null, now_ms, before_ms: now_ms };
}

/** null = it can't be told now: the pass itself is no part of the tick, and says what is wrong. */
async function plannedReviews(
  board: Board,
  review: PublishOptions,
  dry: boolean,
): Promise<PublishReport[] | null> {
  try {
    const { plannedPublish } = await import('../publish/index.ts');
    return (await plannedPublish(board, review)).map(({ ticket, because, does }) => ({
      ...{ ticket: ticket.id, because, does },
    }));
  } catch (error) {
    if (dry) throw error;
    return null;
  }
}

/** Why what a tick did could not be saved; null = it was. What it did stands, and is told; one that did nothing has failed. */
async function whyUnsaved(save: () => Promise<void>, { outcomes }: TickResult): Promise<string | null> {
  try {
    await save();
    return null;
  } catch (error) {
    const passes =
      error instanceof UserError
        ? error.exit === EXIT.unavailable || error.exit === EXIT.busy
        : isDiskFault(error);
    if (!passes || !outcomes?.some(({ result }) => DID.has(result))) throw error;
    const why = error instanceof Error ? error.message : String(error);
    return `what this tick did stands, but could not be saved with the board: ${oneLine(why, 400)}`;
  }
}

const DID: ReadonlySet<StepResult> = new Set(['done', 'launched', 'launching', 'adopted', 'released']);

/** Stores what the tick did and saw, for the next one. */
async function keep(
  board: Board,
  {
    context,
    policy,
    options,
    result,
    now_ms,
    server,
  }: {
    readonly context: Context;
    readonly policy: Policy;
    readonly options: Options;
    readonly result: TickResult;
    readonly now_ms: number;
    readonly server: Server | null;
  },
): Promise<void> {
  const { report, plan, world } = result;
  const { host_id, boot_id } = world;
  failpoint('keep-before');
  await board.saveTick(
    {
      id: report.tick_id ?? '',
      host_id,
      boot_id,
      // At the end: time spent in hooks and launches counts against nobody's deadline.
      mono_ms: monotonicMs(),
      started_at_ms: now_ms,
      finished_at_ms: Date.now(),
      outcome: report.outcome,
      ramp: options.dispatch ? nextRamp(world, policy.limits) : world.ramp,
      report: JSON.stringify(report),
    },
    plan.refresh,
  );
  failpoint('keep-saved');
  clearHalt(context.places.gate); // counted: the ramp has begun
  failpoint('keep-halt-cleared');
  pruneSeen(plan, world, context);
  fillIn(plan, world, context.places);
  // One that registered after its tick had stopped waiting for it.
  if (server?.sends === true)
    for (const { row, judgement, survivor } of world.runtimes)
      if (judgement?.verdict === 'alive' && survivor === null) witness(row, context.places);
  failpoint('keep-pruned');
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
    const told = options.dryRun === true || isTerminal(1);
    const lines = tickLines(report, told);
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
  if (report.error !== undefined) return EXIT.partial;
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
