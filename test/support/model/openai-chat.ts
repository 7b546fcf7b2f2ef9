import type http from 'node:http';
import type { Act, Brain, FailHow } from './brain.ts';

/*
 * The chat completions API of OpenAI as its compatible servers speak it: server-sent events with one JSON chunk
 * each, usage in a last chunk without choices, then `[DONE]`.
 */

type Json = Readonly<Record<string, unknown>>;

interface Turn {
  readonly prompt: string;
  readonly responses: number;
}

/** Answers one request of the client. Side requests get a quiet answer and are no prompts. */
export async function handleOpenAiChat(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  body: string,
  brain: Brain,
): Promise<void> {
  const path = (request.url ?? '').split('?')[0] ?? '';
  if (request.method === 'GET' && path.endsWith('/models'))
    return json(response, 200, { object: 'list', data: [{ id: 'stub-model', object: 'model' }] });
  if (!path.endsWith('/chat/completions'))
    return json(response, 404, { error: { message: `no such path: ${path}` } });
  const asked = parse(body);
  const tools = toolsOf(asked);
  // A title or a summary is asked for without any tool.
  if (tools.size === 0) return stream(response, asked, { kind: 'say', text: 'A title' }, tools);
  const messages = messagesOf(asked);
  for (const text of queuedOf(messages)) if (!brain.prompts.includes(text)) brain.prompts.push(text);
  const decided = brain.decide(turnOf(messages));
  const act = await held(response, decided);
  return stream(response, asked, act, tools);
}

/** The newest text of a user, and how often the model has answered since. */
export function turnOf(messages: readonly Json[]): Turn {
  const last = messages.findLastIndex((message) => message.role === 'user' && textOf(message) !== '');
  const since = messages.slice(last + 1).filter((message) => message.role === 'assistant');
  return { prompt: last < 0 ? '' : textOf(messages[last]), responses: since.length };
}

/** What was queued while the model worked arrives in one request: the texts before the newest one. */
export function queuedOf(messages: readonly Json[]): readonly string[] {
  const answered = messages.findLastIndex((message) => message.role !== 'user');
  const texts = messages.slice(answered + 1).map(textOf);
  return texts.slice(0, -1).filter((text) => text !== '');
}

/** While the model holds its answer, the client has its head: a fast decision leaves room for an error status. */
async function held(response: http.ServerResponse, decided: Promise<Act>): Promise<Act> {
  const soon = new Promise<null>((resolve) => setTimeout(resolve, 50, null));
  if ((await Promise.race([decided, soon])) === null) begin(response);
  return decided;
}

function stream(response: http.ServerResponse, asked: Json, act: Act, tools: ReadonlySet<string>): void {
  if (act.kind === 'fail') return fail(response, act);
  begin(response);
  const chunk = (delta: Json, finish: string | null = null): void =>
    send(response, asked, { choices: [{ index: 0, delta, finish_reason: finish }] });
  chunk({ role: 'assistant', content: '' });
  if (act.kind === 'say') {
    for (const part of act.text.match(/[\s\S]{1,400}/g) ?? []) chunk({ content: part });
    chunk({}, 'stop');
  } else {
    const call = callOf(act, tools);
    const id = `call_${Math.random().toString(36).slice(2, 14)}`;
    chunk({ tool_calls: [{ index: 0, id, type: 'function', function: { name: call.name, arguments: '' } }] });
    // The arguments come in pieces, as they do in life.
    for (const part of JSON.stringify(call.input).match(/[\s\S]{1,20}/g) ?? [])
      chunk({ tool_calls: [{ index: 0, function: { arguments: part } }] });
    chunk({}, 'tool_calls');
  }
  send(response, asked, { choices: [], usage: USAGE });
  response.end('data: [DONE]\n\n');
}

/** What each answer costs. 20 of the 120 prompt tokens come from the cache. */
export const USAGE = {
  prompt_tokens: 120,
  completion_tokens: 8,
  total_tokens: 128,
  prompt_tokens_details: { cached_tokens: 20 },
  completion_tokens_details: { reasoning_tokens: 0 },
};

function callOf(act: Extract<Act, { kind: 'shell' | 'ask' | 'read' }>, tools: ReadonlySet<string>) {
  if (act.kind === 'shell')
    return { name: 'bash', input: { command: act.command, description: 'what the model wants to run' } };
  if (act.kind === 'read') return { name: 'read', input: { filePath: act.path } };
  const questions = [act, ...act.more].map(({ question, options, many }) => ({
    ...{ question, header: 'Question', multiple: many },
    options: options.map((label) => ({ label, description: label })),
  }));
  const input = { questions };
  return { name: tools.has('question') ? 'question' : 'bash', input };
}

function fail(response: http.ServerResponse, { status, reset_s, how }: Extract<Act, { kind: 'fail' }>): void {
  if (how === 'drop') return void response.destroy();
  if (how === 'cut') {
    begin(response);
    response.write(': cut\n\n', () => response.destroy());
    return;
  }
  const [type, message] = (how === null ? undefined : HOW[how]) ??
    ERRORS[status] ?? ['server_error', 'The server had an error.'];
  const after = reset_s === null ? null : Math.max(0, reset_s - Math.floor(Date.now() / 1000));
  const headers = {
    ...(after === null ? {} : { 'retry-after': String(after) }),
    ...(status === 429 ? { 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '0' } : {}),
    ...(after === null ? {} : { 'x-ratelimit-reset-requests': `${after}s` }),
  };
  json(response, status, { error: { message, type, param: null, code: type } }, headers);
}

const HOW: Readonly<Partial<Record<FailHow, readonly [string, string]>>> = {
  long: [
    'context_length_exceeded',
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 210000 tokens.",
  ],
  refused: [
    'content_policy_violation',
    'Your request was rejected as a result of our safety system: it may contain text that is not allowed.',
  ],
  day: ['insufficient_quota', 'You exceeded your current quota, please check your plan and billing details.'],
};

const ERRORS: Readonly<Record<number, readonly [string, string]>> = {
  403: ['permission_denied', 'You have insufficient permissions for this operation.'],
  401: ['invalid_api_key', 'Incorrect API key provided: sk-test. You can find your API key in your account.'],
  429: [
    'rate_limit_exceeded',
    'Rate limit reached for stub-model in organization org-stub on requests per day.',
  ],
  503: ['overloaded', 'The engine is currently overloaded, please try again later.'],
};

function begin(response: http.ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
}

function send(response: http.ServerResponse, asked: Json, more: Json): void {
  const model = asked.model ?? 'stub-model';
  const chunk = { id: 'chatcmpl-stub', object: 'chat.completion.chunk', created: 1, model, ...more };
  response.write(`data: ${JSON.stringify(chunk)}\n\n`);
}

function json(response: http.ServerResponse, status: number, value: Json, headers: Json = {}): void {
  if (response.headersSent) return void response.end();
  response.writeHead(status, { 'content-type': 'application/json', ...(headers as Record<string, string>) });
  response.end(JSON.stringify(value));
}

function toolsOf(asked: Json): ReadonlySet<string> {
  const tools = Array.isArray(asked.tools) ? asked.tools : [];
  return new Set(
    tools.map((tool) => String((tool as { function?: { name?: unknown } }).function?.name ?? '')),
  );
}

function messagesOf(asked: Json): readonly Json[] {
  return Array.isArray(asked.messages) ? (asked.messages as Json[]) : [];
}

/** Text of a message: a string, or parts of which some are text. */
function textOf(message: Json | undefined): string {
  const content = message?.content;
  if (typeof content === 'string') return content;
  const parts = Array.isArray(content) ? (content as Json[]) : [];
  return parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}

function parse(body: string): Json {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return {};
  }
}
