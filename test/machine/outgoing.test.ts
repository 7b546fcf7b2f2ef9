/* How other machines are asked: a real proxy, and TLS by an authority that only this machine knows. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { reasonOf } from '../../src/machine/fetched.ts';
import { fetchOut } from '../../src/machine/outgoing.ts';
import { proxyFor } from '../../src/machine/proxied.ts';
import { whyNot } from '../../src/notify/http.ts';
import { NAME, Network } from '../support/network.ts';

let net: Network;
let proxy: string;
beforeAll(async () => {
  net = await Network.start((request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/' }).end();
    else request.pipe(response.writeHead(200, { 'x-path': request.url ?? '' }));
  }, 'ann:pass word');
  proxy = `http://ann:pass%20word@127.0.0.1:${net.proxy}`;
});
afterAll(() => net.stop());
beforeEach(() => net.asked.splice(0));

const post = { method: 'POST', body: 'words', redirect: 'error' } as const;
const who = `Basic ${Buffer.from('ann:pass word').toString('base64')}`;
const failure = (url: string, env: NodeJS.ProcessEnv): Promise<Error> =>
  fetchOut(url, post, { env }).then(
    () => expect.fail('it came through'),
    (error: Error) => error,
  );

describe('by a proxy', () => {
  it.each(['https_proxy', 'HTTPS_PROXY', 'ALL_PROXY'])(
    '%s leads out, to who is known by a file',
    async (name) => {
      const env = { [name]: proxy, NODE_EXTRA_CA_CERTS: net.ca };
      const answer = await fetchOut(`https://${name.replace('_', '-')}.${NAME}/hook?x=1`, post, { env });
      expect([answer.status, answer.headers.get('x-path'), await answer.text()]).toEqual([
        200,
        '/hook?x=1',
        'words',
      ]);
      expect(net.asked).toEqual([`CONNECT ${name.toLowerCase().replace('_', '-')}.${NAME}:443 ${who}`]);
    },
  );

  it('a name and a password are taken as they stand where they are in no code, as curl and git take them', async () => {
    const env = { HTTPS_PROXY: `http://ann:100%@127.0.0.1:${net.proxy}`, NODE_EXTRA_CA_CERTS: net.ca };
    expect((await failure(`https://c.${NAME}/`, env)).message).toBe('fetch failed');
    expect(net.asked).toEqual([`CONNECT c.${NAME}:443 Basic ${Buffer.from('ann:100%').toString('base64')}`]);
  });

  it('one that speaks SOCKS 5 leads out too, and nothing is printed for it', async () => {
    const warned: string[] = [];
    const hear = ({ message }: Error) => warned.push(message);
    process.on('warning', hear);
    const by = `socks5h://ann:pass%20word@127.0.0.1:${net.socks}`;
    try {
      const env = { ALL_PROXY: by, NODE_EXTRA_CA_CERTS: net.ca };
      for (const url of [`https://d.${NAME}/x`, `http://d.${NAME}/x`])
        expect(await (await fetchOut(url, post, { env })).text()).toBe('words');
    } finally {
      process.off('warning', hear);
    }
    expect(net.asked).toEqual([443, 80].map((port) => `SOCKS d.${NAME}:${port} ann:pass word`));
    expect(warned).toEqual([]);
  });

  it('http goes by its own variable, and through no tunnel', async () => {
    const env = { http_proxy: proxy, HTTPS_PROXY: 'http://127.0.0.1:1' };
    expect(await (await fetchOut(`http://b.${NAME}/x`, post, { env })).text()).toBe('words');
    expect(net.asked).toEqual([`POST http://b.${NAME}/x ${who}`]);
  });

  it('this machine is asked directly, whatever the environment says', async () => {
    const env = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: net.ca };
    expect(await (await fetchOut(`http://127.0.0.1:${net.plain}/`, post, { env })).text()).toBe('words');
    expect(await (await fetchOut(`https://localhost:${net.tls}/`, post, { env })).text()).toBe('words');
    expect(net.asked).toEqual([]);
  });

  it('what is wrong names the proxy and its variable, and never its password or the address that was asked', async () => {
    const wrong = [
      [{ HTTPS_PROXY: 'http://ann:secret@127.0.0.1:1' }, 'by the proxy http://127.0.0.1:1 (HTTPS_PROXY): '],
      [
        { HTTPS_PROXY: `http://eve:secret@127.0.0.1:${net.proxy}` },
        'it asks for another name and password (407)',
      ],
      [{ HTTPS_PROXY: 'ftp://ann:secret@proxy' }, 'HTTPS_PROXY names no proxy that can be asked'],
      [{ HTTPS_PROXY: proxy }, 'its certificate is signed by nobody that is trusted here'],
      [{ HTTPS_PROXY: proxy, SSL_CERT_FILE: '/nowhere.pem' }, 'SSL_CERT_FILE names /nowhere.pem'],
    ] as const;
    for (const [env, says] of wrong) {
      const error = await failure(`https://c.${NAME}/hook-secret`, env);
      for (const told of [reasonOf(error), whyNot(error)]) {
        expect(told).toContain(says);
        expect(told).not.toMatch(/secret|pass%|c\.out/);
      }
    }
    const moved = await failure(`https://c.${NAME}/moved`, {
      HTTPS_PROXY: proxy,
      NODE_EXTRA_CA_CERTS: net.ca,
    });
    expect(whyNot(moved)).toContain('redirects');
  });
});

describe('without one', () => {
  it.each(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'])(
    '%s is trusted, though Node began without it',
    async (name) => {
      const url = `https://127.0.0.1:${net.tls}/`;
      expect(await (await fetchOut(url, post, { env: { [name]: net.ca } })).text()).toBe('words');
      expect(whyNot(await failure(url, {}))).toContain('network.ca_file');
    },
  );
});

test('who is left out is read as curl and git read it', () => {
  const list =
    '.intra.test, *.wild.test,plain.test,port.test:8443 10.0.0.0/8,fd00::/8,[2001:db8::1]:443,192.0.2.7';
  const direct = (host: string) =>
    proxyFor(new URL(`https://${host}/`), { HTTPS_PROXY: 'p:1', NO_PROXY: list }) === null;
  const out = [
    'intra.test',
    'a.intra.test',
    'b.wild.test',
    'PLAIN.test.',
    'a.plain.test',
    'port.test:8443',
    '10.1.2.3',
  ];
  expect(
    [...out, '[fd00::5]', '[2001:db8::1]', '192.0.2.7', '127.3.3.3', 'localhost', '[::1]'].filter(direct),
  ).toHaveLength(13);
  expect(
    ['notplain.test', 'port.test', '11.1.2.3', '[2001:db8::1]:8443', 'intra.test.evil'].filter(direct),
  ).toEqual([]);
  expect(proxyFor(new URL('https://x.test'), { HTTPS_PROXY: 'p:1', no_proxy: '*' })).toBeNull();
  expect(proxyFor(new URL('https://x.test'), { https_proxy: '', HTTPS_PROXY: 'p:1' })?.url.href).toBe(
    'http://p:1/',
  );
});
