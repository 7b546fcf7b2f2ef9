import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UserError, usageError } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { utc } from '../model/times.ts';
import { statusText } from '../report/status.ts';
import { columnsOf, cutTo, paint } from '../report/table.ts';
import { statusFacts } from '../status/facts.ts';

/** `status` again and again, until it is interrupted or nobody reads any more. That is how it is meant to end: exit 0. On
 *  a terminal in place, on another screen that goes when it ends; elsewhere a block each time, with the time at its end. */
export async function statusWatch(context: Context, seconds: number): Promise<ExitCode> {
  if (seconds < 1) throw usageError('--interval must be at least 1 second');
  const { out, env } = context;
  const look = async (): Promise<string[]> => {
    const now_ms = Date.now();
    try {
      return statusText(context, await statusFacts(context, now_ms), now_ms);
    } catch (error) {
      // It may be back at the next look: a server that restarts, a board that is being restored.
      if (!(error instanceof UserError)) throw error;
      return [cutTo(oneLine(`cannot look: ${error.message}`, 1000), columnsOf(env))];
    }
  };
  if (process.stdout.isTTY && !context.json && !out.quiet) {
    const { watchScreen } = await import('../report/screen.ts');
    await watchScreen(async () => {
      const lines = await look();
      const head = `mc-pickup status, every ${seconds} s, C-c ends it   ${utc(Date.now())}`;
      return [paint(cutTo(head, columnsOf(env)), 'dim', out.color), '', ...lines];
    }, seconds * 1000);
    return EXIT.ok;
  }
  const end = new AbortController();
  const stop = (): void => end.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  for (let first = true; !end.signal.aborted && !out.closed; first = false) {
    if (context.json) out.json(await statusFacts(context, Date.now()));
    else {
      if (!first) out.line('');
      for (const line of await look()) out.painted(line);
      out.line(
        `looked at ${utc(Date.now())}; again every ${seconds} s, until it is interrupted or nobody reads`,
      );
    }
    await pause(seconds * 1000, undefined, { signal: end.signal }).catch(() => undefined);
  }
  return EXIT.ok;
}
