import { asObject, numberOf, textOf } from '../../machine/files.ts';
import { choiceText } from '../../model/choice.ts';
import type { Refusal } from '../../model/trouble.ts';
import type { EventMeaning } from '../adapter.ts';
import { choicesOf } from './asked.ts';

type Payload = Readonly<Record<string, unknown>>;

/** A retry that comes sooner is the client's own back-off, and no limit of the account. */
const LIMIT_MS = 60_000;
const LIMIT_WORDS = /rate.?limit|usage limit|too many requests|quota|\b429\b/i;

/** What an event of the plugin says. */
export function meaningOf(kind: string, payload: Payload): EventMeaning | null {
  const meaning = meanings(kind, payload);
  const session = textOf(payload, 'session_id');
  if (meaning === null && session === null) return null;
  return { ...meaning, ...(session === null ? {} : { session }) };
}

function meanings(kind: string, payload: Payload): EventMeaning | null {
  switch (kind) {
    case 'Prompt':
      return { activity: 'busy', turn: true };
    case 'Answered':
      // The turn may have been aborted under the dialog.
      return { activity: payload.working === false ? 'idle' : 'busy' };
    case 'Permission':
      return { activity: 'waiting', question: permissionQuestion(payload) };
    case 'Question':
      return { activity: 'waiting', question: askedQuestion(payload) };
    case 'Status': {
      const status = asObject(payload.status);
      if (textOf(status, 'type') === 'idle') return { activity: 'idle' };
      const refusal = retryRefusal(status, numberOf(payload, 'at'));
      return { activity: 'busy', ...(refusal === null ? {} : { refusal }) };
    }
    case 'Error':
      return failed(payload);
    default:
      return null;
  }
}

/** The end of an account in a status `retry`: the client waits for the reset that the provider has announced. */
export function retryRefusal(status: Payload | null, at: number | null): Refusal | null {
  const next = numberOf(status, 'next');
  if (textOf(status, 'type') !== 'retry' || next === null || at === null || next - at < LIMIT_MS) return null;
  const text = textOf(status, 'message') ?? '';
  const reason = textOf(asObject(status?.action), 'reason') ?? '';
  const limits = LIMIT_WORDS.test(text) || reason.includes('limit');
  return limits ? { status: 429, word: reason, says: text, until_ms: next } : null;
}

/** What a person is asked for in a request of `/permission`, or in the event of it. */
export function permissionQuestion(request: Payload): string {
  const tool = textOf(request, 'permission') ?? 'a tool';
  const metadata = asObject(request.metadata);
  const patterns = Array.isArray(request.patterns) ? request.patterns : [];
  const known = ['command', 'filepath', 'url', 'query'].map((key) => textOf(metadata, key)).find(Boolean);
  const what = known ?? patterns.filter((one) => typeof one === 'string').join(', ');
  return what === '' ? `Permission for ${tool}` : `Permission for ${tool}: ${what}`;
}

/** The text of a request of `/question`, with the options that it offers. */
export function askedQuestion(request: Payload): string {
  return choiceText(choicesOf(request)) || 'The agent asks a question';
}

/** A person's interrupt, which is told as an error too. */
const INTERRUPT = 'MessageAbortedError';

/** An error says nothing of the activity: the status that comes with it does. */
function failed(payload: Payload): EventMeaning {
  const word = textOf(payload, 'name') ?? '';
  if (word === INTERRUPT) return {};
  const says = textOf(payload, 'message') ?? '';
  return { refusal: { status: numberOf(payload, 'status'), word, says, until_ms: reset(payload) } };
}

/** The last error that a headless client has printed. */
export function refusalPrinted(printed: string): Refusal | null {
  const line = printed.split('\n').findLast((one) => one.startsWith('{"type":"error"'));
  try {
    const entry = asObject(JSON.parse(line ?? ''));
    const error = asObject(entry?.error);
    const data = asObject(error?.data);
    const [name, status] = [textOf(error, 'name'), numberOf(data, 'statusCode')];
    const [message, headers] = [textOf(data, 'message'), data?.responseHeaders];
    return failed({ name, message, status, headers, at: numberOf(entry, 'timestamp') }).refusal ?? null;
  } catch {
    return null;
  }
}

function reset(payload: Payload): number | null {
  const headers = asObject(payload.headers);
  const after = Number(textOf(headers, 'retry-after') ?? Number.NaN);
  const at = numberOf(payload, 'at');
  return Number.isFinite(after) && at !== null ? at + Math.ceil(after * 1000) : null;
}
