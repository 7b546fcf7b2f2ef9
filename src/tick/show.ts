import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import { isTerminal } from '../report/terminal.ts';
import { type TickReport, tickLines } from '../report/tick.ts';
import type { Wish } from './words.ts';

/** Prints a tick as it was asked for, and says how it ended. A scheduler mails what is printed: of a tick with nothing to do that is
 *  nothing. */
export function show({ json, out }: Pick<Context, 'json' | 'out'>, report: TickReport, wish: Wish): ExitCode {
  if (json) out.json(report);
  else for (const line of linesOf(report, wish)) out.line(line);
  return exitOf(report, wish);
}

function linesOf(report: TickReport, { dryRun }: Wish): string[] {
  const told = dryRun === true || isTerminal(1);
  if (report.outcome === 'overlap') return told ? ['another tick is running'] : [];
  const lines = tickLines(report, told);
  return dryRun === true && lines.length === 0 ? ['nothing to do'] : lines;
}

function exitOf(report: TickReport, { dispatch }: Wish): ExitCode {
  if (report.outcome === 'overlap') return EXIT.ok;
  if (report.outcome === 'unavailable') return EXIT.unavailable;
  if (report.error !== undefined) return EXIT.partial;
  if (dispatch && (report.config_errors?.length ?? 0) > 0) return EXIT.config;
  return report.outcome === 'partial' ? EXIT.partial : EXIT.ok;
}
