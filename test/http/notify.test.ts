/** Notifications and metrics of a board that is on a Mission Control server. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Message } from '../../src/notify/event.ts';
import { samplesOf } from '../metrics/format.ts';
import { Served } from '../support/mission-control/served.ts';
import { Rig } from '../support/rig.ts';

let server: Served;
let rig: Rig;
beforeEach(async () => {
  server = await Served.start();
  rig = new Rig({ server });
});
afterEach(async () => {
  await rig.box.destroy();
  expect(await server.destroy()).toEqual([]);
});

it('a question on a server is told once, and the figures are those of the server', async () => {
  const file = join(rig.box.dir, 'tell');
  writeFileSync(file, `#!/bin/sh\ncat >>"${file}.got"\n`, { mode: 0o755 });
  rig.configure({ server, more: `[[notify]]\ncommand = { argv = ["${file}"] }\n` });
  const id = rig.add('ask');
  await rig.tickHere();
  await rig.settle(id, 'needs_input');
  for (let n = 0; n < 3; n++) expect(await rig.box.here(['dispatch'])).toMatchObject({ code: 0, err: '' });
  expect(existsSync(`${file}.got`)).toBe(true);
  const told = readFileSync(`${file}.got`, 'utf8').trim().split('\n');
  expect(told.map((line) => (JSON.parse(line) as Message).events.map((one) => one.ticket))).toEqual([[id]]);
  const figures = samplesOf((await rig.box.here(['metrics'])).out);
  const asks = figures.find(
    ({ name, labels }) => name === 'mc_pickup_tickets' && labels.status === 'needs_input',
  );
  expect(asks?.value).toBe(1);
  expect(figures.some(({ name }) => name === 'mc_pickup_board_schema')).toBe(false);
});
