/** The look before a launch: one serves the launches that were claimed before it, and for a second. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Claimed, Outside } from '../../src/act/outside.ts';
import { realOutside } from '../../src/act/real.ts';
import type { Board } from '../../src/board/port/index.ts';
import * as clock from '../../src/machine/clock.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { ensureHostId } from '../../src/machine/process.ts';
import { aPolicy, aProfile, aProject, aTicket, HOST, NOW } from '../support/builders.ts';

let dir: string;
let outside: Outside;
let now_ms = 1000;
vi.mock(import('../../src/machine/clock.ts'), async (actual) => ({ ...(await actual()) }));

beforeEach(() => {
  vi.spyOn(clock, 'monotonicMs').mockImplementation(() => now_ms);
  dir = mkdtempSync(join(tmpdir(), 'mc-look-'));
  const places = placesOf({ stateDir: dir, config: join(dir, 'config.toml') }, {});
  ensureHostId(places.state);
  writeFileSync(places.socket, '');
  answers('mc-pickup-end');
  const tmux = { socket: places.socket, serverFile: places.server, binary: join(dir, 'tmux') };
  const known = { board: {} as Board, policy: aPolicy({}), tick_id: 't-1', clock: () => NOW };
  outside = realOutside({ ...known, places, tmux, env: {}, node: process.execPath, bin: 'bin' });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

/** A tmux that answers so, and whose server is this process. */
function answers(said: string, first = ''): void {
  const calls = join(dir, 'calls');
  const script = `case "$*" in *list-panes*) echo x >>${calls}; ${first} echo ${said} ;; *) echo ${process.pid} ;; esac`;
  writeFileSync(join(dir, 'tmux'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, 'tmux'), 0o755);
}

const looks = (): number =>
  existsSync(join(dir, 'calls')) ? readFileSync(join(dir, 'calls'), 'utf8').length / 2 : 0;
/** Its worktree can't be made: all that counts here is that it was claimed. */
const claimed = (run: string): Claimed =>
  ({
    run,
    profile: aProfile(),
    ticket: aTicket({ id: `MC-${run}` }),
    project: aProject({ repo: join(dir, 'none') }),
  }) as unknown as Claimed;
const look = (run: string) => outside.neighbours(`MC-${run}`, run, join(dir, run), HOST);

it('serves launches that were claimed before it', async () => {
  await outside.prepare(claimed('1'));
  await outside.prepare(claimed('2'));
  now_ms += 1;
  expect(await Promise.all([look('1'), look('2')])).toEqual([
    { ok: true, sightings: [] },
    { ok: true, sightings: [] },
  ]);
  now_ms += 1000;
  await look('1');
  expect(looks()).toBe(1);
});

it('serves none that was claimed after it had begun, nor at the same moment', async () => {
  await outside.prepare(claimed('1'));
  now_ms += 1;
  await look('1');
  await outside.prepare(claimed('2'));
  await look('2');
  expect(looks()).toBe(2);
  now_ms += 1;
  await outside.prepare(claimed('3'));
  now_ms += 1;
  await look('3');
  expect(looks()).toBe(3);
});

it('serves nobody after a second, nor one that nobody knows to have been claimed', async () => {
  await outside.prepare(claimed('1'));
  now_ms += 1;
  await look('1');
  now_ms += 1001;
  await look('1');
  expect(looks()).toBe(2);
  await look('9');
  expect(looks()).toBe(3);
});

it('a look that failed is made again, by each who waits for it as well', async () => {
  const once = `[ -e ${join(dir, 'once')} ] || { : >${join(dir, 'once')}; echo no >&2; exit 1; };`;
  answers('mc-pickup-end', once);
  for (const run of ['1', '2', '3']) await outside.prepare(claimed(run));
  now_ms += 1;
  const all = await Promise.all([look('1'), look('2'), look('3')]);
  expect(all.map(({ ok }) => ok)).toEqual([false, true, true]);
});
