import { asObject, textOf } from '../../machine/files.ts';
import { type Adapter, type EventMeaning, PROMPT } from '../adapter.ts';
import { composerAt } from '../composer.ts';
import { AT_NAME, CHIP, DOLLAR_NAME, handingOf, SLASH_WORD } from '../handing.ts';
import { codexTrust } from '../trust.ts';
import { codexChoice } from './choice.ts';
import { hookFlags } from './hooks.ts';
import { codexLevel, codexRefusal } from './level.ts';
import { askedIn, permissionText } from './question.ts';
import { codexUsage, findRollout, rolloutOf } from './rollout.ts';

type Payload = Readonly<Record<string, unknown>>;

/** Words of `permission_mode` that Codex has: what the sandbox allows, and when it asks. */
const SANDBOXES = ['read-only', 'workspace-write', 'danger-full-access'];
const APPROVALS = ['on-request', 'never'];

/**
 * Settings of the run, above the user's own file. The title is the one place that shows an open dialog, so its first
 * part must be there whatever the user likes to see. The offer of a cheaper model after a rate limit opens over an
 * idle composer: a prompt that is pasted then takes the offer and is lost. Each start that may show a tip counts it
 * in the user's file. And a session that is continued in another worktree would ask which of the two to work in.
 */
const SETTINGS = [
  'tui.terminal_title=["activity","project"]',
  'notice.hide_rate_limit_model_nudge=true',
  'tui.show_tooltips=false',
  'tui.resume_cwd="current"',
  'check_for_update_on_startup=false',
];

/** What it reads something into, wherever it stands: skills and tools, also as links. A file is read in its sandbox without a question. */
const MARKS = [AT_NAME, CHIP, DOLLAR_NAME, SLASH_WORD, /\b(skill|app|plugin|mcp):\/\//i];

/** Codex: its hooks come in as settings of the run; its own record of the session is the second signal. */
export const codex: Adapter = {
  kind: 'codex',
  launchArgv(profile, context) {
    const base = profile.argv.length > 0 ? profile.argv : ['codex'];
    // Its shared server would outlive the pane, and run the hooks in another run's environment.
    const way = context.headless ? ['exec', '--json'] : ['--no-daemon'];
    const settings = [...modeSettings(profile.permission_mode), ...(context.headless ? [] : SETTINGS)];
    const flags = [...settings.flatMap((setting) => ['-c', setting]), ...hookFlags(context.bin)];
    const resume = context.resume === null ? [] : ['resume', '--', context.resume];
    return [...base, ...way, ...flags, ...resume, PROMPT];
  },
  env: () => ({}),
  stageFiles: () => [],
  hands: (text, way) => handingOf(text, way, MARKS),
  mapEvent(kind, payload) {
    const session = textOf(payload, 'session_id');
    const meaning = meaningOf(kind, payload);
    if (meaning === null && session === null) return null;
    return { ...meaning, ...(session === null ? {} : { session }) };
  },
  level: codexLevel,
  lastRefusal: codexRefusal,
  transcript: findRollout,
  usage: (look) => codexUsage(findRollout(look)),
  resumable: (look) => look.session !== null && rolloutOf(look.env, look.session) !== null,
  notReady,
  composer: (screen) => composerAt(/^\u203a\s/, screen),
  trust: codexTrust,
  permission: { shows: 'Yes, proceed (y)', allow: ['y'], deny: ['Escape'] },
  choice: codexChoice,
  minVersion: '0.169.0',
  versionArgv: ['--version'],
  enterDelayMs: 50,
  quitKeys: ['C-c', 'C-c'],
};

function meaningOf(kind: string, payload: Payload): EventMeaning | null {
  switch (kind) {
    case 'UserPromptSubmit':
      // A sub-agent runs the same hooks under the session of the run: what it is told is no prompt of a person.
      return textOf(payload, 'agent_id') === null ? { activity: 'busy', turn: true } : { activity: 'busy' };
    case 'PreToolUse':
      return textOf(payload, 'tool_name') === 'request_user_input'
        ? {
            activity: 'waiting',
            question: askedIn(asObject(payload.tool_input)) ?? 'The agent asks a question',
          }
        : { activity: 'busy' };
    case 'PostToolUse':
      return { activity: 'busy' };
    case 'PermissionRequest':
      return { activity: 'waiting', question: permissionQuestion(payload) };
    // A sub-agent may work on, or end while the turn goes on: no event tells, the level does.
    case 'Stop':
    case 'SubagentStop':
    case 'Interrupt':
      return { activity: 'idle' };
    default:
      return null;
  }
}

function permissionQuestion(payload: Payload): string {
  const input = asObject(payload.tool_input);
  const what = ['command', 'description'].map((key) => textOf(input, key)).filter(Boolean);
  return permissionText(textOf(payload, 'tool_name') ?? 'a tool', what.join(' - '));
}

function modeSettings(mode: string): string[] {
  if (SANDBOXES.includes(mode)) return [`sandbox_mode="${mode}"`];
  return APPROVALS.includes(mode) ? [`approval_policy="${mode}"`] : [];
}

function notReady(screen: string): string | null {
  if (screen.includes('Sign in with ChatGPT')) return 'Codex is not logged in: run `codex login`';
  if (screen.includes('Trust and continue'))
    return 'Codex does not trust this repository: mc-pickup init --project --trust in its main checkout, or start `codex` there once and trust it';
  if (screen.includes('Hooks need review'))
    return 'Codex has hooks that nobody has reviewed: start `codex` once in the main checkout and review them';
  return null;
}
