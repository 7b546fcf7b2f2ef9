import * as v from 'valibot';
import { EXIT, UserError } from '../../model/errors.ts';
import type { Sent, Starter } from '../port/index.ts';
import { ask, type Call, type Server } from './api.ts';
import * as c from './contract.ts';
import { toRuntime } from './runtime.ts';

/** A server that starts the runtime of a claimed run, with its prompt, and hands a text to a runtime that it has started. */
export function serverStarter(server: Server): Starter {
  return {
    send: ({ ticket, run, text, nonce }, { now_ms, once = false }) =>
      send(server, ticket, { body: { run, text, nonce, now_ms }, once }),
  };
}

async function send(server: Server, ticket: string, what: Pick<Call, 'body' | 'once'>): Promise<Sent> {
  try {
    const path = ['tickets', ticket, 'runtime', 'send'];
    const answer = await ask(server, { method: 'POST', path, ...what }, c.SendAccepted);
    if (answer.ok) return { kind: 'accepted' };
    const { status, detail, again } = answer.refusal;
    const why = `${status}: ${detail}`;
    const busy = status === 409 ? v.safeParse(c.BusyProblem, answer.refusal.body) : null;
    if (busy?.success) return { kind: 'busy', runtime: toRuntime(busy.output.runtime) };
    // A 409 that does not say who is busy is no proof that nobody is; and a refusal after an answer that was lost may be
    // the refusal of what was done already.
    return status === 409 || again ? { kind: 'unknown', why } : { kind: 'refused', why };
  } catch (error) {
    if (error instanceof UserError && error.exit === EXIT.unavailable)
      return { kind: 'unknown', why: error.message };
    throw error;
  }
}
