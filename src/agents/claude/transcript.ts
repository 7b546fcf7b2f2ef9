import { join } from 'node:path';
import { asObject, numberOf, textOf } from '../../machine/files.ts';
import { isPlainFile, namesAt } from '../../machine/foreign.ts';
import type { Refusal } from '../../model/trouble.ts';
import type { AgentLook } from '../adapter.ts';
import { sessionId } from '../session.ts';
import { blocksOf, type Entry, linesOf, parseLine, tailOf } from './lines.ts';
import { questionOf } from './question.ts';

/** What the end of a transcript says. */
export interface Tail {
  /** What stands in place of the last response: the API gave none. */
  readonly refusal: Refusal | null;
  /** What the last tool call without a result would ask of a person. */
  readonly asks: string | null;
  /** When the newest message was written, UTC milliseconds; null = there is none. */
  readonly message_at_ms: number | null;
}

/** Where the client keeps its state. */
export function claudeHome(env: Readonly<Record<string, string>>): string {
  return env.CLAUDE_CONFIG_DIR || join(env.HOME ?? '', '.claude');
}

/** The session's transcript, where it exists: in the folder of its worktree, or else wherever its name is found. */
export function claudeTranscript(look: Pick<AgentLook, 'env' | 'worktree' | 'session'>): string | null {
  if (look.session === null || sessionId('claude', look.session) === null) return null;
  const projects = join(claudeHome(look.env), 'projects');
  const name = `${look.session}.jsonl`;
  const own = join(projects, (look.worktree ?? '').replaceAll(/[^A-Za-z0-9]/g, '-'), name);
  if (isPlainFile(own)) return own;
  // The folder's name is cut for long paths, and made from the path without symbolic links.
  return (
    namesAt(projects)
      .map((folder) => join(projects, folder, name))
      .find(isPlainFile) ?? null
  );
}

/** Whether the session has anything to continue: without a message the client refuses to resume it. */
export function hasConversation(look: Pick<AgentLook, 'env' | 'worktree' | 'session'>): boolean {
  const path = claudeTranscript(look);
  if (path === null) return false;
  for (const line of linesOf(path)) if (/"type":"(user|assistant)"/.test(line)) return true;
  return false;
}

/** The reset that was announced with these words, UTC milliseconds; null = none. The session may have gone on since. */
export function announcedReset(path: string | null, words: string): number | null {
  for (const line of tailOf(path).lines.toReversed()) {
    if (!line.includes('"rate_limit"')) continue;
    const limit = refusalOf(parseLine(line) ?? {});
    if (limit.says === words) return limit.until_ms;
  }
  return null;
}

/** Reads the end of a transcript, newest entry first. */
export function readTail(path: string | null): Tail {
  const answered = new Set<string>();
  let message_at_ms: number | null = null;
  const { lines, cut } = tailOf(path);
  for (const line of lines.toReversed()) {
    const entry = parseLine(line);
    if (entry === null || (entry.type !== 'user' && entry.type !== 'assistant')) continue;
    message_at_ms ??= timeOf(entry);
    const blocks = blocksOf(entry);
    const results = blocks.map((block) => textOf(block, 'tool_use_id')).filter((id) => id !== null);
    for (const id of results) answered.add(id);
    // A prompt: what came before it is over.
    if (entry.type === 'user' && results.length === 0) break;
    if (entry.type === 'user') continue;
    if (entry.isApiErrorMessage === true)
      return { refusal: answered.size === 0 ? refusalOf(entry) : null, asks: null, message_at_ms };
    const calls = blocks.filter((block) => block.type === 'tool_use');
    const open = calls.find((call) => !answered.has(textOf(call, 'id') ?? ''));
    if (open !== undefined) return { refusal: null, asks: askOf(open), message_at_ms };
    // Calls that were made together stand in lines of their own: one of them may be the open one.
    if (calls.length === 0) break;
  }
  // One entry can be longer than what is read: then there is a message, but when is not known.
  if (cut) message_at_ms ??= Number.MAX_SAFE_INTEGER;
  return { refusal: null, asks: null, message_at_ms };
}

function askOf(call: Entry): string {
  return questionOf(textOf(call, 'name') ?? 'a tool', asObject(call.input));
}

function timeOf(entry: Entry): number | null {
  const time = Date.parse(textOf(entry, 'timestamp') ?? '');
  return Number.isNaN(time) ? null : time;
}

/** A status is told in the text alone. */
export function refusalIn(word: string, says: string, until_ms: number | null): Refusal {
  const status = /\bAPI Error: (\d{3})\b/.exec(says)?.[1];
  return { status: status === undefined ? null : Number(status), word, says, until_ms };
}

function refusalOf(entry: Entry): Refusal {
  const reset_s =
    numberOf(asObject(entry.quotaLimits), 'resetsAt') ??
    numberOf(asObject(asObject(entry.apiErrorParams)?.rate_limit_info), 'resetsAt');
  const word = textOf(entry, 'error') ?? '';
  const says = textOf(blocksOf(entry)[0] ?? null, 'text') ?? `Claude Code: ${word}`;
  return refusalIn(word, says, reset_s === null ? null : reset_s * 1000);
}
