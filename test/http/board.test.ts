import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { LIMITS } from '../../src/board/http/api.ts';
import { httpBoard } from '../../src/board/http/board.ts';
import { exercise, type Opened, oneByOne } from '../contract/index.ts';
import { aNewTicket } from '../support/builders.ts';
import { missionControl } from '../support/mission-control/server.ts';

exercise('Mission Control over HTTP', async (): Promise<Opened> => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-http-'));
  const path = join(dir, 'server.sqlite');
  const server = await missionControl(path);
  const { url, token } = server;
  const open = () => httpBoard({ url, token, limits: LIMITS });
  return {
    board: open(),
    reopen: async () => open(),
    // A client for each.
    together: async (calls) => (await Promise.all(calls.map((call) => oneByOne(open(), [call])))).flat(),
    outside: (sql) => {
      const db = new Database(path);
      try {
        db.exec(sql);
      } finally {
        db.close();
      }
    },
    cleanup: async () => {
      await server.close();
      rmSync(dir, { recursive: true, force: true });
      expect(server.broken).toEqual([]);
    },
  };
});

it('a ticket comes with its version as its ETag, and every answer with the rate that is left', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-http-'));
  const server = await missionControl(join(dir, 'server.sqlite'));
  try {
    const headers = {
      authorization: `Bearer ${server.token}`,
      'content-type': 'application/json',
      'idempotency-key': 'one-and-only',
    };
    const body = JSON.stringify({ ...aNewTicket(), now_ms: 1 });
    expect((await fetch(`${server.url}/tickets`, { method: 'POST', headers, body })).status).toBe(201);
    const got = await fetch(`${server.url}/tickets/MC-1`, { headers });
    expect([got.headers.get('etag'), got.headers.get('ratelimit')]).toEqual(['"1"', '"default";r=1000;t=60']);
  } finally {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  }
});

it('a server of contract 1.3 hands an answer to one run alone, as ever, and takes a report of nothing for a report', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-http-'));
  const server = await missionControl(join(dir, 'server.sqlite'), {
    without: ['words', 'handWords', 'reportNothing'],
  });
  const { url, token } = server;
  const b = httpBoard({ url, token, limits: LIMITS });
  try {
    const ticket = { title: 't', body: '', status: 'todo', priority: 2, project: 'p', labels: [] } as const;
    const who = { agent: null, owner: null, author: 'ann', trusted: true, depends_on: [] };
    const { id, claim_epoch, version } = await b.addTicket({ ...ticket, ...who }, { now_ms: 1 });
    const guard = { status: 'todo', owner: null, claim_epoch, version } as const;
    const run = { run: 'r1', agent: 'robot', project: 'p', attempt: 1, host_id: 'h', boot_id: 'b' };
    const more = { kind: 'command', headless: false } as const;
    expect(await b.claim({ ticket: id, guard, ...run, ...more }, { actor: 'tick:1', now_ms: 2 })).toBe('won');
    const one = await b.keepAnswer({ ticket: id, text: 'blue', author: 'ann' }, { now_ms: 3 });
    const two = await b.keepAnswer({ ticket: id, text: 'or red', author: 'ann' }, { now_ms: 4 });
    expect(await b.words(id)).toMatchObject([
      { id: one, text: 'blue', honoured_by: null, had: [] },
      { id: two, text: 'or red', honoured_by: null, had: [] },
    ]);
    await b.handWords({ ids: [one, two], run: 'r1', outcome: 'prompt', turn: 0 }, { now_ms: 5 });
    await b.handWords({ ids: [one, two], run: 'r1', outcome: 'indeterminate', turn: 0 }, { now_ms: 5 });
    expect(await b.words(id)).toHaveLength(2);
    await b.handWords({ ids: [one], run: 'r1', outcome: 'delivered', turn: 0 }, { now_ms: 5 });
    expect(await b.words(id)).toMatchObject([{ id: two }]);
    const report = { run: 'r1', to: 'in_review', message: 'nothing', turn: 0, nothing_to_do: true } as const;
    expect(await b.report(report, { now_ms: 6 })).toBe('won');
    expect(await b.ticket(id)).toMatchObject({ status: 'in_review', reason: 'reported' });
  } finally {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  }
  // The document that it is held to is a later one.
  expect(server.broken.filter((one) => !one.endsWith('never answers 404'))).toEqual([]);
});
