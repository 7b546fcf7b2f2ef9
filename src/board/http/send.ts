import * as v from 'valibot';
import { EXIT, UserError } from '../../model/errors.ts';
import type { Runtime } from '../../model/runtime.ts';
import { ask, type Server } from './api.ts';
import * as c from './contract.ts';
import { toRuntime } from './runtime.ts';

export type Sent =
  | { readonly kind: 'accepted' }
  /** RuntimeBusyError, with who is busy. */
  | { readonly kind: 'busy'; readonly runtime: Runtime }
  /** Certainly nothing was started. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Nobody knows. */
  | { readonly kind: 'unknown'; readonly why: string };

/** Has the server start the runtime of a claimed run, with its prompt; or hand a text to a runtime that it has started,
 *  which is asked for once: no registration keeps a second one out. */
export async function send(
  server: Server,
  ticket: string,
  body: { readonly run: string; readonly text: string; readonly nonce: string; readonly now_ms: number },
  { once = false }: { readonly once?: boolean } = {},
): Promise<Sent> {
  try {
    const path = ['tickets', ticket, 'runtime', 'send'];
    const answer = await ask(server, { method: 'POST', path, body, once }, c.SendAccepted);
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
