import { basename, join } from 'node:path';
import { asObject, numberOf, textOf } from '../../machine/files.ts';
import { lookAtName, namesAt, tailAt, textAt } from '../../machine/foreign.ts';
import type { AgentLook, Usage } from '../adapter.ts';
import { sessionId } from '../session.ts';

type Look = Pick<AgentLook, 'worktree' | 'env' | 'session'>;

const TAIL = 64 * 1024;
/** Of a larger record nothing is counted: a tick must stay short. */
const MAX_RECORD = 64 * 1024 * 1024;
/** So many sub-agents of a session are counted. */
const MOST_AGENTS = 500;

/** The client's record of a session: `~/.gemini/tmp/<project>/chats/session-<time>-<8 of the id>.jsonl`. */
export function sessionFile(look: Look): string | null {
  const home = look.env.GEMINI_CLI_HOME ?? look.env.HOME;
  if (home === undefined || look.worktree === null || look.session === null) return null;
  const tmp = join(home, '.gemini', 'tmp');
  const end = `-${look.session.slice(0, 8)}.jsonl`;
  // The project's folder is named after the worktree's, with a number where that name is taken.
  const name = basename(look.worktree).toLowerCase();
  const folders = [...namesAt(tmp)].sort((a, b) => Number(b.startsWith(name)) - Number(a.startsWith(name)));
  for (const folder of folders) {
    if (textAt(join(tmp, folder, '.project_root'))?.trim() !== look.worktree) continue;
    const chats = join(tmp, folder, 'chats');
    // A resumed session goes on in its first file; beside it the client leaves a second one that nothing is added to.
    const found = namesAt(chats)
      .filter((one) => one.startsWith('session-') && one.endsWith(end))
      .sort((a, b) => sizeOf(join(chats, b)) - sizeOf(join(chats, a)))[0];
    if (found !== undefined) return join(chats, found);
  }
  return null;
}

/** Whether the client has taken a prompt since a file of the run was written. */
export function promptSince(look: Look, file: string): boolean {
  const session = sessionFile(look);
  if (session === null) return false;
  try {
    const tail = tailAt(session, TAIL);
    const written = lookAtName(file);
    if (tail === null || written === null) return false;
    // Written after each message; a session that is opened or resumed writes none.
    const last = [...tail.text.matchAll(/^\{"\$set":\{"lastUpdated":"([^"]+)"/gm)].at(-1)?.[1];
    return last === undefined ? tail.cut : Date.parse(last) >= Math.floor(written.mtimeMs);
  } catch {
    return false;
  }
}

/** The error that the session's last turn ended with, as the client showed it; null = none. */
export function lastError(look: Look): { readonly text: string; readonly at_ms: number } | null {
  const session = sessionFile(look);
  if (session === null) return null;
  try {
    const last = recordsOf(tailAt(session, TAIL)?.text ?? '').filter((one) => LASTING.has(String(one.type)));
    const error = last.at(-1);
    const text = textOf(error ?? null, 'content');
    if (error?.type !== 'error' || text === null) return null;
    return { text, at_ms: Date.parse(textOf(error, 'timestamp') ?? '') };
  } catch {
    return null;
  }
}

/** A remark of the client (`info`) may follow its error. */
const LASTING: ReadonlySet<string> = new Set(['user', 'gemini', 'error']);

/** Totals of a session and of its sub-agents, whose records lie in a folder named after it. */
export function sessionUsage(file: string): Usage | null {
  const main = textAt(file, { most: MAX_RECORD });
  if (main === null) return null;
  const id = sessionId('gemini', textOf(recordsOf(main)[0] ?? null, 'sessionId'));
  const folder = id === null ? null : join(file, '..', id);
  const below = folder === null ? [] : namesAt(folder, MOST_AGENTS).map((name) => join(folder, name));
  // One after the other: all at once may be more than the memory holds.
  const usages = [usageIn(main), ...below.map((path) => usageIn(textAt(path, { most: MAX_RECORD }) ?? ''))];
  const sum = (key: keyof Counted): number => usages.reduce((total, usage) => total + usage[key], 0);
  return {
    input_tokens: sum('input'),
    output_tokens: sum('output'),
    cache_read_tokens: sum('cached'),
    cache_write_tokens: 0,
    turns: usages[0]?.turns ?? 0,
    cost_usd: null,
  };
}

interface Counted {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly turns: number;
}

/** A message is written again whenever it grows: the last of each id counts. After a cancelled turn the client
 *  writes the whole history once more under other ids, without tokens, and then says what the history is. */
function usageIn(text: string): Counted {
  const messages = new Map<string, Record<string, unknown>>();
  let history = new Set<string>();
  for (const record of recordsOf(text)) {
    const replaced = asObject(record.$set)?.messages;
    if (Array.isArray(replaced)) history = new Set();
    for (const message of Array.isArray(replaced) ? replaced.map(asObject) : [record]) {
      const id = textOf(message, 'id');
      if (message === null || id === null) continue;
      // A list of the whole history may repeat a message that had its tokens already.
      if (asObject(message.tokens) !== null || !messages.has(id)) messages.set(id, message);
      history.add(id);
    }
  }
  let [input, output, cached, kept] = [0, 0, 0, 0];
  const prompts = new Set<string>();
  for (const [id, message] of messages) {
    if (message.type === 'user' && isPrompt(message.content)) {
      prompts.add(JSON.stringify(message.content));
      if (history.has(id)) kept += 1;
    }
    const tokens = asObject(message.tokens);
    const count = (key: string): number => numberOf(tokens, key) ?? 0;
    input += count('input') - count('cached') + count('tool');
    output += count('output') + count('thoughts');
    cached += count('cached');
  }
  // The history drops what was cancelled; the texts alone would count a repeated prompt once.
  return { input, output, cached, turns: Math.max(kept, prompts.size) };
}

/** Results of tools go to the model as a user's message too, and so does what the client tells of the folder. */
function isPrompt(content: unknown): boolean {
  if (!Array.isArray(content)) return typeof content === 'string' && content !== '';
  const parts = content.map(asObject);
  return (
    parts.every((part) => part?.functionResponse === undefined) &&
    parts.some((part) => !(textOf(part, 'text') ?? '').startsWith('<session_context>'))
  );
}

function recordsOf(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    try {
      const record = asObject(JSON.parse(line));
      return record === null ? [] : [record];
    } catch {
      return [];
    }
  });
}

function sizeOf(path: string): number {
  return lookAtName(path)?.size ?? 0;
}
