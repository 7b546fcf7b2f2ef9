import { join } from 'node:path';
import { asObject, numberOf, readObject, textOf } from '../../machine/files.ts';
import { lookAtName } from '../../machine/foreign.ts';
import type { AgentLook, Level } from '../adapter.ts';
import { sessionId } from '../session.ts';
import { askedQuestion, permissionQuestion, retryRefusal } from './meaning.ts';
import { type Ask, PASSWORD_FILE, serverOf, USAGE_FILE } from './server.ts';

/** What the client's own server says. Nothing is busy both after a turn and before the first one: without a
 *  session of this run it says nothing. */
export async function levelOf(look: AgentLook): Promise<Level | null> {
  try {
    const ask = serverOf(look);
    if (ask === null) return null;
    const [statuses, permissions, questions] = await Promise.all(
      ['/session/status', '/permission', '/question'].map((path) => ask(path)),
    );
    const session = await sessionOf(look, ask);
    const level = judge(asObject(statuses), first(permissions), first(questions), Date.now());
    if (level === null || (level.activity === 'idle' && session === null)) return null;
    return { ...level, ...(session === null ? {} : { session }) };
  } catch {
    // Not there yet, hung, or not ours: no word.
    return null;
  }
}

/** The answers of the server as one state; null when the statuses are no statuses. */
export function judge(
  statuses: Record<string, unknown> | null,
  permission: Record<string, unknown> | null,
  question: Record<string, unknown> | null,
  now: number,
): Level | null {
  if (statuses === null) return null;
  if (permission !== null) return { activity: 'waiting', question: permissionQuestion(permission) };
  if (question !== null) return { activity: 'waiting', question: askedQuestion(question) };
  const working = Object.values(statuses)
    .map(asObject)
    .filter((status) => textOf(status, 'type') !== 'idle');
  if (working.length === 0) return { activity: 'idle' };
  const refusal = working.map((status) => retryRefusal(status, now)).find((one) => one !== null);
  return { activity: 'busy', ...(refusal === undefined ? {} : { refusal }) };
}

/** The session that this run works in: as learnt, as the plugin noted it, or the newest one of this folder that
 *  was touched since the run was staged. */
export async function sessionOf(look: AgentLook, ask: Ask): Promise<string | null> {
  const noted = textOf(readObject(join(look.runDir, USAGE_FILE)), 'session');
  const known = [noted, look.session].find((id) => sessionId('opencode', id) !== null);
  if (known) return known;
  const newest = first(await ask('/session?roots=true&limit=1'));
  const updated = numberOf(asObject(newest?.time), 'updated') ?? 0;
  const staged = lookAtName(join(look.runDir, PASSWORD_FILE));
  return staged !== null && updated >= staged.mtimeMs ? textOf(newest, 'id') : null;
}

function first(list: unknown): Record<string, unknown> | null {
  return Array.isArray(list) ? asObject(list[0]) : null;
}
