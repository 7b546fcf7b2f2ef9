import { join } from 'node:path';
import { shellQuote } from '../files.ts';
import { PROMPT } from '../launcher.ts';
import type { Adapter, AdapterContext } from './adapter.ts';

const HOOKS = {
  SessionStart: 'session_start',
  UserPromptSubmit: 'user_prompt_submit',
  PreToolUse: 'pre_tool_use',
  PermissionRequest: 'permission_request',
  PostToolUse: 'post_tool_use',
  SubagentStop: 'subagent_stop',
  Stop: 'stop',
  Interrupt: 'interrupt',
  SessionEnd: 'session_end',
} as const;

export const codex: Adapter = {
  kind: 'codex',
  launchArgv(profile, context) {
    const base = profile.argv.length > 0 ? profile.argv : ['codex'];
    const run = context.headless ? ['exec', '--json'] : ['--no-daemon'];
    const words = [...base, ...run, ...hookFlags(context)];
    return context.resume === null ? [...words, PROMPT] : [...words, 'resume', context.resume, PROMPT];
  },
  env: () => ({}),
  stageFiles: () => [],
  mapEvent: () => null,
  quitKeys: ['C-c'],
};

function hookFlags(context: AdapterContext): string[] {
  const event = shellQuote(join(context.bin, 'mc-event'));
  const states: string[] = [];
  const flags: string[] = [];
  for (const [name, label] of Object.entries(HOOKS)) {
    const command = `${event} ${name}`;
    flags.push(
      '-c',
      `hooks.${name}=[{hooks=[{type="command",command=${JSON.stringify(command)},timeout=3}]}]`,
    );
    states.push(`"/<session-flags>/config.toml:${label}:0:0"={trusted_hash="${hookHash(label, command)}"}`);
  }
  return [...flags, '-c', `hooks.state={${states.join(',')}}`];
}

function hookHash(label: string, command: string): string {
  const identity = { event_name: label, hooks: [{ async: false, command, timeout: 3, type: 'command' }] };
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256').update(JSON.stringify(identity));
  return `sha256:${hash.digest('hex')}`;
}
