import { unmade } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { configError, EXIT, type ExitCode, usageError } from '../model/errors.ts';
import { brokenLine } from '../model/policy.ts';
import { statusText } from '../report/status.ts';
import { statusFacts } from '../status/facts.ts';

interface Options {
  readonly check?: boolean;
  readonly watch?: boolean;
  readonly notify?: boolean;
  /** Seconds between two looks of `--watch`. */
  readonly interval?: number;
}

/** The board by status, what lives and what it does, the killswitch, the last tick. Reads only. */
export async function status(context: Context, o: Options = {}): Promise<ExitCode> {
  if (o.check === true && o.watch === true) throw usageError('give --check or --watch, not both');
  if (o.interval !== undefined && o.watch !== true) throw usageError('--interval belongs to --watch');
  if (o.notify === true && o.check !== true) throw usageError('--notify belongs to --check');
  if (o.check === true)
    return (await import('./status-check.ts')).statusCheck(context, { notify: o.notify === true });
  if (o.watch === true) return (await import('./status-watch.ts')).statusWatch(context, o.interval ?? 2);
  const missing = await unmade(context);
  if (missing !== null) {
    // Of the configuration all is known that there is.
    const { policy } = loadPolicy(context.places.config, context.env);
    if (policy.broken.length > 0 && !context.json) context.out.line(`config     ${brokenLine(policy)}`);
    throw configError(missing);
  }
  const facts = await statusFacts(context, Date.now());
  if (context.json) context.out.json(facts);
  else for (const line of statusText(context, facts, Date.now())) context.out.painted(line);
  return EXIT.ok;
}
