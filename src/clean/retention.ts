/*
 * Retention: what piles up under a tick a minute, and goes by itself when it is old. A small step about every ten minutes, at the end
 * of a tick: a few hundred rows in one transaction, a few directories. Nothing that a decision is made from goes, and nothing
 * of a ticket that is not settled (the rules are those of `clean`).
 */
import { join } from 'node:path';
import type { Swept } from '../board/port/index.ts';
import { numberOf, readObject, textOf, writeAtomic } from '../machine/files.ts';
import { inDir, lookAtName, moveIn } from '../machine/foreign.ts';
import type { Places } from '../machine/paths.ts';
import type { Retention } from '../model/policy.ts';
import type { Here } from './here.ts';
import { namesOf, retireRuns } from './runs.ts';
import { emptyTrash } from './trash.ts';

const DAY_MS = 86_400_000;
/** Directories of runs that one step looks at; each asks the board, which may be a server. */
const RUNS = { here: 100, elsewhere: 10 };
/** Things in the trash that one step removes. */
const TRASH = 100;

/** What the last step left for the next one. */
interface Progress extends Swept {
  readonly at_ms: number;
  /** Steps that take nothing away yet. */
  readonly wait: number;
  /** The directory of a run that was looked at last. */
  readonly run: string;
}

/** After a leap of the clock it may be wrong, and what goes is gone: a day of steps is waited for it to be put right. Steps are
 *  counted, since no clock can be asked. */
const LEAP_MS = DAY_MS;
const PATIENCE = 144;

/** Takes one step. The caller holds the tick lock; `signal`: no longer, so that nothing may be taken away any more. */
export async function sweep(
  retention: Retention,
  here: Omit<Here, 'older_ms'>,
  signal: AbortSignal,
): Promise<void> {
  const { places, now_ms, upkeep } = here;
  turnOver(places);
  const before = progressOf(places);
  const leapt = Math.abs(now_ms - before.at_ms) > LEAP_MS;
  const wait = leapt ? PATIENCE : Math.max(0, before.wait - 1);
  if (wait > 0) return note(places, { ...before, at_ms: now_ms, wait });
  const { ticks_days, history_days, runs_days } = retention;
  const since = (days: number): number | null => (days === 0 ? null : now_ms - days * DAY_MS);
  const history = since(history_days);
  const limits = { now_ms, activity: history, deliveries: history, ticks: since(ticks_days) };
  const { activity, ticks, deliveries } = (await upkeep?.sweep(limits, before)) ?? before;
  const swept = { at_ms: now_ms, wait, activity, ticks, deliveries };
  note(places, { ...swept, run: before.run });
  // What can't be moved or removed is told, and keeps nothing else from going.
  const faults: unknown[] = [];
  const run =
    runs_days === 0 ? '' : await runs(before.run, { ...here, older_ms: runs_days * DAY_MS }, faults, signal);
  emptyTrash(here, TRASH, faults);
  note(places, { ...swept, run });
  if (faults.length > 0) throw faults[0];
}

/** What schedulers append what ticks print to. */
const LOG = 'tick.log';
const LOG_BYTES = 8 * 1024 * 1024;

/** A log that has grown large makes way for a new one, which the next tick begins; the one before it goes. */
function turnOver({ state }: Places): void {
  const stat = lookAtName(join(state, LOG));
  if (stat?.isFile() !== true || stat.size <= LOG_BYTES) return;
  inDir(state, '', (dir) => moveIn(dir, LOG, dir, `${LOG}.1`));
}

/** Looks at the next directories of runs; the last one of them. */
async function runs(after: string, here: Here, faults: unknown[], signal: AbortSignal): Promise<string> {
  const names = namesOf(here.places);
  const first = names.findIndex((name) => name > after);
  const most = here.upkeep === null ? RUNS.elsewhere : RUNS.here;
  const some = first < 0 ? names.slice(0, most) : names.slice(first, first + most);
  await retireRuns(some, here, faults, signal);
  return some.at(-1) ?? '';
}

function progressOf({ retention }: Places): Progress {
  const file = readObject(retention);
  const number = (key: keyof Progress): number => numberOf(file, key) ?? 0;
  return {
    ...{ at_ms: number('at_ms'), wait: number('wait') },
    ...{ activity: number('activity'), ticks: number('ticks'), deliveries: number('deliveries') },
    run: textOf(file, 'run') ?? '',
  };
}

function note({ retention }: Places, progress: Progress): void {
  writeAtomic(retention, `${JSON.stringify(progress)}\n`);
}
