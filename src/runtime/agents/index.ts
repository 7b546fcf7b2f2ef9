import type { AgentKind } from '../../model/policy.ts';
import type { Adapter } from './adapter.ts';
import { claude } from './claude.ts';
import { command } from './command.ts';

/** The adapter of a kind of agent; null = not available yet. */
export function adapterOf(kind: AgentKind): Adapter | null {
  if (kind === 'command') return command;
  if (kind === 'claude') return claude;
  return null;
}

export type { Adapter, AdapterContext, ArgvWord, EventMeaning, StagedFile } from './adapter.ts';
