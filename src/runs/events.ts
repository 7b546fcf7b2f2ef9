import type { Adapter } from '../agents/adapter.ts';
import { sessionId } from '../agents/session.ts';
import {
  at,
  type Dir,
  inDir,
  lookAtName,
  mayWriteIn,
  namesAt,
  namesIn,
  removeIn,
  textAt,
} from '../machine/foreign.ts';
import { attempt, objectIn } from '../model/json.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Said } from '../model/said.ts';
import { CUT_OFF, type Trouble, troubleOf } from '../model/trouble.ts';
import type { ActivityView } from '../model/world.ts';
import { REPORT_EVENT, saidIn } from './said.ts';

const MAX_EVENTS = 10_000;
const MAX_BYTES = 1024 * 1024;
/** So much is read at one look; what is beyond it is for the next one. */
const MAX_ALL_BYTES = 32 * MAX_BYTES;
/** Digests that are kept of events which are still there: of more, one that was never deleted may count twice. */
const MAX_CURSOR = 40_000;
const MAX_QUESTION = 4000;
/** Reports that one look takes in; the rest is for the next one. */
const MAX_SAID = 16;
const EVENT_NAME = /^([A-Za-z][A-Za-z0-9_-]*)\.[A-Za-z0-9_.-]+$/;
/** What has changed less than this ago may change again within the same tick of the kernel's clock. */
const REST_MS = 5000;
/** Begins the state of the directory in a cursor; no digest holds it. */
const AT_REST = '@';

interface EventFile {
  readonly name: string;
  readonly kind: string;
  /** Its digest: what the cursor knows it by. */
  readonly key: string;
  readonly mtimeNs: bigint;
  readonly size: number;
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
 *  before the last folded one but appeared after it is counted, and none is counted twice. Of a directory at rest it also
 *  holds in which state that was found without anything new: until it has another one it is not listed again. */
export function foldEvents(dir: string, row: FoldedRow, adapter: Pick<Adapter, 'kind' | 'mapEvent'>): Folded {
  const stat = lookAtName(dir, true);
  if (stat?.isDirectory() !== true) return asBefore(row);
  const state = `${AT_REST}${stat.dev}:${stat.ino}:${stat.ctimeNs}`;
  if (row.events_cursor?.endsWith(state)) return asBefore(row);
  // Nearly always there is none, and to see that takes less than to open the directory: nothing is read for it.
  const some = namesAt(dir, 1000, stat).some(isEvent);
  const read = some ? inEvents(dir, (open) => readFresh(open, row.events_cursor)) : null;
  const folded = read === null ? asBefore(row) : fold(read, row, adapter);
  const rests = Date.now() - Number(stat.ctimeNs / 1_000_000n) >= REST_MS;
  return !some && rests && holdsNone(dir) ? { ...folded, cursor: state } : folded;
}

/** Certainly so: a directory that can't be listed for a moment is no empty one. */
function holdsNone(dir: string): boolean {
  return inEvents(dir, namesIn)?.names.some(isEvent) === false;
}

function isEvent(name: string): boolean {
  return EVENT_NAME.test(name);
}

/** The events that were not seen yet, in the order in which they were written, and the digests of those that were. */
interface Read {
  readonly fresh: readonly EventFile[];
  readonly still: readonly string[];
  readonly payloads: readonly Readonly<Record<string, unknown>>[];
  /** Reports, which no cursor covers: each is there until the board was told of it. */
  readonly said: readonly (Omit<Said, 'turn'> & { readonly file: EventFile })[];
}

/** Nothing is new: so it is for most of hundreds of agents, in each tick. */
function asBefore(row: FoldedRow): Folded {
  const { activity, question, turn, client_session, limited_until_ms, not_ready, events_cursor } = row;
  return {
    ...{ activity, question, turn, client_session, limited_until_ms, not_ready },
    fresh: 0,
    cursor: events_cursor,
  };
}

function readFresh(dir: Dir, cursor: string | null): Read {
  const seen = parseCursor(cursor);
  const { names, cut } = namesIn(dir);
  const still: string[] = [];
  const files: EventFile[] = [];
  for (const name of names) {
    const kind = EVENT_NAME.exec(name)?.[1];
    if (kind === undefined) continue;
    const key = digest(name);
    if (seen.has(key)) still.push(key);
    else {
      const file = lookAtEvent(dir, name, kind, key);
      if (file !== null) files.push(file);
    }
  }
  files.sort(inOrder);
  // Before any cap: however many events there are, a run that has reported is not taken for one that failed.
  const told = files.filter(({ kind }) => kind === REPORT_EVENT && mayWriteIn(dir));
  const said = told.slice(0, MAX_SAID).flatMap((file) => {
    const one = saidIn(dir, file);
    return one === null ? [] : [{ ...one, file }];
  });
  // Those that this look leaves are no events either: a cursor that had them would take them away unread.
  const reports = new Set([...said.map(({ file }) => file), ...told.slice(MAX_SAID)]);
  const fresh: EventFile[] = [];
  const payloads: Readonly<Record<string, unknown>>[] = [];
  let bytes = 0;
  for (const file of files.filter((one) => !reports.has(one)).slice(0, MAX_EVENTS)) {
    if (file.size <= MAX_BYTES) bytes += file.size;
    if (bytes > MAX_ALL_BYTES) break;
    fresh.push(file);
    payloads.push(payloadOf(dir, file));
  }
  // Of a directory that was not read to its end nobody knows which of the seen ones are gone.
  return { fresh, payloads, still: (cut ? [...seen] : still).slice(-MAX_CURSOR), said };
}

/** As they were written. */
function inOrder(a: EventFile, b: EventFile): number {
  return a.mtimeNs < b.mtimeNs ? -1 : a.mtimeNs > b.mtimeNs ? 1 : a.name < b.name ? -1 : 1;
}

function fold(
  { fresh, still, payloads, said: reports }: Read,
  row: FoldedRow,
  adapter: Pick<Adapter, 'kind' | 'mapEvent'>,
): Folded {
  let { activity, question, turn, client_session, limited_until_ms, not_ready } = row;
  const said: Said[] = [];
  let trouble: Trouble | null = null;
  let answered = false;
  const saidBefore = (file: EventFile | undefined): void => {
    for (const { file: own, ...one } of reports.slice(said.length)) {
      if (file !== undefined && inOrder(own, file) > 0) return;
      said.push({ ...one, turn });
    }
  };
  for (const [n, file] of fresh.entries()) {
    saidBefore(file);
    const meaning = adapter.mapEvent(file.kind, payloads[n] ?? {});
    if (meaning === null) continue;
    if (meaning.turn === true) {
      turn += 1;
      [limited_until_ms, not_ready, trouble, answered] = [null, null, null, false];
    }
    const refused = meaning.refusal === undefined ? null : troubleOf(meaning.refusal);
    if (refused !== null) {
      trouble = refused;
      limited_until_ms = refused.until_ms ?? CUT_OFF;
    }
    client_session = sessionId(adapter.kind, meaning.session) ?? client_session;
    if (meaning.activity === undefined) continue;
    // A call of a tool, a question, or the end of the turn.
    if (meaning.turn !== true && trouble === null) answered = true;
    const keep =
      activity === 'waiting' && question !== null && (meaning.vague || meaning.question === undefined);
    if (meaning.activity !== 'waiting') question = null;
    else if (!keep) question = meaning.question?.slice(0, MAX_QUESTION) ?? null;
    activity = meaning.activity;
  }
  saidBefore(undefined);
  const cursor =
    fresh.length === 0 ? row.events_cursor : [...still, ...fresh.map(({ key }) => key)].join(',');
  return {
    ...{ activity, question, turn, client_session, limited_until_ms, not_ready },
    fresh: fresh.length,
    cursor,
    ...(trouble === null ? {} : { trouble }),
    ...(answered && trouble === null ? { answered } : {}),
    ...(said.length === 0 ? {} : { said }),
  };
}

/** Deletes the events that a cursor covers. Call it only after the board holds that cursor. */
export function pruneEvents(dir: string, cursor: string | null): number {
  const seen = parseCursor(cursor);
  if (seen.size === 0) return 0;
  return (
    inEvents(dir, (open) => {
      const { names } = namesIn(open);
      const covered = names.filter((name) => EVENT_NAME.test(name) && seen.has(digest(name)));
      return covered.filter((name) => removeIn(open, name)).length;
    }) ?? 0
  );
}

/** Opens `<state>/runs/<run>/events`: neither it nor the two above it may be a link. */
function inEvents<T>(dir: string, use: (open: Dir) => T): T | null {
  const parts = dir.split('/');
  // It may go away, or another take its place, while it is looked at.
  return attempt(() => inDir(parts.slice(0, -3).join('/') || '/', parts.slice(-3).join('/'), use));
}

/** null = no file of its own, or pruned by another process between the listing and the look. */
function lookAtEvent(dir: Dir, name: string, kind: string, key: string): EventFile | null {
  const stat = lookAtName(at(dir, name), true);
  return stat?.isFile() === true ? { name, kind, key, mtimeNs: stat.mtimeNs, size: Number(stat.size) } : null;
}

/** The body, or an empty one where it is no object: that the event happened still counts. */
function payloadOf(dir: Dir, { name }: EventFile): Readonly<Record<string, unknown>> {
  return attempt(() => objectIn(textAt(at(dir, name), { most: MAX_BYTES }))) ?? {};
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
  return new Set((cursor ?? '').split(',').filter((part) => part !== '' && !part.startsWith(AT_REST)));
}
