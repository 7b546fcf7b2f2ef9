/** What the server or the network does wrong, each for real: the write is done once, or not at all, and it is told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/board/http/api.ts';
import { httpBoard } from '../../src/board/http/board.ts';
import { serverStarter } from '../../src/board/http/send.ts';
import type { Board } from '../../src/board/port/index.ts';
import type { Ticket } from '../../src/model/ticket.ts';
import { guardOf } from '../contract/index.ts';
import { aNewTicket, HOST, NOW } from '../support/builders.ts';
import { type Fault, type MissionControl, missionControl } from '../support/mission-control/server.ts';

let dir: string;
let server: MissionControl;
let board: Board;
const PATIENT = { ...LIMITS, response_ms: 60_000, total_ms: 180_000, bytes: 4 * 1024 * 1024, tries: 3 };
/** For what never comes whole, and so ends nothing on a slow machine that would have come. */
const QUICK = { ...PATIENT, response_ms: 150, total_ms: 1500 };
const NEVER: readonly unknown[] = ['loris', 'slow'];
/** How long is waited for an answer that fails this way; `once`: and comes the next time. */
const patience = (kind: Fault['kind'], once = false) =>
  NEVER.includes(kind) ? (once ? { ...PATIENT, response_ms: 5000 } : QUICK) : PATIENT;
const asks = (limits: typeof PATIENT): void => {
  board = httpBoard({ url: server.url, token: server.token, limits });
};
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mc-http-'));
  server = await missionControl(join(dir, 'server.sqlite'));
  asks(PATIENT);
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
  expect(server.broken).toEqual([]);
});

const add = (): Promise<Ticket> =>
  server.board.addTicket(aNewTicket({ title: 't', project: 'p' }), { now_ms: NOW });
const claim = (ticket: Ticket, run = 'r1') =>
  board.claim(
    {
      ...{ ticket: ticket.id, guard: guardOf(ticket), run, agent: 'robot', project: 'p', attempt: 1 },
      ...{ host_id: HOST, boot_id: 'b', kind: 'command', headless: false },
    },
    { actor: 'tick:1', now_ms: NOW },
  );
/** Fault x outcome, printed at the end and kept in docs/verification.md. */
const table: string[] = [];
const outcome = (fault: string, what: string): void => void table.push(`| ${fault} | ${what} |`);
afterAll(() => {
  process.stdout.write(`\n| fault | outcome |\n| --- | --- |\n${table.join('\n')}\n`);
});

const fail = (kind: Fault['kind'], times: number, operation = 'claim'): void =>
  server.fail({ kind, times, operation });

describe('a write whose answer', () => {
  it.each(['reset', 'reset-after', 'half', 'slow', 500, 503, 429] as const)(
    'is spoilt once (%s) is asked for again under its key: won, and done once',
    async (kind) => {
      asks(patience(kind, true));
      const ticket = await add();
      fail(kind, 1);
      expect(await claim(ticket)).toBe('won');
      expect(await server.board.ticket(ticket.id)).toMatchObject({
        status: 'in_progress',
        claim_epoch: 1,
        version: 2,
      });
      expect(await server.board.runtimesOf({ ticket: ticket.id, limit: 9 })).toHaveLength(1);
      outcome(`${kind}, once, at a claim`, 'tried again under its key: won, done once');
    },
  );

  it.each(['reset-after', 'half'] as const)(
    'never comes (%s): an error, and the claim stands under its run, once',
    async (kind) => {
      asks(patience(kind));
      const ticket = await add();
      fail(kind, 99);
      await expect(claim(ticket)).rejects.toMatchObject({ exit: 69 });
      expect(await server.board.runtimesOf({ ticket: ticket.id, limit: 9 })).toMatchObject([
        { id: 'r1', phase: 'launching' },
      ]);
      expect(await server.board.ticket(ticket.id)).toMatchObject({ claim_epoch: 1 });
      outcome(`${kind}, for ever, at a claim`, 'exit 69; the claim stands once, and ends with the next tick');
    },
  );

  it.each(['loris', 'slow', 'reset', 'huge', 'redirect', 'html', 'wrong', 500, 503, 429] as const)(
    'is none (%s): an error within the time that was set, and nothing was done',
    async (kind) => {
      asks(patience(kind));
      const ticket = await add();
      fail(kind, 99);
      await expect(claim(ticket)).rejects.toMatchObject({ exit: 69 });
      expect(await server.board.ticket(ticket.id)).toMatchObject({ status: 'todo', version: 1 });
      expect(await server.board.runtimesOf({ ticket: ticket.id, limit: 9 })).toEqual([]);
      outcome(`${kind}, for ever, before a claim`, 'exit 69 in time, nothing done');
    },
  );
});

it('a claim and a registration whose answers were lost by a server that then forgot their keys: won, by run and process', async () => {
  const ticket = await add();
  server.forgets = true;
  fail('reset-after', 1);
  expect(await claim(ticket)).toBe('won');
  expect(await server.board.runtimesOf({ ticket: ticket.id, limit: 9 })).toHaveLength(1);
  fail('reset-after', 1, 'register');
  const who = { host_id: HOST, boot_id: 'b', pid_ns: null, time_ns: null, pid: 7, pid_start: '1' };
  const tmux = { tmux_server_pid: null, tmux_server_start: null, tmux_session: null, tmux_pane: null };
  expect(await board.register({ run: 'r1', ...who, ...tmux }, { now_ms: NOW })).toBe('won');
  // Another process that registers for the same run, with a lost answer or without, has lost.
  fail('reset-after', 1, 'register');
  expect(await board.register({ run: 'r1', ...who, ...tmux, pid: 8 }, { now_ms: NOW })).toBe('lost');
  outcome('answer lost, and the key forgotten by a restart', 'found by run id, pid and start time');
});

describe('a read', () => {
  it.each(['reset', 'half', 500, 503, 429] as const)('that fails once (%s) is done again', async (kind) => {
    const ticket = await add();
    fail(kind, 1, 'ticket');
    expect(await board.ticket(ticket.id)).toEqual(ticket);
    outcome(`${kind}, once, at a read`, 'read again');
  });

  it.each(['html', 'wrong', 'redirect', 'huge', 'loris', 'slow'] as const)(
    'that is not as the contract says (%s) is an error, and never an empty board',
    async (kind) => {
      asks(patience(kind));
      await add();
      fail(kind, 99, 'runtimes');
      await expect(board.liveRuntimes()).rejects.toMatchObject({ exit: 69 });
      outcome(`${kind}, for ever, at a read`, 'exit 69, never taken for an empty board');
    },
  );
});

it.each([
  [409, '{}'],
  [409, '{"type":"RuntimeBusyError","title":"busy","status":409,"runtime":null}'],
  [409, 'not JSON'],
])(
  'a %i that does not say who is busy (%s) is no word that nobody is: unknown, never refused',
  async (status, text) => {
    const odd = createServer((_, response) => void response.writeHead(status).end(text));
    await new Promise<void>((up) => odd.listen(0, '127.0.0.1', up));
    const url = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`;
    const one = { ticket: 'MC-1', run: 'r', text: 't', nonce: 'n' };
    const starter = serverStarter({ url, token: null, limits: PATIENT });
    expect(await starter.send(one, { now_ms: NOW })).toMatchObject({
      kind: 'unknown',
    });
    odd.closeAllConnections();
    await new Promise((down) => odd.close(down));
  },
);

it('a person who changes the ticket in between: the claim is lost, the change stands', async () => {
  const ticket = await add();
  await server.board.move(
    { ticket: ticket.id, version: ticket.version, to: 'blocked', why: 'wait', trusted: true },
    { actor: 'ann', now_ms: NOW },
  );
  expect(await claim(ticket)).toBe('lost');
  expect(await server.board.ticket(ticket.id)).toMatchObject({ status: 'blocked' });
  outcome('a person moves the ticket in between', 'the claim is lost, the move stands');
});

it('two hosts that claim at once: one wins', async () => {
  const ticket = await add();
  const won = await Promise.all(Array.from({ length: 8 }, (_, n) => claim(ticket, `r${n}`)));
  expect(won.filter((one) => one === 'won')).toHaveLength(1);
  expect(await server.board.runtimesOf({ ticket: ticket.id, limit: 9 })).toHaveLength(1);
  outcome('eight claims at once', 'one wins');
});

it('a token that is not right: exit 78, and the token is in no message', async () => {
  const wrong = httpBoard({ url: server.url, token: 'not-the-right-token', limits: PATIENT });
  const error = await wrong.accounts().then(
    () => null,
    (one: Error) => one,
  );
  expect(error).toMatchObject({ exit: 78 });
  expect(error?.message).toContain('token');
  expect(error?.message).not.toContain('not-the-right-token');
});

it('nobody there: exit 69, one line that names the server', async () => {
  await server.close();
  const gone = board.accounts();
  await expect(gone).rejects.toMatchObject({
    exit: 69,
    message: expect.stringContaining(`${server.url} cannot be reached`),
  });
  server = await missionControl(join(dir, 'server.sqlite'));
});

it.each(['.', '..', ''])(
  'a name that a URL takes for a direction (%j) asks for nothing else: exit 2',
  async (name) => {
    await expect(board.ticket(name)).rejects.toMatchObject({ exit: 2 });
    expect(server.requests).toEqual([]);
  },
);

it.each(['a/b', '../accounts', '%2e%2e', 'a?b=c#d', ' '])(
  'a name with anything in it (%j) is one part of the path',
  async (name) => {
    expect(await board.ticket(name)).toBeNull();
    expect(server.requests).toEqual([{ operation: 'ticket', status: 404 }]);
  },
);

it('many tickets and runtimes come in pages, all of them', async () => {
  const all = [];
  for (let n = 0; n < 120; n++) all.push(await add());
  for (const [n, ticket] of all.slice(0, 110).entries()) expect(await claim(ticket, `r${n}`)).toBe('won');
  const snapshot = await board.snapshot({
    ...{ host_id: HOST, now_ms: NOW, limit: 500, budget_day: null, also: [] },
    heals_since_ms: NOW,
    recent_since_ms: NOW,
    ready: { authors: [], max_attempts: 3, projects: {}, agents: {} },
  });
  expect(snapshot.tickets).toHaveLength(120);
  expect(snapshot.runtimes).toHaveLength(110);
  expect(snapshot.runtimes.map(({ id }) => id)).toEqual(all.slice(0, 110).map((_, n) => `r${n}`));
});
