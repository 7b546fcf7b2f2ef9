/** The figures: by a strict reader of the format, by promtool where it is, and against what is on the board. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBoard } from '../../src/board/sqlite/index.ts';
import { fillBusyBoard } from '../support/busy-board.ts';
import { Rig } from '../support/rig.ts';
import type { Ran } from '../support/sandbox.ts';
import { samplesOf } from './format.ts';

/** Debian's package prometheus has it; MC_PROMTOOL names one that is not on PATH. */
const PROMTOOL = process.env.MC_PROMTOOL ?? 'promtool';
const HAVE = spawnSync(PROMTOOL, ['--version']).status === 0;

let rig: Rig;
beforeEach(async () => {
  rig = new Rig();
  expect((await rig.box.here(['init'])).code).toBe(0);
});
afterEach(async () => {
  await rig.box.destroy();
});

const metrics = async (...args: string[]): Promise<Ran> => await rig.box.here(['metrics', ...args]);
const value = (
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined =>
  samplesOf(text).find(
    (one) => one.name === `mc_pickup_${name}` && JSON.stringify(one.labels) === JSON.stringify(labels),
  )?.value;

async function lived(): Promise<string> {
  const [hold, ask] = [rig.add('hold'), rig.add('ask')];
  await rig.tickHere();
  await rig.holding(hold);
  await rig.settle(ask, 'needs_input');
  await rig.tickHere();
  return (await metrics()).out;
}

describe('the figures', () => {
  it('are what is on the board', async () => {
    const begun = Date.now() / 1000;
    const text = await lived();
    expect(value(text, 'tickets', { status: 'in_progress' })).toBe(1);
    expect(value(text, 'tickets', { status: 'needs_input' })).toBe(1);
    expect(value(text, 'tickets', { status: 'done' })).toBe(0);
    expect(value(text, 'project_tickets', { project: 'demo', status: 'needs_input' })).toBe(1);
    const live = samplesOf(text).filter(({ name }) => name === 'mc_pickup_runtimes');
    expect(live.map(({ labels }) => labels.verdict)).toEqual(live.map(() => 'alive'));
    expect(live.reduce((sum, one) => sum + one.value, 0)).toBe(2);
    expect(value(text, 'slots_used')).toBe(1);
    expect(value(text, 'slots_max')).toBe(8);
    expect(value(text, 'killswitch_on', { level: 'all' })).toBe(0);
    expect(value(text, 'held', { scope: 'project' })).toBe(0);
    expect(value(text, 'ticks_last_day', { outcome: 'ok' })).toBe(2);
    expect(value(text, 'last_tick_outcome', { outcome: 'ok' })).toBe(1);
    expect(value(text, 'runs_started_last_day', { agent: 'scripted' })).toBe(2);
    const at = value(text, 'last_tick_timestamp_seconds') ?? 0;
    const now = Date.now() / 1000;
    expect(at).toBeGreaterThanOrEqual(begun);
    expect(at).toBeLessThanOrEqual(now);
    expect(value(text, 'last_tick_age_seconds')).toBeLessThanOrEqual(now - begun);
    expect(value(text, 'board_schema')).toBeGreaterThanOrEqual(3);
    expect(text).not.toMatch(/MC-\d/);
  });

  it('are there for a board on which nothing ever happened', async () => {
    const { code, out, err } = await metrics();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(value(out, 'tickets', { status: 'todo' })).toBe(0);
    expect(value(out, 'last_tick_timestamp_seconds')).toBeUndefined();
  });

  it('stay few, and stay a text of that format, whatever anybody wrote on the board', async () => {
    await rig.tickHere();
    for (let n = 0; n < 80; n++)
      rig.box.sql(
        'INSERT INTO tickets (title, project, status) VALUES (?, ?, ?)',
        ...['x', `p${n}"\n} 7\n# TYPE evil counter\nevil{a="\\`, 'todo'],
      );
    const { code, out } = await metrics();
    expect(code).toBe(0);
    const projects = samplesOf(out).filter(({ name }) => name === 'mc_pickup_project_tickets');
    expect(projects).toHaveLength(51);
    expect(projects.find(({ labels }) => labels.project === 'other')?.value).toBe(30);
    expect(samplesOf(out).some(({ name }) => !name.startsWith('mc_pickup_'))).toBe(false);
  });

  it('call a profile ready only while nothing keeps it from being started', async () => {
    const ready = async () => value((await metrics()).out, 'agent_ready', { agent: 'scripted' });
    expect(await ready()).toBe(1);
    const hold = {
      ...{ scope: 'agent:scripted', because: 'program_missing', says: 'x', since_at_ms: 1, tries: 1 },
      ...{ looked_at_ms: 1, next_at_ms: 1, config: '' },
    };
    const holds = join(rig.box.state, 'holds.json');
    writeFileSync(holds, JSON.stringify({ holds: [hold], strikes: [] }));
    expect(await ready()).toBe(0);
    rmSync(holds);
    const config = rig.box.env.MC_PICKUP_CONFIG ?? '';
    writeFileSync(config, readFileSync(config, 'utf8').replace(/^argv = .*/m, 'argv = ["no-such-program"]'));
    expect(await ready()).toBe(0);
  });

  it('print no JSON, and say where it is', async () => {
    const done = await metrics('--json');
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toContain('mc-pickup status --json');
  });
});

describe('in a file', () => {
  it('are written in one step, for others to read, with no time that grows old', async () => {
    await lived();
    const dir = join(rig.box.dir, 'textfile');
    mkdirSync(dir);
    expect(await metrics('--textfile-dir', dir)).toMatchObject({ code: 0, err: '' });
    const file = join(dir, 'mc_pickup.prom');
    expect(statSync(file).mode & 0o777).toBe(0o644);
    const text = readFileSync(file, 'utf8');
    expect(value(text, 'slots_used')).toBe(1);
    expect(value(text, 'last_tick_age_seconds')).toBeUndefined();
    expect((await metrics('--textfile-dir', dir)).code).toBe(0);
    expect(readdirSync(dir)).toEqual(['mc_pickup.prom']);
  });

  it('by each tick where the configuration asks for it, without touching the tick where it fails', async () => {
    const dir = join(rig.box.dir, 'textfile');
    mkdirSync(dir);
    rig.configure({ more: `[metrics]\ntextfile_dir = "${dir}"\n` });
    expect((await rig.tickHere()).outcome).toBe('ok');
    const first =
      value(readFileSync(join(dir, 'mc_pickup.prom'), 'utf8'), 'last_tick_timestamp_seconds') ?? 0;
    await rig.tickHere();
    const next = value(readFileSync(join(dir, 'mc_pickup.prom'), 'utf8'), 'last_tick_timestamp_seconds') ?? 0;
    expect(next).toBeGreaterThan(first);
    writeFileSync(join(dir, 'mc_pickup.prom'), 'something else\n');
    const done = await rig.box.here(['dispatch', '--json']);
    expect(done.code).toBe(0);
    expect(JSON.parse(done.out)).toMatchObject({ outcome: 'ok' });
    expect(done.err).toContain('the metrics were not written');
    expect(readFileSync(join(dir, 'mc_pickup.prom'), 'utf8')).toBe('something else\n');
  });

  it.each([
    ['a directory that is not there', ['--textfile-dir', '/nowhere/at/all'], 'there is no directory'],
    ['two places at once', ['--out', 'x', '--textfile-dir', 'y'], 'not both'],
    ['nothing', ['--out', ''], 'name a file'],
  ])('%s is refused', async (_, args, words) => {
    const done = await metrics(...args);
    expect(done.code).toBe(2);
    expect(done.err).toContain(words);
  });

  it('one that may not be written says so', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('the superuser may write everywhere');
    const dir = join(rig.box.dir, 'closed');
    mkdirSync(dir);
    chmodSync(dir, 0o500);
    expect((await metrics('--textfile-dir', dir)).code).toBe(69);
  });
});

if (!HAVE && process.env.CI !== undefined)
  it('promtool is there', () => expect.fail('promtool is missing: it is in the Debian package prometheus'));

const NAME = HAVE
  ? 'promtool'
  : 'promtool (skipped: it is not installed; Debian has it in the package prometheus)';
describe.skipIf(!HAVE)(NAME, () => {
  it('finds nothing to complain of, neither on a full board nor on an empty one', async () => {
    rig.configure({
      more: '[agent.claude]\nkind = "claude"\n[[notify]]\ndesktop = true\n[[notify]]\ncommand = { argv = ["x"] }\n',
    });
    const checked = (input: string) => {
      const done = spawnSync(PROMTOOL, ['check', 'metrics'], { input, encoding: 'utf8' });
      return { code: done.status, said: `${done.stdout}${done.stderr}` };
    };
    expect(checked((await metrics()).out)).toEqual({ code: 0, said: '' });
    await rig.tickHere();
    const board = openBoard(rig.box.boardFile);
    try {
      const host_id = readFileSync(join(rig.box.state, 'host-id'), 'utf8').trim();
      await fillBusyBoard(board, { now_ms: Date.now(), host_id, days: 2, tick_hours: 4 });
    } finally {
      await board.close();
    }
    const full = (await metrics()).out;
    expect(samplesOf(full).length).toBeGreaterThan(60);
    expect(checked(full)).toEqual({ code: 0, said: '' });
    // It does look.
    expect(checked('# TYPE x counter\nx{a="b} 1\n').code).not.toBe(0);
  });
});
