/*
 * A reference Mission Control: real HTTP on loopback over a real SQLite file. It takes no request and gives no answer
 * that is not what the OpenAPI document says, keeps idempotency keys, and can be told to misbehave.
 */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import type { AskRequest, Board, Cas, Snapshot, SnapshotRequest } from '../../../src/board/port/index.ts';
import { isDeath } from '../../../src/model/ends.ts';
import { UserError } from '../../../src/model/errors.ts';
import type { Runtime } from '../../../src/model/runtime.ts';
import { boardAt } from '../boards.ts';
import { startOf } from '../start.ts';
import { type Asked, theContract } from './contract.ts';

export interface Fault {
  /** Of which operations; absent = all. */
  readonly operation?: string;
  /** How many requests it hits. */
  readonly times: number;
  readonly kind:
    | 'reset' // the connection is closed before anything is done
    | 'reset-after' // it is done, and the answer is lost
    | 'half' // it is done, and the answer ends in the middle
    | 'slow' // no answer ever comes
    | 'loris' // a byte now and then, without end
    | 'huge' // an answer without end
    | 'redirect'
    | 'html'
    | 'wrong' // JSON that the contract does not know
    | 500
    | 503
    | 429;
}

export interface MissionControl {
  url: string;
  readonly token: string;
  /** The board behind it: what another client, or a person there, does. */
  readonly board: Board;
  readonly requests: { readonly operation: string; readonly status: number }[];
  /** Requests or answers that were not what the document says. */
  readonly broken: string[];
  /** As after a restart: keys are kept no longer. */
  forgets: boolean;
  fail(fault: Fault): void;
  close(): Promise<void>;
}

function without14(body: unknown): unknown {
  const text = JSON.stringify(body, (name, value: unknown) => (SINCE_14.has(name) ? undefined : value));
  return text === undefined ? body : JSON.parse(text);
}

/** The body of a request that has been checked against the document: whatever a field is, it is that. */
type Body = Readonly<
  Record<
    | 'actor'
    | 'now_ms'
    | 'guard'
    | 'runtime'
    | 'end'
    | 'kind'
    | 'because'
    | 'pid'
    | 'what'
    | 'turn'
    | 'free'
    | 'to'
    | 'why'
    | 'trusted'
    | 'worktree'
    | 'branch'
    | 'client_session'
    | 'resumed'
    | 'host_id'
    | 'boot_id'
    | 'pid_ns'
    | 'time_ns'
    | 'pid_start'
    | 'tickets'
    | 'sources'
    | 'change'
    | 'ids'
    | 'run'
    | 'text'
    | 'author'
    | 'outcome'
    | 'ack_source'
    | 'tick'
    | 'refresh'
    | 'until_ms'
    | 'reason'
    | 'fix'
    | 'stamp'
    | 'review'
    | 'reader',
    never
  >
>;

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How this server starts runtimes on its own host. */
export interface Runner {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Options {
  readonly port?: number | undefined;
  readonly token?: string | undefined;
  readonly runner?: Runner | undefined;
  /** How far its clock is ahead. */
  readonly ahead_ms?: number | undefined;
  /** Keeps no keys, as one that is restarted with every request. */
  readonly forgets?: boolean | undefined;
  /** Operations that it does not have, as one of an earlier contract. */
  readonly without?: readonly string[] | undefined;
  /** Calls a runtime busy that it once started, dead or alive. */
  readonly stubborn?: boolean | undefined;
  /** Speaks contract 1.3: what came later it does not take, and does not say. */
  readonly before14?: boolean | undefined;
}

/** What came with 1.4. */
const SINCE_14: ReadonlySet<string> = new Set(['time_ns', 'program']);

export async function missionControl(
  path: string,
  {
    port: at = 0,
    token = `t-${randomUUID()}`,
    runner,
    ahead_ms = 0,
    forgets = false,
    stubborn = false,
    before14 = false,
    without = [],
  }: Options = {},
): Promise<MissionControl> {
  const contract = theContract();
  const board = boardAt(path);
  const broken: string[] = [];
  const requests: { operation: string; status: number }[] = [];
  const faults: (Fault & { left: number })[] = [];
  const keys = new Map<string, Answer>();
  const pages = new Map<string, Snapshot>();

  const control: MissionControl = {
    url: '',
    token,
    board,
    requests,
    broken,
    forgets,
    fail: (fault) => void faults.push({ ...fault, left: fault.times }),
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await board.close();
    },
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      broken.push(String(error));
      response.destroy();
    });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const text = await bodyOf(request);
    const body: unknown = text === '' ? null : JSON.parse(text);
    const route = url.pathname.replace(/^\/v1/, '');
    const asked = contract.read(request.method ?? '', route, url.searchParams, request.headers, body);
    if (before14 && typeof asked !== 'string' && asked.operation === 'follow')
      return give(response, problem(404, 'missing', 'there is no such thing'));
    const later = [...SINCE_14].find((name) => before14 && text.includes(`"${name}":`));
    if (later !== undefined) {
      broken.push(`${request.method} ${url.pathname}: ${later} is not known`);
      return give(response, problem(400, 'invalid', `${later} is not known`));
    }
    if (typeof asked === 'string') {
      broken.push(`${request.method} ${route}: ${asked}`);
      return give(response, problem(400, 'invalid', asked));
    }
    const fault = faults.find(
      (one) => one.left > 0 && (one.operation ?? asked.operation) === asked.operation,
    );
    if (fault !== undefined) fault.left -= 1;
    if (fault !== undefined && before(fault, response)) {
      requests.push({ operation: asked.operation, status: typeof fault.kind === 'number' ? fault.kind : 0 });
      return;
    }
    const whole =
      request.headers.authorization === `Bearer ${token}` ? await once(asked, body, request) : UNAUTHORIZED;
    const answer = before14 ? { ...whole, body: without14(whole.body) } : whole;
    const wrong = contract.answer(asked.operation, answer.status, answer.body);
    if (wrong !== null) broken.push(`${asked.operation} ${answer.status}: ${wrong}`);
    requests.push({ operation: asked.operation, status: answer.status });
    if (fault?.kind === 'reset-after') return void response.destroy();
    if (fault?.kind === 'half') {
      const whole = JSON.stringify(answer.body);
      response.writeHead(answer.status, {
        'content-type': 'application/json',
        'content-length': whole.length,
      });
      response.write(whole.slice(0, whole.length / 2), () => response.destroy());
      return;
    }
    give(response, answer);
  }

  /** A write under a key is done once. */
  async function once(asked: Asked, body: unknown, request: IncomingMessage): Promise<Answer> {
    const key = request.headers['idempotency-key'];
    const known = typeof key === 'string' ? keys.get(`${asked.operation} ${key}`) : undefined;
    if (known !== undefined) return known;
    const answer = await act(asked, body, request);
    if (typeof key === 'string' && !control.forgets) keys.set(`${asked.operation} ${key}`, answer);
    return answer;
  }

  async function act(asked: Asked, raw: unknown, request: IncomingMessage): Promise<Answer> {
    try {
      return await carryOut(asked, raw, request);
    } catch (error) {
      if (error instanceof UserError) return problem(422, 'refused', error.message);
      if (error instanceof Error && /constraint/i.test(error.message))
        return problem(422, 'refused', error.message);
      throw error;
    }
  }

  async function carryOut(
    { operation, path: at, query }: Asked,
    raw: unknown,
    request: IncomingMessage,
  ): Promise<Answer> {
    // Already checked against the document.
    const body = raw as Body;
    const { id = '', run = '', host = '', name = '' } = at as Readonly<Record<string, string | undefined>>;
    const { actor, now_ms, ...rest } = body ?? ({} as Body);
    const by = { actor, now_ms };
    const cas = async (won: Promise<Cas>, ticket: string | null): Promise<Answer> => {
      if ((await won) === 'won') return ok({ won: true });
      const now = ticket === null ? null : await board.ticket(ticket);
      if (ticket !== null && now === null) return problem(404, 'missing', `no ticket ${ticket}`);
      return { ...problem(409, 'lost-race', 'someone else was first', now === null ? {} : { ticket: now }) };
    };
    const stale = async (): Promise<Answer | null> => {
      const now = await board.ticket(id);
      if (now === null) return problem(404, 'missing', `no ticket ${id}`);
      if (request.headers['if-match'] === `"${now.version}"`) return null;
      return problem(412, 'stale', 'another version', { ticket: now });
    };
    const ofTicket = async (write: () => Promise<Cas>): Promise<Answer> =>
      (await stale()) ?? cas(write(), id);
    const ofRun = async (write: Promise<Cas>): Promise<Answer> =>
      (await board.runtimeByMark(run)) === null && (await board.runtime(run)) === null
        ? problem(404, 'missing', `no runtime ${run}`)
        : cas(write, null);
    if (without.includes(operation)) return problem(404, 'missing', 'no such operation');
    switch (operation) {
      case 'meta':
        return ok({
          contract: before14 ? '1.3.0' : contract.version,
          server_id: await board.boardId(),
          now_ms: Date.now() + ahead_ms,
        });
      case 'candidates':
        return ok(
          await candidates(
            {
              recent_since_ms: now_ms,
              heals_since_ms: Number(now_ms) - 1_800_000,
              ...rest,
              now_ms,
              ...query,
            } as never,
            query.cursor as string | undefined,
          ),
        );
      case 'runtimes':
        return ok(await runtimePage(query));
      case 'runtime':
        return found(wired(await board.runtime(run)));
      case 'staged':
        return ofRun(board.staged({ ...body, run }));
      case 'register':
        return ofRun(board.register({ ...rest, run } as never, by));
      case 'follow':
        return ofRun(board.follow({ runtime: body.guard, process: rest as never }, by));
      case 'end':
        return ofRun(board.end({ runtime: body.guard, end: body.end }, by));
      case 'report':
        return ofRun(board.report({ ...rest, run } as never, by));
      case 'tickets': {
        const { status, project, limit = 100, cursor = '0' } = query;
        const from = Number(cursor);
        const filter = {
          limit: from + Number(limit) + 1,
          ...(status ? { status } : {}),
          ...(project ? { project } : {}),
        };
        const all = await board.tickets(filter as never);
        const items = all.slice(from, from + Number(limit));
        return ok({ items, next: all.length > from + items.length ? String(from + items.length) : null });
      }
      case 'addTicket': {
        const ticket = await board.addTicket(rest as never, by);
        return { status: 201, body: ticket };
      }
      case 'importTickets':
        return ok({
          items: await board.importTickets(body.tickets, by),
        });
      case 'bySource':
        return ok({ items: await board.bySource(body.sources) });
      case 'counts':
        return ok(await board.counts());
      case 'ticket':
        return found(await board.ticket(id));
      case 'edit':
        return ofTicket(() =>
          board.edit({ ticket: id, version: versionOf(request), change: body.change }, by),
        );
      case 'move':
        return ofTicket(() => board.move({ ticket: id, version: versionOf(request), ...rest }, by));
      case 'claim':
        return ofTicket(() => board.claim({ ...rest, ticket: id } as never, by));
      case 'adopt':
        return ofTicket(() => board.adopt({ ...rest, ticket: id } as never, by));
      case 'transition':
        return ofTicket(() => transition(id, body));
      case 'send':
        return sendTo(id, body as never);
      case 'openAnswers':
        return ok({
          items: (await board.words(id))
            .filter(({ had }) => !had.some(({ outcome }) => outcome !== 'indeterminate'))
            .map(({ honoured_by: _, honoured_at_ms: __, had: ___, ...one }) => ({
              ...one,
              taken_by: null,
            })),
        });
      case 'words':
        return ok({ items: await board.words(id) });
      case 'handWords':
        return none(board.handWords(rest, by));
      case 'reportNothing':
        return ofRun(board.report({ ...rest, to: 'in_review', nothing_to_do: true, run } as never, by));
      case 'keepAnswer':
        return {
          status: 201,
          body: {
            id: await board.keepAnswer({ ticket: id, text: body.text, author: body.author }, by),
          },
        };
      case 'takeAnswers':
        return none(board.takeAnswers({ ids: body.ids, run: body.run }));
      case 'activity':
        return ok({ items: await board.activity({ limit: 1000, ...query } as never) });
      case 'history':
        return ok(await board.history(query as never));
      case 'log':
        return none(board.log(body as never));
      case 'saveTick':
        return ok({
          refreshed: await board.saveTick({ tick: body.tick, refresh: body.refresh }),
        });
      case 'lastTick':
        return found(await board.lastTick(host));
      case 'saveDelivery':
        return none(board.saveDelivery(body as never));
      case 'setDelivery':
        return none(board.setDelivery({ id, outcome: body.outcome, ack_source: body.ack_source }));
      case 'openDelivery':
        return found(await board.openDelivery({ run, sha256: String(query.sha256) }));
      case 'lastDelivery':
        return found(
          await board.lastDelivery({
            run,
            kinds: [...(([] as string[]).concat((query.kind as string[]) ?? []) as never[])],
          }),
        );
      case 'accounts':
        return ok({ items: await board.accounts() });
      case 'shortenWait':
        return cas(board.shortenWait(rest as never, by), null);
      case 'limitAccount':
        return cas(board.limitAccount({ name, until_ms: body.until_ms, reason: body.reason }, by), null);
      case 'setReady':
        return cas(board.setReady({ name, fix: body.fix, stamp: body.stamp }, by), null);
      case 'usage':
        return ok({ items: await board.usage(query as never) });
      case 'recordUsage':
        return none(board.recordUsage(body as never));
      case 'ticksAbout':
        return ok({
          items: await board.ticksAbout({ ticket: String(query.ticket), limit: Number(query.limit) }),
        });
      case 'retries':
        return ok({
          items: await board.retries({ now_ms: Number(query.now_ms), limit: Number(query.limit ?? 100) }),
        });
      case 'reviews':
        return ok({
          items: await board.reviews(([] as string[]).concat((query.ticket as string[]) ?? [])),
        });
      case 'saveReview':
        return cas(board.saveReview({ review: body.review, reader: body.reader }), id);
      default:
        return problem(404, 'missing', `${operation} is not there`);
    }
  }

  const started = new Map<
    string,
    { run: string; pid: number; start: string; tell: (text: string) => void }
  >();

  /** A runtime that lives is busy, whatever the board says of it. Another one registers before it becomes the agent. */
  async function sendTo(ticket: string, body: { run: string; text: string }): Promise<Answer> {
    if (runner === undefined) return problem(422, 'refused', 'this server starts no runtimes');
    const known = started.get(ticket);
    if (known !== undefined && (stubborn || startOf(known.pid) === known.start)) {
      const asked = (await board.ticket(ticket))?.status === 'needs_input' && known.run === body.run;
      if (asked) {
        known.tell(`${body.text}\n`);
        return { status: 202, body: { delivery: `${body.run}-${Date.now()}` } };
      }
      const row = wired(await board.runtimeByMark(known.run));
      return { status: 409, body: { type: 'RuntimeBusyError', title: 'busy', status: 409, runtime: row } };
    }
    const row = await board.runtime(body.run);
    if (row === null || row.phase !== 'launching')
      return problem(422, 'refused', `${body.run} is not launching`);
    const dir = mkdtempSync(join(dirname(path), 'run-'));
    const prompt = join(dir, 'prompt.md');
    writeFileSync(prompt, body.text, { mode: 0o600 });
    const child = spawn('/bin/sh', ['-c', 'read go && exec "$@"', 'sh', ...runner.argv], {
      cwd: row.worktree ?? dir,
      env: {
        ...runner.env,
        MC_RUN_ID: body.run,
        MC_TICKET_ID: ticket,
        MC_PROMPT_FILE: prompt,
        MC_RUN_DIR: dir,
      },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const pid = child.pid ?? 0;
    const start = startOf(pid) ?? '';
    const won = await board.register(
      {
        ...{
          run: body.run,
          host_id: row.host_id,
          boot_id: row.boot_id ?? '',
          pid_ns: readlinkSync('/proc/self/ns/pid'),
          time_ns: null,
        },
        ...{
          pid,
          pid_start: start,
          tmux_server_pid: null,
          tmux_server_start: null,
          tmux_session: null,
          tmux_pane: null,
        },
      },
      { now_ms: Date.now() },
    );
    if (won === 'lost') {
      child.kill('SIGKILL');
      return problem(422, 'refused', `${body.run} lost its claim`);
    }
    started.set(ticket, { run: body.run, pid, start, tell: (text) => void child.stdin.write(text) });
    child.stdin.write('go\n');
    return { status: 202, body: { delivery: `${body.run}-prompt` } };
  }

  function transition(ticket: string, body: Body): Promise<Cas> {
    const { kind, guard, runtime, because, pid, what, turn, free, end, to, why, actor, now_ms } = body;
    const of = { ticket, guard, runtime };
    const by = { actor, now_ms };
    switch (String(kind)) {
      case 'normalize':
        return board.normalize({ ...of, pid, because }, by);
      case 'ask':
        return board.ask({ ...of, ...(what as Pick<AskRequest, 'reason' | 'text' | 'turn' | 'park'>) }, by);
      case 'nudge':
        return board.nudge({ ...of, turn, free }, by);
      case 'submit':
        return board.submit({ ...of, because }, by);
      default:
        return board.retry({ ...of, end: end ?? null, to, why }, by);
    }
  }

  async function candidates(query: SnapshotRequest, cursor: string | undefined): Promise<unknown> {
    const [name = randomUUID(), from = '0'] = (cursor ?? '').split(':').filter(Boolean);
    const snapshot = pages.get(name) ?? (await board.snapshot(query));
    pages.set(name, snapshot);
    const end = Number(from) + PAGE;
    const { accounts, beyond, last_tick, recent, unreadable, spent } = snapshot;
    const next = snapshot.tickets.length > end ? `${name}:${end}` : null;
    const page = snapshot.tickets.slice(Number(from), end);
    return {
      // The contract has them whole.
      tickets: await Promise.all(
        page.map(async (view) => ({
          ...view,
          ticket: await board.ticket(view.ticket.id),
          ended: wired(view.ended),
        })),
      ),
      next,
      accounts,
      beyond,
      last_tick,
      recent,
      early_deaths: [...new Set(recent.flatMap((one) => (isDeath(one.end_reason) ? one.ticket : [])))],
      unreadable,
      spent,
    };
  }

  async function runtimePage(query: Asked['query']): Promise<unknown> {
    const { live, ticket, mark, host, limit = PAGE, cursor = '0' } = query;
    const all =
      live === true
        ? (await board.liveRuntimes()).reverse()
        : ticket !== undefined
          ? await board.runtimesOf({ ticket: String(ticket), limit: 100_000 })
          : [await board.runtimeByMark(String(mark ?? ''))].filter((one) => one !== null);
    const right = all.filter(
      (one) =>
        (ticket === undefined || one.ticket_id === ticket) &&
        (mark === undefined || one.mark === mark) &&
        (host === undefined || one.host_id === host),
    );
    const end = Number(cursor) + Number(limit);
    return {
      items: right.slice(Number(cursor), end).map(wired),
      next: right.length > end ? String(end) : null,
    };
  }

  await new Promise<void>((listening) => server.listen(at, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  control.url = `http://127.0.0.1:${port}/v1`;
  return control;
}

const PAGE = 50;
const UNAUTHORIZED = problem(401, 'unauthorized', 'no token, or not a right one');

function ok(body: unknown): Answer {
  return { status: 200, body };
}

async function none(work: Promise<void>): Promise<Answer> {
  await work;
  return { status: 204, body: null };
}

/** As the contract has it. */
function wired(row: Runtime | null): object | null {
  return row === null ? null : { ...row, headless: row.headless ? 1 : 0 };
}

function found(body: unknown): Answer {
  return body === null ? problem(404, 'missing', 'there is none') : ok(body);
}

function problem(status: number, type: string, detail: string, more: object = {}): Answer {
  return { status, body: { type, title: type, status, detail, ...more } };
}

function versionOf(request: IncomingMessage): number {
  return Number((request.headers['if-match'] ?? '').replaceAll('"', ''));
}

function give(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  const { version } = (body ?? {}) as { readonly version?: number };
  const all = {
    ...(body === null ? {} : { 'content-type': type }),
    ...(status === 200 && version !== undefined ? { etag: `"${version}"` } : {}),
    ratelimit: '"default";r=1000;t=60',
    ...headers,
  };
  response.writeHead(status, all);
  response.end(body === null ? undefined : JSON.stringify(body));
}

/** What a fault does in place of an answer; false = the request is carried out first. */
function before({ kind }: Fault, response: ServerResponse): boolean {
  switch (kind) {
    case 'reset':
      response.destroy();
      return true;
    case 'slow':
      return true;
    case 'loris': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => response.write(' '), 50);
      response.once('close', () => clearInterval(drip));
      return true;
    }
    case 'huge': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const chunk = ' '.repeat(1024 * 1024);
      const pour = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
      return true;
    }
    case 'redirect':
      response.writeHead(302, { location: 'http://127.0.0.1:9/elsewhere' }).end();
      return true;
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Please log in</h1>');
      return true;
    case 'wrong':
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"tickets":7}');
      return true;
    case 500:
    case 503:
    case 429:
      give(response, {
        ...problem(kind, 'trouble', 'told to'),
        headers: kind === 500 ? {} : { 'retry-after': '0' },
      });
      return true;
    default:
      return false;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
