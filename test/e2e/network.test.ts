/* A network that leads out by a proxy alone, as the configuration says it: a scheduler has no variables of a shell. */
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Served } from '../support/mission-control/served.ts';
import { NAME, Network } from '../support/network.ts';
import { AGENT, LIMITS, makeSandbox, type Sandbox, until } from '../support/sandbox.ts';

let server: Served;
let net: Network;
let box: Sandbox;
beforeEach(async () => {
  server = await Served.start();
  const { port } = new URL(server.url);
  net = await Network.start((asked, response) => {
    const { method, url, headers } = asked;
    const on = request({ host: '127.0.0.1', port, method, path: url, headers }, (got) =>
      got.pipe(response.writeHead(got.statusCode ?? 500, got.headers)),
    );
    asked.pipe(on);
  }, 'ann:secret');
  box = makeSandbox();
  box.boardFile = server.file;
});
afterEach(async () => {
  await box.destroy();
  await net.stop();
  expect(await server.destroy()).toEqual([]);
});

it('a board on a server is reached by the proxy of the configuration, and an agent is told of it', async () => {
  const url = `https://board.${NAME}${new URL(server.url).pathname}`;
  writeFileSync(join(box.dir, 'token'), server.token, { mode: 0o600 });
  const configure = (proxy: string) =>
    box.configure(`${LIMITS}
[board]
kind = "mission-control"
url = "${url}"
token_file = "token"
[network]
https_proxy = "${proxy}"
ca_file = "${net.ca}"
[project.demo]
repo = ${JSON.stringify(box.repo)}
fetch = false
[agent.scripted]
kind = "command"
argv = [${JSON.stringify(AGENT)}]
`);
  configure('http://ann:wrong@127.0.0.1:1');
  const refused = await box.start(['ticket', 'list']);
  expect(refused).toMatchObject({
    code: 69,
    err: expect.stringContaining('proxy http://127.0.0.1:1 (https_proxy)'),
  });
  expect(refused.err).not.toContain('wrong');
  const proxy = `http://ann:secret@127.0.0.1:${net.proxy}`;
  configure(proxy);
  expect((await box.start(['config', 'show'])).out).toContain(`"http://***@127.0.0.1:${net.proxy}"`);
  const words = ['ticket', 'add', '--project', 'demo', '--title', 'x', '--body', 'behave: hold', '--json'];
  const { id } = JSON.parse((await box.start(words)).out) as { id: string };
  expect(await box.start(['dispatch'])).toMatchObject({ code: 0, err: '' });
  expect(await until(() => box.note(`${id}.holding`) !== '')).toBe(true);
  const [, pid] = box.note(`${id}.started`).split(' ');
  const env = readFileSync(`/proc/${Number(pid)}/environ`, 'utf8').split('\0');
  expect(env).toEqual(expect.arrayContaining([`HTTPS_PROXY=${proxy}`, `NODE_EXTRA_CA_CERTS=${net.ca}`]));
  expect(net.asked).toContain(
    `CONNECT board.${NAME}:443 Basic ${Buffer.from('ann:secret').toString('base64')}`,
  );
});

it('a ping that does not get out names the proxy, and neither its password nor the address', async () => {
  const ping = `[ping]\nurl = "https://hc.${NAME}/secret"\nstart = false\n`;
  box.configure(`${ping}[network]\nhttps_proxy = "http://ann:wrong@127.0.0.1:1"\n`);
  await box.start(['dispatch']);
  const { error } = JSON.parse(readFileSync(join(box.state, 'ping.json'), 'utf8')) as { error: string };
  expect(error).toMatch(/^it could not be reached: by the proxy http:\/\/127\.0\.0\.1:1 \(https_proxy\): /);
  expect(error).not.toMatch(/wrong|secret/);
});
