import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { LIMITS } from '../../src/board/http/api.ts';
import { httpBoard } from '../../src/board/http/board.ts';
import { boardContract, type Opened } from '../contract/board.ts';
import { missionControl } from '../support/mission-control/server.ts';

boardContract('Mission Control over HTTP', async (): Promise<Opened> => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-http-'));
  const path = join(dir, 'server.sqlite');
  const server = await missionControl(path);
  const { url, token } = server;
  const open = () => httpBoard({ url, token, limits: LIMITS });
  return {
    board: open(),
    reopen: async () => open(),
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
    const ticket = {
      title: 't',
      body: '',
      status: 'todo',
      priority: 2,
      project: 'p',
      labels: [],
      agent: null,
      owner: null,
    };
    const body = JSON.stringify({ ...ticket, author: 'ann', trusted: true, depends_on: [], now_ms: 1 });
    expect((await fetch(`${server.url}/tickets`, { method: 'POST', headers, body })).status).toBe(201);
    const got = await fetch(`${server.url}/tickets/MC-1`, { headers });
    expect([got.headers.get('etag'), got.headers.get('ratelimit')]).toEqual(['"1"', '"default";r=1000;t=60']);
  } finally {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
