import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { adapterOf } from '../../src/agents/index.ts';
import * as foreign from '../../src/machine/foreign.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { type FoldedRow, foldEvents, pruneEvents } from '../../src/runs/events.ts';
import { ensureTools } from '../../src/runs/tools.ts';

let dir: string;
let run: string;
let events: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-events-'));
  run = join(dir, 'run');
  events = join(run, 'events');
  mkdirSync(events, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const FRESH: FoldedRow = {
  ...{ activity: 'unknown', question: null, turn: 0, client_session: null, events_cursor: null },
  ...{ limited_until_ms: null, not_ready: null },
};
const command = adapterOf('command');
const fold = (row: FoldedRow = FRESH) => foldEvents(events, row, command);
/** The row as the board has it after a tick that saw this. */
const after = ({ cursor, fresh: _, ...seen }: ReturnType<typeof fold>): FoldedRow => ({
  ...seen,
  events_cursor: cursor,
});
const put = (name: string, text = '{}') => writeFileSync(join(events, name), text);

/** Hands one event over as an agent's hook does. */
function hook(
  kind: string,
  text: string,
  env: NodeJS.ProcessEnv = { MC_RUN_DIR: run },
): Promise<number | null> {
  ensureTools(placesOf({ stateDir: dir }, {}), process.execPath, 'none');
  const child = spawn(join(dir, 'bin', 'mc-event'), [kind], { env: { PATH: process.env.PATH, ...env } });
  child.stdin.on('error', () => undefined);
  child.stdin.end(text);
  return new Promise((done) => child.once('exit', done));
}

it('loses none and tears none of many writers at once', async () => {
  const words = Array.from({ length: 120 }, (_, n) => JSON.stringify({ n, text: 'x'.repeat(5000) }));
  for (let at = 0; at < words.length; at += 30)
    await Promise.all(words.slice(at, at + 30).map((text) => hook('busy', text)));
  const names = readdirSync(events);
  expect(names.every((name) => /^busy\./.test(name))).toBe(true);
  expect(names.map((name) => readFileSync(join(events, name), 'utf8')).sort()).toEqual([...words].sort());
  expect(fold()).toMatchObject({ turn: 120, fresh: 120, activity: 'busy' });
});

it('sees nothing of an event that is still being written, and counts it once when it is there', () => {
  writeFileSync(join(events, '.tmp.abc'), '{"question": "Which');
  expect(fold()).toMatchObject({ fresh: 0, activity: 'unknown' });
  writeFileSync(join(events, '.tmp.abc'), '{"question": "Which?"}');
  renameSync(join(events, '.tmp.abc'), join(events, 'waiting.abc'));
  const seen = fold();
  expect(seen).toMatchObject({ fresh: 1, activity: 'waiting', question: 'Which?' });
  expect(fold(after(seen))).toMatchObject({ fresh: 0, activity: 'waiting', question: 'Which?' });
});

it('lists a directory at rest once, and again as soon as anything has changed in it', () => {
  const later = Date.now() + 10_000;
  const clock = vi.spyOn(Date, 'now');
  const listed = vi.spyOn(foreign, 'namesAt');
  try {
    // One that has just changed may change again without another time.
    expect(fold().cursor).toBeNull();
    clock.mockReturnValue(later);
    const rested = after(fold());
    expect(rested.events_cursor).not.toBeNull();
    listed.mockClear();
    expect(after(fold(rested))).toEqual(rested);
    expect(listed).not.toHaveBeenCalled();
    put('busy.1');
    const seen = after(fold(rested));
    expect(seen).toMatchObject({ turn: 1, activity: 'busy' });
    expect(after(fold(seen))).toEqual(seen);
    expect(pruneEvents(events, seen.events_cursor)).toBe(1);
    put('busy.2');
    // A listing that failed, as where no descriptor is left, tells of no rest.
    listed.mockReturnValueOnce([]);
    expect(after(fold(seen))).toEqual(seen);
    expect(after(fold(after(fold(seen))))).toMatchObject({ turn: 2 });
  } finally {
    vi.restoreAllMocks();
  }
});

it('takes in more than 10,000 events over two ticks, each once, and clears them away', () => {
  for (let n = 0; n < 10_500; n++) put(`busy.${n}`);
  const first = fold();
  expect(first).toMatchObject({ fresh: 10_000, turn: 10_000 });
  expect(pruneEvents(events, first.cursor)).toBe(10_000);
  const second = fold(after(first));
  expect(second).toMatchObject({ fresh: 500, turn: 10_500 });
  expect(pruneEvents(events, second.cursor)).toBe(500);
  expect(readdirSync(events)).toEqual([]);
  expect(fold(after(second))).toMatchObject({ fresh: 0, turn: 10_500 });
});

it('counts each event once whatever the clock does: back a day, forward a day, not at all', () => {
  put('busy.a');
  let row = after(fold());
  for (const [name, at_s] of [
    ['busy.yesterday', Date.now() / 1000 - 86_400],
    ['busy.tomorrow', Date.now() / 1000 + 86_400],
    ['busy.same', Date.now() / 1000 + 86_400],
  ] as const) {
    put(name);
    utimesSync(join(events, name), at_s, at_s);
    const seen = fold(row);
    expect(seen.fresh).toBe(1);
    row = after(seen);
  }
  expect(row.turn).toBe(4);
  expect(fold(row).fresh).toBe(0);
});

it('a crash between the board and the clearing away counts nothing twice', () => {
  put('busy.a');
  put('busy.b');
  const seen = fold();
  expect(fold(after(seen)).fresh).toBe(0); // they are still there
  put('busy.c');
  const more = fold(after(seen));
  expect(more).toMatchObject({ fresh: 1, turn: 3 });
  expect(pruneEvents(events, more.cursor)).toBe(3);
});

it('an event that is no JSON, no object or too large has happened all the same, and says nothing more', () => {
  put('waiting.a', 'not json');
  put('waiting.b', '[1]');
  put('waiting.c', `{"question": "${'x'.repeat(2 * 1024 * 1024)}"}`);
  expect(fold()).toMatchObject({ fresh: 3, activity: 'waiting', question: null });
});

it('a late event of an older run lands in the directory of that run, and changes nothing of the new one', async () => {
  const older = join(dir, 'older');
  mkdirSync(join(older, 'events'), { recursive: true });
  put('busy.a');
  const row = after(fold());
  expect(await hook('idle', '{}', { MC_RUN_DIR: older })).toBe(0);
  expect(readdirSync(join(older, 'events'))).toHaveLength(1);
  expect(fold(row)).toMatchObject({ fresh: 0, activity: 'busy' });
  rmSync(older, { recursive: true });
  expect(await hook('idle', '{}', { MC_RUN_DIR: older })).toBe(0); // cleared away meanwhile: no error for the client
  expect(fold(row)).toMatchObject({ fresh: 0, activity: 'busy' });
});

it('those of many writers at once are each counted once, bad ones too', async () => {
  const places = placesOf({ stateDir: dir }, {});
  ensureTools(places, 'node', 'bin');
  const tool = join(places.bin, 'mc-event');
  const send = (kind: string, body: string) =>
    new Promise((done) => {
      const child = spawn(tool, [kind], {
        env: { PATH: process.env.PATH, MC_RUN_DIR: run },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      child.on('close', done);
      child.stdin.on('error', () => {}); // it may have refused the kind, and gone, before it reads
      child.stdin.end(body);
    });
  await Promise.all(Array.from({ length: 20 }, () => send('busy', '{}')));
  put('.tmp.part', '{');
  const one = fold();
  expect(one).toMatchObject({ activity: 'busy', turn: 20, fresh: 20 });
  await send('waiting', '{"question":"which?"}');
  await send('../evil', '{}');
  const two = fold(after(one));
  expect(two).toMatchObject({ activity: 'waiting', question: 'which?', turn: 20, fresh: 1 });
  expect(pruneEvents(events, one.cursor)).toBe(20);
  expect(pruneEvents(events, two.cursor)).toBe(1);
  put('idle.x', '{"half');
  expect(fold()).toMatchObject({ activity: 'idle', fresh: 1 });
  expect(readdirSync(events).sort()).toEqual(['.tmp.part', 'idle.x']);
});

it('of more reports than one look takes in, the rest is there at the next one', () => {
  const all = Array.from({ length: 20 }, (_, n) => String(n));
  for (const [n, message] of all.entries()) {
    put(`mc-report.${String(n).padStart(2, '0')}`, JSON.stringify({ report: 'needs-input', message }));
    utimesSync(join(events, `mc-report.${String(n).padStart(2, '0')}`), 1000 + n, 1000 + n);
  }
  put('idle.1');
  const first = fold();
  expect(first.said?.map(({ message }) => message)).toEqual(all.slice(0, 16));
  // As a tick does with those that the board was told of, and with the events that it has kept.
  for (const { name } of first.said ?? []) rmSync(join(events, name));
  expect(pruneEvents(events, first.cursor)).toBe(1);
  expect(fold(after(first)).said?.map(({ message }) => message)).toEqual(all.slice(16));
});
