/*
 * The board that the configuration names. Which kinds of board there are (a file of this machine, a server) is known here
 * alone: whoever works with one asks whether somebody else starts its runtimes (`starter`) and whether it is ours to look
 * after (`upkeep`), never what it is made of. A tick over a file reads nothing of any other kind.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerAddress } from '../config/board.ts';
import { readText, type Text } from '../config/read.ts';
import { isFresh } from '../machine/caller.ts';
import { textOfFile, writeAtomic } from '../machine/files.ts';
import { ensureHost } from '../machine/host.ts';
import type { Places } from '../machine/paths.ts';
import { makeStateDir, refuseOpenToOthers, stateFault } from '../machine/state.ts';
import { configError, usageError } from '../model/errors.ts';
import type { Ticket } from '../model/ticket.ts';
import type { Board, Starter, Upkeep } from './port/index.ts';
import { openBoardReadOnly, openBoard as openFile } from './sqlite/index.ts';

/** What a board is found by: where things live, and the environment. */
export interface Whereabouts {
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
}

/** What there is to know of a board that is not open. */
export interface KnownBoard {
  /** For messages and for `--json`: the path of its file, or its address. */
  readonly name: string;
  /** Who starts runtimes in our place; null = we do. */
  readonly starter: Starter | null;
  /** What keeps it well; null = it is looked after where it is. */
  readonly upkeep: Upkeep | null;
  /** Who answers there; null = nobody does, it is a file. */
  readonly meet: (() => Promise<Met>) | null;
  /** false = it is not there yet, and is made by opening it for writing. */
  exists(): boolean;
  /** For writing: made and migrated if need be. */
  open(): Promise<Board>;
  /** So that not a byte of the state dir changes. `hurry`: a person waits, who has less patience than a tick. */
  read(how?: { readonly hurry: boolean }): Promise<Board>;
}

/** A board that is open. */
export interface OpenedBoard extends Pick<KnownBoard, 'name' | 'starter' | 'upkeep'> {
  readonly board: Board;
}

/** Who has answered for a board. */
export interface Met {
  /** What it speaks, and how it is spoken to. */
  readonly says: string;
  /** How far its clock is from ours (positive = ahead). */
  readonly ahead_ms: number;
}

/** The board of the configuration, which is read once: a command knows one board, whatever happens to the file meanwhile. */
export function knownBoard({ places, env }: Whereabouts, read?: Text): Promise<KnownBoard> {
  const known = boards.get(places);
  if (known !== undefined) return known;
  const found = boardIn(read ?? readText(places.config), { places, env });
  boards.set(places, found);
  return found;
}

/** To be called when the configuration has just been given another board: the next question reads it anew. */
export function forgetBoard({ places }: Whereabouts): void {
  boards.delete(places);
}

/** Each bundle has a module of its own, and all of them have this one answer. */
const BOARDS = Symbol.for('mc-pickup.boards');
const all = globalThis as { [BOARDS]?: WeakMap<Places, Promise<KnownBoard>> };
all[BOARDS] ??= new WeakMap();
const boards = all[BOARDS];

/** The board that the text of a configuration names. Most name none: only where `[board]` may stand the text is parsed for it. */
export async function boardIn(
  { missing, error, text }: Text,
  { places, env }: Whereabouts,
): Promise<KnownBoard> {
  if (missing || error !== null) {
    const had = addressIn(places.elsewhere);
    if (had === null) return fileBoard(places);
    // An empty file in its place would know none of the agents that work.
    throw configError(
      `the board of this state dir is on ${had}, and ${places.config} that names it ${missing ? 'is missing' : error}`,
    );
  }
  if (!/^[ \t]*(\[[ \t]*['"]?board\b|['"]?board['"]?[ \t]*[.=])/m.test(text)) return fileBoard(places);
  const { boardServer } = await import('../config/board.ts');
  const address = boardServer(places.config, text, env);
  return address === null ? fileBoard(places) : await serverBoard(address, places);
}

/** The board in the state dir. */
export function fileBoard(places: Places): KnownBoard {
  const path = places.board;
  return {
    ...{ name: path, starter: null, meet: null, upkeep: upkeepOf(path) },
    exists: () => existsSync(path),
    open: async () => {
      refuseOpenToOthers(places.state, path);
      let board: Board | null = null;
      try {
        board = openFile(path);
        ensureHost({ places });
        return board;
      } catch (error) {
        await board?.close();
        makeStateDir(places.state); // asked only now, so that a tick that can work pays nothing for it
        throw error;
      }
    },
    read: async () => {
      refuseOpenToOthers(places.state, path);
      try {
        return openBoardReadOnly(path);
      } catch (error) {
        const fault = stateFault(places.state);
        throw fault === null ? error : configError(fault);
      }
    },
  };
}

function upkeepOf(path: string): Upkeep {
  const care = () => import('./sqlite/care.ts');
  return {
    schema: async () => (await care()).SCHEMA_VERSION,
    health: async (of) => (existsSync(path) ? (await care()).boardHealth(path, of) : null),
    backup: async ({ dir, keep, now_ms }) => (await care()).backupBoard(path, dir, keep, now_ms),
    restore: async ({ file, now_ms }) => (await care()).restoreBoard(path, file, now_ms),
    countOld: async (before_ms) => (await care()).countOld(path, before_ms),
    takeOld: async (table, request) => (await care()).takeOld(path, table, request),
    sweep: async (limits, swept) => (await care()).sweepOld(path, limits, swept),
  };
}

/** For a person who waits: less patience than a tick has. */
const HURRY = { response_ms: 3000, total_ms: 6000, tries: 2 };

async function serverBoard({ url, token, starts }: ServerAddress, places: Places): Promise<KnownBoard> {
  const { httpBoard, LIMITS, meetServer, serverStarter } = await import('./http/index.ts');
  const server = { url, token, limits: LIMITS };
  const hurried = { ...server, limits: { ...LIMITS, ...HURRY } };
  return {
    ...{ name: url, starter: starts ? serverStarter(server) : null, upkeep: null },
    meet: async () => {
      const { contract, ahead_ms } = await meetServer(hurried, Date.now);
      return { says: `contract ${contract}${token === null ? ', without a token' : ''}`, ahead_ms };
    },
    exists: () => true,
    open: async () => {
      makeStateDir(places.state);
      refuseOpenToOthers(places.state);
      ensureHost({ places });
      if (addressIn(places.elsewhere) !== url) writeAtomic(places.elsewhere, `${url}\n`);
      return httpBoard(server);
    },
    read: async ({ hurry } = { hurry: false }) => httpBoard(hurry ? hurried : server),
  };
}

function addressIn(file: string): string | null {
  return textOfFile(file)?.trim() ?? null;
}

/** Opens it for writing. */
export async function openBoard(at: Whereabouts): Promise<OpenedBoard> {
  const known = await knownBoard(at);
  return opened(known, await known.open());
}

/** Opens it so that not a byte of the state dir changes. */
export async function readBoard(at: Whereabouts): Promise<OpenedBoard> {
  const known = await knownBoard(at);
  return opened(known, await known.read());
}

function opened({ name, starter, upkeep }: KnownBoard, board: Board): OpenedBoard {
  return { board, name, starter, upkeep };
}

type Work<T> = (board: Board, opened: OpenedBoard) => Promise<T>;

/** Opens, works, closes. */
export async function withBoard<T>(at: Whereabouts, work: Work<T>): Promise<T> {
  return closing(await openBoard(at), work);
}

/** Reads without leaving a trace. */
export async function withReader<T>(at: Whereabouts, work: Work<T>): Promise<T> {
  return closing(await readBoard(at), work);
}

/** The same for a person: a name that was mistyped would else show an empty board, as if all work were lost. */
export async function withMade<T>(at: Whereabouts, work: Work<T>): Promise<T> {
  const fault = await unmade(at);
  if (fault !== null) throw configError(fault);
  return withReader(at, work);
}

/** What is said of a state dir in which nothing was ever made, not even a switch; null = something was, or the board is elsewhere. */
export async function unmade(at: Whereabouts): Promise<string | null> {
  const { state } = at.places;
  if (stateFault(state) !== null || !isFresh(at.places)) return null;
  // Which board it is is asked last: a switch works whatever has become of the configuration.
  if (existsSync(join(state, 'killswitch.json')) || (await knownBoard(at)).exists()) return null;
  return `there is no board in ${state}: mc-pickup init makes one there; --state-dir or MC_PICKUP_STATE_DIR names another place`;
}

async function closing<T>(one: OpenedBoard, work: Work<T>): Promise<T> {
  try {
    return await work(one.board, one);
  } finally {
    await one.board.close();
  }
}

/** The ticket, or an error that says where it was looked for. */
export async function ticketOrFail(
  { board, name }: Pick<OpenedBoard, 'board' | 'name'>,
  id: string,
): Promise<Ticket> {
  const ticket = await board.ticket(id.toUpperCase());
  if (ticket !== null) return ticket;
  throw usageError(`no ticket "${id}" on the board ${name}; see mc-pickup ticket list`);
}
