/*
 * What each client writes down of a conversation. These records are no documented interface: whatever is not as
 * expected is left out, and nothing here throws.
 */

import { textOf } from '../../machine/files.ts';
import { asObject } from '../../model/json.ts';
import { blocksText, callLine, type Entry, entriesIn, resultLine, type Turn, timeOf } from './turn.ts';

/** Claude Code: a line a message, with blocks. */
export function claudeTurns(text: string): Turn[] {
  return entriesIn(text).flatMap((entry): Turn[] => {
    if (entry.type !== 'user' && entry.type !== 'assistant') return [];
    const at_ms = timeOf(entry.timestamp);
    const content = asObject(entry.message)?.content;
    const who = entry.isMeta === true ? 'note' : entry.type;
    if (typeof content === 'string') return said(at_ms, who, content);
    return blocks(content).flatMap((block): Turn[] => {
      if (block.type === 'text') return said(at_ms, who, textOf(block, 'text') ?? '');
      if (block.type === 'tool_use')
        return [{ at_ms, who: 'tool', text: callLine(textOf(block, 'name'), block.input) }];
      if (block.type !== 'tool_result') return [];
      return [{ at_ms, who: 'result', text: resultLine(blocksText(block.content), block.is_error === true) }];
    });
  });
}

/** Codex: the items that went to and came from the model; its own events tell the same again. */
export function codexTurns(text: string): Turn[] {
  return entriesIn(text).flatMap((entry): Turn[] => {
    const item = asObject(entry.payload);
    if (entry.type !== 'response_item' || item === null) return [];
    const at_ms = timeOf(entry.timestamp);
    switch (item.type) {
      case 'message': {
        const words = blocksText(item.content);
        // What the client tells the model of the machine and its rules.
        const own = item.role !== 'assistant' && /^\s*(<[a-z_]+>|# AGENTS\.md)/.test(words);
        if (item.role === 'assistant') return said(at_ms, 'assistant', words);
        return item.role === 'user' && !own ? said(at_ms, 'user', words) : [];
      }
      case 'function_call':
      case 'custom_tool_call':
        return [{ at_ms, who: 'tool', text: callLine(textOf(item, 'name'), item.arguments ?? item.input) }];
      case 'local_shell_call':
        return [{ at_ms, who: 'tool', text: callLine('shell', item.action) }];
      case 'function_call_output':
      case 'custom_tool_call_output': {
        const output = asObject(item.output)?.content ?? item.output;
        return [{ at_ms, who: 'result', text: resultLine(blocksText(output), false) }];
      }
      default:
        return [];
    }
  });
}

/** Gemini CLI: a message is written again whenever it grows, and the whole list after a cancelled turn: the last of each
 *  counts. */
export function geminiTurns(text: string): Turn[] {
  let messages = new Map<string, Entry>();
  for (const entry of entriesIn(text)) {
    const all = asObject(entry.$set)?.messages;
    if (Array.isArray(all)) messages = new Map();
    for (const one of Array.isArray(all) ? all.map(asObject) : [entry]) {
      const id = textOf(one, 'id');
      if (one !== null && id !== null) messages.set(id, one);
    }
  }
  return [...messages.values()].flatMap((one): Turn[] => {
    const at_ms = timeOf(one.timestamp);
    const words = blocksText(one.content);
    if (one.type === 'user') return words.startsWith('<session_context>') ? [] : said(at_ms, 'user', words);
    if (one.type !== 'gemini') return said(at_ms, 'note', words);
    const calls = blocks(one.toolCalls).flatMap((call): Turn[] => {
      const failed = call.status === 'error' || call.status === 'cancelled';
      const result = textOf(call, 'resultDisplay');
      return [
        { at_ms, who: 'tool', text: callLine(textOf(call, 'name'), call.args) },
        ...(result === null ? [] : [{ at_ms, who: 'result' as const, text: resultLine(result, failed) }]),
      ];
    });
    return [...said(at_ms, 'assistant', words), ...calls];
  });
}

/** OpenCode: the messages of its server, each with its parts. */
export function opencodeTurns(messages: unknown): Turn[] {
  return blocks(messages).flatMap((message): Turn[] => {
    const info = asObject(message.info);
    const at_ms = timeOf(asObject(info?.time)?.created);
    const who = info?.role === 'user' ? 'user' : 'assistant';
    return blocks(message.parts).flatMap((part) => opencodePart(part, who, at_ms));
  });
}

/** OpenCode without a terminal: a line an event, with the part that it is about. */
export function opencodeLines(text: string): Turn[] {
  return entriesIn(text).flatMap((entry) => {
    const part = asObject(entry.part);
    return part === null ? [] : opencodePart(part, 'assistant', timeOf(entry.timestamp));
  });
}

function opencodePart(part: Entry, who: 'user' | 'assistant', at_ms: number | null): Turn[] {
  if (part.type === 'text')
    return part.synthetic === true ? [] : said(at_ms, who, textOf(part, 'text') ?? '');
  if (part.type !== 'tool') return [];
  const state = asObject(part.state);
  const output = textOf(state, 'output') ?? textOf(state, 'error');
  return [
    { at_ms, who: 'tool', text: callLine(textOf(part, 'tool'), state?.input) },
    ...(output === null
      ? []
      : [{ at_ms, who: 'result' as const, text: resultLine(output, state?.status === 'error') }]),
  ];
}

function said(at_ms: number | null, who: Turn['who'], text: string): Turn[] {
  return text.trim() === '' ? [] : [{ at_ms, who, text: text.trim() }];
}

function blocks(value: unknown): Entry[] {
  return Array.isArray(value) ? value.map(asObject).filter((one) => one !== null) : [];
}
