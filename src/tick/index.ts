/*
 * One tick, from the gate to what follows it: the summary of the program. There is no daemon. A scheduler starts a process a
 * minute, which looks, decides, acts and ends; the next one begins with what the board and the machine then say.
 */
import { lookAgain } from '../act/hold.ts';
import { act } from '../act/index.ts';
import type { Hands } from '../act/outcome.ts';
import { realOutside } from '../act/real.ts';
import { knownBoard, openBoard, readBoard } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import { readText } from '../config/read.ts';
import type { Context } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { failpoint } from '../machine/failpoint.ts';
import { tickBoundMs } from '../model/bounds.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import { uniqueName } from '../model/hash.ts';
import { stillNamed } from '../model/hold.ts';
import type { Policy } from '../model/policy.ts';
import type { World } from '../model/world.ts';
import { explainError } from '../report/errors.ts';
import { type Say, showing } from '../report/showing.ts';
import { tickReport } from '../report/tick.ts';
import { unbegun } from '../report/unbegun.ts';
import { type After, after } from './after.ts';
import { switchOffDamaged } from './damaged.ts';
import { decided } from './decided.ts';
import { earlierTicks } from './earlier.ts';
import { halt, tellHalt } from './gate.ts';
import { takeTickLock } from './lock.ts';
import { beginLook, type Look } from './observe/eyes.ts';
import { observe } from './observe/index.ts';
import { dueReviews, reviewOptions } from './publish.ts';
import { save, type TickResult } from './save.ts';
import { show } from './show.ts';
import { watched } from './watched.ts';
import type { Wish } from './words.ts';

export interface Ticked {
  readonly code: ExitCode;
  /** null = it did not come to its end: halted, given way to another, or an error, which is told. */
  readonly result: TickResult | null;
  /** A follow-up was cut off at its bound, and may still be at work. */
  readonly cut: boolean;
}

/** Works, prints, and never throws. */
export async function tick(context: Context, wish: Wish): Promise<Ticked> {
  const { places, env, json, out } = context;
  const dry = wish.dryRun === true;
  failpoint('tick-gate');
  const halts = halt(places, env, { dry });
  if (halts !== null)
    return { code: tellHalt(halts, { json, dry, quiet: out.quiet }), result: null, cut: false };
  const followUps = after(context, wish);
  let done: Done;
  try {
    done = await showing(context, 'ticking', (say) =>
      dry ? rehearse(context, wish) : work(context, wish, say, followUps),
    );
  } catch (error) {
    if (!dry) switchOffDamaged(context, error);
    done = { code: explainError(error, env), result: null };
  }
  return { ...done, cut: await followUps.end(done.code) };
}

type Done = Pick<Ticked, 'code' | 'result'>;

/** A whole tick behind the gate. Beside another one it does nothing. */
async function work(context: Context, wish: Wish, say: Say, followUps: After): Promise<Done> {
  const tick_id = newTickId();
  const lock = await takeTickLock(context, wish.dispatch ? 'dispatch' : 'reconcile');
  if (lock === null) return { code: show(context, unbegun(tick_id, false, null), wish), result: null };
  try {
    const { places, tmux, env, node, bin } = context;
    // tmux is asked at once, so that its answer comes while the configuration is read.
    const look = beginLook({ places, tmux, repair: true, me: lock.me });
    const policy = await configured(context, wish, (read) => {
      lock.mayTake(tickBoundMs(read));
      return followUps.begin(read);
    });
    const opened = await openBoard(context);
    const { board, starter } = opened;
    try {
      failpoint('tick-board-open');
      if (lock.ended !== null) await logEnded(board, tick_id, lock.ended);
      const within = { board, policy, tick_id, clock: Date.now };
      const outside = watched(realOutside({ ...within, places, tmux, env, node, bin, starter }), say);
      const at = { policy, board, tick_id, look, serverStarts: starter !== null };
      const result = await pass(context, wish, at, { ...within, outside });
      const unsaved = await save({ ...at, places, dispatch: wish.dispatch }, result);
      const error = unsaved === null ? {} : ({ outcome: 'partial', error: unsaved } as const);
      const code = show(context, { ...result.report, ...error }, wish);
      failpoint('keep-reported');
      await followUps.locked({ result, opened }, code);
      return { code, result };
    } finally {
      await board.close();
    }
  } finally {
    lock.release();
  }
}

/** The same without lock and hands, on a board that is only read: what a tick at this moment would do. */
async function rehearse(context: Context, wish: Wish): Promise<Done> {
  const policy = await configured(context, wish);
  const { board, starter } = await readBoard(context);
  try {
    const at = { policy, board, tick_id: newTickId(), look: null, serverStarts: starter !== null };
    const result = await pass(context, wish, at, null);
    const publish = await dueReviews(board, reviewOptions(policy, wish, result));
    const report = publish === null ? result.report : { ...result.report, publish };
    return { code: show(context, report, wish), result };
  } finally {
    await board.close();
  }
}

/** Observe, decide, act: without hands a dry run, which does nothing. */
async function pass(
  context: Context,
  { dispatch, max, project }: Wish,
  at: Pick<Hands, 'policy' | 'board' | 'tick_id'> & {
    readonly look: Look | null;
    readonly serverStarts: boolean;
  },
  hands: Hands | null,
): Promise<TickResult> {
  const { policy, board, tick_id, look, serverStarts } = at;
  const { places, tmux, env } = context;
  const begun_ms = monotonicMs();
  const { claimersEnded, beingMade } = earlierTicks(context, policy, {
    locked: hands !== null,
    serverStarts,
  });
  const options = { dispatch, max: max ?? null, project: project ?? null };
  const eyes = { places, board, tmux, policy, project: options.project, env, look, claimersEnded };
  const seen = await observe({
    ...eyes,
    ...{ now_ms: Date.now(), mono_ms: begun_ms, repair: hands !== null },
  });
  failpoint('observe-done');
  const held = hands === null || !dispatch ? stillNamed(seen.holds, policy) : await lookAgain(seen, hands);
  const now = { ...seen, holds: held };
  const met = dispatch ? await faultsMet(now, policy, hands, context) : now;
  const { world, plan } = await decided(met, policy, options, beingMade);
  failpoint('tick-decided');
  const outcomes = hands === null ? null : await act(plan, world, hands);
  const head = {
    ...{ tick_id, dry_run: hands === null, duration_ms: monotonicMs() - begun_ms },
    config_errors: dispatch ? policy.broken : [],
  };
  return { world, plan, outcomes, report: tickReport(head, world, plan, outcomes) };
}

/** What the configuration says. `onRead` is called with it before the board is looked for, since that may fail; the board that this text
 *  names is the one of this process from here on. */
async function configured(
  context: Context,
  { project }: Wish,
  onRead?: (policy: Policy) => Promise<void>,
): Promise<Policy> {
  const { places, env } = context;
  const text = readText(places.config);
  const { policy } = loadPolicy(places.config, env, text);
  await onRead?.(policy);
  await knownBoard(context, text);
  if (project !== undefined) refuseUnknownProject(policy, project, places.config);
  failpoint('tick-policy-read');
  return policy;
}

/** A misspelt project would launch nothing, quietly, for ever. A broken configuration has its own complaint. */
function refuseUnknownProject({ broken, projects }: Policy, name: string, config: string): void {
  if (broken.length > 0 || projects.has(name)) return;
  const known = [...projects.keys()];
  throw new UserError(
    EXIT.usage,
    `--project: no project "${name}" in ${config}${known.length > 0 ? `; known: ${known.join(', ')}` : ': run mc-pickup init --project in its repository'}`,
  );
}

/** Logs that the holder of the tick lock was ended, being past its bound, so that this tick could begin. */
function logEnded(board: Board, tick_id: string, text: string): Promise<void> {
  const what = { kind: 'warning', because: 'lock_holder_ended', text };
  return board.log({ at_ms: Date.now(), ticket_id: null, run_id: null, actor: `tick:${tick_id}`, ...what });
}

function newTickId(): string {
  return `t-${uniqueName()}`;
}

/** What is known to be wrong before anything is decided. */
async function faultsMet(now: World, policy: Policy, hands: Hands | null, context: Context): Promise<World> {
  if (hands === null) return (await import('./rehearsed.ts')).rehearsed(now, policy, context);
  const waits = now.tickets.some(({ ticket }) => ticket.status === 'todo');
  const stands = [...policy.agents.values()].some(({ fallback }) => fallback !== null);
  return waits && stands ? (await import('./rehearsed.ts')).stoodIn(now, hands, context.env) : now;
}
