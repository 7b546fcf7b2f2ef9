/*
 * The ways out that Node's own fetch has not in all its versions: a proxy, and whoever else the machine trusts. A bundle of its own, since
 * most machines need none of it.
 */

import { readFileSync } from 'node:fs';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { rootCertificates } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent, Socks5ProxyAgent, fetch as undiciFetch } from 'undici';
import { isHere } from '../model/address.ts';
import { attempt } from '../model/json.ts';
import { isMistrust, NoWay, reasonOf } from './fetched.ts';

interface Proxy {
  readonly url: URL;
  /** The variable that names it. */
  readonly by: string;
}

/** fetch by the proxy that the environment names for this address, if any, and with all certificates that the machine trusts. */
export async function fetchBy(url: URL, init: RequestInit, env: NodeJS.ProcessEnv): Promise<Response> {
  const proxy = proxyFor(url, env);
  const dispatcher = dispatcherOf(proxy, env);
  try {
    const given = { ...init, dispatcher } as Parameters<typeof undiciFetch>[1];
    return (await undiciFetch(url, given)) as unknown as Response;
  } catch (error) {
    const fault = noWay(error, proxy);
    throw fault === null ? error : new TypeError('fetch failed', { cause: fault });
  }
}

/** What went wrong, where it is the way; null = it is something else. */
function noWay(error: unknown, proxy: Proxy | null): NoWay | null {
  if (!(error instanceof TypeError)) return null; // its time is up, say
  if (isMistrust(error))
    return new NoWay(
      `its certificate is signed by nobody that is trusted here (${reasonOf(error)}): name a file with the certificate of who has signed it in network.ca_file, or in NODE_EXTRA_CA_CERTS`,
    );
  if (proxy === null || /redirect/.test(reasonOf(error))) return null;
  const { url, by } = proxy;
  const says = /\b407\b/.test(reasonOf(error))
    ? 'it asks for another name and password (407)'
    : reasonOf(error);
  return new NoWay(`by the proxy ${url.protocol}//${url.host} (${by}): ${says}`);
}

const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** The proxy that the environment names for an address; null = it is asked directly, as this machine itself always is. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): Proxy | null {
  const names = url.protocol === 'https:' ? ['https_proxy', 'all_proxy'] : ['http_proxy', 'all_proxy'];
  const by = names.flatMap((name) => [name, name.toUpperCase()]).find((name) => env[name]);
  if (by === undefined || isHere(url) || isLeftOut(url, env.no_proxy || env.NO_PROXY || '')) return null;
  const value = env[by] ?? '';
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  if (!URL.canParse(text) || !/^(https?|socks5?h?):$/.test(new URL(text).protocol))
    throw new TypeError('fetch failed', {
      cause: new NoWay(`${by} names no proxy that can be asked: such as http://proxy.example:3128`),
    });
  return { url: new URL(text.replace(/^socks5?h:/i, 'socks5:')), by };
}

function hostOf(url: URL): string {
  return url.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** As curl and git read it: names stand for what is below them too, addresses may be ranges, and all of them may have a port. */
function isLeftOut(url: URL, list: string): boolean {
  const host = hostOf(url);
  const port = url.port || PORTS[url.protocol];
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true;
    const [, bracketed, plain, at] = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
    const name = (isIPv6(entry.split('/')[0] ?? '') ? entry : (bracketed ?? plain ?? '')).toLowerCase();
    if (name === '' || (at !== undefined && at !== port)) return false;
    if (name.includes('/')) return isIn(host, name);
    const plainName = name.replace(/^\*?\./, '').replace(/\.$/, '');
    return host === plainName || host.endsWith(`.${plainName}`);
  });
}

function isIn(host: string, range: string): boolean {
  const [net = '', bits = ''] = range.split('/');
  const family = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  if (isIP(host) === 0 || isIP(net) === 0 || !/^\d{1,3}$/.test(bits)) return false;
  try {
    const block = new BlockList();
    block.addSubnet(net, Number(bits), family(net));
    return block.check(host, family(host));
  } catch {
    return false; // more bits than there are
  }
}

/** One for each way: connections are kept. */
const dispatchers = new Map<string, Dispatcher>();

function dispatcherOf(proxy: Proxy | null, env: NodeJS.ProcessEnv): Dispatcher {
  const key = [proxy?.url.href, env.SSL_CERT_FILE, env.NODE_EXTRA_CA_CERTS].join('\n');
  const made = dispatchers.get(key) ?? makeDispatcher(proxy, certificates(env));
  dispatchers.set(key, made);
  return made;
}

function makeDispatcher(proxy: Proxy | null, ca: string[]): Dispatcher {
  if (proxy === null) return new Agent({ connect: { ca } });
  const { username, password, protocol, host } = proxy.url;
  if (protocol === 'socks5:') {
    const told = { username: bytesIn(username).toString(), password: bytesIn(password).toString() };
    return speaksSocks(`socks5://${host}`, { ...told, requestTls: { ca } });
  }
  const who = bytesIn(`${username}:${password}`).toString('base64');
  return new ProxyAgent({
    ...{ uri: proxy.url.href, requestTls: { ca }, proxyTls: { ca } },
    // Many a proxy tunnels to port 443 alone.
    proxyTunnel: false,
    ...(username === '' ? {} : { token: `Basic ${who}` }),
  });
}

/** By itself, and not by `ProxyAgent`, which speaks TLS to it and leaves the password in code. Its word that it is experimental would go to
 *  whoever reads what a tick prints, each minute. */
function speaksSocks(
  proxy: string,
  how: Socks5ProxyAgent.Options & { readonly requestTls: { readonly ca: string[] } },
): Dispatcher {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return new Socks5ProxyAgent(proxy, how);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** As curl reads it, so that git and this program say the same: a `%` that begins no code stands for itself. */
function bytesIn(coded: string): Buffer {
  const code = (_: string, hex: string): string => String.fromCharCode(Number.parseInt(hex, 16));
  return Buffer.from(coded.replaceAll(/%([0-9a-f]{2})/gi, code), 'latin1');
}

/** Where systems keep whom they trust: Debian, Red Hat, Alpine and the BSDs, SUSE. */
const SYSTEM = [
  ...['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'],
  ...['/etc/ssl/cert.pem', '/etc/ssl/ca-bundle.pem'],
];

/** Whom Node trusts, whom the machine trusts, and whom the environment adds. */
function certificates(env: NodeJS.ProcessEnv): string[] {
  const textOf = (file: string) => attempt(() => readFileSync(file, 'utf8'));
  const system = env.SSL_CERT_FILE ? [] : SYSTEM.flatMap((file) => textOf(file) ?? []).slice(0, 1);
  const named = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'].flatMap((by) => {
    const file = env[by];
    if (!file) return [];
    const text = textOf(file);
    if (text !== null) return [text];
    throw new TypeError('fetch failed', {
      cause: new NoWay(
        `${by === 'SSL_CERT_FILE' ? by : `network.ca_file, or ${by},`} names ${file}, which cannot be read: put the certificates there, or take it out`,
      ),
    });
  });
  return [...rootCertificates, ...system, ...named];
}
