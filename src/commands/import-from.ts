import { readFileSync, statSync } from 'node:fs';
import type { Format, Wish } from '../import/index.ts';
import { addressFault } from '../model/address.ts';
import { configError, UserError, usageError } from '../model/errors.ts';
import { nameOf } from './names.ts';

export interface ImportOptions {
  readonly from?: Format;
  readonly project?: string;
  readonly source?: string;
  readonly repo?: string;
  readonly apiUrl?: string;
  readonly label: readonly string[];
  readonly only: readonly string[];
  readonly limit?: number;
  readonly update?: true;
  readonly trust?: true;
  readonly skipBad?: true;
  readonly dryRun?: true;
}

const MAX_BYTES = 64 * 1024 * 1024;
const GITHUB = 'https://api.github.com';
const ISSUES = 1000;

/** The text of the file that is named, or of a pipe. */
export function textOf(file: string | undefined, o: ImportOptions): Wish {
  for (const [option, given] of [
    ['--api-url', o.apiUrl],
    ['--limit', o.limit],
  ] as const)
    if (given !== undefined) throw usageError(`${option} is for --from github`);
  if (file === undefined && process.stdin.isTTY)
    throw usageError('name a file, or - for stdin; or --from github --repo OWNER/NAME');
  const path = file ?? '-';
  const name = o.source === undefined ? null : nameOf('--source', o.source);
  return { format: o.from ?? null, file: path, text: utf8(path, bytesOf(path)), name };
}

function bytesOf(path: string): Buffer {
  try {
    if (path !== '-') {
      const stat = statSync(path);
      if (stat.isDirectory()) throw usageError(`${path} is a directory: name a file`);
      if (stat.size > MAX_BYTES) throw tooLarge(path);
    }
    const bytes = readFileSync(path === '-' ? 0 : path);
    if (bytes.length > MAX_BYTES) throw tooLarge(path);
    return bytes;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw usageError(`can't read ${path === '-' ? 'stdin' : path} (${code ?? message})`);
  }
}

function tooLarge(path: string): UserError {
  return usageError(`${path} is larger than ${MAX_BYTES} bytes: import it in parts`);
}

function utf8(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${path === '-' ? 'stdin' : path} is no UTF-8 text: save it as UTF-8`);
  }
}

/** The repository that is named, and how it is reached. The token comes from the environment alone. */
export function forgeOf(
  env: NodeJS.ProcessEnv,
  file: string | undefined,
  o: ImportOptions,
  labels: readonly string[],
): Parameters<typeof import('../import/index.ts').readForge>[0] {
  if (o.from !== undefined && o.from !== 'github')
    throw usageError(`--repo is for --from github, and not for ${o.from}`);
  if (file !== undefined) throw usageError('--from github reads no file: leave it out');
  if (o.source !== undefined)
    throw usageError('--source is for files: an issue is known by its repository and number');
  const [, owner, repo] =
    /^([A-Za-z0-9][A-Za-z0-9-]{0,38})\/([A-Za-z0-9._-]{1,100})$/.exec(o.repo ?? '') ?? [];
  if (owner === undefined || repo === undefined || /^\.+$/.test(repo))
    throw usageError('name the repository with --repo OWNER/NAME');
  const limit = o.limit ?? ISSUES;
  if (limit < 1) throw usageError('--limit must be at least 1');
  const token = env.GITHUB_TOKEN || env.GH_TOKEN || null;
  if (token !== null && !/^[\x21-\x7e]+$/.test(token))
    throw configError('GITHUB_TOKEN or GH_TOKEN holds no token: one word of plain characters');
  return { api: apiOf(o.apiUrl ?? GITHUB), owner, repo, token, labels, limit };
}

/** https, or http on this machine: a token never crosses a network in the clear. */
function apiOf(url: string): string {
  const fault = addressFault(url, { query: false });
  if (fault !== null) throw usageError(`--api-url: ${fault}`);
  return new URL(url).href.replace(/\/+$/, '');
}
