/** A receiver of webhooks and pings: a real server on loopback that keeps what it got, and checks it as a receiver would. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { Message } from '../../src/notify/event.ts';

export interface Got {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the next requests get: a status, `hang`, `cut` (the connection goes), or a place to go to. */
export type Manner = number | 'hang' | 'cut' | { readonly to: string };

export class Receiver {
  readonly got: Got[] = [];
  manner: Manner = 200;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port = 0): Promise<Receiver> {
    const server = createServer();
    const receiver = new Receiver(server);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts).toString();
        receiver.got.push({ path: request.url ?? '', headers: request.headers, body });
        const { manner } = receiver;
        if (manner === 'hang') return;
        if (manner === 'cut') request.socket.destroy();
        else if (typeof manner === 'object') response.writeHead(302, { location: manner.to }).end();
        else response.writeHead(manner).end('x'.repeat(100));
      });
    });
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    return receiver;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get messages(): Message[] {
    return this.got.map(({ body }) => JSON.parse(body) as Message);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** As the documentation tells a receiver to do it. */
export function genuine({ headers, body }: Got, secret: string, now_s = Date.now() / 1000): boolean {
  const timestamp = String(headers['x-mc-timestamp']);
  if (Math.abs(now_s - Number(timestamp)) > 300) return false;
  const wanted = Buffer.from(
    `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`,
  );
  const given = Buffer.from(String(headers['x-mc-signature']));
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}
