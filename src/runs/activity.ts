import { join } from 'node:path';
import type { Adapter, AgentLook, Level } from '../agents/adapter.ts';
import { sessionId } from '../agents/session.ts';
import type { Activity, Runtime } from '../model/runtime.ts';
import type { ActivityView } from '../model/world.ts';
import { type Folded, foldEvents } from './events.ts';
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
  before: Pick<Runtime, 'level' | 'level_ms'>,
  delta_ms: number,
): ActivityView {
  const said = level === null || level.activity === 'unknown' ? null : level.activity;
  const same = said === before.level && folded.fresh === 0;
  const level_ms = same ? before.level_ms + delta_ms : 0;
  const activity = said === null ? folded.activity : believed(folded, said, level_ms >= STANDS_MS);
  const question = activity === 'waiting' ? (folded.question ?? level?.question ?? null) : null;
  return {
    ...folded,
    activity,
    question,
    client_session: level?.session ?? folded.client_session,
    // The event of a limit may come before the client has written down when it ends: then that was a guess.
    limited_until_ms: level?.limited?.until_ms ?? folded.limited_until_ms,
    not_ready: folded.not_ready ?? level?.not_ready ?? null,
    level: said,
    level_ms,
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
