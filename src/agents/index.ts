import type { AgentKind } from '../model/policy.ts';
import type { Adapter } from './adapter.ts';
import { claude } from './claude/index.ts';
import { codex } from './codex/index.ts';
import { command } from './command.ts';
import { gemini } from './gemini/index.ts';
import { opencode } from './opencode/index.ts';

const ADAPTERS: Readonly<Record<AgentKind, Adapter>> = { claude, codex, command, gemini, opencode };

/** The adapter of a kind of agent. */
export function adapterOf(kind: AgentKind): Adapter {
  return ADAPTERS[kind];
}

export type { Adapter, Trust } from './adapter.ts';
