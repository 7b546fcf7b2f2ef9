import { hostname } from 'node:os';
import { knownBoard, withReader } from '../board/open.ts';
import type { Board } from '../board/port/index.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { readHolds } from '../machine/holds.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { refuseFile, replaceFile } from '../machine/named-file.ts';
import { hostId } from '../machine/process.ts';
import { holdFacts, stillNamed } from '../model/hold.ts';
import type { PageSpec } from '../model/policy.ts';
import { ticksNow } from '../status/coming.ts';
import { slotsNow } from '../status/facts.ts';
import type { Facts } from './data.ts';

/** Of a page that a tick writes. */
const DAYS = 14;

/** Writes the page that the configuration asks for. */
export async function writePage(context: Context, { file, every_minutes }: PageSpec): Promise<void> {
  refuseFile(file);
  replaceFile(file, await pageNow(context, DAYS, every_minutes));
}

/** The page of the last days as text. `every_minutes`: how often a tick writes it; null = it was asked for by hand. */
export async function pageNow(context: Context, days: number, every_minutes: number | null): Promise<string> {
  const { gather, pageOf } = await import('./index.ts');
  const data = await withReader(context, async (board) =>
    gather(board, await factsOf(context, board, days, every_minutes)),
  );
  return pageOf(data);
}

async function factsOf(
  context: Context,
  board: Board,
  days: number,
  every_minutes: number | null,
): Promise<Facts> {
  const { places, env } = context;
  const now_ms = Date.now();
  const { policy } = loadPolicy(places.config, env);
  const host = hostId(places.state) ?? '';
  return {
    now_ms,
    zone: zoneHere(),
    days,
    board: (await knownBoard(context)).name,
    host: { id: host, name: hostname() },
    every_minutes,
    limits: policy.limits,
    slots_used: (await slotsNow(board, host, policy)).used,
    holds: stillNamed(readHolds(places).holds, policy).map(holdFacts),
    switches: readSwitches(places, env, now_ms),
    broken: policy.broken,
    ticksOf: (finished_at_ms) => ticksNow(places, policy, finished_at_ms, now_ms),
  };
}

/** The zone of this machine, or UTC where it has none that has a name: a scheduler's TZ may be anything. */
function zoneHere(): string {
  try {
    const zone: string | undefined = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    return zone === undefined
      ? 'UTC'
      : new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return 'UTC';
  }
}
