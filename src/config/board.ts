import { lstatSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import * as v from 'valibot';
import { LIMITS, type Server } from '../board/http/api.ts';
import { EXIT, UserError } from '../model/errors.ts';
import { oneLine } from '../text.ts';
import { BOARD } from './schema.ts';

/**
 * The server that `[board]` names; null = the board is a file. Whatever is wrong with it is an error, exit 78: a tick that
 * took another board in its place would see no tickets where there are some.
 */
export function boardServer(file: string, text: string, env: NodeJS.ProcessEnv): Server | null {
  const wrong = (what: string): UserError => new UserError(EXIT.config, `${file}: board: ${what}`);
  let table: unknown;
  try {
    table = (parse(text, { maxDepth: 50 }) as { readonly board?: unknown }).board;
  } catch (error) {
    throw wrong(`which board is meant cannot be told: ${oneLine(String(error), 200)}`);
  }
  if (table === undefined) return null;
  const found = v.safeParse(BOARD, table);
  if (!found.success) {
    const [issue] = found.issues;
    throw wrong(`${v.getDotPath(issue) ?? 'it'} ${issue.message}`);
  }
  const { kind, url, token_file, token_env, runtimes } = found.output;
  if (kind === 'sqlite') return null;
  if (url === undefined) throw wrong('url is missing: where is the server?');
  if (token_file !== undefined && token_env !== undefined) throw wrong('token_file or token_env, not both');
  return {
    url: origin(url, wrong),
    token: tokenOf({ token_file, token_env }, { env, dir: dirname(file) }, wrong),
    limits: LIMITS,
    sends: runtimes === 'server',
  };
}

/** https, or http on this machine: a token never crosses a network in the clear. */
function origin(url: string, wrong: (what: string) => UserError): string {
  const made = URL.parse(url);
  if (made === null || !/^https?:$/.test(made.protocol))
    throw wrong(`url: not an http address: ${oneLine(url, 100)}`);
  if (made.username !== '' || made.password !== '' || made.search !== '' || made.hash !== '')
    throw wrong('url: must be an origin and a path, without a name, a password or a query');
  const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(made.hostname);
  if (made.protocol === 'http:' && !loopback) throw wrong('url: http is for this machine alone: use https');
  return made.href.replace(/\/+$/, '');
}

function tokenOf(
  from: { readonly token_file: string | undefined; readonly token_env: string | undefined },
  { env, dir }: { readonly env: NodeJS.ProcessEnv; readonly dir: string },
  wrong: (what: string) => UserError,
): string | null {
  if (from.token_env !== undefined) {
    const token = env[from.token_env];
    if (!token)
      throw wrong(`the environment has no ${from.token_env}: a scheduler starts with hardly any of yours`);
    return clean(token, from.token_env, wrong);
  }
  if (from.token_file === undefined) return null;
  // As every path of the configuration: a launcher reads it from another directory.
  const path = resolve(dir, from.token_file.replace(/^~(?=\/)/, env.HOME || homedir()));
  try {
    const mode = lstatSync(path).mode;
    if ((mode & 0o077) !== 0) throw wrong(`${path} may be read by others: chmod 600 ${path}`);
    return clean(readFileSync(path, 'utf8'), path, wrong);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw wrong(`the token file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`);
  }
}

/** What may stand in a header. */
function clean(text: string, where: string, wrong: (what: string) => UserError): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw wrong(`${where} holds no token: one word of plain characters`);
  return token;
}
