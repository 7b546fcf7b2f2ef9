import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Runtime } from '../model/runtime.ts';
import type { ActivityView } from '../model/world.ts';
import type { Adapter, Limited } from './agents/adapter.ts';
import { sessionId } from './agents/session.ts';
import { asObject } from './files.ts';

const MAX_EVENTS = 10_000;
const MAX_BYTES = 1024 * 1024;
const MAX_QUESTION = 4000;
/** After how long a limit whose end nobody announced is tried again. */
export const UNANNOUNCED_MS = 15 * 60_000;
const EVENT_NAME = /^([A-Za-z][A-Za-z0-9_-]*)\.[A-Za-z0-9_.-]+$/;

interface EventFile {
  readonly name: string;
  readonly kind: string;
  readonly mtimeNs: bigint;
  readonly size: bigint;
}

/** What the events say; the second signal is another's part. */
export type Folded = Omit<ActivityView, 'level' | 'level_ms'>;

export type FoldedRow = Pick<
  Runtime,
  'activity' | 'question' | 'turn' | 'client_session' | 'events_cursor' | 'limited_until_ms' | 'not_ready'
>;

/** Folds the events that the row has not seen yet over the row. Reads only.
 *
 *  The cursor names the consumed files that are still there. It holds no time: an event that was written
 *  before the last folded one but appeared after it is counted, and none is counted twice. */
export function foldEvents(dir: string, row: FoldedRow, adapter: Pick<Adapter, 'kind' | 'mapEvent'>): Folded {
  const files = listEvents(dir);
  const seen = parseCursor(row.events_cursor);
  const still = files.filter((file) => seen.has(digest(file.name)));
  const fresh = files
    .filter((file) => !seen.has(digest(file.name)))
    .sort((a, b) => (a.mtimeNs < b.mtimeNs ? -1 : a.mtimeNs > b.mtimeNs ? 1 : a.name < b.name ? -1 : 1))
    .slice(0, MAX_EVENTS);
  let { activity, question, turn, client_session, limited_until_ms, not_ready } = row;
  for (const file of fresh) {
    const meaning = adapter.mapEvent(file.kind, payloadOf(dir, file));
    if (meaning === null) continue;
    if (meaning.turn === true) {
      turn += 1;
      [limited_until_ms, not_ready] = [null, null];
    }
    if (meaning.limited !== undefined) limited_until_ms = limitOf(meaning.limited, file);
    if (meaning.not_ready !== undefined) not_ready = meaning.not_ready.slice(0, MAX_QUESTION);
    client_session = sessionId(adapter.kind, meaning.session) ?? client_session;
    if (meaning.activity === undefined) continue;
    const keep =
      activity === 'waiting' && question !== null && (meaning.vague || meaning.question === undefined);
    if (meaning.activity !== 'waiting') question = null;
    else if (!keep) question = meaning.question?.slice(0, MAX_QUESTION) ?? null;
    activity = meaning.activity;
  }
  const cursor =
    fresh.length === 0 ? row.events_cursor : [...still, ...fresh].map((file) => digest(file.name)).join(',');
  return {
    ...{ activity, question, turn, client_session, limited_until_ms, not_ready },
    fresh: fresh.length,
    cursor,
  };
}

function limitOf({ until_ms }: Limited, file: EventFile): number {
  return until_ms ?? Number(file.mtimeNs / 1_000_000n) + UNANNOUNCED_MS;
}

/** Deletes the events that a cursor covers. Call it only after the board holds that cursor. */
export function pruneEvents(dir: string, cursor: string | null): number {
  const seen = parseCursor(cursor);
  if (seen.size === 0) return 0;
  let pruned = 0;
  for (const name of namesIn(dir)) {
    if (!EVENT_NAME.test(name) || !seen.has(digest(name))) continue;
    rmSync(join(dir, name), { force: true });
    pruned += 1;
  }
  return pruned;
}

function listEvents(dir: string): EventFile[] {
  const files: EventFile[] = [];
  for (const name of namesIn(dir)) {
    const kind = EVENT_NAME.exec(name)?.[1];
    if (kind === undefined) continue;
    try {
      const stat = statSync(join(dir, name), { bigint: true });
      if (stat.isFile()) files.push({ name, kind, mtimeNs: stat.mtimeNs, size: stat.size });
    } catch {
      // Pruned by another process between the listing and the look.
    }
  }
  return files;
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** The body, or an empty one where it is no object: that the event happened still counts. */
function payloadOf(dir: string, file: EventFile): Readonly<Record<string, unknown>> {
  if (file.size > MAX_BYTES) return {};
  try {
    return asObject(JSON.parse(readFileSync(join(dir, file.name), 'utf8'))) ?? {};
  } catch {
    return {};
  }
}

function digest(name: string): string {
  return process
    .getBuiltinModule('node:crypto')
    .createHash('sha256')
    .update(name)
    .digest('base64url')
    .slice(0, 12);
}

function parseCursor(cursor: string | null): ReadonlySet<string> {
  return new Set((cursor ?? '').split(',').filter((part) => part !== ''));
}
