import { asObject, numberOf, textOf } from '../../machine/files.ts';
import type { Refusal } from '../../model/trouble.ts';
import type { AgentLook, Level } from '../adapter.ts';
import { askedIn, permissionText } from './question.ts';
import { findRollout, newestFirst, rolloutOf, runs, startedAtMs, timeOf } from './rollout.ts';

type Entry = Readonly<Record<string, unknown>>;

/** `[ ! ] Action Required | <folder>`, blinking. */
const ASKS = /^\[ [!.] \] Action Required/;
/** A braille spinner before the folder. */
const WORKS = /^[\u2800-\u28ff]/;
const TURN = ['"task_started"', '"task_complete"', '"turn_aborted"'];
const CALLS = ['"function_call', '"custom_tool_call', '"task_started"'];
const MAX_AGENTS = 64;

/**
 * What the record of the session and the title say together. The record tells turns and how they ended, the title
 * alone tells an open dialog. A title is believed for "busy" and "waiting" only: that it shows neither is no sign of
 * an idle client.
 */
export function codexLevel(look: AgentLook): Level | null {
  if (!runs(look)) return null;
  const started = startedAtMs(look.pid_start);
  const path = findRollout(look);
  const told = path === null || started === null ? null : lastTurn(path, started);
  const session = look.session ?? sessionIn(path);
  const known = session === null ? {} : { session };
  const title = look.title ?? '';
  if (!ASKS.test(title) && WORKS.test(title)) return { activity: 'busy', ...known };
  const records = path === null || started === null ? [] : [path, ...agentsOf(path, look, started)];
  if (ASKS.test(title)) {
    const question = records.map(openQuestion).find((one) => one !== null);
    return { activity: 'waiting', ...(question === undefined ? {} : { question }), ...known };
  }
  if (told === null) return null;
  // The turn is over, but a sub-agent still works.
  const works = records.some((record) => lastTurn(record, started ?? 0)?.activity === 'busy');
  return works ? { activity: 'busy', ...known } : { ...told, ...known };
}

/** What the last turn of this process was refused with. */
export function codexRefusal(look: AgentLook): Refusal | null {
  const started = startedAtMs(look.pid_start);
  const path = findRollout(look);
  return (path === null || started === null ? null : lastTurn(path, started)?.refusal) ?? null;
}

/** The newest beginning or end of a turn that this process wrote: what an earlier one left open is no turn of this. */
function lastTurn(path: string, started: number): Level | null {
  for (const entry of newestFirst(path, TURN)) {
    if (timeOf(entry) < started) return null;
    if (entry.type !== 'event_msg') continue;
    const payload = asObject(entry.payload);
    switch (textOf(payload, 'type')) {
      case 'task_started':
        return { activity: 'busy' };
      case 'turn_aborted':
        return { activity: 'idle' };
      case 'task_complete': {
        const error = asObject(payload?.error);
        return { activity: 'idle', ...(error === null ? {} : { refusal: refusalOf(error, path) }) };
      }
    }
  }
  return null;
}

/** What ended a turn, where that is more than the model's own end of it. */
function refusalOf(error: Entry, path: string): Refusal {
  const info = error.codex_error_info;
  const word = typeof info === 'string' ? info : (Object.keys(asObject(info) ?? {})[0] ?? '');
  const until_ms = word === 'usage_limit_exceeded' ? resetOf(limitsIn(path)) : null;
  const says = textOf(error, 'message') ?? 'Codex told no reason';
  return { status: httpStatus(info), word, says, until_ms };
}

/** `{"http_connection_failed":{"http_status_code":401}}`, under several names. */
function httpStatus(info: unknown): number | null {
  for (const one of Object.values(asObject(info) ?? {})) {
    const status = numberOf(asObject(one), 'http_status_code');
    if (status !== null) return status;
  }
  return null;
}

/** When the last of the limits that are used up ends. */
function resetOf(limits: Entry | null): number | null {
  const resets = ['primary', 'secondary']
    .map((name) => asObject(limits?.[name]))
    .filter((window) => Number(window?.used_percent) >= 100)
    .map((window) => numberOf(window, 'resets_at'))
    .filter((reset) => reset !== null);
  return resets.length === 0 ? null : Math.max(...resets) * 1000;
}

function limitsIn(path: string): Entry | null {
  for (const entry of newestFirst(path, ['"rate_limits"'])) {
    const limits = asObject(asObject(entry.payload)?.rate_limits);
    if (limits !== null) return limits;
  }
  return null;
}

/** The records of the sub-agents that this process started, and of theirs. */
function agentsOf(root: string, look: AgentLook, started: number): string[] {
  const found: string[] = [];
  const open = [root];
  for (let path = open.pop(); path !== undefined && found.length < MAX_AGENTS; path = open.pop())
    for (const entry of newestFirst(path, ['"CollabAgentToolCall"'])) {
      if (timeOf(entry) < started) break;
      for (const thread of threadsOf(entry)) {
        const record = rolloutOf(look.env, thread);
        if (record === null || record === root || found.includes(record)) continue;
        found.push(record);
        open.push(record);
      }
    }
  return found;
}

function threadsOf(entry: Entry): string[] {
  const item = asObject(asObject(entry.payload)?.item);
  const threads = item?.type === 'CollabAgentToolCall' ? item.receiver_thread_ids : null;
  return Array.isArray(threads) ? threads.filter((one) => typeof one === 'string') : [];
}

/** The newest tool call that has no result yet. */
function openQuestion(path: string): string | null {
  const done = new Set<string>();
  for (const entry of newestFirst(path, CALLS)) {
    const payload = asObject(entry.payload);
    const type = textOf(payload, 'type');
    if (type === 'task_started') return null;
    const id = textOf(payload, 'call_id');
    if (id === null) continue;
    if (type === 'function_call_output' || type === 'custom_tool_call_output') done.add(id);
    if (type !== 'function_call' && type !== 'custom_tool_call') continue;
    if (!done.has(id)) return questionOf(payload);
  }
  return null;
}

/** In the words of the hook that tells the same, so that one question does not look like two. */
function questionOf(call: Record<string, unknown> | null): string {
  const name = textOf(call, 'name') ?? 'a tool';
  const args = argumentsOf(call);
  const asked = askedIn(args);
  if (asked !== null) return asked;
  const what = [textOf(call, 'input'), textOf(args, 'cmd'), textOf(args, 'justification')].filter(Boolean);
  return permissionText(name === 'exec_command' ? 'Bash' : name, what.join(' - '));
}

function argumentsOf(call: Record<string, unknown> | null): Record<string, unknown> | null {
  try {
    return asObject(JSON.parse(textOf(call, 'arguments') ?? ''));
  } catch {
    return null;
  }
}

function sessionIn(path: string | null): string | null {
  return /-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl$/.exec(path ?? '')?.[1] ?? null;
}
