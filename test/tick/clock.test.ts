/** A clock that is wrong by hours, as the answers tell that come anyway: here those to the pings of a tick. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Rig } from '../support/rig.ts';

let rig: Rig;
let server: Server;
let headers: Record<string, string>;
beforeEach(async () => {
  rig = new Rig();
  server = createServer((_, response) => {
    response.sendDate = false;
    response.writeHead(200, headers).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  rig.configure({ more: `[ping]\nurl = "http://127.0.0.1:${port}/secret"\nstart = false\n` });
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rig.box.destroy();
});

const HOUR = 3_600_000;
const at = (ahead_ms: number) => ({ date: new Date(Date.now() + ahead_ms).toUTCString() });
const tick = (...more: string[]) => rig.box.start(['dispatch', ...more]);

it('is said once, by doctor and by status while it lasts, and changes nothing', async () => {
  headers = at(5.5 * HOUR);
  expect((await tick('--dry-run')).err).toBe('');
  expect(await tick()).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringMatching(/clock of this machine is 5h behind/),
  });
  expect(await tick()).toMatchObject({ code: 0, out: '', err: '' });
  const says = 'the clock of this machine is 5h behind that of who is notified or pinged';
  expect(JSON.parse((await rig.box.start(['status', '--json'])).out)).toMatchObject({ clock: says });
  expect((await rig.box.start(['status'])).out).toMatch(/^clock +the clock of this machine is 5h behind/m);
  expect(JSON.parse((await rig.box.start(['doctor', '--json'])).out)).toContainEqual(
    expect.objectContaining({ check: 'clock', result: 'warn', says, fix: expect.stringContaining('NTP') }),
  );
  // What a cache has kept is as much older as it says; minutes are nothing.
  headers = { ...at(-9 * HOUR - 60_000), age: String((9 * HOUR) / 1000) };
  expect(await tick()).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse((await rig.box.start(['status', '--json'])).out)).toMatchObject({ clock: null });
  headers = { date: 'yesterday' };
  expect(await tick()).toMatchObject({ code: 0, err: '' });
});
