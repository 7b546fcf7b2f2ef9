/** Setting a server up as a person does: init, doctor, and what they say when something is not right. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Served } from '../support/mission-control/served.ts';
import { makeSandbox, type Sandbox } from '../support/sandbox.ts';

let server: Served;
let box: Sandbox;
let config: string;
let token: string;
beforeEach(async () => {
  server = await Served.start();
  box = makeSandbox();
  box.boardFile = server.file;
  config = join(box.dir, 'config.toml');
  token = join(box.dir, 'token');
  writeFileSync(token, `${server.token}\n`, { mode: 0o600 });
});
afterEach(async () => {
  await box.destroy();
  await server.destroy();
});

const init = async (...more: string[]) =>
  await box.here(['init', '--mission-control', server.url, '--token-file', token, ...more]);

describe('init --mission-control', () => {
  it('writes a configuration once the server has answered; the same again changes nothing', async () => {
    rmSync(config);
    expect(await init()).toMatchObject({ code: 0, out: expect.stringContaining(server.url) });
    const text = readFileSync(config, 'utf8');
    expect(text).toContain(`url = "${server.url}"`);
    expect(text).not.toContain(server.token);
    expect(await init()).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toBe(text);
    expect(await box.here(['ticket', 'add', '--title', 'x', '--project', 'p', '--json'])).toMatchObject({
      code: 0,
    });
    expect(box.sql('SELECT title FROM tickets')).toEqual([{ title: 'x' }]);
    expect(existsSync(join(box.state, 'board.sqlite'))).toBe(false);
  });

  it('adds the server to a configuration that is there, and names the one that is in it already', async () => {
    expect(await init()).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toContain('[project.demo]');
    const other = await box.here(['init', '--mission-control', 'http://127.0.0.1:1/v1']);
    expect(other).toMatchObject({ code: 78, err: expect.stringContaining(server.url) });
  });

  it.each([
    ['http://example.com/v1', 78, 'https'],
    ['ftp://127.0.0.1/v1', 78, 'http'],
    ['https://user:word@example.com/v1', 78, 'password'],
    ['not an address', 78, 'address'],
    ['http://127.0.0.1:1/v1', 69, 'cannot be reached'],
  ])('%s: exit %i, and nothing is written', async (url, code, says) => {
    const before = readFileSync(config, 'utf8');
    const done = await box.here(['init', '--mission-control', url]);
    expect(done.code).toBe(code);
    expect(done.err).toContain(says);
    expect(readFileSync(config, 'utf8')).toBe(before);
  });
});

describe('doctor', () => {
  it('knows a server that is right, one without the right token, and one that is not there', async () => {
    await init();
    expect((await box.here(['doctor'])).out).toMatch(new RegExp(`ok +board +${server.url}, contract 1\\.`));
    writeFileSync(token, 'another-token\n', { mode: 0o600 });
    expect(await box.here(['doctor'])).toMatchObject({
      code: 78,
      out: expect.stringContaining('refuses the token'),
    });
    writeFileSync(token, `${server.token}\n`);
    await server.kill();
    expect(await box.here(['doctor'])).toMatchObject({
      code: 78,
      out: expect.stringContaining('cannot be reached'),
    });
    await server.up();
  });

  it('finds a token that others may read, or that is none: exit 78', async () => {
    await init();
    chmodSync(token, 0o644);
    expect(await box.here(['dispatch'])).toMatchObject({
      code: 78,
      err: expect.stringContaining(`chmod 600 ${token}`),
    });
    chmodSync(token, 0o600);
    writeFileSync(token, 'two words\n');
    expect(await box.here(['dispatch'])).toMatchObject({
      code: 78,
      err: expect.stringContaining('no token'),
    });
  });
});

it('a board that is broken in the configuration is never taken for the file: exit 78, and no file is made', async () => {
  await init();
  writeFileSync(config, `${readFileSync(config, 'utf8')}\nnot toml at all [`);
  const done = await box.here(['dispatch']);
  expect(done).toMatchObject({ code: 78, err: expect.stringContaining('board') });
  expect(await box.here(['backup'])).toMatchObject({ code: 78 });
});

it('a configuration that anyone can write to, or that is gone, names no server, and no file is taken in its place: exit 78', async () => {
  await init();
  chmodSync(config, 0o666);
  for (const args of [['dispatch'], ['status'], ['dispatch', '--dry-run']])
    expect(await box.here(args), args.join(' ')).toMatchObject({
      code: 78,
      err: expect.stringContaining('chmod o-w'),
    });
  chmodSync(config, 0o600);
  rmSync(config);
  expect(await box.here(['dispatch'])).toMatchObject({ code: 78, err: expect.stringContaining(server.url) });
  expect(existsSync(join(box.state, 'board.sqlite'))).toBe(false);
  expect(box.sql('SELECT * FROM ticks')).toEqual([]);
});

it('a token file that is named from the directory of the configuration is found from any other', async () => {
  await init();
  writeFileSync(config, readFileSync(config, 'utf8').replace(/token_file = .*/, 'token_file = "token"'));
  for (const args of [['status'], ['dispatch']]) expect(await box.here(args)).toMatchObject({ code: 0 });
});

it('backup and restore are told to the server: exit 2', async () => {
  await init();
  for (const args of [['backup'], ['restore', '/nowhere']])
    expect(await box.here(args)).toMatchObject({ code: 2, err: expect.stringContaining(server.url) });
});
