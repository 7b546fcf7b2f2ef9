import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'vitest';
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
