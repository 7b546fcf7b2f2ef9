import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { asObject, numberOf, textOf } from '../files.ts';
import type { AgentLook, Limited, Usage } from './adapter.ts';
import { questionOf } from './claude-question.ts';

type Entry = Record<string, unknown>;

const TAIL_BYTES = 256 * 1024;
const CHUNK_BYTES = 1024 * 1024;
/** Beyond this a transcript is not counted: a tick must stay short. */
const MAX_BYTES = 512 * 1024 * 1024;

/** What the end of a transcript says. */
export interface Tail {
  /** The last response was the refusal of a limit. */
  readonly limited: Limited | null;
  /** What the last tool call without a result would ask of a person. */
  readonly asks: string | null;
}

/** Where the client keeps its state. */
export function claudeHome(env: Readonly<Record<string, string>>): string {
  return env.CLAUDE_CONFIG_DIR || join(env.HOME ?? '', '.claude');
}

/** The session's transcript, where it exists: in the folder of its worktree, or else wherever its name is found. */
export function claudeTranscript(look: Pick<AgentLook, 'env' | 'worktree' | 'session'>): string | null {
  if (look.session === null || !/^[\w-]+$/.test(look.session)) return null;
  const projects = join(claudeHome(look.env), 'projects');
  const name = `${look.session}.jsonl`;
  const own = join(projects, (look.worktree ?? '').replaceAll(/[^A-Za-z0-9]/g, '-'), name);
  if (existsSync(own)) return own;
  // The folder's name is cut for long paths, and made from the path without symbolic links.
  return (
    namesIn(projects)
      .map((folder) => join(projects, folder, name))
      .find((path) => existsSync(path)) ?? null
  );
}

/** Whether the session has anything to continue: without a message the client refuses to resume it. */
export function hasConversation(look: Pick<AgentLook, 'env' | 'worktree' | 'session'>): boolean {
  const path = claudeTranscript(look);
  if (path === null) return false;
  for (const line of linesOf(path)) if (/"type":"(user|assistant)"/.test(line)) return true;
  return false;
}

/** Totals of the session and its sub-agents. The money is not in the transcript. */
export function claudeUsage(look: AgentLook): Usage | null {
  const path = claudeTranscript(look);
  if (path === null) return null;
  const messages = new Map<string, Entry>();
  const prompts = new Set<string>();
  for (const file of [path, ...subagents(path)])
    for (const line of linesOf(file)) count(line, file === path, messages, prompts);
  const sum = (key: string) =>
    [...messages.values()].reduce((all, one) => all + (numberOf(one, key) ?? 0), 0);
  return {
    input_tokens: sum('input_tokens'),
    output_tokens: sum('output_tokens'),
    cache_read_tokens: sum('cache_read_input_tokens'),
    cache_write_tokens: sum('cache_creation_input_tokens'),
    turns: prompts.size,
    cost_usd: null,
  };
}

/** When the limit that ended the last turn is lifted, UTC milliseconds; null = not told. */
export function announcedReset(path: string | null): number | null {
  return readTail(path).limited?.until_ms ?? null;
}

/** Reads the end of a transcript, newest entry first. */
export function readTail(path: string | null): Tail {
  const answered = new Set<string>();
  for (const line of tailOf(path).reverse()) {
    const entry = parse(line);
    if (entry === null || entry.isSidechain === true) continue;
    const blocks = blocksOf(entry);
    const results = blocks.map((block) => textOf(block, 'tool_use_id')).filter((id) => id !== null);
    for (const id of results) answered.add(id);
    // A prompt: what came before it is over.
    if (entry.type === 'user' && results.length === 0) break;
    if (entry.type !== 'assistant') continue;
    if (entry.isApiErrorMessage === true)
      return { limited: answered.size === 0 ? limitOf(entry) : null, asks: null };
    const calls = blocks.filter((block) => block.type === 'tool_use');
    const open = calls.find((call) => !answered.has(textOf(call, 'id') ?? ''));
    if (open !== undefined)
      return { limited: null, asks: questionOf(textOf(open, 'name') ?? 'a tool', asObject(open.input)) };
    // Calls that were made together stand in lines of their own: one of them may be the open one.
    if (calls.length === 0) break;
  }
  return { limited: null, asks: null };
}

function limitOf(entry: Entry): Limited | null {
  if (entry.error !== 'rate_limit') return null;
  const reset_s =
    numberOf(asObject(entry.quotaLimits), 'resetsAt') ??
    numberOf(asObject(asObject(entry.apiErrorParams)?.rate_limit_info), 'resetsAt');
  const text = textOf(blocksOf(entry)[0] ?? null, 'text') ?? 'Claude Code reached a limit';
  return { until_ms: reset_s === null ? null : reset_s * 1000, text };
}

/** One response is several lines, one for each of its blocks, all with its usage so far: the last one counts. */
function count(line: string, main: boolean, messages: Map<string, Entry>, prompts: Set<string>): void {
  const isResponse = line.includes('"type":"assistant"') && line.includes('"usage"');
  if (!isResponse && !(main && line.includes('"type":"user"'))) return;
  const entry = parse(line);
  if (entry?.type === 'assistant') {
    const message = asObject(entry.message);
    const usage = asObject(message?.usage);
    const id = textOf(message, 'id');
    if (id !== null && usage !== null) messages.set(id, usage);
  } else if (entry?.type === 'user' && isPersons(entry)) {
    const id = textOf(entry, 'promptId') ?? textOf(entry, 'uuid');
    if (id !== null) prompts.add(id);
  }
}

/** Typed, queued or handed over at the start; not what the client tells itself, and no tool result. */
function isPersons(entry: Entry): boolean {
  return asObject(entry.origin)?.kind === 'human' || entry.promptSource === 'sdk';
}

function subagents(transcript: string): string[] {
  const folder = join(transcript.replace(/\.jsonl$/, ''), 'subagents');
  return namesIn(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(folder, name));
}

function blocksOf(entry: Entry): Entry[] {
  const content = asObject(entry.message)?.content;
  return Array.isArray(content) ? content.map(asObject).filter((block) => block !== null) : [];
}

function parse(line: string): Entry | null {
  try {
    return asObject(JSON.parse(line));
  } catch {
    return null;
  }
}

/** The whole lines of the last part of a file, oldest first. */
function tailOf(path: string | null): string[] {
  return withFile(path, [], (file, size) => {
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const read = readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString('utf8', 0, read).split('\n');
    return size > buffer.length ? lines.slice(1) : lines;
  });
}

/** The lines of a file, one character a byte: enough for numbers and ids, and no letter is cut at a chunk's end. */
function* linesOf(path: string): Generator<string> {
  // The descriptor is closed by `return` too, which a loop that ends early calls.
  const file = open(path);
  if (file === null) return;
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    for (let done = 0; done < MAX_BYTES; ) {
      const read = readSync(file.fd, buffer, 0, buffer.length, null);
      if (read === 0) break;
      done += read;
      const lines = (rest + buffer.toString('latin1', 0, read)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
    if (rest !== '') yield rest;
  } catch {
    // Unreadable half-way: what was read counts.
  } finally {
    closeSync(file.fd);
  }
}

function withFile<T>(path: string | null, otherwise: T, use: (fd: number, size: number) => T): T {
  const file = path === null ? null : open(path);
  if (file === null) return otherwise;
  try {
    return use(file.fd, file.size);
  } catch {
    return otherwise;
  } finally {
    closeSync(file.fd);
  }
}

/** Opens a plain file only: a pipe in its place must not hold a tick up. */
function open(path: string): { readonly fd: number; readonly size: number } | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isFile()) return { fd, size: stat.size };
    closeSync(fd);
  } catch {
    // Not there, or not ours to read.
  }
  return null;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
