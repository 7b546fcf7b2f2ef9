import type { AgentKind } from '../model/policy.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** How the ids of a client's own sessions look. None of them can be an option, or a path. */
const FORMATS: Readonly<Record<AgentKind, RegExp>> = {
  claude: UUID,
  codex: UUID,
  gemini: UUID,
  opencode: /^ses_[A-Za-z0-9]{1,64}$/,
  // Any program: nothing is done with it but to show it.
  command: /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/,
};

/**
 * A session id that an agent has told, by an event, a record of its client or a file of its run, or null where it is none of that client's:
 * an id is a word of the next attempt's command line, and a part of the paths of records.
 */
export function sessionId(kind: AgentKind | '', told: string | null | undefined): string | null {
  return told != null && kind !== '' && FORMATS[kind].test(told) ? told : null;
}
