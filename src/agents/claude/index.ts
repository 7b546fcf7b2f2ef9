import { basename, isAbsolute, join, normalize } from 'node:path';
import { asObject, realOf, shellQuote, textOf } from '../../machine/files.ts';
import type { AgentProfile } from '../../model/policy.ts';
import { type Adapter, type AdapterContext, type EventMeaning, PROMPT } from '../adapter.ts';
import { composerAt } from '../composer.ts';
import { AT_NAME, CHIP, handingOf, SLASH_WORD } from '../handing.ts';
import { sessionId } from '../session.ts';
import { claudeTrust } from '../trust.ts';
import { claudeChoice } from './choice.ts';
import { questionOf } from './question.ts';
import { claudeLevel } from './registry.ts';
import { announcedReset, claudeTranscript, hasConversation, readTail, refusalIn } from './transcript.ts';
import { claudeUsage } from './usage.ts';

const HOOKS = [
  'SessionStart',
  'UserPromptSubmit',
  'PreToolUse',
  'PermissionRequest',
  'Notification',
  'PostToolUse',
  'PostToolUseFailure',
  'Stop',
  'StopFailure',
  'SubagentStop',
  'SessionEnd',
];

const ASKING = ['PermissionRequest', 'Notification'];

/** Without one the client takes `auto`, which asks a model before each command and stops where it cannot. */
const DEFAULT_MODE = 'acceptEdits';
const OWN_MODE = ['--permission-mode', '--dangerously-skip-permissions'];

/** First-run dialogs, by what their screens show. */
const DIALOGS: readonly (readonly [shows: RegExp, fix: string])[] = [
  [
    /I trust this folder/,
    'Claude Code asks whether it may trust the folder: mc-pickup init --project --trust in the main checkout, or start it there once and accept',
  ],
  [
    /Detected a custom API key/,
    'Claude Code asks whether to use the API key in its environment: start it once and accept',
  ],
  [
    /Select login method|Paste code here if prompted|Not logged in/,
    'Claude Code is not logged in: run claude and /login',
  ],
  [
    /Choose the text style|Let's get started|Unable to connect to Anthropic services/,
    'Claude Code was never set up for this user: start it once and go through its first questions',
  ],
  [
    /running in Bypass Permissions mode/,
    'Claude Code asks to accept the bypass-permissions mode: start it once with that mode and accept',
  ],
  [
    /cannot be used with root\/sudo privileges/,
    'Claude Code refuses to skip permissions as root: choose another permission mode',
  ],
  [/Settings Error/, 'Claude Code reports an error in its settings file: run claude doctor'],
];

/**
 * What it reads something into, wherever it stands: the files, agents and resources behind an @ are sent along with the text, from anywhere on the
 * machine and without a dialog; a skill is noted; some words change how it works.
 */
const MARKS = [AT_NAME, CHIP, SLASH_WORD, /\bultra[a-z]/i];

type Payload = Readonly<Record<string, unknown>>;

/** Claude Code: its hooks come in by a settings file of the run, the user's own settings stay untouched. */
export const claude: Adapter = {
  kind: 'claude',
  launchArgv(profile, context) {
    return [
      ...(profile.argv.length > 0 ? profile.argv : ['claude']),
      ...(context.headless ? ['-p', '--output-format', 'stream-json', '--verbose'] : []),
      ...(context.resume === null ? ['--session-id', context.session] : [`--resume=${context.resume}`]),
      '--settings',
      settingsPath(context.runDir),
      ...modeWords(profile),
      PROMPT,
    ];
  },
  env: () => ({}),
  stageFiles(context) {
    return [
      { path: settingsPath(context.runDir), text: `${JSON.stringify(settingsOf(context), null, 2)}\n` },
    ];
  },
  hands: (text, way) => handingOf(text, way, MARKS),
  mapEvent(kind, payload) {
    const meaning = meaningOf(kind, payload);
    const session = textOf(payload, 'session_id');
    if (meaning === null && session === null) return null;
    return { ...meaning, ...(session === null ? {} : { session }) };
  },
  level: claudeLevel,
  lastRefusal: (look) => readTail(claudeTranscript(look)).refusal,
  transcript: claudeTranscript,
  usage: claudeUsage,
  resumable: hasConversation,
  notReady: (screen) => DIALOGS.find(([shows]) => shows.test(screen))?.[1] ?? null,
  composer: (screen) => composerAt(/^\u276f\s/, screen),
  trust: claudeTrust,
  permission: { shows: '❯ 1. Yes', allow: ['1'], deny: ['Escape'] },
  choice: claudeChoice,
  minVersion: '2.1.330',
  versionArgv: ['--version'],
  enterDelayMs: 300,
  quitKeys: ['C-c', 'C-c'],
};

function modeWords(profile: AgentProfile): string[] {
  if (profile.permission_mode !== '') return ['--permission-mode', profile.permission_mode];
  const own = profile.argv.some((word) => OWN_MODE.includes(word.split('=')[0] ?? ''));
  return own ? [] : ['--permission-mode', DEFAULT_MODE];
}

function settingsOf(context: AdapterContext): object {
  const event = shellQuote(join(context.bin, 'mc-event'));
  const hook = (name: string) => [{ hooks: [{ type: 'command', command: `${event} ${name}`, timeout: 10 }] }];
  // Nobody is asked in headless mode: the client announces a permission there and denies it itself.
  const names = context.headless ? HOOKS.filter((name) => !ASKING.includes(name)) : HOOKS;
  return {
    hooks: Object.fromEntries(names.map((name) => [name, hook(name)])),
    // What is handed over by file can be read in every mode, without a question. Nothing else in the directory of the run can.
    permissions: { allow: readable(context.runDir) },
    // A profile that names this mode has decided already; the dialog's default answer would end the client.
    skipDangerousModePermissionPrompt: true,
  };
}

/** Rules of permissions, which are patterns like those of `.gitignore`. Behind a link, a file has two names, and needs a rule for each. */
function readable(runDir: string): string[] {
  const names = [...new Set([runDir, realOf(runDir)])];
  return names.map((path) => `Read(/${path.replace(/[\\*?[\]!#]/g, '\\$&')}/*.md)`);
}

function meaningOf(kind: string, payload: Payload): EventMeaning | null {
  switch (kind) {
    case 'UserPromptSubmit':
      return isOwnPrompt(payload) ? { activity: 'busy' } : { activity: 'busy', turn: true };
    case 'PreToolUse':
      return textOf(payload, 'tool_name') === 'AskUserQuestion'
        ? { activity: 'waiting', question: toolQuestion(payload) }
        : { activity: 'busy' };
    case 'PostToolUse':
    case 'PostToolUseFailure':
      return { activity: 'busy' };
    case 'PermissionRequest':
      return { activity: 'waiting', question: toolQuestion(payload) };
    case 'Notification':
      return notified(payload);
    case 'Stop': {
      // The turn is over, but a background agent or shell still works and will start the next one.
      const tasks = payload.background_tasks;
      return { activity: Array.isArray(tasks) && tasks.length > 0 ? 'busy' : 'idle' };
    }
    case 'StopFailure':
      return failed(payload);
    default:
      return null;
  }
}

/** The client prompts itself when a background task has ended, and when a limit is lifted. */
function isOwnPrompt(payload: Payload): boolean {
  const prompt = textOf(payload, 'prompt') ?? '';
  return /^(<task-notification>|Your claude\.ai usage limit has reset\.)/.test(prompt);
}

function failed(payload: Payload): EventMeaning {
  const error = textOf(payload, 'error') ?? '';
  const text = textOf(payload, 'last_assistant_message') ?? `Claude Code: ${error}`;
  // The payload has a reset in words only; the transcript has it as a number.
  const until_ms = error === 'rate_limit' ? announcedReset(ownTranscript(payload), text) : null;
  return { activity: 'idle', refusal: refusalIn(error, text, until_ms) };
}

/** Where the client says that it writes: an event may say anything, and what it names is read. */
function ownTranscript(payload: Payload): string | null {
  const path = textOf(payload, 'transcript_path') ?? '';
  const session = sessionId('claude', textOf(payload, 'session_id'));
  const own = session !== null && isAbsolute(path) && normalize(path) === path;
  return own && path.includes('/projects/') && basename(path) === `${session}.jsonl` ? path : null;
}

function notified(payload: Payload): EventMeaning | null {
  // `idle_prompt` comes a minute after the turn also while a background command runs: it says nothing.
  const type = textOf(payload, 'notification_type');
  if (type !== 'permission_prompt' && type !== 'agent_needs_input') return null;
  return {
    activity: 'waiting',
    question: textOf(payload, 'message') ?? 'The agent needs input',
    vague: true,
  };
}

/** What a tool call asks of a person, from its name and input as hooks give them. */
function toolQuestion(payload: Payload): string {
  return questionOf(textOf(payload, 'tool_name') ?? 'a tool', asObject(payload.tool_input));
}

function settingsPath(runDir: string): string {
  return join(runDir, 'claude-settings.json');
}
