import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Act, Asked, Brain, FailHow } from './brain.ts';

type Json = Readonly<Record<string, unknown>>;

/** What every response of the stub counts, so that a test can add the turns of a session up. */
export const STUB_USAGE = {
  input_tokens: 100,
  cache_creation_input_tokens: 20,
  cache_read_input_tokens: 30,
  output_tokens: 7,
} as const;

/** The Anthropic Messages API as far as Claude Code uses it: streamed responses with tool calls, token counting,
 *  the list of models, and errors as the vendor words them. */
export async function handleAnthropic(
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  brain: Brain,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0];
  if (request.method === 'HEAD') return sendJson(response, 200, {});
  if (path === '/v1/messages/count_tokens') return sendJson(response, 200, { input_tokens: 150 });
  if (path === '/v1/models') return sendJson(response, 200, { data: [], has_more: false });
  if (request.method !== 'POST' || path !== '/v1/messages')
    return sendJson(response, 404, failureBody('not_found_error', 'Not found'));
  const asked = objectOf(safeParse(body));
  if (isSideRequest(asked)) return answer(response, asked, [{ type: 'text', text: quietAnswer(asked) }]);
  const failed = failedPrompts(brain);
  const newest = newestPrompt(asked, failed);
  const act = await brain.decide(newest);
  if (act.kind === 'fail') {
    failed.add(newest.prompt.trim());
    return fail(response, act);
  }
  return answer(response, asked, [blockOf(act, body)]);
}

const FAILED = new WeakMap<Brain, Set<string>>();

/** The prompts that got an error: the client sends them along with the next one. */
function failedPrompts(brain: Brain): Set<string> {
  const known = FAILED.get(brain) ?? new Set<string>();
  FAILED.set(brain, known);
  return known;
}

/** One response with these content blocks, streamed where the client asked for a stream. */
export function answer(response: ServerResponse, asked: Json, blocks: readonly Json[]): void {
  const stop_reason = blocks.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn';
  const { output_tokens, ...input } = STUB_USAGE;
  const message = {
    id: `msg_${digest(`${performance.now()}${Math.random()}`)}`,
    type: 'message',
    role: 'assistant',
    model: typeof asked.model === 'string' ? asked.model : 'stub',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...input, output_tokens: 1 },
  };
  if (asked.stream !== true)
    return sendJson(response, 200, {
      ...message,
      content: blocks,
      stop_reason,
      usage: { ...input, output_tokens },
    });
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_stub' });
  const send = (event: Json) =>
    response.write(`event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`);
  send({ type: 'message_start', message });
  for (const [index, block] of blocks.entries()) streamBlock(send, index, block);
  send({
    type: 'message_delta',
    delta: { stop_reason, stop_sequence: null },
    usage: { ...input, output_tokens },
  });
  send({ type: 'message_stop' });
  response.end();
}

/** The newest text of a user, and how many responses came after it. What the client adds on its own is left out.
 *  Prompts without a response between them come in one message: those before `seen` ones are over (they failed). */
export function newestPrompt(asked: Json, seen: ReadonlySet<string> = new Set()): Asked {
  let responses = 0;
  let result: string | undefined;
  for (const message of listOf(asked.messages).map(objectOf).reverse()) {
    if (message.role === 'assistant') responses += 1;
    if (message.role !== 'user') continue;
    result = resultIn(message.content) ?? result;
    const texts = userTexts(message.content);
    const fresh = texts.filter((text) => !seen.has(text.trim()));
    const prompt = (fresh.length > 0 ? fresh : texts.slice(-1)).join('\n');
    if (prompt !== '') return { prompt, responses, ...(result === undefined ? {} : { result }) };
  }
  return { prompt: '', responses };
}

/** What a tool has answered. A file that was read comes with the numbers of its lines. */
function resultIn(content: unknown): string | undefined {
  const block = listOf(content)
    .map(objectOf)
    .find(({ type }) => type === 'tool_result');
  if (block === undefined) return undefined;
  const parts = typeof block.content === 'string' ? [{ text: block.content }] : listOf(block.content);
  const text = parts.map((part) => String(objectOf(part).text ?? '')).join('');
  const lines = text.split('\n').map((line) => /^ *\d+(?:\t|→)(.*)$/s.exec(line)?.[1] ?? null);
  const end = lines.indexOf(null);
  return end === 0 ? text : lines.slice(0, end < 0 ? undefined : end).join('\n');
}

function userTexts(content: unknown): string[] {
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : listOf(content);
  const texts = blocks
    .map(objectOf)
    .map(({ type, text }) => (type === 'text' && typeof text === 'string' ? text : ''));
  const interrupt = texts.findLastIndex((text) => text.startsWith('[Request interrupted by user'));
  return texts
    .slice(interrupt + 1)
    .filter((text) => text !== '' && !isAdded(text))
    .map(unwrapped);
}

/** A paste of more than a few lines comes in tags. */
function unwrapped(text: string): string {
  return text.replace(/\n*<pasted_content id="(\w+)">\n([\s\S]*?)\n<\/pasted_content id="\1">\n*/g, '$2');
}

function isAdded(text: string): boolean {
  return /^\s*(<(system-reminder|local-command|command-|task-notification)|Your claude\.ai usage limit has reset)/.test(
    text,
  );
}

/** Titles, summaries and the like come without tools, or ask for JSON of a schema. */
function isSideRequest(asked: Json): boolean {
  return (
    listOf(asked.tools).length === 0 || objectOf(objectOf(asked.output_config).format).type !== undefined
  );
}

function quietAnswer(asked: Json): string {
  const schema = objectOf(objectOf(objectOf(asked.output_config).format).schema);
  const names = Object.keys(objectOf(schema.properties));
  return names.length === 0 ? 'ok' : JSON.stringify(Object.fromEntries(names.map((name) => [name, 'ok'])));
}

function blockOf(act: Exclude<Act, { kind: 'fail' }>, body: string): Json {
  const id = `toolu_${digest(body)}`;
  switch (act.kind) {
    case 'say':
      return { type: 'text', text: act.text };
    case 'shell':
      return {
        type: 'tool_use',
        id,
        name: 'Bash',
        input: { command: act.command, description: 'Stub command' },
      };
    case 'read':
      return { type: 'tool_use', id, name: 'Read', input: { file_path: act.path } };
    case 'ask': {
      const questions = [act, ...act.more].map(({ question, options, many }) => ({
        ...{ question, header: 'Choice', multiSelect: many },
        options: options.map((label) => ({ label, description: `Choose ${label}` })),
      }));
      return { type: 'tool_use', id, name: 'AskUserQuestion', input: { questions } };
    }
  }
}

function streamBlock(send: (event: Json) => void, index: number, block: Json): void {
  if (block.type === 'tool_use') {
    const partial_json = JSON.stringify(block.input);
    send({ type: 'content_block_start', index, content_block: { ...block, input: {} } });
    send({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json } });
  } else {
    send({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
    send({ type: 'content_block_delta', index, delta: { type: 'text_delta', text: block.text } });
  }
  send({ type: 'content_block_stop', index });
}

const ERRORS: Readonly<Record<number, readonly [type: string, message: string]>> = {
  401: ['authentication_error', 'invalid x-api-key'],
  403: ['permission_error', 'Your account does not have access'],
  429: ['rate_limit_error', "This request would exceed your account's rate limit. Please try again later."],
  529: ['overloaded_error', 'Overloaded'],
};

const HOW: Readonly<Partial<Record<FailHow, readonly [type: string, message: string]>>> = {
  long: ['invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'],
  refused: ['invalid_request_error', 'Output blocked by content filtering policy'],
};

/** With a reset a 429 is the limit of a subscription, as the `unified` headers tell it; without, a short one. */
function fail(response: ServerResponse, { status, reset_s, how }: Extract<Act, { kind: 'fail' }>): void {
  if (how === 'drop') return void response.destroy();
  if (how === 'cut') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_stub' });
    response.write('event: ping\ndata: {"type":"ping"}\n\n', () => response.destroy());
    return;
  }
  const [type, message] = (how === null ? undefined : HOW[how]) ??
    ERRORS[status] ?? ['api_error', 'Internal server error'];
  const headers: Record<string, string> = { 'request-id': 'req_stub' };
  if (status === 429 && reset_s === null) headers['retry-after'] = '1';
  if (status === 429 && reset_s !== null) Object.assign(headers, unifiedLimit(reset_s));
  sendJson(response, status, failureBody(type, message), headers);
}

function unifiedLimit(reset_s: number): Record<string, string> {
  const name = 'anthropic-ratelimit-unified';
  return {
    'retry-after': String(Math.max(1, reset_s - Math.floor(Date.now() / 1000))),
    'x-should-retry': 'false',
    [`${name}-status`]: 'rejected',
    [`${name}-reset`]: String(reset_s),
    [`${name}-representative-claim`]: 'five_hour',
    [`${name}-fallback`]: 'available',
    [`${name}-5h-status`]: 'rejected',
    [`${name}-5h-reset`]: String(reset_s),
    [`${name}-5h-utilization`]: '1.0',
    [`${name}-overage-status`]: 'rejected',
    [`${name}-overage-disabled-reason`]: 'org_level_disabled',
  };
}

function failureBody(type: string, message: string): Json {
  return { type: 'error', error: { type, message }, request_id: 'req_stub' };
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: Json,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? [...value] : [];
}
