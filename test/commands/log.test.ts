import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ACTIVITY_KINDS } from '../../src/model/activity.ts';
import { width } from '../../src/report/table.ts';
import { BIN, makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

async function ticketWithComments(count: number): Promise<void> {
  expect((await box.here(['ticket', 'add', '--title', 'One'])).code).toBe(0);
  for (let n = 1; n <= count; n++)
    box.sql(
      "INSERT INTO activity (ticket_id, actor, kind, text) VALUES ('MC-1', 'ann', 'comment', ?)",
      `word ${n}`,
    );
}
const words = (out: string): string[] => out.match(/word \d+/g) ?? [];

it('a limit keeps the newest, in the order of time', async () => {
  await ticketWithComments(60);
  expect(words((await box.here(['log', '--limit', '2'])).out)).toEqual(['word 59', 'word 60']);
  expect(words((await box.here(['log', '--limit', '2', '--ticket', 'mc-1', '--json'])).out)).toEqual([
    'word 59',
    'word 60',
  ]);
  expect(await box.here(['log', '--limit', '0'])).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('--follow'),
  });
  expect(await box.here(['log', '--run', 'foo'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('no run "foo" on the board'),
  });
  const shown = JSON.parse((await box.here(['ticket', 'show', 'MC-1', '--json'])).out) as {
    activity: { text: string }[];
  };
  expect(shown.activity).toHaveLength(50);
  expect(shown.activity.at(-1)?.text).toBe('word 60');
  expect((await box.here(['ticket', 'comment', 'MC-1', 'mind', 'the gap'])).out).toMatch(
    /^MC-1: noted for \S+: "mind the gap" \(mc-pickup log/,
  );
});

it('without a limit shows the newest 50, and all of what is asked for; what it leaves out it says on stderr', async () => {
  await ticketWithComments(60);
  const newest = await box.here(['log']);
  expect(words(newest.out)).toHaveLength(50);
  expect(newest.err).toMatch(/^mc-pickup: older lines are left out, only the newest 50 .*--limit 500/);
  for (const of of [
    ['--since', '1h'],
    ['--ticket', 'MC-1'],
    ['--actor', 'ann'],
  ]) {
    const all = await box.here(['log', ...of]);
    expect([words(all.out).length, all.err]).toEqual([60, '']);
  }
  expect((await box.here(['log', '--limit', '10'])).err).toBe('');
});

it('ticket list says when it leaves out the newest', async () => {
  await ticketWithComments(0);
  expect((await box.here(['ticket', 'add', '--title', 'Two'])).code).toBe(0);
  expect(await box.here(['ticket', 'list', '--limit', '1'])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^MC-1 .*\n$/),
    err: expect.stringMatching(/newest are left out, only the first 1 .*--limit 10 /),
  });
  expect((await box.here(['ticket', 'list', '--limit', '2'])).err).toBe('');
});

it('explain tells the newest of a long history', async () => {
  await ticketWithComments(230);
  const told = words((await box.here(['explain', 'MC-1'])).out);
  expect([told.length, told[0], told.at(-1)]).toEqual([200, 'word 31', 'word 230']);
});

it('follow goes on after the newest', async () => {
  await ticketWithComments(5);
  const child = spawn(process.execPath, [BIN, 'log', '--follow', '--limit', '1'], { env: box.env });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  const closed = new Promise((done) => child.once('close', done));
  expect(await until(() => words(out).length > 0)).toBe(true);
  await box.here(['ticket', 'comment', 'MC-1', 'word', '6']);
  await box.here(['ticket', 'comment', 'MC-1', 'word', '7']);
  expect(await until(() => words(out).length >= 3)).toBe(true);
  child.kill();
  await closed;
  expect(words(out)).toEqual(['word 5', 'word 6', 'word 7']);
});

it('follow ends when nobody reads any more', async () => {
  await ticketWithComments(1);
  const child = spawn(process.execPath, [BIN, 'log', '--follow'], { env: box.env });
  const closed = new Promise((done) => child.once('close', done));
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  await new Promise((done) => child.stdout.once('data', done));
  child.stdout.destroy();
  await box.here(['ticket', 'comment', 'MC-1', 'more']);
  expect(await closed).toBe(0);
  expect(err).toBe('');
});

it('an unknown ticket is a usage error, as in explain', async () => {
  await ticketWithComments(1);
  for (const args of [
    ['log', '--ticket', 'MC-77'],
    ['explain', 'MC-77'],
  ]) {
    const done = await box.here(args);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toMatch(/^mc-pickup: no ticket "MC-77" on the board .*\n$/);
  }
});

const insert = (
  kind: string,
  over: { actor?: string; because?: string; run?: string; at?: string; text?: string } = {},
) =>
  box.sql(
    'INSERT INTO activity (at_ms, ticket_id, run_id, actor, kind, because, text) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...[Date.parse(over.at ?? '2026-11-01T00:00:00Z'), 'MC-1', over.run ?? null, over.actor ?? 'ann', kind],
    ...[over.because ?? null, over.text ?? null],
  );

it('filters by kind, reason, actor, run and time; all that is named must fit', async () => {
  await ticketWithComments(1);
  insert('retry', { actor: 'tick:t-1', because: 'agent_dead', run: 'r-1', text: 'word 11' });
  insert('retry', {
    actor: 'tick:t-2',
    because: 'rebooted',
    run: 'r-2',
    text: 'word 12',
    at: '2026-11-02T00:00:00Z',
  });
  insert('heal', {
    actor: 'tick:t-2',
    because: 'agent_alive',
    run: 'r-2',
    text: 'word 13',
    at: '2026-11-02T01:00:00Z',
  });
  const log = async (...more: string[]) => words((await box.here(['log', ...more])).out);
  expect(await log('--kind', 'retry')).toEqual(['word 11', 'word 12']);
  expect(await log('--kind', 'retry', '--kind', 'heal')).toEqual(['word 11', 'word 12', 'word 13']);
  expect(await log('--actor', 'tick')).toEqual(['word 11', 'word 12', 'word 13']);
  expect(await log('--actor', 'tick:t-2')).toEqual(['word 12', 'word 13']);
  expect(await log('--actor', 'ann')).toEqual(['word 1']);
  expect(await log('--run', 'r-2', '--kind', 'heal')).toEqual(['word 13']);
  expect(await log('--because', 'agent_dead')).toEqual(['word 11']);
  expect(await log('--until', '2026-11-01')).toEqual(['word 11']);
  expect(await log('--since', '2026-11-02T00:30', '--until', '2026-11-02T01:00Z')).toEqual(['word 13']);
  expect(await log('--since', '2026-11-02T01:00:00+00:00', '--kind', 'heal')).toEqual(['word 13']);
  expect(await log('--kind', 'heal', '--ticket', 'mc-1', '--limit', '1')).toEqual(['word 13']);
  expect(await log('--kind', 'parked')).toEqual([]);
});

it('a limit counts the lines that fit, however far back they are', async () => {
  await ticketWithComments(1);
  for (const n of [21, 22, 23]) insert('heal', { text: `word ${n}` });
  box.sql(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 7000)
    INSERT INTO activity (ticket_id, actor, kind) SELECT 'MC-' || (2 + i % 9), 'ann', 'edited' FROM n`);
  expect(words((await box.here(['log', '--kind', 'heal', '--limit', '2'])).out)).toEqual([
    'word 22',
    'word 23',
  ]);
  expect(words((await box.here(['log', '--kind', 'heal', '--ticket', 'MC-1'])).out)).toEqual([
    'word 21',
    'word 22',
    'word 23',
  ]);
  expect((await box.here(['log', '--kind', 'heal', '--limit', '0'])).out).toBe('');
  const many = (await box.here(['log', '--kind', 'edited', '--limit', '6500', '--json'])).out
    .trim()
    .split('\n');
  const ids = many.map((line) => (JSON.parse(line) as { id: number }).id);
  expect(ids).toHaveLength(6500);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
});

it('follow goes on with what fits', async () => {
  await ticketWithComments(1);
  const child = spawn(process.execPath, [BIN, 'log', '--follow', '--kind', 'comment'], { env: box.env });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  const closed = new Promise((done) => child.once('close', done));
  expect(await until(() => words(out).length > 0)).toBe(true);
  await box.here(['ticket', 'edit', 'MC-1', '--title', 'word 5']);
  await box.here(['ticket', 'comment', 'MC-1', 'word', '6']);
  expect(await until(() => words(out).length >= 2)).toBe(true);
  child.kill();
  await closed;
  expect(words(out)).toEqual(['word 1', 'word 6']);
});

it.each([
  [['--kind', 'retri'], /--kind: "retri" is no kind \(did you mean "retry"\?\): created, /],
  [['--since', 'yesterday'], /--since "yesterday" is no time: such as 30m, 2h, 7d or 2026/],
  [['--since', '2026-13-40'], /--since "2026-13-40" is no time/],
  [['--until', '1'], /--until "1" is no time/],
  [['--since', '1h', '--until', '2h'], /--since is after --until/],
])('%j is a usage error that says what would do', async (args, says) => {
  const done = await box.here(['log', ...args]);
  expect(done).toMatchObject({ code: 2, out: '' });
  expect(done.err).toMatch(says);
});

it('knows every kind that the board writes by itself', () => {
  for (const file of ['accounts', 'claims', 'heals', 'people'])
    for (const [, kind] of readFileSync(`src/board/sqlite/${file}.ts`, 'utf8').matchAll(/\bkind: '(\w+)'/g))
      expect(ACTIVITY_KINDS).toContain(kind);
});

it('stays within the columns that it has', async () => {
  await ticketWithComments(0);
  insert('comment', {
    actor: 'tick:t-mwxi6bnf-j37-dybrt97f',
    text: `日本 ${'word '.repeat(40)}`,
    because: 'agent_dead',
  });
  const done = await box.here(['log'], '', { COLUMNS: '80' });
  expect(done.code).toBe(0);
  for (const line of done.out.split('\n')) expect(width(line), line).toBeLessThanOrEqual(80);
  expect((await box.here(['log'])).out).toContain('tick:t-mwxi6bnf-j37-dybrt97f');
});
