import { spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BIN, makeSandbox, type Sandbox, until } from '../../scripts/sandbox.ts';

let box: Sandbox;
beforeEach(() => {
  box = makeSandbox();
});
afterEach(async () => {
  await box.destroy();
});

function ticketWithComments(count: number): void {
  expect(box.run(['ticket', 'add', '--title', 'One']).code).toBe(0);
  for (let n = 1; n <= count; n++)
    box.sql(
      "INSERT INTO activity (ticket_id, actor, kind, text) VALUES ('MC-1', 'ann', 'comment', ?)",
      `word ${n}`,
    );
}
const words = (out: string): string[] => out.match(/word \d+/g) ?? [];

it('a limit keeps the newest, in the order of time', () => {
  ticketWithComments(60);
  expect(words(box.run(['log', '--limit', '2']).out)).toEqual(['word 59', 'word 60']);
  expect(words(box.run(['log', '--limit', '2', '--ticket', 'mc-1', '--json']).out)).toEqual([
    'word 59',
    'word 60',
  ]);
  expect(box.run(['log', '--limit', '0']).out).toBe('');
  const shown = JSON.parse(box.run(['ticket', 'show', 'MC-1', '--json']).out) as {
    activity: { text: string }[];
  };
  expect(shown.activity).toHaveLength(50);
  expect(shown.activity.at(-1)?.text).toBe('word 60');
});

it('explain tells the newest of a long history', () => {
  ticketWithComments(230);
  const told = words(box.run(['explain', 'MC-1']).out);
  expect([told.length, told[0], told.at(-1)]).toEqual([200, 'word 31', 'word 230']);
});

it('follow goes on after the newest', async () => {
  ticketWithComments(5);
  const child = spawn(process.execPath, [BIN, 'log', '--follow', '--limit', '1'], { env: box.env });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  const closed = new Promise((done) => child.once('close', done));
  expect(await until(() => words(out).length > 0)).toBe(true);
  box.run(['ticket', 'comment', 'MC-1', 'word', '6']);
  box.run(['ticket', 'comment', 'MC-1', 'word', '7']);
  expect(await until(() => words(out).length >= 3)).toBe(true);
  child.kill();
  await closed;
  expect(words(out)).toEqual(['word 5', 'word 6', 'word 7']);
});

it('follow ends when nobody reads any more', async () => {
  ticketWithComments(1);
  const child = spawn(process.execPath, [BIN, 'log', '--follow'], { env: box.env });
  const closed = new Promise((done) => child.once('close', done));
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk;
  });
  await new Promise((done) => child.stdout.once('data', done));
  child.stdout.destroy();
  box.run(['ticket', 'comment', 'MC-1', 'more']);
  expect(await closed).toBe(0);
  expect(err).toBe('');
});

it('an unknown ticket is a usage error, as in explain', () => {
  ticketWithComments(1);
  for (const args of [
    ['log', '--ticket', 'MC-77'],
    ['explain', 'MC-77'],
  ]) {
    const done = box.run(args);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toMatch(/^mc-pickup: no ticket "MC-77" on the board .*\n$/);
  }
});
