import { join } from 'node:path';
import type { Adapter, AgentLook, Level } from '../agents/adapter.ts';
import { sessionId } from '../agents/session.ts';
import type { Activity, Runtime } from '../model/runtime.ts';
import { CUT_OFF, type Trouble, troubleOf } from '../model/trouble.ts';
import type { ActivityView } from '../model/world.ts';
import { type Folded, foldEvents } from './events.ts';
import { outputText } from './output.ts';
import { type RunFile, readRunFile } from './run-file.ts';

/**
 * What a runtime does now, from two signals that fail differently: the client's events, which are exact and can be
 * lost, and a level that can be read at any time and may lag by a moment. `delta_ms` is the observed time since the row
 * was last refreshed. Reads only.
 */
export function lookAtActivity(
  runs: string,
  row: Runtime,
  title: string | null,
  adapter: Adapter,
  delta_ms: number,
): ActivityView | Promise<ActivityView> {
  const folded = foldEvents(`${runs}/${row.mark}/events`, row, adapter);
  if (adapter.level === undefined || row.pid === null || row.pid_start === null || row.headless)
    return { ...folded, level: null, level_ms: 0 };
  const look = agentLook(runs, row, readRunFile(runs, row.mark), title, folded.client_session);
  const and = (level: Level | null) => combine(folded, level && ofClient(level, adapter), row, delta_ms);
  try {
    const level = adapter.level(look);
    return level instanceof Promise ? level.then(and, () => and(null)) : and(level);
  } catch {
    return and(null); // the second signal is silent; the first one stands
  }
}

/** What the last turn of a run that has ended was refused with, as its client's own records tell, and what a headless one has printed. */
export function ofTheDead(seen: ActivityView, runs: string, row: Runtime, adapter: Adapter): ActivityView {
  if (adapter.lastRefusal === undefined || seen.trouble !== undefined) return seen;
  const look = agentLook(runs, row, readRunFile(runs, row.mark), null, seen.client_session);
  const printed = row.headless ? outputText(look.runDir, MOST_PRINTED) : null;
  const refusal = adapter.lastRefusal(look, printed);
  return withTrouble(seen, refusal === null ? null : troubleOf(refusal));
}

/** The end of what is kept of it. */
const MOST_PRINTED = 64 * 1024;

/** A session that does not look like one of its client is left out of a level. */
function ofClient({ session, ...level }: Level, { kind }: Adapter): Level {
  const id = sessionId(kind, session);
  return id === null ? level : { ...level, session: id };
}

/** Where the signals of a run are looked for. */
export function agentLook(
  runs: string,
  row: Pick<Runtime, 'mark' | 'worktree' | 'pid' | 'pid_start' | 'client_session' | 'kind'>,
  file: RunFile | null,
  title: string | null,
  session: string | null = row.client_session,
): AgentLook {
  return {
    runDir: join(runs, row.mark),
    worktree: file?.start ?? row.worktree,
    env: file?.env ?? {},
    pid: row.pid ?? 0,
    pid_start: row.pid_start ?? '',
    // It becomes a part of paths, so that it must look like one of its client, whoever has written it down.
    session: sessionId(row.kind === '' ? (file?.kind ?? '') : row.kind, session),
    title,
  };
}

/**
 * New events are believed at once, but for one: that a turn is over, while the level shows work (a sub-agent, a
 * background command) or a dialog. Where there is no new event, and the level has stood still for a while and says
 * something else than the events, an event was lost: the level is believed. Only observed time counts for that, so no
 * clock can mislead, and two looks within a moment take no lag for a loss. `before` is what the last tick has kept.
 */
export function combine(
  folded: Folded,
  level: Level | null,
  before: Pick<Runtime, 'level' | 'level_ms' | 'turn' | 'resumed'>,
  delta_ms: number,
): ActivityView {
  const said = level === null || level.activity === 'unknown' ? null : level.activity;
  const same = said === before.level && folded.fresh === 0;
  const level_ms = same ? before.level_ms + delta_ms : 0;
  const activity = said === null ? folded.activity : believed(folded, said, level_ms >= STANDS_MS);
  const question = activity === 'waiting' ? (folded.question ?? level?.question ?? null) : null;
  // A record may lag behind the event of a new turn: what it tells then is of the turn before.
  const current =
    level !== null && (activity === level.activity || folded.turn === before.turn || isFirst(before));
  const refused = current && level.refusal !== undefined ? troubleOf(level.refusal) : null;
  return {
    ...withTrouble(folded, refused),
    activity,
    question,
    client_session: level?.session ?? folded.client_session,
    level: said,
    level_ms,
  };
}

function isFirst({ turn, resumed }: Pick<Runtime, 'turn' | 'resumed'>): boolean {
  return turn === 0 && resumed === null;
}

/** What is known beside the events of why the API of the model has refused the turn. An event may come before the client has written down when
 *  that ends. */
export function withTrouble<V extends Folded>(folded: V, refused: Trouble | null): V {
  if (refused === null) return folded;
  const until_ms = refused.until_ms ?? folded.trouble?.until_ms ?? null;
  return {
    ...folded,
    answered: false,
    trouble: { ...refused, until_ms },
    limited_until_ms: until_ms ?? folded.limited_until_ms ?? CUT_OFF,
  };
}

/** Longer than any level was seen to lag behind its event (a registry file, a title, a record that is flushed). */
const STANDS_MS = 2000;

function believed({ activity: told, turn }: Folded, said: Activity, lost: boolean): Activity {
  if (told === 'idle') return said;
  // A client that has come up is idle until its first prompt is in: that is no end of a turn.
  if (told === 'unknown') return said === 'idle' && turn === 0 && !lost ? told : said;
  return lost ? said : told;
}
