import { describe, expect, it } from 'vitest';
import {
  claudeTurns,
  codexTurns,
  geminiTurns,
  opencodeLines,
  opencodeTurns,
} from '../../src/runs/transcript/clients.ts';
import { callLine, resultLine } from '../../src/runs/transcript/turn.ts';

const AT = '2026-11-26T02:10:00.000Z';
const at_ms = Date.parse(AT);
const lines = (...all: unknown[]): string => `${all.map((one) => JSON.stringify(one)).join('\n')}\n`;

describe('what Claude Code has recorded', () => {
  it('is told as who said what, and one line for each tool', () => {
    const text = lines(
      { type: 'summary', summary: 'x' },
      { type: 'user', timestamp: AT, message: { role: 'user', content: 'Fix it' } },
      {
        type: 'assistant',
        timestamp: AT,
        message: {
          content: [
            { type: 'thinking', thinking: 'hm' },
            { type: 'text', text: 'I look.' },
            {
              type: 'tool_use',
              id: 't',
              name: 'Bash',
              input: { command: 'npm test\nls', description: 'tests' },
            },
          ],
        },
      },
      {
        type: 'user',
        timestamp: AT,
        message: {
          content: [{ type: 'tool_result', tool_use_id: 't', content: 'ok\n\n2 passed', is_error: false }],
        },
      },
    );
    expect(claudeTurns(`${text}{"type":"user","mess`)).toEqual([
      { at_ms, who: 'user', text: 'Fix it' },
      { at_ms, who: 'assistant', text: 'I look.' },
      { at_ms, who: 'tool', text: 'Bash: npm test ls' },
      { at_ms, who: 'result', text: 'ok (and 1 more lines)' },
    ]);
  });
});

describe('what Codex has recorded', () => {
  it('leaves out what the client tells the model, and what its events repeat', () => {
    const item = (payload: unknown) => ({ timestamp: AT, type: 'response_item', payload });
    const said = (role: string, text: string) => ({
      type: 'message',
      role,
      content: [{ type: 'input_text', text }],
    });
    const text = lines(
      item(said('developer', 'rules')),
      item(said('user', '<environment_context>cwd</environment_context>')),
      item(said('user', 'Fix it')),
      { timestamp: AT, type: 'event_msg', payload: { type: 'user_message', message: 'Fix it' } },
      item({ type: 'function_call', name: 'shell', arguments: '{"command":["bash","-lc","ls"]}' }),
      item({ type: 'function_call_output', call_id: 'c', output: 'a\nb' }),
      item(said('assistant', 'Done.')),
    );
    expect(codexTurns(text).map(({ who, text: words }) => [who, words])).toEqual([
      ['user', 'Fix it'],
      ['tool', 'shell: bash -lc ls'],
      ['result', 'a (and 1 more lines)'],
      ['assistant', 'Done.'],
    ]);
  });
});

describe('what Gemini CLI has recorded', () => {
  it('is the last of each message, and after a cancelled turn the list that it wrote then', () => {
    const user = { id: 'u', type: 'user', timestamp: AT, content: [{ text: 'Fix it' }] };
    const text = lines(
      { sessionId: 's' },
      { id: 'c', type: 'user', timestamp: AT, content: [{ text: '<session_context>x</session_context>' }] },
      { id: 'old', type: 'user', timestamp: AT, content: 'cancelled' },
      { $set: { messages: [user] } },
      { id: 'g', type: 'gemini', timestamp: AT, content: 'I' },
      {
        id: 'g',
        type: 'gemini',
        timestamp: AT,
        content: 'I look.',
        toolCalls: [{ name: 'read_file', args: { path: 'a.ts' }, status: 'error', resultDisplay: 'gone' }],
      },
      { id: 'i', type: 'info', timestamp: AT, content: 'a remark' },
    );
    expect(geminiTurns(text).map(({ who, text: words }) => [who, words])).toEqual([
      ['user', 'Fix it'],
      ['assistant', 'I look.'],
      ['tool', 'read_file: a.ts'],
      ['result', 'failed: gone'],
      ['note', 'a remark'],
    ]);
  });
});

describe('what OpenCode tells', () => {
  it('by its server and by its lines is the same', () => {
    const parts = [
      { type: 'text', text: 'I look.' },
      { type: 'tool', tool: 'bash', state: { status: 'completed', input: { command: 'ls' }, output: 'a' } },
      { type: 'step-finish' },
    ];
    const told = [
      { at_ms, who: 'assistant', text: 'I look.' },
      { at_ms, who: 'tool', text: 'bash: ls' },
      { at_ms, who: 'result', text: 'a' },
    ];
    expect(opencodeTurns([{ info: { role: 'assistant', time: { created: at_ms } }, parts }])).toEqual(told);
    expect(opencodeLines(lines(...parts.map((part) => ({ type: 'x', timestamp: at_ms, part }))))).toEqual(
      told,
    );
  });
});

it.each([claudeTurns, codexTurns, geminiTurns, opencodeLines])(
  '%o takes anything without an error',
  (turns) => {
    const odd = [
      null,
      7,
      'x',
      [],
      {},
      { type: 'user' },
      { type: 'user', message: 7 },
      { $set: { messages: [7, null] } },
    ];
    const more = [
      {
        type: 'assistant',
        message: { content: [null, { type: 'text' }, { type: 'tool_use' }, { type: 'tool_result' }] },
      },
      { type: 'response_item', payload: { type: 'message', role: 'user', content: [7] } },
      { type: 'response_item', payload: { type: 'function_call' } },
      { type: 'response_item', payload: { type: 'function_call_output' } },
      { id: 'g', type: 'gemini', toolCalls: [null, {}] },
      { part: { type: 'tool' }, timestamp: 'never' },
    ];
    expect(() => turns(`not json\n{"half\n${lines(...odd, ...more)}`)).not.toThrow();
    expect(() => opencodeTurns([...odd, ...more])).not.toThrow();
  },
);

it('a call is one line, whatever its input is', () => {
  expect(callLine('Edit', { old: 'a', file_path: '/x/y.ts' })).toBe('Edit: /x/y.ts');
  expect(callLine('other', { a: 1 })).toBe('other: {"a":1}');
  expect(callLine(null, undefined)).toBe('a tool');
  expect(callLine('Bash', { command: `echo \u001b[2J${'x'.repeat(500)}` })).toHaveLength(300);
  expect(resultLine('', false)).toBe('nothing');
});
