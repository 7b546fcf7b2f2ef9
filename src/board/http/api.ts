/*
 * HTTP as the contract has it: one origin, bounded in time and size, every answer checked. What is tried again is a read,
 * or a write under the key that it had the first time, so that an answer that was lost is asked for and nothing done twice.
 */

import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import * as v from 'valibot';
import { monotonicMs } from '../../machine/clock.ts';
import { bodyWithin, reasonOf } from '../../machine/fetched.ts';
import { fetchOut } from '../../machine/outgoing.ts';
import { configError, UserError, unavailableError, usageError } from '../../model/errors.ts';
import { jsonIn } from '../../model/json.ts';
import { oneLine } from '../../model/text.ts';

export interface Server {
  /** Origin and path, such as `https://mission.example/v1`. */
  readonly url: string;
  readonly token: string | null;
  readonly limits: Limits;
}

export interface Limits {
  /** Until the first byte of an answer, connecting included. */
  readonly response_ms: number;
  /** One call, with all its retries. */
  readonly total_ms: number;
  readonly bytes: number;
  readonly tries: number;
}

export const LIMITS: Limits = { response_ms: 5000, total_ms: 20_000, bytes: 32 * 1024 * 1024, tries: 4 };

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  /** Each part is escaped. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly body?: unknown;
  /** The version that was observed. */
  readonly version?: number;
  /** What may have been done is not asked for again, not even under its key. */
  readonly once?: boolean;
}

/** An answer that is no success: its status, and what it says. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly detail: string;
  readonly body: unknown;
  /** An answer before this one was lost, or spoilt: what was asked for may have been done already. */
  readonly again: boolean;
}

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };

const AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
const Problem = v.object({
  type: v.optional(v.string(), ''),
  title: v.optional(v.string(), ''),
  detail: v.optional(v.string(), ''),
});

/** Asks the server. Answers of 404, 409, 412 and 422 are told; whatever else is no success is an error for the person:
 *  exit 69 where the server cannot be reached or is not itself, 78 where the token is not right. */
export async function ask<T>(
  server: Server,
  call: Call,
  schema: v.GenericSchema<unknown, T> | null,
): Promise<Answer<T>> {
  const key = call.method === 'GET' ? null : randomUUID();
  const end = monotonicMs() + server.limits.total_ms;
  let again = false;
  for (let tries = 1; ; tries++) {
    const last = tries >= server.limits.tries;
    const got = await once(server, call, key, end);
    if ('error' in got) {
      if (last || call.once || monotonicMs() >= end) throw unreachable(server, got.error);
      again = true;
      await wait(tries, null, end);
      continue;
    }
    const { status, text, retry_after_s } = got;
    // Who has too much to do has done nothing; of any other trouble nobody knows.
    const spoilt = status !== 429 && status !== 425;
    if (AGAIN.has(status) && !last && !(call.once && spoilt) && monotonicMs() < end) {
      again ||= spoilt;
      await wait(tries, retry_after_s, end);
      continue;
    }
    if (status >= 200 && status < 300) return { ok: true, value: read(server, call, schema, text) };
    const body = jsonIn(text);
    const problem = v.safeParse(Problem, body);
    const { type, title, detail } = problem.success ? problem.output : { type: '', title: '', detail: '' };
    if (status === 404 || status === 409 || status === 412 || status === 422)
      return { ok: false, refusal: { status, type, detail: detail || title, body, again } };
    throw refused(server, call, { status, detail: detail || title });
  }
}

type Got =
  | { readonly status: number; readonly text: string; readonly retry_after_s: number | null }
  | { readonly error: string };

async function once(server: Server, call: Call, key: string | null, end: number): Promise<Got> {
  const stop = new AbortController();
  const left = Math.max(1, end - monotonicMs());
  const timers = [
    setTimeout(() => stop.abort(new Error('no answer in time')), Math.min(server.limits.response_ms, left)),
    setTimeout(() => stop.abort(new Error('the answer did not end in time')), left),
  ];
  try {
    const answer = await fetchOut(urlOf(server, call), {
      method: call.method,
      headers: headersOf(server, call, key),
      body: call.body === undefined ? null : JSON.stringify(call.body),
      redirect: 'error',
      signal: stop.signal,
    });
    clearTimeout(timers[0]);
    const text = await textOf(answer, server.limits.bytes);
    const after = Number(answer.headers.get('retry-after') ?? Number.NaN);
    return {
      status: answer.status,
      text,
      retry_after_s: Number.isFinite(after) && after >= 0 ? after : null,
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    return { error: reasonOf(error) };
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

function urlOf({ url }: Server, { path, query = {} }: Call): URL {
  // A name that a URL would take for a direction leads to another operation, however it is escaped.
  const bad = path.find((part) => /^\.{0,2}$/.test(part));
  if (bad !== undefined) throw usageError(`"${bad}" is no name`);
  const made = new URL(`${url.replace(/\/+$/, '')}/${path.map(encodeURIComponent).join('/')}`);
  for (const [name, value] of Object.entries(query))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) made.searchParams.append(name, String(one));
  return made;
}

function headersOf({ token }: Server, { body, version }: Call, key: string | null): Record<string, string> {
  return {
    accept: 'application/json, application/problem+json',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(key === null ? {} : { 'idempotency-key': key }),
    ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
  };
}

/** The body, as long as it stays within its bound. */
async function textOf(answer: Response, bytes: number): Promise<string> {
  const body = await bodyWithin(answer, bytes);
  if (body === null) throw new Error(`the answer is larger than ${bytes} bytes`);
  return new TextDecoder('utf-8', { fatal: true }).decode(body);
}

function read<T>(server: Server, call: Call, schema: v.GenericSchema<unknown, T> | null, text: string): T {
  if (schema === null) return undefined as T;
  const found = v.safeParse(schema, jsonIn(text));
  if (found.success) return found.output;
  const [issue] = found.issues;
  const where = v.getDotPath(issue) ?? 'it';
  throw unavailableError(
    `${server.url} does not speak the contract: ${call.method} /${call.path.join('/')}: ${where}: ${oneLine(issue.message, 200)}`,
  );
}

/** Exponential, with jitter, so that hosts that failed together do not come back together. */
async function wait(tries: number, retry_after_s: number | null, end: number): Promise<void> {
  const base = 100 * 2 ** (tries - 1);
  const ms = retry_after_s === null ? base + randomInt(base) : retry_after_s * 1000;
  await pause(Math.max(0, Math.min(ms, end - monotonicMs())));
}

function unreachable({ url }: Server, why: string): UserError {
  return unavailableError(`the board ${url} cannot be reached (${oneLine(why, 200)})`);
}

/** An answer that nothing can be made of, for the person. */
export function refused(
  { url }: Server,
  { method, path }: Pick<Call, 'method' | 'path'>,
  { status, detail }: Pick<Refusal, 'status' | 'detail'>,
): UserError {
  if (status === 401 || status === 403)
    return configError(
      `the board ${url} refuses the token (${status}): look at board.token_file or board.token_env`,
    );
  const said = detail === '' ? '' : `: ${oneLine(detail, 200)}`;
  return unavailableError(`the board ${url} answered ${status} to ${method} /${path.join('/')}${said}`);
}
