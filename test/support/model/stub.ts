import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AgentKind } from '../../../src/model/policy.ts';
import { handleAnthropic } from './anthropic.ts';
import { Brain } from './brain.ts';
import { handleGemini } from './gemini.ts';
import { handleOpenAiChat } from './openai-chat.ts';
import { handleOpenaiResponses } from './openai-responses.ts';

type Handle = (
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  brain: Brain,
) => Promise<void>;

/** The protocol that each client speaks. */
const PROTOCOLS: Readonly<Record<Exclude<AgentKind, 'command'>, Handle>> = {
  claude: handleAnthropic,
  codex: handleOpenaiResponses,
  gemini: handleGemini,
  opencode: handleOpenAiChat,
};

export interface Stub {
  readonly url: string;
  readonly brain: Brain;
  /** What went wrong in the stub itself: nothing, in a good test. */
  readonly errors: string[];
  /** Nobody listens any more: connections are refused, until `online`. */
  offline(): Promise<void>;
  online(): Promise<void>;
  /** The bodies of the requests, as they came. */
  readonly bodies: string[];
  close(): Promise<void>;
}

/** A model API on loopback that says what the prompts tell it to. */
export async function startStub(kind: Exclude<AgentKind, 'command'>): Promise<Stub> {
  const brain = new Brain();
  const errors: string[] = [];
  const bodies: string[] = [];
  const handle = PROTOCOLS[kind];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8');
      bodies.push(body);
      handle(request, response, body, brain).catch((error: unknown) => {
        errors.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
        response.destroy();
      });
    });
  });
  const listen = (at: number) => new Promise<void>((done) => server.listen(at, '127.0.0.1', done));
  const shut = () => {
    server.closeAllConnections();
    return new Promise<void>((done) => server.close(() => done()));
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    brain,
    errors,
    offline: shut,
    online: () => listen(port),
    bodies,
    async close() {
      brain.close();
      await shut();
    },
  };
}
