import { join } from 'node:path';
import { asObject, numberOf, textOf } from '../../machine/files.ts';
import { namesAt } from '../../machine/foreign.ts';
import type { AgentLook, Usage } from '../adapter.ts';
import { type Entry, linesOf, parseLine } from './lines.ts';
import { claudeTranscript } from './transcript.ts';

/** So many sub-agents of a session are counted. */
const MOST_AGENTS = 2000;

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

/** One response is several lines, one for each of its blocks, all with its usage so far: the last one counts. */
function count(line: string, main: boolean, messages: Map<string, Entry>, prompts: Set<string>): void {
  const isResponse = line.includes('"type":"assistant"') && line.includes('"usage"');
  if (!isResponse && !(main && line.includes('"type":"user"'))) return;
  const entry = parseLine(line);
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
  return namesAt(folder, MOST_AGENTS)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(folder, name));
}
