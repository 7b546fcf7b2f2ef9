import { join } from 'node:path';
import { asObject, shellQuote, textOf } from '../files.ts';
import { PROMPT } from '../launcher.ts';
import type { Adapter, EventMeaning } from './adapter.ts';

const HOOKS = [
  'SessionStart',
  'UserPromptSubmit',
  'PreToolUse',
  'PermissionRequest',
  'Notification',
  'PostToolUse',
  'Stop',
  'StopFailure',
  'SubagentStop',
  'SessionEnd',
];

type Payload = Readonly<Record<string, unknown>>;

/** Claude Code: its hooks come in by a settings file of the run, the user's own settings stay untouched. */
export const claude: Adapter = {
  kind: 'claude',
  launchArgv(profile, context) {
    const base = profile.argv.length > 0 ? profile.argv : ['claude'];
    const mode = profile.permission_mode === '' ? [] : ['--permission-mode', profile.permission_mode];
    return [
      ...base,
      '--session-id',
      context.session,
      '--settings',
      settingsPath(context.runDir),
      ...mode,
      PROMPT,
    ];
  },
  env: () => ({}),
  stageFiles(context) {
    const event = shellQuote(join(context.bin, 'mc-event'));
    const hooks = Object.fromEntries(
      HOOKS.map((name) => [
        name,
        [{ hooks: [{ type: 'command', command: `${event} ${name}`, timeout: 10 }] }],
      ]),
    );
    return [{ path: settingsPath(context.runDir), text: `${JSON.stringify({ hooks }, null, 2)}\n` }];
  },
  mapEvent(kind, payload) {
    const meaning = meaningOf(kind, payload);
    const session = textOf(payload, 'session_id');
    if (meaning === null && session === null) return null;
    return { ...meaning, ...(session === null ? {} : { session }) };
  },
  quitKeys: ['C-c', 'C-c'],
};

function meaningOf(kind: string, payload: Payload): EventMeaning | null {
  switch (kind) {
    case 'UserPromptSubmit':
      return { activity: 'busy', turn: true };
    case 'PreToolUse':
      return textOf(payload, 'tool_name') === 'AskUserQuestion'
        ? { activity: 'waiting', question: askedQuestion(payload) }
        : { activity: 'busy' };
    case 'PostToolUse':
      return { activity: 'busy' };
    case 'PermissionRequest':
      return textOf(payload, 'tool_name') === 'AskUserQuestion'
        ? { activity: 'waiting', question: askedQuestion(payload) }
        : { activity: 'waiting', question: permissionQuestion(payload) };
    case 'Notification':
      return notified(payload);
    case 'Stop': {
      // The turn is over, but a background agent or shell still works and will start the next one.
      const tasks = payload.background_tasks;
      return { activity: Array.isArray(tasks) && tasks.length > 0 ? 'busy' : 'idle' };
    }
    case 'StopFailure':
      return { activity: 'idle' };
    default:
      return null;
  }
}

function notified(payload: Payload): EventMeaning | null {
  const type = textOf(payload, 'notification_type');
  if (type === 'idle_prompt') return { activity: 'idle' };
  if (type !== 'permission_prompt' && type !== 'agent_needs_input') return null;
  return {
    activity: 'waiting',
    question: textOf(payload, 'message') ?? 'The agent needs input',
    vague: true,
  };
}

function permissionQuestion(payload: Payload): string {
  const input = asObject(payload.tool_input);
  const what = ['command', 'description', 'file_path', 'url'].map((key) => textOf(input, key)).find(Boolean);
  const tool = textOf(payload, 'tool_name') ?? 'a tool';
  return what ? `Permission for ${tool}: ${what}` : `Permission for ${tool}`;
}

function askedQuestion(payload: Payload): string {
  const input = asObject(payload.tool_input);
  const questions = Array.isArray(input?.questions) ? input.questions : [];
  const texts = questions.map((one) => textOf(asObject(one), 'question')).filter((text) => text !== null);
  return texts.join('\n') || textOf(input, 'question') || 'The agent asks a question';
}

function settingsPath(runDir: string): string {
  return join(runDir, 'claude-settings.json');
}
