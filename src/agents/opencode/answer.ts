import { asObject, textOf } from '../../machine/files.ts';
import type { AgentLook } from '../adapter.ts';
import { type Ask, serverOf } from './server.ts';

/** `gone`: that very request is open no more, and nothing was sent. */
export type Answered = 'answered' | 'gone' | { readonly error: string };

/** Answers the permission request of that id by the client's server. Unlike keys it cannot meet another dialog, needs
 *  no screen, answers a sub-agent's request in one step, and can tell the agent why it was denied: without a
 *  reason a denial ends the turn. */
export function answerPermission(
  look: AgentLook,
  request: string,
  reply: { readonly allow: boolean; readonly reason?: string },
): Promise<Answered> {
  const reason = reply.allow || !reply.reason ? {} : { message: reply.reason };
  return answer(look, '/permission', request, { reply: reply.allow ? 'once' : 'reject', ...reason });
}

/** Answers the question request of that id: a text for each of its questions, an option's label or any other. */
export function answerQuestion(
  look: AgentLook,
  request: string,
  texts: readonly string[],
): Promise<Answered> {
  return answer(look, '/question', request, { answers: texts.map((text) => [text]) });
}

async function answer(look: AgentLook, kind: string, request: string, body: unknown): Promise<Answered> {
  try {
    const ask = serverOf(look);
    if (ask === null) return { error: 'the server of OpenCode is not there' };
    if (!(await isOpen(ask, kind, request))) return 'gone';
    await ask(`${kind}/${encodeURIComponent(request)}/reply`, { body });
    return 'answered';
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function isOpen(ask: Ask, kind: string, request: string): Promise<boolean> {
  const list = await ask(kind);
  return Array.isArray(list) && list.some((one) => textOf(asObject(one), 'id') === request);
}
