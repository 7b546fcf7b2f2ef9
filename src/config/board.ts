import { lstatSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { addressFault } from '../model/address.ts';
import { configError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { type Complaint, complaintLine } from './load.ts';
import { locator } from './locate.ts';
import { configureNetwork } from './network.ts';
import { BOARD } from './schema.ts';

/** Where a board is that is no file of this machine. */
export interface ServerAddress {
  /** Origin and path, such as `https://mission.example/v1`. */
  readonly url: string;
  readonly token: string | null;
  /** The server starts the runtimes; we probe them. */
  readonly starts: boolean;
}

/**
 * The server that `[board]` names; null = the board is a file. Whatever is wrong with it is an error, exit 78: a tick that
 * took another board in its place would see no tickets where there are some.
 */
export function boardServer(file: string, text: string, env: NodeJS.ProcessEnv): ServerAddress | null {
  try {
    return server(dirname(file), text, env);
  } catch (error) {
    if (error instanceof Wrong) throw configError(complaintLine(file, error.complaint));
    throw error;
  }
}

/** What `boardServer` would refuse to work with, or null. */
export function boardComplaint(file: string, text: string, env: NodeJS.ProcessEnv): Complaint | null {
  try {
    server(dirname(file), text, env);
    return null;
  } catch (error) {
    if (error instanceof Wrong) return error.complaint;
    throw error;
  }
}

class Wrong extends Error {
  readonly complaint: Complaint;
  constructor(complaint: Complaint) {
    super(complaint.says);
    this.complaint = complaint;
  }
}

type Complain = (key: string | null, says: string) => Error;

function server(dir: string, text: string, env: NodeJS.ProcessEnv): ServerAddress | null {
  const wrong: Complain = (key, says) => {
    const path = key === null ? ['board'] : ['board', key];
    return new Wrong({ ...locator(text)(path), key: path.join('.'), says });
  };
  let table: unknown;
  try {
    const raw = parse(text, { maxDepth: 50 });
    table = raw.board;
    configureNetwork(raw.network, dir, env);
  } catch (error) {
    throw wrong(null, `which board is meant cannot be told: ${oneLine(String(error), 200)}`);
  }
  if (table === undefined) return null;
  const found = v.safeParse(BOARD, table);
  if (!found.success) {
    const [issue] = found.issues;
    throw wrong(v.getDotPath(issue), issue.input === undefined ? 'is missing' : issue.message);
  }
  const { kind, url, token_file, token_env, runtimes } = found.output;
  if (kind === 'sqlite') return null;
  if (url === undefined) throw wrong('url', 'is missing: where is the server?');
  if (token_file !== undefined && token_env !== undefined)
    throw wrong('token_env', 'token_file is set too: use one of them');
  return {
    url: origin(url, wrong),
    token: tokenOf({ token_file, token_env }, { env, dir }, wrong),
    starts: runtimes === 'server',
  };
}

function origin(url: string, wrong: Complain): string {
  const fault = addressFault(url, { query: false });
  if (fault !== null) throw wrong('url', fault);
  return new URL(url).href.replace(/\/+$/, '');
}

/** The token from where the configuration says it is; null = it says nothing. Throws what `wrong` makes. */
export function tokenOf(
  from: { readonly token_file: string | undefined; readonly token_env: string | undefined },
  { env, dir }: { readonly env: NodeJS.ProcessEnv; readonly dir: string },
  wrong: Complain,
): string | null {
  if (from.token_env !== undefined) {
    const token = env[from.token_env];
    if (!token)
      throw wrong(
        'token_env',
        `the environment has no ${from.token_env}: a scheduler starts with hardly any of yours`,
      );
    return clean(token, from.token_env, (says) => wrong('token_env', says));
  }
  if (from.token_file === undefined) return null;
  // As every path of the configuration: a launcher reads it from another directory.
  const path = resolve(dir, from.token_file.replace(/^~(?=\/)/, env.HOME || homedir()));
  try {
    const mode = lstatSync(path).mode;
    if ((mode & 0o077) !== 0) throw wrong('token_file', `${path} may be read by others: chmod 600 ${path}`);
    return clean(readFileSync(path, 'utf8'), path, (says) => wrong('token_file', says));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw wrong(
      'token_file',
      `the token file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`,
    );
  }
}

/** What may stand in a header. */
function clean(text: string, where: string, wrong: (says: string) => Error): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw wrong(`${where} holds no token: one word of plain characters`);
  return token;
}
