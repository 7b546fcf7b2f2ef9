/** The address that hears of every tick, as a dead man's switch takes it. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Receiver } from '../support/receiver.ts';
import { Rig } from '../support/rig.ts';

let rig: Rig;
let receiver: Receiver;
beforeEach(async () => {
  rig = new Rig();
  receiver = await Receiver.start();
});
afterEach(async () => {
  await receiver.close();
  await rig.box.destroy();
});
const ping = (more = 'timeout_seconds = 15\n'): void =>
  rig.configure({ more: `[ping]\nurl = "${receiver.url}/secret-uuid?x=1"\n${more}` });
const paths = (): string[] => receiver.got.map(({ path }) => path);

it('a tick that goes well calls at its start and at its end', async () => {
  ping();
  expect(await rig.box.here(['dispatch'])).toMatchObject({ code: 0, err: '', out: '' });
  expect(paths()).toEqual(['/secret-uuid/start?x=1', '/secret-uuid?x=1']);
  expect(receiver.got[1]?.body).toBe('ok, exit 0\n');
});

it('no start is told where none is asked for, and a dry run calls nobody', async () => {
  ping('start = false\ntimeout_seconds = 15\n');
  await rig.box.here(['dispatch', '--dry-run']);
  expect(paths()).toEqual([]);
  await rig.box.here(['reconcile']);
  expect(paths()).toEqual(['/secret-uuid?x=1']);
});

it('a tick that can do nothing calls with /fail', async () => {
  ping();
  await rig.box.here(['dispatch']);
  receiver.got.length = 0;
  const [{ user_version = 0 } = {}] = rig.box.sql<{ user_version: number }>('PRAGMA user_version');
  rig.box.sql('PRAGMA user_version = 999');
  expect((await rig.box.here(['dispatch'])).code).toBe(78);
  rig.box.sql(`PRAGMA user_version = ${user_version}`);
  expect(paths()).toEqual(['/secret-uuid/start?x=1', '/secret-uuid/fail?x=1']);
  expect(receiver.got[1]?.body).toBe('unavailable, exit 78\n');
});

it('a halted tick, and one that another is in the way of, call nobody', async () => {
  ping();
  await rig.box.here(['init']);
  await rig.box.here(['killswitch', 'on', '--level', 'all']);
  await rig.box.here(['dispatch']);
  expect(paths()).toEqual([]);
});

it.each([
  ['does not answer', 'hang', 'no answer in time'],
  ['answers 500', 500, 'it answered 500'],
] as const)('a server that %s holds no launch up, and is known to doctor alone', async (_, manner, words) => {
  ping(manner === 'hang' ? 'timeout_seconds = 1\n' : undefined);
  const id = rig.add('hold');
  receiver.manner = manner;
  const running = rig.box.begin(['dispatch', '--json']);
  await rig.holding(id);
  const done = await running.done;
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(done.out)).toMatchObject({ outcome: 'ok' });
  expect(done.out).not.toContain('secret-uuid');
  const doctor = (await rig.box.here(['doctor'])).out;
  expect(doctor).toContain(words);
  expect(doctor).not.toContain('secret-uuid');
  receiver.manner = 200;
  await rig.box.here(['dispatch']);
  expect(existsSync(join(rig.box.state, 'ping.json'))).toBe(false);
});

it('a proxy that does not answer is what doctor has a person look at', async () => {
  await rig.box.here(['init']);
  rig.configure({
    more: '[network]\nhttps_proxy = "http://127.0.0.1:9"\n[ping]\nurl = "https://ping.example/x"\n',
  });
  rig.box.run(['dispatch']);
  const found = JSON.parse((await rig.box.here(['doctor', '--json'])).out) as { check: string }[];
  expect(found.find(({ check }) => check === 'ping')).toMatchObject({
    says: expect.stringContaining('by the proxy http://127.0.0.1:9 (https_proxy): '),
    fix: 'look at that proxy, or at [network]',
  });
});

it('a server that does not answer keeps the next tick from nothing', async () => {
  ping('timeout_seconds = 3\n');
  receiver.manner = 'hang';
  const first = rig.box.begin(['dispatch', '--json']);
  // Its tick is over as soon as it has printed; it is still calling.
  const { waitFor } = await import('../support/wait.ts');
  await waitFor(() => receiver.got.length > 0);
  await waitFor(
    () => existsSync(join(rig.box.state, 'board.sqlite')) && rig.box.sql('SELECT 1 FROM ticks').length === 1,
  );
  const second = await rig.box.here(['dispatch', '--json'], '', {
    MC_PICKUP_CONFIG: plain(),
  });
  expect(JSON.parse(second.out)).toMatchObject({ outcome: 'ok' });
  expect((await first.done).code).toBe(0);
});

function plain(): string {
  const file = join(rig.box.dir, 'plain.toml');
  writeFileSync(file, '');
  return file;
}
