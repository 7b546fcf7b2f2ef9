import { setTimeout as pause } from 'node:timers/promises';
import { startedAtMs } from '../agents/codex/rollout.ts';
import { knownBoard, type Met } from '../board/open.ts';
import type { Board, BoardHealth, TickRow } from '../board/port/index.ts';
import type { Context } from '../context.ts';
import { readersOf } from '../machine/holder.ts';
import { argvOf } from '../machine/proc.ts';
import { hostId, lookAt } from '../machine/process.ts';
import { configError, messageOf, UserError } from '../model/errors.ts';
import type { Runtime } from '../model/runtime.ts';
import { many, oneLine } from '../model/text.ts';
import { age } from '../model/times.ts';
import type { AccountView } from '../model/world.ts';
import { endedRow, type Leftover, leftoversOf } from '../runs/leftovers.ts';
import { about, type Finding, fail, ok, thrown, warn } from './finding.ts';

/** What the board tells, where it can be read: one look, for all the checks that need it. */
export interface BoardLook {
  readonly findings: readonly Finding[];
  /** false = it cannot be read: what only the board knows is not told. */
  readonly readable: boolean;
  readonly accounts: ReadonlyMap<string, AccountView>;
  readonly live: readonly Runtime[];
  readonly last_tick: Pick<TickRow, 'finished_at_ms' | 'outcome'> | null;
  /** null = a server's board, whose past ticks are not asked for. */
  readonly health: BoardHealth | null;
  readonly closed: ReadonlySet<string>;
  /** What runs that have ended left behind. */
  readonly leftovers: readonly Leftover[];
}

const NOTHING: Omit<BoardLook, 'findings'> = {
  readable: false,
  accounts: new Map(),
  live: [],
  last_tick: null,
  health: null,
  closed: new Set(),
  leftovers: [],
};

const DAY_MS = 86_400_000;
/** A difference of the clocks that moves back-offs and limits by more than a tick. Nothing else depends on it. */
const CLOCKS_MS = 60_000;
/** SQLite brings its log back into the board at some 4 MB; one that grows on is held by a reader that never ends. */
const LARGE_WAL = 64 * 1024 * 1024;
/** Closed tickets whose worktrees may still be there. */
const CLOSED = 500;

/** Reads the board once. Never throws: what is wrong with it is a finding. */
export async function lookAtBoard(context: Context, now_ms: number): Promise<BoardLook> {
  let board: Board | null = null;
  try {
    const known = await knownBoard(context);
    const { name, upkeep, meet } = known;
    if (meet !== null) {
      const findings = [metFinding(name, await meet())];
      board = await known.read({ hurry: true });
      return { ...(await readAll(board, context)), health: null, readable: true, findings };
    }
    const of = { host_id: hostId(context.places.state) ?? '', since_ms: now_ms - DAY_MS };
    const health = (await upkeep?.health(of).catch((error: unknown) => asFailure(error))) ?? null;
    const findings =
      health instanceof UserError
        ? []
        : [...fileFindings(name, health, now_ms), ...(await readerFindings(name, now_ms))];
    const healthy = health instanceof UserError ? null : health;
    if (findings.some(({ result }) => result === 'fail')) return { ...NOTHING, findings };
    if (healthy !== null && healthy.schema < healthy.schema_known && healthy.schema > 0)
      return { ...NOTHING, findings, health: healthy };
    // What another program's file is, or one that others may write, is told best by who opens it for work.
    board = await known.read();
    if (health instanceof UserError) throw health;
    const read = await readAll(board, context);
    return {
      ...{ ...read, health: healthy, readable: true },
      findings: [...findings, ...foreign(read.live, context)],
    };
  } catch (error) {
    return { ...NOTHING, findings: [thrown('board', asFailure(error))] };
  } finally {
    await board?.close();
  }
}

async function readAll(
  board: Board,
  { places }: Context,
): Promise<Pick<BoardLook, 'accounts' | 'live' | 'last_tick' | 'closed' | 'leftovers'>> {
  const [accounts, live, last_tick, closed, leftovers] = await Promise.all([
    board.accounts(),
    board.liveRuntimes(),
    board.lastTick(hostId(places.state) ?? ''),
    board.tickets({ status: ['done', 'cancelled'], limit: CLOSED }),
    leftoversOf(places.state, endedRow(board)),
  ]);
  return {
    accounts: new Map(accounts.map((one) => [one.name, one])),
    live,
    last_tick,
    leftovers,
    closed: new Set(closed.map(({ id }) => id)),
  };
}

/** A board that cannot be read keeps everything from working, whatever the reason. */
function asFailure(error: unknown): UserError {
  if (error instanceof UserError) return error;
  return configError(`it can't be read: ${messageOf(error)}`);
}

function metFinding(name: string, { says: speaks, ahead_ms }: Met): Finding {
  const { ok, warn } = about('board');
  const says = `${name}, ${speaks}`;
  if (Math.abs(ahead_ms) < CLOCKS_MS) return ok(says);
  const clock = `${says}; its clock is ${age(Math.abs(ahead_ms))} ${ahead_ms > 0 ? 'ahead' : 'behind'}`;
  return warn(clock, 'set both clocks by NTP: back-offs and limits are told in time');
}

/** Long enough for whoever only looks something up. */
const LOOKS_UP_MS = 1000;

/** Who has read the board for a while and does not end: until then its write-ahead log grows with each tick. */
async function readerFindings(path: string, now_ms: number): Promise<Finding[]> {
  const others = (): readonly number[] => (readersOf(path) ?? []).filter((pid) => pid !== process.pid);
  const before = others();
  if (before.length === 0) return [];
  await pause(LOOKS_UP_MS);
  return others()
    .filter((pid) => before.includes(pid))
    .map((pid) => {
      const words = oneLine((argvOf(pid) ?? []).join(' '), 100);
      const look = lookAt(pid);
      const since = look.kind === 'present' ? startedAtMs(look.start) : null;
      const lives = since === null ? '' : `, which was started ${age(Math.max(0, now_ms - since))} ago`;
      const says = `process ${pid} (${words})${lives}, reads the board without an end: its write-ahead log only grows`;
      return warn('readers', says, `let it end what it reads, or end it: kill ${pid}`);
    });
}

/** Every page of the board was read: what a tick never touches may be damaged too. */
function fileFindings(path: string, health: BoardHealth | null, now_ms: number): Finding[] {
  const check = 'board';
  if (health === null) return [warn(check, `${path} is not there yet`, 'mc-pickup init')];
  const { damage, schema, schema_known, wal_bytes, newest_at_ms } = health;
  if (damage !== null)
    return [
      fail(
        check,
        `${path} is damaged: ${damage}`,
        'mc-pickup restore FILE, a backup; see docs/operations.md',
      ),
    ];
  const found = [ok(check, path)];
  if (schema === schema_known) found.push(ok('schema', String(schema)));
  else {
    const says = `${schema}, and this mc-pickup writes ${schema_known}: what is on it is not looked at`;
    found.push(warn('schema', says, 'mc-pickup reconcile brings it forward'));
  }
  if (wal_bytes > LARGE_WAL) {
    const says = `${path}-wal has grown to ${Math.round(wal_bytes / 1024 / 1024)} MB`;
    found.push(warn('write-ahead log', says, 'end the program that reads the board without an end'));
  }
  const ahead_ms = (newest_at_ms ?? 0) - now_ms;
  if (ahead_ms > 5 * CLOCKS_MS) {
    const says = `the newest record is of ${age(ahead_ms)} in the future: the clock of this machine has jumped back`;
    const fix = 'set it by NTP; back-offs and limits that were told before last as much longer';
    found.push(warn('clock', says, fix));
  }
  return found;
}

/** Runtimes that no tick of this host judges: the state dir was moved here while they lived, or was copied. */
function foreign(live: readonly Runtime[], { places }: Context): Finding[] {
  const host = hostId(places.state);
  const others = live.filter(({ host_id, ticket_id }) => host_id !== host && ticket_id !== null);
  const [first] = others;
  if (first === undefined) return [];
  const says = `${many(others.length, 'runtime')} of another host on this board (${others.map(({ ticket_id }) => ticket_id).join(' ')}): left alone here`;
  return [
    warn(
      'other hosts',
      says,
      `if its agent is gone for certain: mc-pickup stop ${first.ticket_id} --release`,
    ),
  ];
}
