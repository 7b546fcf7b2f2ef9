import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Act, Asked, Brain, FailHow, Question } from './brain.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * Google's generateContent protocol, as Gemini CLI speaks it. A turn is `:streamGenerateContent?alt=sse`; the rest are
 * side requests (the choice of a model, a check for loops, a summary, token counts, embeddings), which get a plausible
 * answer and are no prompts.
 */
export async function handleGemini(
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  brain: Brain,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://stub');
  const [, model = '', method = ''] = /\/models\/([^/:]+):(\w+)$/.exec(pathname) ?? [];
  const sent = objectOf(parse(body));
  if (method === 'countTokens') return answer(response, 200, { totalTokens: Math.ceil(body.length / 4) });
  if (/^(batchEmbedContents|embedContent)$/.test(method))
    return answer(response, 200, { embedding: { values: [0] }, embeddings: [{ values: [0] }] });
  if (method !== 'generateContent' && method !== 'streamGenerateContent')
    return answer(response, 200, { models: [] });
  const asked = askedIn(sent);
  const streams = method === 'streamGenerateContent';
  if (asked === null || !hasTools(sent)) return answerSide(response, sent, model, streams);
  // A held response has begun: its headers are out.
  const begin = setTimeout(() => startStream(response), 100);
  const act = await brain.decide(asked).finally(() => clearTimeout(begin));
  if (act.kind === 'fail') return fail(response, act, model);
  const chunks = chunksOf(act).map((parts, at, all) => chunk(parts, model, at === all.length - 1));
  if (!streams) return answer(response, 200, chunk(chunksOf(act).flat(), model, true));
  startStream(response);
  for (const one of chunks) response.write(`data: ${JSON.stringify(one)}\r\n\r\n`);
  response.end();
}

/** The newest words of the user: the client puts its own context into parts of the same message. */
function askedIn(sent: Json): Asked | null {
  let responses = 0;
  for (const content of arrayOf(sent.contents).map(objectOf).reverse()) {
    if (content.role === 'model') {
      responses += 1;
      continue;
    }
    const parts = arrayOf(content.parts).map(objectOf);
    if (parts.some((part) => part.functionResponse !== undefined)) continue;
    const texts = parts.map((part) => String(part.text ?? '').replace(CONTEXT, ''));
    const prompt = sentAlong(texts) ?? texts.filter((text) => text !== '').join('');
    if (prompt !== '' && prompt !== GO_ON) return { prompt, responses };
  }
  return null;
}

/** A text that came by a file, behind fixed words alone, and no other file with it. */
function sentAlong(texts: readonly string[]): string | null {
  const [words = '', head, of = '', text = '', end, ...more] = texts.filter((one) => one !== '');
  const [, name] =
    /^(?:Your ticket|A message for you from whoever watches over your ticket) is in @(\S+\.svg) : [ \w,]+\.$/.exec(
      words,
    ) ?? [];
  const alone = head === '\n--- Content from referenced files ---' && end === '\n--- End of content ---';
  return name !== undefined && alone && of === `\nContent from @${name}:\n` && more.length === 0
    ? text
    : null;
}

const CONTEXT =
  /^(?:<(session_context|hook_context)>[\s\S]*?<\/\1>\s*|- \*\*Workspace Directories:\*\*\n[\s\S]*$)/;
/** What the client itself says to a model that stopped without a word. */
const GO_ON = 'System: Please continue.';

/** A turn of the agent carries its tools (without the shell where nobody could allow it); a side request none. */
function hasTools(sent: Json): boolean {
  return arrayOf(sent.tools).some((tool) => arrayOf(objectOf(tool).functionDeclarations).length > 0);
}

/** Gives what a schema requires, so that the client can go on with it. */
function answerSide(response: ServerResponse, sent: Json, model: string, streams: boolean): void {
  const config = objectOf(sent.generationConfig);
  const schema = objectOf(config.responseJsonSchema ?? config.responseSchema);
  const text = schema.properties === undefined ? 'ok' : JSON.stringify(sample(schema));
  const made = chunk([{ text }], model, true);
  if (!streams) return answer(response, 200, made);
  startStream(response);
  response.end(`data: ${JSON.stringify(made)}\r\n\r\n`);
}

function sample(schema: Json): unknown {
  const choices = arrayOf(schema.enum);
  if (choices.length > 0) return choices[0];
  switch (String(schema.type).toLowerCase()) {
    case 'object':
      return Object.fromEntries(
        Object.entries(objectOf(schema.properties)).map(([name, value]) => [name, sample(objectOf(value))]),
      );
    case 'array':
      return [];
    case 'boolean':
      return false;
    case 'number':
    case 'integer':
      return schema.minimum ?? 1;
    default:
      return 'ok';
  }
}

function chunksOf(act: Exclude<Act, { kind: 'fail' }>): Json[][] {
  switch (act.kind) {
    case 'shell':
      return [[call('run_shell_command', { command: act.command, description: 'A command of the stub' })]];
    case 'read':
      return [[call('read_file', { file_path: act.path })]];
    case 'ask':
      return [[call('ask_user', { questions: [act, ...act.more].map(questionOf) })]];
    case 'say': {
      const half = Math.ceil(act.text.length / 2);
      return [act.text.slice(0, half), act.text.slice(half)]
        .filter((text) => text !== '')
        .map((text) => [{ text }]);
    }
  }
}

function call(name: string, args: Json): Json {
  return { functionCall: { id: randomUUID(), name, args } };
}

function questionOf({ question, options, many }: Question): Json {
  return {
    question,
    header: 'Question',
    type: 'choice',
    multiSelect: many,
    options: options.map((label) => ({ label, description: label })),
  };
}

function chunk(parts: readonly Json[], modelVersion: string, last: boolean): Json {
  const usage = {
    promptTokenCount: 1200,
    cachedContentTokenCount: 200,
    candidatesTokenCount: 34,
    thoughtsTokenCount: 6,
    totalTokenCount: 1240,
  };
  const content = { role: 'model', parts };
  return {
    candidates: [{ content, index: 0, ...(last ? { finishReason: 'STOP' } : {}) }],
    modelVersion,
    responseId: randomUUID(),
    ...(last ? { usageMetadata: usage } : {}),
  };
}

const STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

const HOW: Readonly<Partial<Record<FailHow, string>>> = {
  long: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
  refused: 'The prompt was blocked: it violates the policy on prohibited use.',
  key: 'API key not valid. Please pass a valid API key.',
};

/** Google's error body; a limit says in RetryInfo when it ends. */
function fail(response: ServerResponse, act: Extract<Act, { kind: 'fail' }>, model: string): void {
  const { status: code, reset_s, how } = act;
  if (response.headersSent || how === 'drop') return void response.destroy();
  if (how === 'cut') {
    startStream(response);
    response.write(': cut\r\n\r\n', () => response.destroy());
    return;
  }
  const delay = reset_s === null ? null : Math.max(1, Math.ceil(reset_s - Date.now() / 1000));
  const limit = `You exceeded your current quota.${delay === null ? '' : `\nPlease retry in ${delay}s.`}`;
  const message =
    (how === null ? undefined : HOW[how]) ?? (code === 429 ? limit : `The stub answers ${code}.`);
  const details = detailsOf(act, delay, model);
  answer(response, code, { error: { code, message, status: STATUS[code] ?? 'UNKNOWN', details } });
}

function detailsOf(
  { status: code, how }: Extract<Act, { kind: 'fail' }>,
  delay: number | null,
  model: string,
): Json[] {
  if (code === 401 || how === 'key')
    return [
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'API_KEY_INVALID',
        domain: 'googleapis.com',
        metadata: { service: 'generativelanguage.googleapis.com' },
      },
    ];
  if (code !== 429) return [];
  const violation = {
    quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
    quotaId: `GenerateRequestsPer${how === 'day' ? 'Day' : 'Minute'}PerProjectPerModel-FreeTier`,
    quotaDimensions: { location: 'global', model },
    quotaValue: '10',
  };
  return [
    { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [violation] },
    ...(delay === null
      ? []
      : [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${delay}s` }]),
  ];
}

function startStream(response: ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
}

function answer(response: ServerResponse, status: number, value: Json): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
  response.end(JSON.stringify(value));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
