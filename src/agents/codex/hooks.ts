import { join } from 'node:path';
import { shellQuote } from '../../machine/files.ts';

/** Events that are asked for, with the name that each has in the keys of its trust. */
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
/** Codex allows no more for two of the events. */
const TIMEOUT_S = 3;

/**
 * Command-line settings that give one run its hooks. Codex runs a hook only when a person has reviewed it, or when
 * the settings hold the hash of exactly this hook; so the run brings the hashes of its own hooks along. The flag that
 * trusts every hook would also start those that come with the repository.
 */
export function hookFlags(bin: string): string[] {
  const event = shellQuote(join(bin, 'mc-event'));
  const hooks: string[] = [];
  const trusted: string[] = [];
  for (const [name, label] of Object.entries(HOOKS)) {
    const command = `${event} ${name}`;
    const handler = `{type="command",command=${JSON.stringify(command)},timeout=${TIMEOUT_S}}`;
    hooks.push('-c', `hooks.${name}=[{hooks=[${handler}]}]`);
    trusted.push(`"/<session-flags>/config.toml:${label}:0:0"={trusted_hash="${hookHash(label, command)}"}`);
  }
  return [...hooks, '-c', `hooks.state={${trusted.join(',')}}`];
}

/** Codex's own fingerprint of a hook: SHA-256 of its settings as JSON with sorted keys. */
function hookHash(label: string, command: string): string {
  const handler = { async: false, command, timeout: TIMEOUT_S, type: 'command' };
  const text = JSON.stringify({ event_name: label, hooks: [handler] });
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex');
  return `sha256:${hash}`;
}
