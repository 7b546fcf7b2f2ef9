import { asObject, textOf } from '../../machine/files.ts';
import { messageOf } from '../../model/errors.ts';
import type { AgentLook } from '../adapter.ts';
import { sessionId } from '../session.ts';
import { sessionOf } from './level.ts';
import { type Ask, Refused, serverOf } from './server.ts';

/** Hands a text to the session of this run by the client's own server, where it is a part of a message and nothing else: into what stands in the
 *  box that people type into, it reads commands, files and agents. Says why the client can't have got it; null = it has, as far as is known. */
export async function post(look: AgentLook, text: string): Promise<string | null> {
  let sent = false;
  try {
    const ask = serverOf(look);
    if (ask === null) return 'its server does not answer';
    const id = sessionId('opencode', await sessionOf(look, ask));
    if (id === null) return 'it has no session yet';
    const body = { ...(await asBefore(ask, id)), parts: [{ type: 'text', text }] };
    sent = true;
    await ask(`/session/${id}/prompt_async`, body);
    return null;
  } catch (error) {
    // One that has not answered may have taken it.
    if (sent && !(error instanceof Refused)) return null;
    return `its server did not take it (${messageOf(error)})`;
  }
}

/** The agent and the model that the session works with. Without them the server takes its own default, which may do more than the one that was
 *  chosen for this run (`plan` writes nothing). */
async function asBefore(ask: Ask, id: string): Promise<object> {
  const session = asObject(await ask(`/session/${id}`));
  const [agent, model] = [textOf(session, 'agent'), asObject(session?.model)];
  const [providerID, modelID, variant] = ['providerID', 'id', 'variant'].map((key) => textOf(model, key));
  return {
    ...(agent === null ? {} : { agent }),
    ...(providerID && modelID ? { model: { providerID, modelID } } : {}),
    ...(variant && variant !== 'default' ? { variant } : {}),
  };
}
