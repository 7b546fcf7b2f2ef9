/*
 * A network that leads out by a proxy alone, with a certificate that nobody knows: a real HTTP proxy on loopback, which finds every name
 * at one server here, and a server that speaks TLS by an authority of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, request, type Server } from 'node:http';
import { createServer as createTls } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createNet,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Any name below it is of the certificate; no name server knows one. */
export const NAME = 'out.example.test';

export class Network {
  /** What the proxy was asked for, and by whom: `CONNECT host:port Basic ...`. */
  readonly asked: string[] = [];
  readonly ca: string;
  /** The servers' own port, as they are reached without the proxy. */
  tls = 0;
  plain = 0;
  proxy = 0;
  /** That of a proxy that speaks SOCKS 5. */
  socks = 0;
  readonly #dir = mkdtempSync(join(tmpdir(), 'mc-network-'));
  readonly #servers: (Server | NetServer)[] = [];

  private constructor() {
    this.ca = join(this.#dir, 'ca.pem');
  }

  /** `answer`: what is out there. `password`: what the proxy wants to hear, as `name:password`. */
  static async start(answer: RequestListener, password?: string): Promise<Network> {
    const made = new Network();
    made.#certify();
    const at = (name: string) => readFileSync(join(made.#dir, name));
    made.tls = await made.#listen(createTls({ key: at('key.pem'), cert: at('cert.pem') }, answer));
    made.plain = await made.#listen(createServer(answer));
    const proxy = createServer((asked, response) => {
      const { method, url = '', headers } = asked;
      made.asked.push(`${method} ${url} ${headers['proxy-authorization'] ?? ''}`.trim());
      if (!knows(headers['proxy-authorization'], password)) return response.writeHead(407).end();
      const { pathname, search } = new URL(url);
      const out = { port: made.plain, method, path: pathname + search, headers };
      const on = request({ host: '127.0.0.1', ...out }, (got) => {
        response.writeHead(got.statusCode ?? 500, got.headers);
        got.pipe(response);
      });
      return asked.pipe(on);
    });
    proxy.on('connect', ({ method, url, headers }, socket) => {
      made.asked.push(`${method} ${url} ${headers['proxy-authorization'] ?? ''}`.trim());
      socket.on('error', () => undefined);
      if (!knows(headers['proxy-authorization'], password))
        return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      const on = connect(made.tls, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        on.pipe(socket).pipe(on);
      });
      return on.on('error', () => socket.destroy());
    });
    made.proxy = await made.#listen(proxy);
    const socks = createNet((socket) => {
      socket.on('error', () => undefined);
      made.#socks(socket, password).catch(() => socket.destroy());
    });
    made.socks = await made.#listen(socks);
    return made;
  }

  /** RFC 1928, with the name and password of RFC 1929. */
  async #socks(socket: Socket, password: string | undefined): Promise<void> {
    const { take, rest } = reader(socket);
    const text = async () => (await take((await take(1))[0] ?? 0)).toString();
    const [, methods = 0] = await take(2);
    await take(methods);
    let who = '';
    socket.write(Buffer.from([5, password === undefined ? 0 : 2]));
    if (password !== undefined) {
      await take(1);
      who = `${await text()}:${await text()}`;
      socket.write(Buffer.from([1, who === password ? 0 : 1]));
    }
    await take(4); // a name, always: nobody here could resolve it
    const name = await text();
    const port = (await take(2)).readUInt16BE();
    this.asked.push(`SOCKS ${name}:${port} ${who}`.trim());
    const on = connect(port === 443 ? this.tls : this.plain, '127.0.0.1', () => {
      socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]));
      on.write(rest());
      on.pipe(socket).pipe(on);
    });
    on.on('error', () => socket.destroy());
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      if ('closeAllConnections' in server) server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #listen(server: Server | NetServer): Promise<number> {
    this.#servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  }

  #certify(): void {
    const openssl = (words: string) =>
      execFileSync('openssl', words.split(' '), { cwd: this.#dir, stdio: 'pipe' });
    const key = (name: string) => `-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${name}`;
    openssl(`req -x509 ${key('ca-key.pem')} -subj /CN=authority -out ca.pem -days 2`);
    openssl(`req ${key('key.pem')} -subj /CN=server -out request.pem`);
    writeFileSync(join(this.#dir, 'names'), `subjectAltName=DNS:*.${NAME},DNS:localhost,IP:127.0.0.1\n`);
    openssl('x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -days 2 -extfile names -out cert.pem');
  }
}

function knows(said: string | undefined, password: string | undefined): boolean {
  return password === undefined || said === `Basic ${Buffer.from(password).toString('base64')}`;
}

/** Bytes of a socket as they are wanted, and what was read beyond them. */
function reader(socket: Socket): { take(bytes: number): Promise<Buffer>; rest(): Buffer } {
  let read = Buffer.alloc(0);
  let come: () => void = () => undefined;
  const more = (part: Buffer): void => {
    read = Buffer.concat([read, part]);
    come();
  };
  socket.on('data', more);
  return {
    async take(bytes) {
      while (read.length < bytes) await new Promise<void>((done) => (come = done));
      const taken = read.subarray(0, bytes);
      read = read.subarray(bytes);
      return taken;
    },
    rest() {
      socket.off('data', more);
      return read;
    },
  };
}
