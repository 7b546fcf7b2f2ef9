import * as v from 'valibot';
import { EXIT, UserError } from '../../model/errors.ts';
import type { Runtime } from '../../model/runtime.ts';
import { ask, type Server } from './api.ts';
import * as c from './contract.ts';

export type Sent =
  | { readonly kind: 'accepted' }
  /** RuntimeBusyError, with who is busy. */
  | { readonly kind: 'busy'; readonly runtime: Runtime }
  /** Certainly nothing was started. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Nobody knows. */
  | { readonly kind: 'unknown'; readonly why: string };

/** Has the server start the runtime of a claimed run, with its prompt. */
export async function send(
  server: Server,
  ticket: string,
  body: { readonly run: string; readonly text: string; readonly nonce: string; readonly now_ms: number },
): Promise<Sent> {
  try {
    const path = ['tickets', ticket, 'runtime', 'send'];
    const answer = await ask(server, { method: 'POST', path, body }, c.SendAccepted);
    if (answer.ok) return { kind: 'accepted' };
    const { status, detail } = answer.refusal;
    const busy = status === 409 ? v.safeParse(c.BusyProblem, answer.refusal.body) : null;
    if (busy?.success) return { kind: 'busy', runtime: busy.output.runtime };
    return { kind: 'refused', why: `${status}: ${detail}` };
  } catch (error) {
    if (error instanceof UserError && error.exit === EXIT.unavailable)
      return { kind: 'unknown', why: error.message };
    throw error;
  }
}
