import { statSync } from 'node:fs';
import type { TickTime } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { numberOf, readObject, textOfFile } from '../machine/files.ts';
import { halted, readSwitches } from '../machine/killswitch.ts';
import { faultNote, type Places } from '../machine/paths.ts';
import { STOPPED_AFTER } from '../model/bounds.ts';
import type { Policy } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { age } from '../model/times.ts';
import { notedMetrics } from '../report/brief.ts';
import { installedSchedules } from '../schedule/index.ts';
import type { BoardLook } from './board.ts';
import { about, type Finding, ok, warn } from './finding.ts';

const FIX = 'mc-pickup schedule install, and then: mc-pickup doctor --as-cron';
const RECENT = 10;

/** The killswitch, whether ticks come, how they ended, and where they did not come. */
export async function tickFindings(
  context: Context,
  policy: Policy,
  board: BoardLook,
  now_ms: number,
): Promise<Finding[]> {
  const { places, env } = context;
  const { limits, page } = policy;
  const switches = readSwitches(places, env, now_ms);
  const found = switches.map(({ level, scope, reason, author }) =>
    warn(
      'killswitch',
      `on: level ${level}, scope ${scope}: ${reason}`,
      author === 'environment' ? 'unset MC_PICKUP_KILLSWITCH' : 'mc-pickup killswitch off',
    ),
  );
  const stop = halted(switches);
  const interval_ms = limits.interval_seconds * 1000;
  const halts = haltedSince(places.gate, now_ms);
  if (halts !== null && stop !== null) found.push(ok('halted', halts));
  if (page !== null) found.push(...pageFault(faultNote(places, 'page')));
  found.push(...metricsFile(places, policy, now_ms));
  if (!board.readable) return [...found, ...(await scheduled(context, false))];
  const last = lastTick(board, stop !== null ? places.gate : null, interval_ms, now_ms);
  found.push(...(await scheduled(context, last.result === 'ok')));
  const history = board.health?.ticks ?? [];
  return [...found, last, ...outcomes(history.slice(-RECENT)), ...gaps(history, interval_ms, now_ms)];
}

/** Said by a tick once an hour, and here until it is written again. */
function pageFault(file: string): Finding[] {
  const why = textOfFile(file);
  return why === null ? [] : [warn('page', `was not written: ${why}`, 'mend that; the next tick writes it')];
}

/** Every tick writes it, a halted one too: one that is older tells of no tick, and raises no alarm. */
function metricsFile(places: Places, { metrics, broken, limits }: Policy, now_ms: number): Finding[] {
  const { ok, warn } = about('metrics');
  const file = metrics?.file ?? (broken.length > 0 ? notedMetrics(places)?.file : undefined);
  if (file === undefined) return [];
  const why = textOfFile(faultNote(places, 'metrics'));
  if (why !== null) return [warn(`were not written: ${why}`, 'mend that; the next tick writes them')];
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return [warn(`${file} is not there: no tick has written it yet`, FIX)];
  const since = now_ms - stat.mtimeMs;
  const says = `${file}, written ${age(since)} ago`;
  return [
    since > STOPPED_AFTER * limits.interval_seconds * 1000
      ? warn(`${says}: no tick has written it since`, FIX)
      : ok(says),
  ];
}

/** What starts the ticks. Lines that somebody wrote by hand are as good, as long as ticks come. */
async function scheduled(context: Context, coming: boolean): Promise<Finding[]> {
  const { ok, warn } = about('schedule');
  const all = await installedSchedules(context);
  const there = all.filter(({ state }) => state !== 'none');
  if (there.length === 0)
    return coming
      ? [ok('none of ours is installed; the last tick came by other lines, or by hand')]
      : [warn('nothing is installed that starts ticks', 'mc-pickup schedule install')];
  const findings = there.map(({ with: name, state, says, notes }) =>
    state === 'installed'
      ? notes.length === 0
        ? ok(`${name}: ${says}`)
        : warn(`${name}: ${says}`, notes.join('; '))
      : warn(`${name}: ${says}`, 'mc-pickup schedule show has the difference, schedule install mends it'),
  );
  const both = there.filter(({ state }) => state === 'installed' || state === 'differs').length > 1;
  const twice = warn('two schedulers start ticks', 'mc-pickup schedule remove --with cron, or the other one');
  return both ? [...findings, twice] : findings;
}

/** Ticks that the switch halted leave no row on the board: the gate's own file tells of them. */
function haltedSince(gate: string, now_ms: number): string | null {
  const record = readObject(gate);
  const [first, latest, ticks] = ['first_halted_at_ms', 'last_halted_at_ms', 'ticks'].map((key) =>
    numberOf(record, key),
  );
  if (first == null || latest == null || ticks == null) return null;
  return `${many(ticks, 'tick')} since ${new Date(first).toISOString()}, the last ${age(now_ms - latest)} ago`;
}

function lastTick(
  { last_tick }: BoardLook,
  gate: string | null,
  interval_ms: number,
  now_ms: number,
): Finding {
  const { ok, warn } = about('ticks');
  const halt = gate === null ? null : numberOf(readObject(gate), 'last_halted_at_ms');
  if (last_tick === null && halt === null) return warn('no tick has ever run here', FIX);
  const at = Math.max(last_tick?.finished_at_ms ?? 0, halt ?? 0);
  const since = now_ms - at;
  const outcome = halt !== null && halt === at ? 'halted' : (last_tick?.outcome ?? '');
  const says = `the last one ${age(since)} ago: ${outcome}`;
  return since > STOPPED_AFTER * interval_ms ? warn(says, FIX) : ok(says);
}

const WHY: Readonly<Record<string, string>> = {
  unavailable: 'tmux could not be seen: mc-pickup dispatch --dry-run says why',
  partial:
    'a step failed (mc-pickup explain TICKET tells) or the configuration is broken (mc-pickup config check)',
};

function outcomes(recent: readonly TickTime[]): Finding[] {
  const { ok, warn } = about('recent ticks');
  if (recent.length === 0) return [];
  const counts = Object.keys(WHY).flatMap((outcome) => {
    const n = recent.filter((one) => one.outcome === outcome).length;
    return n === 0 ? [] : [{ outcome, n }];
  });
  const [worst] = counts;
  if (worst === undefined) return [ok(`${recent.length} of ${recent.length} ok`)];
  const says = `of the last ${recent.length}: ${counts.map(({ outcome, n }) => `${n} ${outcome}`).join(', ')}`;
  return [warn(says, WHY[worst.outcome] ?? '')];
}

/** The longest time of the last day for which no tick came though the machine ran. The monotonic clock stands still in
 *  suspend, and another boot began anew: neither is a fault of the scheduler. */
export function longestGap(
  ticks: readonly TickTime[],
  interval_ms: number,
): { at_ms: number; ms: number } | null {
  let worst: { at_ms: number; ms: number } | null = null;
  for (const [n, tick] of ticks.entries()) {
    const before = ticks[n - 1];
    if (before === undefined || before.boot_id !== tick.boot_id) continue;
    const took = tick.finished_at_ms - tick.started_at_ms;
    const awake = tick.mono_ms - before.mono_ms - Math.max(0, took);
    const ms = Math.min(awake, tick.started_at_ms - before.finished_at_ms);
    if (ms > STOPPED_AFTER * interval_ms && ms > (worst?.ms ?? 0))
      worst = { at_ms: before.finished_at_ms, ms };
  }
  return worst;
}

function gaps(ticks: readonly TickTime[], interval_ms: number, now_ms: number): Finding[] {
  const { ok, warn } = about('gaps');
  if (ticks.length < 2) return [];
  const worst = longestGap(ticks, interval_ms);
  if (worst === null) return [ok(`none in the last ${age(now_ms - (ticks[0]?.started_at_ms ?? now_ms))}`)];
  return [
    warn(
      `no tick for ${age(worst.ms)} from ${new Date(worst.at_ms).toISOString()} on`,
      'fine if the killswitch was on; else look at the log of the scheduler for that time',
    ),
  ];
}
