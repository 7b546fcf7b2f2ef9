import { userInfo } from 'node:os';
import type { Server } from './board/http/api.ts';
import type { Board } from './board/port/index.ts';
import { openBoardReadOnly, openBoard as openFile } from './board/sqlite/index.ts';
import { readText, type Text } from './config/read.ts';
import { type Caller, PERSON } from './machine/caller.ts';
import { textOfFile, writeAtomic } from './machine/files.ts';
import { type Places, placesOf } from './machine/paths.ts';
import { ensureHostId } from './machine/process.ts';
import { makeStateDir, refuseOpenToOthers, stateFault } from './machine/state.ts';
import { EXIT, isDiskFault, UserError } from './model/errors.ts';
import type { Policy } from './model/policy.ts';
import { oneLine } from './model/text.ts';
import type { Ticket } from './model/ticket.ts';
import { type Out, outFor } from './report/out.ts';
import type { Tmux } from './tmux/tmux.ts';

export interface Context {
  /** Who calls, and may: it was decided before the command began. */
  readonly caller: Caller;
  readonly places: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly json: boolean;
  readonly out: Out;
  readonly tmux: Tmux;
  /** The Node and the script of this very process, for launchers and agents to call back. */
  readonly node: string;
  readonly bin: string;
}

export function makeContext(
  options: { config?: string; stateDir?: string; json?: boolean; color?: boolean; quiet?: boolean },
  env: NodeJS.ProcessEnv,
  caller: Caller = PERSON,
): Context {
  const places = placesOf(options, env);
  return {
    caller,
    places,
    env,
    json: options.json === true,
    out: outFor({ quiet: options.quiet === true, color: options.color !== false }, env),
    tmux: { socket: places.socket, serverFile: places.server, binary: 'tmux' },
    node: process.execPath,
    bin: process.argv[1] ?? 'mc-pickup',
  };
}

/** Opens the board for writing, made and migrated if need be. */
export async function openBoard(context: Context): Promise<Board> {
  const { places } = context;
  const server = await serverOf(context);
  if (server !== null) {
    makeStateDir(places.state);
    refuseOpenToOthers(places.state);
    ensureHost(context);
    if (urlIn(places.elsewhere) !== server.url) writeAtomic(places.elsewhere, `${server.url}\n`);
    return (await import('./board/http/index.ts')).httpBoard(server);
  }
  refuseOpenToOthers(places.state, places.board);
  let board: Board | null = null;
  try {
    board = openFile(places.board);
    ensureHost(context);
    return board;
  } catch (error) {
    await board?.close();
    makeStateDir(places.state); // asked only now, so that a tick that can work pays nothing for it
    throw error;
  }
}

/** The Mission Control server of the configuration; null = the board is the file in the state dir. Most configurations say
 *  nothing of it: only one that may is understood whole. */
export function serverOf(
  { places, env }: Pick<Context, 'places' | 'env'>,
  read?: Text,
): Promise<Server | null> {
  const known = servers.get(places);
  if (known !== undefined) return known;
  const found = serverIn(read ?? readText(places.config), places, env);
  servers.set(places, found);
  return found;
}

/** The configuration has just been given another board. */
export function forgetServer({ places }: Pick<Context, 'places'>): void {
  servers.delete(places);
}

/** Read once: a command knows one board, whatever happens to the file meanwhile. Each bundle has a module of its own, and all of them have
 *  this one answer. */
const SERVERS = Symbol.for('mc-pickup.servers');
const all = globalThis as { [SERVERS]?: WeakMap<Places, Promise<Server | null>> };
all[SERVERS] ??= new WeakMap();
const servers = all[SERVERS];

async function serverIn(
  { missing, error, text }: Text,
  { config, elsewhere }: Places,
  env: NodeJS.ProcessEnv,
): Promise<Server | null> {
  if (missing || error !== null) {
    const had = urlIn(elsewhere);
    if (had === null) return null;
    // An empty file in its place would know none of the agents that work.
    throw new UserError(
      EXIT.config,
      `the board of this state dir is on ${had}, and ${config} that names it ${missing ? 'is missing' : error}`,
    );
  }
  if (!/^[ \t]*(\[[ \t]*['"]?board\b|['"]?board['"]?[ \t]*[.=])/m.test(text)) return null;
  return (await import('./config/board.ts')).boardServer(config, text, env);
}

function urlIn(file: string): string | null {
  return textOfFile(file)?.trim() ?? null;
}

/** This host's id, made where there is none. */
export function ensureHost({ places }: Context): string {
  try {
    return ensureHostId(places.state);
  } catch (error) {
    makeStateDir(places.state);
    if (error instanceof UserError || isDiskFault(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(EXIT.config, `the host id ${places.host} can't be read or made (${why})`);
  }
}

/** Opens the board so that not a byte of the state dir changes. */
export async function readBoard(context: Context): Promise<Board> {
  const { places } = context;
  const server = await serverOf(context);
  if (server !== null) return (await import('./board/http/index.ts')).httpBoard(server);
  refuseOpenToOthers(places.state, places.board);
  try {
    return openBoardReadOnly(places.board);
  } catch (error) {
    const fault = stateFault(places.state);
    throw fault === null ? error : new UserError(EXIT.config, fault);
  }
}

/** Opens, works, closes. */
export async function withBoard<T>(context: Context, work: (board: Board) => Promise<T>): Promise<T> {
  const board = await openBoard(context);
  try {
    return await work(board);
  } finally {
    await board.close();
  }
}

/** Reads without leaving a trace. */
export async function withReader<T>(context: Context, work: (board: Board) => Promise<T>): Promise<T> {
  const board = await readBoard(context);
  try {
    return await work(board);
  } finally {
    await board.close();
  }
}

/** The ticket, or an error that says where it was looked for. */
export async function ticketOrFail(board: Board, id: string, { places }: Context): Promise<Ticket> {
  const ticket = await board.ticket(id.toUpperCase());
  if (ticket !== null) return ticket;
  throw new UserError(
    EXIT.usage,
    `no ticket "${id}" on the board ${places.board}; see mc-pickup ticket list`,
  );
}

/** What is wrong with a configuration, in one line: the first complaint, and how many more there are. */
export function brokenLine({ broken }: Policy): string {
  const more = broken.length > 1 ? ` (and ${broken.length - 1} more)` : '';
  return `${oneLine(broken[0] ?? '', 500)}${more}`;
}

/** Who acts, for the log: the run, when an agent calls; else the person. */
export function actorOf({ caller, env }: Pick<Context, 'caller' | 'env'>): string {
  if (caller.kind === 'agent') return `run:${oneLine(caller.run, 200)}`;
  try {
    return userInfo().username;
  } catch {
    return env.USER ?? 'someone';
  }
}
