import type { Context } from '../context.ts';
import { halted, readSwitches, switchFile, writeSwitch } from '../machine/killswitch.ts';
import { UserError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';

/** A board that is damaged switches everything off, until a person has looked: what is left of it may say anything. */
export function switchOffDamaged({ places, env, out }: Context, error: unknown): void {
  if (!(error instanceof UserError) || error.name !== 'DamagedBoard') return;
  const now_ms = Date.now();
  if (halted(readSwitches(places, env, now_ms)) !== null) return;
  try {
    writeSwitch(switchFile(places, env), {
      ...{ level: 'all', scope: '*', author: 'mc-pickup', at_ms: now_ms, expires_at_ms: null },
      reason: oneLine(error.message, 300),
    });
    out.warn('the killswitch is on for everything until a person has looked: mc-pickup killswitch off');
  } catch {
    // The error itself is told.
  }
}
