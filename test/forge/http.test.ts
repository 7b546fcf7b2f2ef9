/** The same where the board is on a server; and a server that knows nothing of it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { LIMITS } from '../../src/board/http/api.ts';
import { httpBoard } from '../../src/board/http/board.ts';
import { Served } from '../support/mission-control/served.ts';
import { ForgeRig } from './rig.ts';

it('a board on a server: pushed, opened once though its answer is lost, merged, done', async () => {
  const server = await Served.start();
  const f = await ForgeRig.start({ server });
  try {
    const id = await f.byAgent();
    f.forge.fail({ kind: 'reset-after', method: 'POST', times: 1 });
    await f.tick();
    await f.due(id);
    await f.tick();
    expect(f.forge.pulls).toHaveLength(1);
    expect(f.row(id)).toMatchObject({ stage: 'open', number: 1 });
    f.forge.merge(1);
    await f.due(id);
    await f.tick();
    expect(f.rig.ticket(id).status).toBe('done');
  } finally {
    await f.destroy();
    expect(await server.destroy()).toEqual([]);
  }
});

it('a server of an earlier contract keeps no reviews: none is told, and none is made up', async () => {
  const server = createServer((_, response) => {
    response.writeHead(404, { 'content-type': 'application/problem+json' });
    response.end('{"type":"missing","title":"no such thing","status":404}');
  });
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await httpBoard({ url, token: null, limits: LIMITS }).reviews(['MC-1'])).toBeNull();
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});
