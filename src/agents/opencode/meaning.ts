import { asObject, numberOf, textOf } from '../../machine/files.ts';
import type { EventMeaning, Limited } from '../adapter.ts';

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
      const limited = retryLimit(status, numberOf(payload, 'at'));
      return { activity: 'busy', ...(limited === null ? {} : { limited }) };
    }
    case 'Error':
      return failed(payload);
    default:
      return null;
  }
}

/** The end of an account in a status `retry`: the client waits for the reset that the provider has announced. */
export function retryLimit(status: Payload | null, at: number | null): Limited | null {
  const next = numberOf(status, 'next');
  if (textOf(status, 'type') !== 'retry' || next === null || at === null || next - at < LIMIT_MS) return null;
  const text = textOf(status, 'message') ?? '';
  const reason = textOf(asObject(status?.action), 'reason') ?? '';
  return LIMIT_WORDS.test(text) || reason.includes('limit') ? { until_ms: next, text } : null;
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
  const questions = Array.isArray(request.questions) ? request.questions.map(asObject) : [];
  const texts = questions.flatMap((one) => {
    const question = textOf(one, 'question');
    const options = Array.isArray(one?.options) ? one.options.map(asObject) : [];
    const labels = options.map((option) => textOf(option, 'label')).filter((label) => label !== null);
    return question === null ? [] : [question, ...labels.map((label) => `- ${label}`)];
  });
  return texts.join('\n') || 'The agent asks a question';
}

/** An error says nothing of the activity: the status that comes with it does. An interrupt is an error too. */
function failed(payload: Payload): EventMeaning {
  const status = numberOf(payload, 'status');
  const name = textOf(payload, 'name');
  const text = textOf(payload, 'message') ?? '';
  if (status === 401 || name === 'ProviderAuthError')
    return {
      not_ready: `OpenCode is not logged in (${text || name}): run "opencode auth login" as this user`,
    };
  if (status === 429 || (status === 402 && LIMIT_WORDS.test(text)))
    return { limited: { until_ms: reset(payload), text: text || `HTTP ${status}` } };
  return {};
}

function reset(payload: Payload): number | null {
  const headers = asObject(payload.headers);
  const after = Number(textOf(headers, 'retry-after') ?? Number.NaN);
  const at = numberOf(payload, 'at');
  return Number.isFinite(after) && at !== null ? at + Math.ceil(after * 1000) : null;
}
