import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AdapterContext, type AgentLook, PROMPT } from '../../src/agents/adapter.ts';
import { gemini } from '../../src/agents/gemini/index.ts';
import { limitOnScreen, refusalIn, refusalPrinted } from '../../src/agents/gemini/refusal.ts';
import { lookAt } from '../../src/machine/process.ts';
import { aProfile } from '../support/builders.ts';

const SESSION = 'f8d51baf-6fff-4e5f-85ae-b9b43cc1cf58';
const COMMON = {
  session_id: SESSION,
  transcript_path: `/home/u/.gemini/tmp/wt/chats/session-2026-11-24T08-56-f8d51baf.jsonl`,
  cwd: '/home/u/wt',
  timestamp: '2026-11-24T08:56:38.030Z',
};
const WORKING = '✦  Working… (wt)                                  ';
const READY = '◇  Ready (wt)                                      ';
const ASKING = '✋  Action Required (wt)                            ';

let root = '';

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'mc-gemini-')));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

describe('what Gemini CLI is started with', () => {
  const profile = aProfile({
    ...{
      name: 'g',
      kind: 'gemini',
      argv: [],
      permission_mode: 'acceptEdits',
      on_idle: 'needs_input',
      max_nudges: 0,
    },
  });

  it('is a new session of our id, with the prompt as its last word', () => {
    expect(gemini.launchArgv(profile, context())).toEqual([
      ...['/bin/sh', join(root, 'run', 'gemini-start'), 'gemini', '--session-id', SESSION],
      ...['--approval-mode', 'auto_edit', '--include-directories', join(root, 'run', 'gemini-texts')],
      ...['--prompt-interactive', PROMPT],
    ]);
  });

  it('is its own session where one is resumed, and streams JSON where nobody attaches', () => {
    const argv = gemini.launchArgv(
      { ...profile, argv: ['/opt/gemini', '-m', 'x'], permission_mode: '' },
      context({ resume: 'abc', headless: true }),
    );
    expect(argv.slice(2)).toEqual([
      ...[
        '/opt/gemini',
        '-m',
        'x',
        '--resume=abc',
        '--include-directories',
        join(root, 'run', 'gemini-texts'),
        '--output-format',
        'stream-json',
        '--prompt',
        PROMPT,
      ],
    ]);
  });

  it('passes its own permission modes on', () => {
    const argv = gemini.launchArgv({ ...profile, permission_mode: 'plan' }, context());
    expect(argv[argv.indexOf('--approval-mode') + 1]).toBe('plan');
  });
});

describe('the home of a run', () => {
  const start = (env: Record<string, string>) => {
    const made = context();
    mkdirSync(made.runDir, { recursive: true });
    for (const file of gemini.stageFiles(made)) writeFileSync(file.path, file.text);
    const script = join(made.runDir, 'gemini-start');
    const shown = spawnSync(
      '/bin/sh',
      [script, '/bin/sh', '-c', 'echo "$GEMINI_CLI_HOME"; echo "$1"', 'sh', 'a  b'],
      {
        env: { PATH: process.env.PATH ?? '', MC_RUN_DIR: made.runDir, ...env },
        encoding: 'utf8',
      },
    );
    return { lines: shown.stdout.split('\n'), home: join(made.runDir, 'gemini-home') };
  };

  it("holds links to the user's own files and the hooks of the run, and changes nothing of the user's", () => {
    const settings = write(join(root, 'home/.gemini/settings.json'), '{"a":1}');
    write(join(root, 'home/.gemini/extensions/theirs/gemini-extension.json'), '{}');
    write(join(root, 'home/.npmrc'), 'x');
    const { lines, home } = start({ HOME: join(root, 'home') });
    expect(lines.slice(0, 2)).toEqual([home, 'a  b']);
    expect(realpathSync(join(home, '.gemini/settings.json'))).toBe(settings);
    expect(realpathSync(join(home, '.gemini/tmp'))).toBe(join(root, 'home/.gemini/tmp'));
    expect(realpathSync(join(home, '.npmrc'))).toBe(join(root, 'home/.npmrc'));
    expect(existsSync(join(home, '.gemini/extensions/theirs/gemini-extension.json'))).toBe(true);
    expect(existsSync(join(root, 'home/.gemini/extensions/mc-pickup'))).toBe(false);
    expect(readFileSync(settings, 'utf8')).toBe('{"a":1}');
    const { hooks } = JSON.parse(
      readFileSync(join(home, '.gemini/extensions/mc-pickup/hooks/hooks.json'), 'utf8'),
    );
    expect(Object.keys(hooks)).not.toContain('AfterModel');
    expect(hooks.BeforeAgent[0].hooks[0].command).toBe(
      `[ -n "$GEMINI_CLI" ] || '${join(root, 'bin', 'mc-event')}' BeforeAgent`,
    );
  });

  it('is made from the home that the profile names', () => {
    write(join(root, 'other/.gemini/settings.json'), '{}');
    const { home } = start({ HOME: join(root, 'home'), GEMINI_CLI_HOME: join(root, 'other') });
    expect(realpathSync(join(home, '.gemini/settings.json'))).toBe(join(root, 'other/.gemini/settings.json'));
  });

  it('trusts the folder of the texts of the run, beside what the user trusts', () => {
    const trusted = () => JSON.parse(readFileSync(join(context().runDir, 'gemini-trusted.json'), 'utf8'));
    const ours = { [join(context().runDir, 'gemini-texts')]: 'TRUST_FOLDER' };
    for (const theirs of ['{"/w": "DO_NOT_TRUST"}', '{\n}\n', '{}', '']) {
      const file = write(join(root, 'home/.gemini/trustedFolders.json'), theirs);
      start({ HOME: join(root, 'home') });
      expect(trusted()).toEqual({ ...ours, ...JSON.parse(theirs || '{}') });
      expect(readFileSync(file, 'utf8')).toBe(theirs);
    }
    rmSync(join(root, 'home/.gemini/trustedFolders.json'));
    start({ HOME: join(root, 'home') });
    expect(trusted()).toEqual(ours);
    expect(statSync(join(context().runDir, 'gemini-texts')).isDirectory()).toBe(true);
  });

  it('is done without where it cannot be made', () => {
    write(join(root, 'home/.gemini'), 'no folder');
    expect(start({ HOME: join(root, 'home') }).lines.slice(0, 2)).toEqual(['', 'a  b']);
  });
});

describe('the events of Gemini CLI', () => {
  const map = (kind: string, payload: Record<string, unknown> = {}) =>
    gemini.mapEvent(kind, { ...COMMON, hook_event_name: kind, ...payload });

  it('start one turn with each prompt and end it', () => {
    expect(map('SessionStart', { source: 'startup' })).toEqual({ session: SESSION });
    expect(map('BeforeAgent', { prompt: 'Work' })).toEqual({
      activity: 'busy',
      turn: true,
      session: SESSION,
    });
    expect(map('AfterAgent', { prompt: 'Work', prompt_response: 'done', stop_hook_active: false })).toEqual({
      activity: 'idle',
      session: SESSION,
    });
    expect(map('SessionEnd', { reason: 'exit' })).toEqual({ session: SESSION });
  });

  it('ask for a permission with what would be done', () => {
    const details = {
      type: 'exec',
      title: 'Confirm Shell Command',
      command: 'sleep 3; touch perm-ran',
      rootCommand: 'sleep, touch',
    };
    expect(
      map('Notification', {
        notification_type: 'ToolPermission',
        message: 'Tool Confirm Shell Command requires execution',
        details,
      }),
    ).toEqual({
      activity: 'waiting',
      question: 'Confirm Shell Command: sleep 3; touch perm-ran',
      session: SESSION,
    });
    expect(map('Notification', { notification_type: 'Other' })).toEqual({ session: SESSION });
  });

  it('ask the question itself, which the notification after it does not know', () => {
    const tool_input = {
      questions: [{ question: 'Which colour?', header: 'Q', type: 'choice', options: [] }],
    };
    expect(map('BeforeTool', { tool_name: 'ask_user', tool_input })).toMatchObject({
      activity: 'waiting',
      question: 'Which colour?',
    });
    expect(
      map('Notification', {
        notification_type: 'ToolPermission',
        message: 'Tool requires confirmation',
        details: { type: 'ask_user', title: 'Ask User' },
      }),
    ).toMatchObject({ activity: 'waiting', vague: true });
  });

  it('say that work goes on after a tool, even without a payload', () => {
    expect(gemini.mapEvent('AfterTool', {})).toEqual({ activity: 'busy' });
    expect(gemini.mapEvent('PreCompress', {})).toBeNull();
  });
});

describe('the title of the pane', () => {
  const file = 'session-2026-11-24T08-56-f8d51baf.jsonl';
  const LATER = '2099-01-01T00:00:00.000Z';
  const CONTEXT = {
    id: 'c',
    type: 'user',
    timestamp: LATER,
    content: [{ text: '<session_context>x</session_context>' }],
  };
  const opened = [{ sessionId: SESSION, lastUpdated: LATER }, { $set: { messages: [CONTEXT] } }];
  const updated = { $set: { lastUpdated: LATER } };
  const user = (id: string, text: string) => ({ id, type: 'user', timestamp: LATER, content: [{ text }] });

  it('tells what the client does as long as its process lives', () => {
    expect(gemini.level?.(look({ title: WORKING }))).toEqual({ activity: 'busy' });
    expect(gemini.level?.(look({ title: '✦  ◇  Ready (of the model)' }))).toEqual({ activity: 'busy' });
    expect(gemini.level?.(look({ title: '⏲  Working… (wt)' }))).toEqual({ activity: 'busy' });
    expect(gemini.level?.(look({ title: ASKING }))).toEqual({ activity: 'waiting' });
    expect(gemini.level?.(look({ title: 'host' }))).toBeNull();
    expect(gemini.level?.(look({ title: null }))).toBeNull();
    expect(gemini.level?.(look({ title: WORKING, pid_start: '1' }))).toBeNull();
  });

  it('is not believed when it says ready before the first prompt is taken', () => {
    record(opened);
    expect(gemini.level?.(look({ title: READY }))).toBeNull();
    record([...opened, user('a', 'Work'), updated]);
    expect(gemini.level?.(look({ title: READY }))).toEqual({ activity: 'idle' });
  });

  it('is not believed when a session is resumed and the new prompt is not taken yet', () => {
    record([
      ...opened,
      user('a', 'Work'),
      { $set: { lastUpdated: '2020-01-01T00:00:00.000Z' } },
      { $set: { sessionId: SESSION } },
    ]);
    expect(gemini.level?.(look({ title: READY }))).toBeNull();
  });

  it('comes with the limit that ended the last turn', () => {
    const content =
      '[API Error: You exceeded your current quota.\nPlease retry in 3600s.]\nPlease wait and try again later.';
    const failed = { id: 'e', type: 'error', timestamp: LATER, content };
    const remark = { id: 'i', type: 'info', timestamp: LATER, content: 'This request failed.' };
    record([...opened, user('a', 'Work'), updated, failed, updated, remark, updated]);
    expect(gemini.level?.(look({ title: READY }))).toMatchObject({
      activity: 'idle',
      refusal: { status: 429, until_ms: Date.parse(LATER) + 3_600_000 },
    });
    record([...opened, failed, updated, user('b', 'Again'), updated]);
    expect(gemini.level?.(look({ title: READY }))).toEqual({ activity: 'idle' });
  });

  it('counts each message once, and sub-agents too', () => {
    const tokens = { input: 1200, output: 34, cached: 200, thoughts: 6, tool: 0, total: 1240 };
    const said = { id: 'g', type: 'gemini', content: '', tokens };
    const result = { id: 'r', type: 'user', content: [{ functionResponse: { name: 'x' } }] };
    const path = record([
      ...opened,
      user('a', 'One'),
      { ...said, tokens: null },
      said,
      { ...said, toolCalls: [] },
      result,
      { ...said, id: 'h' },
      // What a cancelled turn leaves: the history again, under other ids.
      user('a2', 'One'),
      { ...said, id: 'g2', tokens: null },
      { $set: { messages: [CONTEXT, user('a2', 'One'), { ...said, id: 'g2', tokens: null }] } },
      user('b', 'Two'),
    ]);
    write(join(dirname(path), SESSION, 'sub.jsonl'), `${JSON.stringify({ ...said, id: 's' })}\n`);
    expect(gemini.usage?.(look({}))).toEqual({
      input_tokens: 3000,
      output_tokens: 120,
      cache_read_tokens: 600,
      cache_write_tokens: 0,
      turns: 2,
      cost_usd: null,
    });
  });

  it('belongs to a session that can be resumed once its record is there', () => {
    expect(gemini.resumable?.(look({}))).toBe(false);
    record(opened);
    expect(gemini.resumable?.(look({}))).toBe(false);
    const path = record([...opened, user('a', 'Work'), updated]);
    // A resumed session leaves a second file, which stays empty.
    write(join(dirname(path), 'session-2026-11-24T09-23-f8d51baf.jsonl'), `${JSON.stringify(opened[0])}\n`);
    expect(gemini.transcript?.(look({}))).toBe(path);
    expect(gemini.resumable?.(look({}))).toBe(true);
    expect(gemini.resumable?.(look({ worktree: join(root, 'another') }))).toBe(false);
  });

  function look(more: Partial<AgentLook>): AgentLook {
    const self = lookAt(process.pid);
    write(join(root, 'run', 'prompt.md'), 'Work');
    return {
      runDir: join(root, 'run'),
      worktree: join(root, 'wt'),
      env: { HOME: join(root, 'home') },
      pid: process.pid,
      pid_start: self.kind === 'present' ? self.start : '',
      session: SESSION,
      title: READY,
      ...more,
    };
  }

  function record(records: readonly unknown[]): string {
    const folder = join(root, 'home/.gemini/tmp/wt-1');
    write(join(folder, '.project_root'), join(root, 'wt'));
    return write(join(folder, 'chats', file), records.map((one) => `${JSON.stringify(one)}\n`).join(''));
  }
});

describe('limits and first-run dialogs', () => {
  it('reads the delay from the error and the time of day from the dialog', () => {
    const quota = 'You exceeded your current quota. Please retry in';
    expect(refusalIn(`${quota} 45.5s.`, 1000)).toMatchObject({ status: 429, until_ms: 46_500 });
    expect(refusalIn(`${quota} 59m59.5s.`, 1000).until_ms).toBe(3_600_500);
    expect(refusalIn('You have exhausted your daily quota on this model.', 1000)).toMatchObject({
      status: 429,
      until_ms: null,
    });
    const screen = '│ Usage limit reached for all Pro models.  │\n│ Access resets at 5:46 PM UTC.  │';
    const now = Date.UTC(2026, 10, 24, 18, 0);
    expect(limitOnScreen(screen, now)).toMatchObject({
      until_ms: Date.UTC(2026, 10, 25, 17, 47),
      says: 'Usage limit reached for all Pro models. Access resets at 5:46 PM UTC.',
    });
    // In the time zone of its user, as the client names it.
    // Between the time and its half of the day stands no plain blank.
    const at = (zone: string) => limitOnScreen(screen.replace(' PM UTC', `\u202fPM ${zone}`), now)?.until_ms;
    expect(at('GMT+1')).toBe(Date.UTC(2026, 10, 25, 16, 47));
    expect(at('GMT-7')).toBe(Date.UTC(2026, 10, 25, 0, 47));
    expect(at('GMT+5:30')).toBe(Date.UTC(2026, 10, 25, 12, 17));
    expect(at('XYZ')).toBeNull();
    // Within the very minute that is shown, the reset may be still to come.
    expect(limitOnScreen(screen, Date.UTC(2026, 10, 24, 17, 46, 30))?.until_ms).toBe(
      Date.UTC(2026, 10, 24, 17, 47),
    );
    expect(limitOnScreen('all is well', now)).toBeNull();
    // As 0.61.0 shows it for a model with a dot in its name.
    expect(limitOnScreen('│ Usage limit reached for gemini-3.8-flash.        │', now)).toMatchObject({
      until_ms: null,
      says: 'Usage limit reached for gemini-3.8-flash.',
    });
  });

  it('reads what a headless client prints last', () => {
    const body = {
      error: { code: 400, message: 'API key not valid.', details: [{ reason: 'API_KEY_INVALID' }] },
    };
    const printed = (text: string) =>
      `{"type":"init"}\n${JSON.stringify({ type: 'result', timestamp: '2026-11-30T16:47:37.798Z', status: 'error', error: { message: text } })}\n`;
    expect(refusalPrinted(printed(`[API Error: ${JSON.stringify(body)}]`))).toMatchObject({
      status: 400,
      says: 'API key not valid.',
    });
    expect(
      refusalPrinted(printed('[API Error: You have exhausted your daily quota on this model.]')),
    ).toMatchObject({
      status: 429,
    });
    expect(refusalPrinted('{"type":"result","status":"success"}\n')).toBeNull();
    expect(refusalPrinted('no JSON at all')).toBeNull();
  });

  it('knows the dialogs that only a person can settle', () => {
    expect(gemini.notReady?.('?   How would you like to authenticate for this project?')).toContain(
      'not logged in',
    );
    expect(gemini.notReady?.('Do you trust the files in this folder?')).toContain('trust');
    expect(gemini.notReady?.(' > Type your message')).toBeNull();
  });
});

function context(more: Partial<AdapterContext> = {}): AdapterContext {
  return {
    runDir: join(root, 'run'),
    bin: join(root, 'bin'),
    session: SESSION,
    resume: null,
    headless: false,
    worktree: join(root, 'wt'),
    ...more,
  };
}

function write(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}
