import { type Context, withBoard, withReader } from '../context.ts';
import { monotonicMs } from '../machine/clock.ts';
import { numberOf, readObject } from '../machine/files.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import { beginPing } from '../notify/ping.ts';
import { tell } from '../notify/tell.ts';
import type { TickResult } from './index.ts';

/** What follows a tick, when all is saved and the next one may begin. */
export interface After {
  /** Never throws. */
  end(result: TickResult | null, code: ExitCode): Promise<void>;
  /** The same for a tick that could not work. */
  failed(error: unknown): Promise<void>;
}

/** Tells of the beginning of a tick whoever is to hear of it, and waits for nothing. */
export function beginAfter(context: Context, policy: Policy): After {
  const { places } = context;
  const gate = readObject(places.gate);
  const [first_ms, last_ms] = [numberOf(gate, 'first_halted_at_ms'), numberOf(gate, 'last_halted_at_ms')];
  const started = {
    ...{ started_at_ms: Date.now(), mono_ms: monotonicMs() },
    halts: first_ms === null || last_ms === null ? null : { first_ms, last_ms },
  };
  const ping = policy.ping === null ? null : beginPing(policy.ping, places);
  const end: After['end'] = async (result, code) => {
    const boot_id = result?.world.boot_id ?? '';
    const occasion =
      result === null
        ? ({ kind: 'failed' } as const)
        : ({ kind: 'tick', tick: { ...started, boot_id } } as const);
    await Promise.all([
      ping?.end(result?.report.outcome ?? 'unavailable', code),
      tell(context, policy, occasion),
    ]);
    // Where the tick has worked on it, the board need not be copied to be read without a trace.
    const open = result === null ? withReader : withBoard;
    if (policy.metrics !== null) await seeToMetrics(context, policy.metrics.file, open);
  };
  return { end, failed: (error) => end(null, error instanceof UserError ? error.exit : EXIT.bug) };
}

async function seeToMetrics(context: Context, file: string, open: typeof withReader): Promise<void> {
  try {
    await (await import('../commands/metrics.ts')).writeMetrics(context, file, open);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    context.out.warn(`the metrics were not written: ${oneLine(why, 400)}`);
  }
}
