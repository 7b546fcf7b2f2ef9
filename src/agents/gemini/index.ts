import { join } from 'node:path';
import { asObject, textOf } from '../../machine/files.ts';
import { lookAt } from '../../machine/process.ts';
import { type Choice, choiceText } from '../../model/choice.ts';
import { type Adapter, type AgentLook, type EventMeaning, type Level, PROMPT } from '../adapter.ts';
import { composerAt, plain } from '../composer.ts';
import { handingOf } from '../handing.ts';
import { geminiChoice } from './choice.ts';
import { homeFiles, startScript } from './home.ts';
import { limitOnScreen, refusalIn, refusalPrinted } from './refusal.ts';
import { lastError, promptSince, sessionFile, sessionUsage } from './session.ts';
import { geminiTextFile, textsFlag } from './texts.ts';

type Payload = Readonly<Record<string, unknown>>;

/** The words of other clients' permission modes, so that one default serves them all. */
const MODES: Readonly<Record<string, string>> = {
  acceptEdits: 'auto_edit',
  manual: 'default',
  bypassPermissions: 'yolo',
};

const LOG_IN =
  'Gemini CLI is not logged in: run `gemini` once and log in, or give its profile GEMINI_API_KEY (pass_env)';

/** Gemini CLI: its hooks come in by an extension of the run, in a home of links to the user's own (`gemini-home.ts`). */
export const gemini: Adapter = {
  kind: 'gemini',
  launchArgv(profile, context) {
    const base = profile.argv.length > 0 ? profile.argv : ['gemini'];
    const mode = MODES[profile.permission_mode] ?? profile.permission_mode;
    return [
      ...['/bin/sh', startScript(context.runDir)],
      ...base,
      ...(context.resume === null ? ['--session-id', context.session] : [`--resume=${context.resume}`]),
      ...(mode === '' ? [] : ['--approval-mode', mode]),
      ...textsFlag(context.runDir),
      ...(context.headless ? ['--output-format', 'stream-json', '--prompt'] : ['--prompt-interactive']),
      PROMPT,
    ];
  },
  env: () => ({
    // One process, not a parent that waits for its child and ignores signals: the pane's pid is the agent.
    GEMINI_CLI_NO_RELAUNCH: 'true',
    // For this run only. A profile that wants no trust sets GEMINI_RESTRICTED_MODE=true, which wins.
    GEMINI_CLI_TRUST_WORKSPACE: 'true',
    // In a pseudo-terminal a tool that is silent for 30 s makes the title ask for a person who is not needed.
    GEMINI_PTY_INFO: 'child_process',
  }),
  stageFiles: (context) => homeFiles(context),
  hands: (text, way) => handingOf(text, way, [/@/]),
  textFile: geminiTextFile,
  mapEvent(kind, payload) {
    const meaning = meaningOf(kind, payload);
    const session = textOf(payload, 'session_id');
    if (meaning === null && session === null) return null;
    return { ...meaning, ...(session === null ? {} : { session }) };
  },
  level: levelOf,
  lastRefusal(look, printed) {
    const said = printed === null ? null : refusalPrinted(printed);
    const error = said === null ? lastError(look) : null;
    return error === null ? said : refusalIn(error.text, error.at_ms);
  },
  transcript: (look) => sessionFile(look),
  usage(look) {
    const file = sessionFile(look);
    return file === null ? null : sessionUsage(file);
  },
  // A session without a prompt is on record but cannot be resumed: the client would exit.
  resumable(look) {
    const file = sessionFile(look);
    return file !== null && (sessionUsage(file)?.turns ?? 0) > 0;
  },
  notReady(screen) {
    return DIALOGS.find(([shown]) => screen.includes(shown))?.[1] ?? null;
  },
  limitShown: limitOnScreen,
  // The mark tells the mode: `*` approves all. `!` is its shell, where any text is a command, as behind one that stands there.
  composer: (screen) =>
    /^ !\s/.test(plain(screen.rows[screen.y] ?? '')) ? 'filled' : composerAt(/^ [>*]\s/, screen),
  // The last choice of each kind of permission (command, edit, web, MCP); a question of the agent has none.
  permission: { shows: 'No, suggest changes (esc)', allow: ['Enter'], deny: ['Escape'] },
  choice: geminiChoice,
  minVersion: '0.61.0',
  versionArgv: ['--version'],
  enterDelayMs: 500,
  quitKeys: ['C-c', 'C-c'],
};

const DIALOGS: readonly (readonly [string, string])[] = [
  ['How would you like to authenticate for this project?', LOG_IN],
  ['Enter Gemini API Key', LOG_IN],
  ['Enter the authorization code:', LOG_IN],
  [
    'Do you trust the files in this folder?',
    'Gemini CLI asks whether it may trust the worktree: run `gemini` once in its parent folder and choose to trust it',
  ],
];

/** The title is the client's own word on what it does; it stays when the process is gone, so that is looked at too. */
function levelOf(look: AgentLook): Level | null {
  const title = look.title ?? '';
  const process = lookAt(look.pid);
  if (process.kind !== 'present' || process.start !== look.pid_start || process.state === 'Z') return null;
  if (/^\u270b/u.test(title)) return { activity: 'waiting' };
  if (/^[\u2726\u23f2]/u.test(title)) return { activity: 'busy' };
  // "Ready" is also shown before the prompt of the command line is taken.
  if (!/^\u25c7/u.test(title) || !promptSince(look, join(look.runDir, 'prompt.md'))) return null;
  const error = lastError(look);
  return { activity: 'idle', ...(error === null ? {} : { refusal: refusalIn(error.text, error.at_ms) }) };
}

function meaningOf(kind: string, payload: Payload): EventMeaning | null {
  switch (kind) {
    case 'BeforeAgent':
      return { activity: 'busy', turn: true };
    case 'BeforeTool': {
      const question = askedIn(asObject(payload.tool_input));
      return question === null ? { activity: 'busy' } : { activity: 'waiting', question };
    }
    case 'AfterTool':
      return { activity: 'busy' };
    case 'Notification':
      return notified(payload);
    case 'AfterAgent':
      return { activity: 'idle' };
    default:
      return null;
  }
}

/** A dialog has opened: nothing tells by an event how it was answered before the tool has run. */
function notified(payload: Payload): EventMeaning | null {
  if (textOf(payload, 'notification_type') !== 'ToolPermission') return null;
  const details = asObject(payload.details);
  if (textOf(details, 'type') === 'ask_user')
    return { activity: 'waiting', question: 'The agent asks a question', vague: true };
  const title = textOf(details, 'title') ?? 'a tool';
  const what = ['command', 'filePath', 'fileName', 'prompt', 'toolDisplayName', 'toolName']
    .map((key) => textOf(details, key))
    .find(Boolean);
  return { activity: 'waiting', question: what ? `${title}: ${what}` : title };
}

/** The questions of a call, with what may be chosen. */
function askedIn(input: Payload | null): string | null {
  const questions = Array.isArray(input?.questions) ? input.questions.map(asObject) : [];
  const choices = questions.flatMap((one): Choice[] => {
    const question = textOf(one, 'question');
    const options = Array.isArray(one?.options) ? one.options : [];
    const labels = options
      .map((option) => textOf(asObject(option), 'label'))
      .filter((label) => label !== null);
    return question === null ? [] : [{ question, options: labels, many: one?.multiSelect === true }];
  });
  return choices.length === 0 ? null : choiceText(choices);
}
