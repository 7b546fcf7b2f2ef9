import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { asObject, textOf } from '../../../src/machine/files.ts';
import type { Act, Asked, Brain, FailHow, Question } from './brain.ts';

type Item = Readonly<Record<string, unknown>>;

/** What the client asks for beside the work: a title for the thread, as its header tells. */
const TITLE = '"thread_source":"thread_title"';
/** What the client itself puts among the user's messages. */
const ADDED = /^\s*(<[a-z_]+[ >]|# AGENTS\.md instructions)/;
/** A decision that takes longer than this is a hold: the stream is begun before it. */
const BEGIN_MS = 150;

/** The OpenAI Responses API as server-sent events, as far as Codex uses it. */
export async function handleOpenaiResponses(
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  brain: Brain,
): Promise<void> {
  if (request.method !== 'POST' || !/\/responses$/.test(request.url?.split('?')[0] ?? '')) {
    sendJson(response, 200, { object: 'list', data: [], models: [] });
    return;
  }
  const sent = asObject(parse(body)) ?? {};
  const input = (Array.isArray(sent.input) ? sent.input : []).map(asObject).filter((item) => item !== null);
  const asked = askedOf(input);
  if (String(request.headers['x-codex-turn-metadata']).includes(TITLE)) {
    stream(response, itemOf({ kind: 'say', text: 'A stub title' }, sent, input), usageOf(body, 'title'));
    return;
  }
  const decision = brain.decide(asked);
  const quick = await Promise.race([decision, pause(BEGIN_MS, null, { ref: false })]);
  if (quick === null) begin(response);
  const act = quick ?? (await decision);
  if (response.destroyed) return;
  if (act.kind === 'fail') fail(response, act);
  else stream(response, itemOf(act, sent, input), usageOf(body, JSON.stringify(act)));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The newest words of a person, and how often the model has answered since. */
function askedOf(input: readonly Item[]): Asked {
  const at = input.findLastIndex((item) => item.role === 'user' && !ADDED.test(wordsOf(item)));
  const later = input.slice(at + 1);
  const responses = later.filter(
    (item) => item.type === 'function_call' || item.type === 'custom_tool_call' || item.role === 'assistant',
  ).length;
  const output = later.find((item) => /_call_output$/.test(String(item.type)))?.output;
  const result = output === undefined ? {} : { result: resultOf(output) };
  return { prompt: at < 0 ? '' : wordsOf(input[at] ?? {}), responses, ...result };
}

/** What a command has written, without what the client says about it. */
function resultOf(output: unknown): string {
  const text = typeof output === 'string' ? output : wordsOf({ content: output });
  return /(?:^|\n)Output:\n([\s\S]*)$/.exec(text)?.[1] ?? text;
}

function wordsOf(item: Item): string {
  const parts = Array.isArray(item.content) ? item.content : [];
  return parts.map((part) => textOf(asObject(part), 'text') ?? '').join('');
}

/** One output item of the model: each response holds exactly one, so that they can be counted. */
function itemOf(act: Exclude<Act, { kind: 'fail' }>, sent: Item, input: readonly Item[]): Item {
  switch (act.kind) {
    case 'shell':
      return call('exec_command', {
        cmd: act.command,
        ...(neverAsks(input)
          ? {}
          : { sandbox_permissions: 'require_escalated', justification: 'The stub asks' }),
      });
    case 'read':
      return call('exec_command', { cmd: `cat ${JSON.stringify(act.path)}`, max_output_tokens: 100_000 });
    case 'ask':
      return offers(sent, 'request_user_input')
        ? call('request_user_input', { questions: [act, ...act.more].map(questionOf) })
        : said(act.question);
    default:
      return said(act.text);
  }
}

function said(text: string): Item {
  return {
    type: 'message',
    id: `msg_${randomUUID()}`,
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
  };
}

function call(name: string, args: Item): Item {
  const id = randomUUID().replaceAll('-', '').slice(0, 24);
  return {
    type: 'function_call',
    id: `fc_${id}`,
    call_id: `call_${id}`,
    name,
    arguments: JSON.stringify(args),
  };
}

function questionOf({ question, options }: Question, n: number): Item {
  return {
    id: `stub_question_${n}`,
    header: 'Question',
    question,
    options: options.map((label) => ({ label, description: `Choose ${label}` })),
  };
}

/** Whether the client has told the model that nobody answers permission questions. */
function neverAsks(input: readonly Item[]): boolean {
  const newest = input.map(wordsOf).findLast((words) => words.includes('<permissions instructions>'));
  return newest !== undefined && /pproval policy is currently `?never/.test(newest);
}

function offers(sent: Item, tool: string): boolean {
  const tools = Array.isArray(sent.tools) ? sent.tools : [];
  return tools.some((one) => textOf(asObject(one), 'name') === tool);
}

function usageOf(asked: string, answer: string): Item {
  const input = Math.ceil(asked.length / 4);
  const cached = Math.floor(input / 2);
  const output = Math.ceil(answer.length / 4);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  };
}

function begin(response: ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  event(response, 'response.created', { response: { id: `resp_${randomUUID()}`, status: 'in_progress' } });
}

function stream(response: ServerResponse, item: Item, usage: Item): void {
  begin(response);
  event(response, 'response.output_item.added', {
    output_index: 0,
    item: { ...item, status: 'in_progress' },
  });
  const text = item.type === 'message' ? wordsOf(item) : '';
  // In two deltas, as a real model never sends a sentence whole.
  for (const delta of [text.slice(0, text.length / 2), text.slice(text.length / 2)])
    if (delta !== '')
      event(response, 'response.output_text.delta', {
        item_id: item.id,
        output_index: 0,
        content_index: 0,
        delta,
      });
  event(response, 'response.output_item.done', { output_index: 0, item });
  event(response, 'response.completed', {
    response: { id: `resp_${randomUUID()}`, status: 'completed', output: [item], usage },
  });
  response.end();
}

function event(response: ServerResponse, type: string, data: Item): void {
  response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
}

const HOW: Readonly<Partial<Record<FailHow, Item>>> = {
  long: {
    message: 'Your input exceeds the context window of this model. Please adjust your input and try again.',
    ...{ type: 'invalid_request_error', param: 'input', code: 'context_length_exceeded' },
  },
  refused: {
    message: 'Invalid prompt: your prompt was flagged as potentially violating our usage policy.',
    ...{ type: 'invalid_request_error', param: null, code: 'invalid_prompt' },
  },
  day: {
    message: 'You exceeded your current quota, please check your plan and billing details.',
    ...{ type: 'insufficient_quota', param: null, code: 'insufficient_quota' },
  },
};

/** Errors as the vendor words them. A limit with a reset is one of the plan, without one a limit of the API. */
function fail(response: ServerResponse, act: Extract<Act, { kind: 'fail' }>): void {
  if (act.how === 'drop') return void response.destroy();
  if (act.how === 'cut') {
    begin(response);
    response.write(': cut\n\n', () => response.destroy());
    return;
  }
  const seconds = act.reset_s === null ? null : Math.max(0, act.reset_s - Math.floor(Date.now() / 1000));
  if (act.status === 429 && act.reset_s !== null && seconds !== null) {
    const headers = {
      'x-codex-primary-used-percent': '100',
      'x-codex-primary-window-minutes': '300',
      'x-codex-primary-reset-at': String(act.reset_s),
      'x-codex-primary-reset-after-seconds': String(seconds),
    };
    const error = {
      type: 'usage_limit_reached',
      message: 'The usage limit has been reached',
      plan_type: 'plus',
      resets_at: act.reset_s,
      resets_in_seconds: seconds,
    };
    sendJson(response, 429, { error }, headers);
    return;
  }
  const errors: Readonly<Record<number, Item>> = {
    401: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' },
    403: { message: 'You have insufficient permissions for this operation.', type: 'invalid_request_error' },
    429: { message: 'Rate limit reached for requests.', type: 'requests', code: 'rate_limit_exceeded' },
  };
  const error = (act.how === null ? undefined : HOW[act.how]) ??
    errors[act.status] ?? {
      message: 'The server had an error while processing your request.',
      type: 'server_error',
      code: null,
    };
  sendJson(
    response,
    act.status,
    { error },
    act.status === 429 ? { 'x-ratelimit-remaining-requests': '0' } : {},
  );
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: Item,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
