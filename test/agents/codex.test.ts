import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AgentLook, PROMPT } from '../../src/agents/adapter.ts';
import { codex } from '../../src/agents/codex/index.ts';
import { codexLevel } from '../../src/agents/codex/level.ts';
import { lookAt } from '../../src/machine/process.ts';
import { aProfile } from '../support/builders.ts';

const ROOT = uuidv7(Date.now(), 1);
const CHILD = uuidv7(Date.now(), 2);
const TURN = { turn_id: uuidv7(Date.now(), 3) };
const common = {
  session_id: ROOT,
  turn_id: TURN.turn_id,
  transcript_path: '/home/u/.codex/sessions/2026/11/24/rollout.jsonl',
  cwd: '/home/u/wt/w1',
  model: 'gpt-5.5-codex',
  permission_mode: 'default',
};
const profile = aProfile({
  ...{
    name: 'codex',
    kind: 'codex',
    argv: [],
    permission_mode: 'acceptEdits',
    on_idle: 'needs_input',
    max_nudges: 2,
  },
});
const context = {
  runDir: '/state/runs/r1',
  bin: "/st'ate/bin",
  session: ROOT,
  resume: null,
  headless: false,
  worktree: '/home/u/wt/w1',
};

let home: string;
let look: AgentLook;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mc-codex-'));
  const seen = lookAt(process.pid);
  look = {
    runDir: home,
    worktree: '/home/u/wt/w1',
    env: { HOME: home },
    pid: process.pid,
    pid_start: seen.kind === 'present' ? seen.start : '',
    session: ROOT,
    title: 'w1',
  };
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test('a launch uses no shared server, and the prompt is the last word', () => {
  const argv = codex.launchArgv(profile, context);
  expect(argv.slice(0, 2)).toEqual(['codex', '--no-daemon']);
  expect(argv.at(-1)).toBe(PROMPT);
  expect(argv).toContain('notice.hide_rate_limit_model_nudge=true');
  expect(argv).not.toContain('--dangerously-bypass-hook-trust');
  expect(codex.stageFiles(context)).toEqual([]);
});

test('a resumed session and a run without a terminal have their own words', () => {
  expect(codex.launchArgv(profile, { ...context, resume: ROOT }).slice(-4)).toEqual([
    'resume',
    '--',
    ROOT,
    PROMPT,
  ]);
  const headless = codex.launchArgv({ ...profile, argv: ['/opt/codex'] }, { ...context, headless: true });
  expect(headless.slice(0, 3)).toEqual(['/opt/codex', 'exec', '--json']);
  expect(headless).not.toContain('--no-daemon');
});

test('only the words of permission_mode that Codex has become settings', () => {
  const settings = (permission_mode: string) =>
    codex
      .launchArgv({ ...profile, permission_mode }, context)
      .filter((word) => /^(sandbox_mode|approval_policy)/.test(String(word)));
  expect(settings('acceptEdits')).toEqual([]);
  expect(settings('')).toEqual([]);
  expect(settings('never')).toEqual(['approval_policy="never"']);
  expect(settings('read-only')).toEqual(['sandbox_mode="read-only"']);
});

test('each hook comes with the hash that Codex itself gives it', () => {
  const words = codex.launchArgv(profile, { ...context, bin: '/a b' }).map(String);
  expect(words).toContain(`hooks.Stop=[{hooks=[{type="command",command="'/a b/mc-event' Stop",timeout=3}]}]`);
  const state = words.find((word) => word.startsWith('hooks.state=')) ?? '';
  // As `hooks/list` of Codex 0.169.0 told them.
  expect(state).toContain(
    '"/<session-flags>/config.toml:stop:0:0"={trusted_hash="sha256:a49657235d680a76b5fbcd035eaed72c3ecc943de939e1685946b7eb655a5b0f"}',
  );
  expect(state).toContain(
    '"/<session-flags>/config.toml:interrupt:0:0"={trusted_hash="sha256:f408d1ee0725e70b2b2fe0809b38108617a121cbe711d98e945f0fa075b2f416"}',
  );
});

test('hooks tell when a turn starts, waits and ends', () => {
  expect(codex.mapEvent('SessionStart', { ...common, source: 'startup' })).toEqual({ session: ROOT });
  expect(codex.mapEvent('UserPromptSubmit', { ...common, prompt: 'do it' })).toEqual({
    activity: 'busy',
    turn: true,
    session: ROOT,
  });
  expect(codex.mapEvent('PermissionRequest', permission())).toEqual({
    activity: 'waiting',
    question: 'Permission for Bash: touch x - The agent says why',
    session: ROOT,
  });
  expect(codex.mapEvent('PostToolUse', { ...common, tool_name: 'Bash' })?.activity).toBe('busy');
  expect(codex.mapEvent('Stop', { ...common, stop_hook_active: false })?.activity).toBe('idle');
  expect(codex.mapEvent('Interrupt', common)?.activity).toBe('idle');
  expect(codex.mapEvent('SessionEnd', { ...common, reason: 'other' })).toEqual({ session: ROOT });
  expect(codex.mapEvent('Stop', {})).toEqual({ activity: 'idle' });
  expect(codex.mapEvent('Unheard', {})).toBeNull();
});

test('the question tool is a question with its text', () => {
  const tool_input = { questions: [{ id: 'q', question: 'Which colour?' }, { question: 'Which size?' }] };
  expect(
    codex.mapEvent('PreToolUse', { ...common, tool_name: 'request_user_input', tool_input }),
  ).toMatchObject({ activity: 'waiting', question: 'Which colour?\nWhich size?' });
});

test('what a sub-agent is told is no turn of the run', () => {
  const meaning = codex.mapEvent('UserPromptSubmit', { ...common, agent_id: CHILD, prompt: 'part of it' });
  expect(meaning).toEqual({ activity: 'busy', session: ROOT });
});

test('the record tells busy, idle, interrupted, and nothing before the first prompt', () => {
  expect(codexLevel(look)).toBeNull();
  record(ROOT, [event('task_started')]);
  expect(codexLevel(look)).toEqual({ activity: 'busy', session: ROOT });
  record(ROOT, [event('task_complete')]);
  expect(codexLevel(look)).toEqual({ activity: 'idle', session: ROOT });
  record(ROOT, [event('task_started'), event('turn_aborted', { reason: 'interrupted' })]);
  expect(codexLevel(look)).toEqual({ activity: 'idle', session: ROOT });
});

test('a record is found by where and when the client was started, before its id is known', () => {
  record(CHILD, [event('task_started')], { source: { subagent: {} } });
  expect(codexLevel({ ...look, session: null })).toBeNull();
  record(ROOT, [event('task_started')]);
  expect(codexLevel({ ...look, session: null })).toEqual({ activity: 'busy', session: ROOT });
  expect(codexLevel({ ...look, session: null, worktree: '/home/u/wt/other' })).toBeNull();
});

test('a turn that an earlier process left open is no turn of this one', () => {
  record(ROOT, [event('task_started', {}, Date.now() - 40 * 86_400_000)]);
  expect(codexLevel(look)).toBeNull();
});

test('a process that is gone or another one has no level', () => {
  record(ROOT, [event('task_started')]);
  expect(codexLevel({ ...look, pid_start: '1' })).toBeNull();
  expect(codexLevel({ ...look, pid: 2 ** 22 + 1 })).toBeNull();
});

test('the title tells an open dialog, with the question from the record, and a spinner is busy', () => {
  const args = JSON.stringify({ cmd: 'touch x', justification: 'The agent says why' });
  record(ROOT, [event('task_started'), call('call_1', 'exec_command', args)]);
  const waiting = {
    activity: 'waiting',
    question: 'Permission for Bash: touch x - The agent says why',
    session: ROOT,
  };
  expect(codexLevel({ ...look, title: '[ ! ] Action Required | w1' })).toEqual(waiting);
  expect(codexLevel({ ...look, title: '[ . ] Action Required | w1' })).toEqual(waiting);
  expect(codexLevel({ ...look, title: '⠙ w1' })).toEqual({ activity: 'busy', session: ROOT });
  expect(codexLevel({ ...look, title: null })).toEqual({ activity: 'busy', session: ROOT });
});

test('an idle turn is busy while a sub-agent works', () => {
  const item = { type: 'CollabAgentToolCall', tool: 'spawn_agent', receiver_thread_ids: [CHILD] };
  record(ROOT, [event('task_started'), event('item_completed', { item }), event('task_complete')]);
  record(CHILD, [event('task_started')], { source: { subagent: {} } });
  expect(codexLevel(look)).toEqual({ activity: 'busy', session: ROOT });
  record(CHILD, [event('task_complete')]);
  expect(codexLevel(look)).toEqual({ activity: 'idle', session: ROOT });
});

test('a used-up plan is a limit with its reset, also when `codex exec` has ended over it', () => {
  const resets_at = 1_795_512_912;
  const rate_limits = { primary: { used_percent: 100, window_minutes: 300, resets_at }, secondary: null };
  const error = { message: 'You’ve hit your usage limit.', codex_error_info: 'usage_limit_exceeded' };
  record(ROOT, [
    event('task_started'),
    event('token_count', { info: null, rate_limits }),
    event('task_complete', { last_agent_message: null, error }),
  ]);
  const says = 'You’ve hit your usage limit.';
  const refusal = { status: null, word: 'usage_limit_exceeded', says, until_ms: resets_at * 1000 };
  expect(codexLevel(look)).toEqual({ activity: 'idle', session: ROOT, refusal });
  expect(codexLevel({ ...look, pid: 2 ** 22 + 1 })).toBeNull();
  expect(codex.lastRefusal?.({ ...look, pid: 2 ** 22 + 1 }, null)).toEqual(refusal);
});

test('what ends a turn is told with its status, its word and its words', () => {
  const failed = (name: string, http_status_code: number) => {
    const error = {
      message: `status ${http_status_code}`,
      codex_error_info: { [name]: { http_status_code } },
    };
    record(ROOT, [event('task_started'), event('task_complete', { error })]);
    return codexLevel(look);
  };
  expect(failed('response_too_many_failed_attempts', 429)).toMatchObject({
    activity: 'idle',
    refusal: { status: 429, word: 'response_too_many_failed_attempts', says: 'status 429', until_ms: null },
  });
  expect(failed('http_connection_failed', 401)?.refusal).toMatchObject({ status: 401 });
});

test('half a line at the end and lines longer than a chunk do not hide a turn', () => {
  const output = { type: 'function_call_output', call_id: 'call_1', output: 'x'.repeat(700_000) };
  record(ROOT, [event('task_started'), { type: 'response_item', payload: output }]);
  appendFileSync(
    pathOf(ROOT),
    '{"timestamp":"2026-11-24T08:00:00.000Z","type":"event_msg","payload":{"type":"task_com',
  );
  expect(codexLevel(look)).toEqual({ activity: 'busy', session: ROOT });
});

test('usage is the total of the session, and cached tokens are not counted twice', () => {
  const usage = {
    input_tokens: 34_782,
    cached_input_tokens: 17_391,
    cache_write_input_tokens: 391,
    output_tokens: 28,
  };
  expect(codex.usage?.(look)).toBeNull();
  record(ROOT, [
    event('task_started'),
    event('task_started'),
    { type: 'token_usage_record', payload: { thread_id: ROOT, thread_token_usage: usage } },
  ]);
  expect(codex.usage?.(look)).toEqual({
    input_tokens: 17_000,
    output_tokens: 28,
    cache_read_tokens: 17_391,
    cache_write_tokens: 391,
    turns: 2,
    cost_usd: null,
  });
});

test('a session can be resumed as long as its record is there', () => {
  const without = { runDir: home, worktree: null, env: look.env, session: ROOT };
  expect(codex.resumable?.(without)).toBe(false);
  record(ROOT, [event('task_started')]);
  expect(codex.resumable?.(without)).toBe(true);
  expect(codex.transcript?.(look)).toBe(pathOf(ROOT));
  expect(codex.resumable?.({ ...without, env: { HOME: home, CODEX_HOME: '/nowhere' } })).toBe(false);
  expect(codex.resumable?.({ ...without, session: '../../etc/passwd' })).toBe(false);
});

test('a first-run dialog says what a person has to do', () => {
  expect(codex.notReady?.('> 1. Sign in with ChatGPT\n  2. Sign in with Device Code')).toMatch(/codex login/);
  expect(codex.notReady?.('  Folder access\n› 1. Trust and continue')).toMatch(/trust/);
  expect(codex.notReady?.('  Hooks need review\n  1 hook is new or changed.')).toMatch(/review/);
  expect(codex.notReady?.('› Ask Codex to do anything')).toBeNull();
});

function permission(): Record<string, unknown> {
  const tool_input = { command: 'touch x', description: 'The agent says why' };
  return { ...common, tool_name: 'Bash', tool_input };
}

/** A version 7 UUID: its first 48 bits are the time. */
function uuidv7(at: number, n: number): string {
  const time = at.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7f02-a14f-${n.toString(16).padStart(12, '0')}`;
}

function pathOf(session: string): string {
  const [year = '', month = '', day = ''] = new Date().toISOString().slice(0, 10).split('-');
  const folder = join(home, '.codex', 'sessions', year, month, day);
  mkdirSync(folder, { recursive: true });
  return join(folder, `rollout-${year}-${month}-${day}T08-33-30-${session}.jsonl`);
}

/** Adds entries to the record of a session, with its first line before them. */
function record(session: string, entries: readonly object[], meta: object = {}): void {
  const path = pathOf(session);
  const head = { session_id: ROOT, id: session, cwd: '/home/u/wt/w1', source: 'cli', thread_source: 'user' };
  const first = { type: 'session_meta', payload: { timestamp: now(), ...head, ...meta } };
  try {
    writeFileSync(path, line(first), { flag: 'wx' });
  } catch {
    // It is there already.
  }
  for (const entry of entries) appendFileSync(path, line(entry));
}

function event(type: string, payload: object = {}, at = Date.now()): object {
  return { timestamp: new Date(at).toISOString(), type: 'event_msg', payload: { type, ...TURN, ...payload } };
}

function call(call_id: string, name: string, args: string): object {
  return { type: 'response_item', payload: { type: 'function_call', call_id, name, arguments: args } };
}

function line(entry: object): string {
  return `${JSON.stringify({ timestamp: now(), ...entry })}\n`;
}

function now(): string {
  return new Date().toISOString();
}
