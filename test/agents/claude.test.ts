import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdapterContext, type AgentLook, PROMPT } from '../../src/agents/adapter.ts';
import { claude } from '../../src/agents/claude/index.ts';
import type { AgentProfile } from '../../src/model/policy.ts';

const SESSION = '4d6b992c-8567-458b-9f1d-8ca204c094fb';
const WORKTREE = '/home/u/wt/a.b';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mc-claude-'));
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

describe('the command line of Claude Code', () => {
  const context: AdapterContext = {
    runDir: '/s/runs/r1',
    bin: '/s/bin',
    session: SESSION,
    resume: null,
    headless: false,
    worktree: WORKTREE,
  };

  it('names the session, the settings of the run and a permission mode, and ends with the prompt', () => {
    expect(claude.launchArgv(profile(), context)).toEqual([
      'claude',
      '--session-id',
      SESSION,
      '--settings',
      '/s/runs/r1/claude-settings.json',
      '--permission-mode',
      'acceptEdits',
      PROMPT,
    ]);
  });

  it('continues a session by its own id, and still hands the prompt over', () => {
    const argv = claude.launchArgv(profile(), { ...context, resume: 'old-session' });
    expect(argv.slice(0, 2)).toEqual(['claude', '--resume=old-session']);
    expect(argv).not.toContain('--session-id');
    expect(argv.at(-1)).toBe(PROMPT);
  });

  it('runs without a terminal where nobody attaches', () => {
    const argv = claude.launchArgv(profile(), { ...context, headless: true });
    expect(argv.slice(0, 5)).toEqual(['claude', '-p', '--output-format', 'stream-json', '--verbose']);
  });

  it("leaves the permission mode to the profile's own words", () => {
    const own = claude.launchArgv(profile({ argv: ['claude', '--permission-mode=plan'] }), context);
    expect(own).not.toContain('acceptEdits');
    const set = claude.launchArgv(profile({ permission_mode: 'manual' }), context);
    expect(set.slice(-3)).toEqual(['--permission-mode', 'manual', PROMPT]);
  });

  it('brings its hooks by a file of the run', () => {
    const [file, ...others] = claude.stageFiles(context);
    expect(others).toEqual([]);
    expect(file?.path).toBe('/s/runs/r1/claude-settings.json');
    const settings = JSON.parse(file?.text ?? '') as { hooks: Record<string, unknown> };
    expect(settings.hooks.Stop).toEqual([
      { hooks: [{ type: 'command', command: "'/s/bin/mc-event' Stop", timeout: 10 }] },
    ]);
    expect(Object.keys(settings.hooks)).toContain('StopFailure');
    expect(Object.keys(settings.hooks)).toContain('PermissionRequest');
  });

  it('may read what is handed over by file, by each name that it has, and nothing else of the run', () => {
    const [real, link] = [join(home, 'runs [1] *'), join(home, 'link')];
    mkdirSync(real);
    symlinkSync(real, link);
    const [file] = claude.stageFiles({ ...context, runDir: link });
    expect(JSON.parse(file?.text ?? '')).toMatchObject({
      permissions: { allow: [`Read(/${link}/*.md)`, `Read(/${home}/runs \\[1\\] \\*/*.md)`] },
    });
  });

  it('listens to no question where nobody is asked', () => {
    const [file] = claude.stageFiles({ ...context, headless: true });
    expect(file?.text).toContain('mc-event');
    expect(file?.text).not.toContain('PermissionRequest');
  });
});

describe('the events of Claude Code', () => {
  it('start a turn by a prompt of a person, and not by what the client tells itself', () => {
    expect(event('UserPromptSubmit', { prompt: 'Work on ticket MC-1' })).toMatchObject({
      activity: 'busy',
      turn: true,
    });
    const own = [
      '<task-notification>\n<task-id>b7jwoi8if</task-id>\n</task-notification>',
      'Your claude.ai usage limit has reset. Continue the task you were working on when the limit was reached; do not repeat work that is already complete.',
    ];
    for (const prompt of own)
      expect(event('UserPromptSubmit', { prompt })).toEqual({ activity: 'busy', session: SESSION });
  });

  it('tell the question of a tool that asks, with its options', () => {
    const asked = {
      tool_name: 'AskUserQuestion',
      tool_input: {
        questions: [
          {
            question: 'Which one?',
            header: 'Choice',
            options: [
              { label: 'Alpha', description: 'Choose Alpha' },
              { label: 'Beta', description: 'Choose Beta' },
            ],
            multiSelect: false,
          },
        ],
      },
    };
    for (const kind of ['PreToolUse', 'PermissionRequest'])
      expect(event(kind, asked)).toMatchObject({
        activity: 'waiting',
        question: 'Which one?\n  1. Alpha\n  2. Beta',
      });
  });

  it('tell what a permission is for, and never let the general notice replace it', () => {
    const command = { command: 'sleep 3; touch ran1', description: 'Stub command' };
    expect(event('PermissionRequest', { tool_name: 'Bash', tool_input: command })).toMatchObject({
      activity: 'waiting',
      question: 'Permission for Bash: sleep 3; touch ran1',
    });
    const notice = { message: 'Claude needs your permission', notification_type: 'permission_prompt' };
    expect(event('Notification', notice)).toMatchObject({ activity: 'waiting', vague: true });
  });

  it('call the turn over at Stop, but not while a background task runs', () => {
    const task = {
      id: 'b7jwoi8if',
      type: 'shell',
      status: 'running',
      description: 'bg',
      command: 'sleep 75',
    };
    expect(event('Stop', { background_tasks: [] })).toMatchObject({ activity: 'idle' });
    expect(event('Stop', { background_tasks: [task] })).toMatchObject({ activity: 'busy' });
  });

  it('do not take the idle notice for idle: it comes while a background task runs too', () => {
    const notice = { message: 'Claude is waiting for your input', notification_type: 'idle_prompt' };
    expect(event('Notification', notice)).toEqual({ session: SESSION });
  });

  it('tell a login that fails apart from a server that does', () => {
    const login = {
      error: 'authentication_failed',
      last_assistant_message: 'Not logged in · Please run /login',
    };
    expect(event('StopFailure', login)).toMatchObject({
      activity: 'idle',
      refusal: { status: null, word: 'authentication_failed', says: 'Not logged in · Please run /login' },
    });
    const server = { error: 'server_error', last_assistant_message: 'API Error: 529 Overloaded.' };
    expect(event('StopFailure', server)).toMatchObject({ refusal: { status: 529, word: 'server_error' } });
  });

  it('tell a limit with the reset that the transcript announces', () => {
    const text = "You've hit your 5-hour limit · resets 10:33am (UTC)";
    const path = transcript(user('go'), limitReached(text, 1795516387), user('on'), said('msg_2', 'done', 7));
    const failure = { error: 'rate_limit', last_assistant_message: text, transcript_path: path };
    expect(event('StopFailure', failure).refusal).toMatchObject({ until_ms: 1795516387000, says: text });
    expect(event('StopFailure', { ...failure, transcript_path: '/none' }).refusal).toMatchObject({
      until_ms: null,
      says: text,
    });
  });

  it('are not held up by a pipe in place of the transcript', () => {
    const path = join(home, 'pipe');
    execFileSync('mkfifo', [path]);
    expect(event('StopFailure', { error: 'rate_limit', transcript_path: path }).refusal?.until_ms).toBeNull();
  });

  it('that are unknown still tell the session', () => {
    expect(event('SessionStart', { source: 'resume' })).toEqual({ session: SESSION });
    expect(claude.mapEvent('Whatever', {})).toBeNull();
  });
});

describe('the level of Claude Code', () => {
  it('is what the session registry says of this very process', () => {
    for (const [status, activity] of [
      ['busy', 'busy'],
      ['shell', 'busy'],
      ['idle', 'idle'],
    ]) {
      registry({ status });
      expect(claude.level?.(look())).toEqual({ activity, session: SESSION });
    }
    expect(claude.level?.(look({ pid_start: '4' }))).toBeNull();
    expect(claude.level?.(look({ pid: 12 }))).toBeNull();
  });

  it('is not idle before the prompt of the command line was taken', () => {
    registry({ status: 'idle', startedAt: Date.parse('2026-11-24T08:00:00Z') });
    expect(claude.level?.(look())).toEqual({ activity: 'unknown', session: SESSION });
    transcript({ ...user('an earlier run'), timestamp: '2026-11-24T07:00:00.000Z' });
    expect(claude.level?.(look())).toEqual({ activity: 'unknown', session: SESSION });
    transcript({ ...user('this run'), timestamp: '2026-11-24T08:00:01.000Z' });
    expect(claude.level?.(look())).toEqual({ activity: 'idle', session: SESSION });
  });

  it('is nothing where the registry is missing, broken or new', () => {
    expect(claude.level?.(look())).toBeNull();
    registry({ status: 'dreaming' });
    expect(claude.level?.(look())).toBeNull();
    writeFileSync(join(home, '.claude/sessions/3109.json'), '{"pid":');
    expect(claude.level?.(look())).toBeNull();
  });

  it('has the question of the open tool call, in words of the transcript', () => {
    registry({ status: 'waiting', waitingFor: 'permission prompt' });
    expect(claude.level?.(look())).toEqual({ activity: 'waiting', session: SESSION });
    transcript(
      user('go'),
      call('msg_1', 'toolu_1', 'Bash', { command: 'touch a' }),
      call('msg_1', 'toolu_2', 'Bash', { command: 'touch b' }),
      result('toolu_2'),
    );
    expect(claude.level?.(look())).toMatchObject({
      activity: 'waiting',
      question: 'Permission for Bash: touch a',
    });
  });

  it('has the limit that ended the last turn, until the session goes on', () => {
    const text = "You've hit your 5-hour limit · resets Nov 27, 8:54am (UTC)";
    registry({ status: 'waiting', waitingFor: 'dialog open' });
    transcript(user('go'), limitReached(text, 1795769677));
    const refusal = { status: null, word: 'rate_limit', says: text, until_ms: 1795769677000 };
    expect(claude.level?.(look())).toEqual({
      activity: 'waiting',
      question: text,
      session: SESSION,
      refusal,
    });
    registry({ status: 'idle' });
    expect(claude.level?.(look())).toEqual({ activity: 'idle', session: SESSION, refusal });
    expect(claude.lastRefusal?.(look(), null)).toEqual(refusal);
    transcript(user('go'), limitReached(text, 1795769677), user('on'), said('msg_2', 'done', 7));
    expect(claude.level?.(look())).toEqual({ activity: 'idle', session: SESSION });
  });

  it('follows the folder that the environment names', () => {
    registry({ status: 'idle' });
    const env = { HOME: '/nowhere', CLAUDE_CONFIG_DIR: join(home, '.claude') };
    expect(claude.level?.(look({ env }))).toMatchObject({ activity: 'idle' });
  });
});

describe('the transcript of Claude Code', () => {
  it('is found by the worktree, and by its name where the folder is called otherwise', () => {
    expect(claude.transcript?.(look())).toBeNull();
    const path = transcript(user('go'));
    expect(claude.transcript?.(look())).toBe(path);
    expect(claude.transcript?.(look({ worktree: '/a/link/to/it' }))).toBe(path);
    expect(claude.transcript?.(look({ session: '../x' }))).toBeNull();
  });

  it('counts each response once, by its last line, with those of sub-agents', () => {
    const path = transcript(
      user('one'),
      said('msg_1', 'thinking', 1),
      said('msg_1', 'done', 7),
      { ...user('<task-notification>'), origin: { kind: 'task-notification' }, promptId: 'p-own' },
      said('msg_2', 'done', 7),
      { ...user('two'), promptSource: 'sdk', origin: undefined, promptId: 'p-two' },
      result('toolu_1'),
    );
    const own = join(path.replace(/\.jsonl$/, ''), 'subagents', 'agent-a1.jsonl');
    write(own, { ...user('sub'), isSidechain: true }, { ...said('msg_3', 'sub done', 7), isSidechain: true });
    expect(claude.usage?.(look())).toEqual({
      input_tokens: 300,
      output_tokens: 21,
      cache_read_tokens: 90,
      cache_write_tokens: 60,
      turns: 2,
      cost_usd: null,
    });
  });

  it('can be continued once it holds a message', () => {
    expect(claude.resumable?.(look())).toBe(false);
    transcript({ type: 'mode', mode: 'normal', sessionId: SESSION });
    expect(claude.resumable?.(look())).toBe(false);
    transcript({ type: 'mode', mode: 'normal', sessionId: SESSION }, user('go'));
    expect(claude.resumable?.(look())).toBe(true);
  });
});

describe('a screen of Claude Code without a sign of life', () => {
  it('tells which first question is open', () => {
    const screens: readonly (readonly [string, RegExp])[] = [
      [' ❯ No, exit\n   Yes, I trust this folder\n', /trust the folder/],
      ['  Detected a custom API key in your environment\n', /API key/],
      [' Unable to connect to Anthropic services\n', /never set up/],
      ['  WARNING: Claude Code running in Bypass Permissions mode\n', /bypass-permissions/],
      [
        '--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons',
        /as root/,
      ],
      [' Select login method:\n', /not logged in/],
    ];
    for (const [screen, fix] of screens) expect(claude.notReady?.(screen)).toMatch(fix);
    expect(claude.notReady?.('● done\n❯ \n')).toBeNull();
  });
});

function profile(change: Partial<AgentProfile> = {}): AgentProfile {
  return {
    name: 'claude',
    kind: 'claude',
    argv: [],
    env: {},
    pass_env: [],
    max_agents: null,
    permission_mode: '',
    prompt: null,
    on_idle: 'leave',
    max_nudges: 2,
    mode: 'interactive',
    fallback: null,
    settled: null,
    ...change,
  };
}

function look(change: Partial<AgentLook> = {}): AgentLook {
  return {
    runDir: join(home, 'run'),
    worktree: WORKTREE,
    env: { HOME: home },
    pid: 3109,
    pid_start: '191332',
    session: SESSION,
    title: null,
    ...change,
  };
}

function event(kind: string, payload: Record<string, unknown>) {
  return claude.mapEvent(kind, { session_id: SESSION, hook_event_name: kind, ...payload }) ?? {};
}

function registry(change: Record<string, unknown>): void {
  const row = { pid: 3109, sessionId: SESSION, cwd: WORKTREE, procStart: '191332', version: '2.1.330' };
  const path = join(home, '.claude/sessions/3109.json');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify({ ...row, kind: 'interactive', ...change }));
}

function transcript(...entries: object[]): string {
  const path = join(home, '.claude/projects/-home-u-wt-a-b', `${SESSION}.jsonl`);
  write(path, ...entries);
  return path;
}

function write(path: string, ...entries: object[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

function user(content: string): object {
  return {
    type: 'user',
    isSidechain: false,
    promptId: `p-${content}`,
    origin: { kind: 'human' },
    promptSource: 'typed',
    message: { role: 'user', content },
  };
}

function said(id: string, text: string, output_tokens: number): object {
  return assistant(id, [{ type: 'text', text }], output_tokens);
}

function call(id: string, tool: string, name: string, input: object): object {
  return assistant(id, [{ type: 'tool_use', id: tool, name, input }], 7);
}

function assistant(id: string, content: readonly object[], output_tokens: number): object {
  const usage = {
    input_tokens: 100,
    cache_creation_input_tokens: 20,
    cache_read_input_tokens: 30,
    output_tokens,
  };
  return { type: 'assistant', isSidechain: false, message: { id, role: 'assistant', content, usage } };
}

function result(tool_use_id: string): object {
  const content = [{ type: 'tool_result', tool_use_id, content: 'ok' }];
  return { type: 'user', isSidechain: false, message: { role: 'user', content } };
}

function limitReached(text: string, resetsAt: number): object {
  const info = { status: 'rejected', resetsAt, rateLimitType: 'five_hour', isUsingOverage: false };
  return {
    ...assistant('b4070ac9', [{ type: 'text', text }], 0),
    apiError: 'usage_limit_reached',
    apiErrorParams: { rate_limit_info: info },
    quotaLimits: { ...info, unifiedRateLimitFallbackAvailable: true },
    error: 'rate_limit',
    isApiErrorMessage: true,
    apiErrorStatus: 429,
  };
}
