import { resolve } from 'node:path';
import type { Context } from '../context.ts';
import { metricsNow, writeMetrics } from '../metrics/write.ts';
import { EXIT, type ExitCode, usageError } from '../model/errors.ts';

/** Writes the figures to stdout, or into a file in one step. Reads the board without leaving a trace. */
export async function metrics(
  context: Context,
  o: { readonly out?: string; readonly textfileDir?: string },
): Promise<ExitCode> {
  if (context.json)
    throw usageError(
      'metrics are text in the format of Prometheus, and no JSON: mc-pickup status --json has the facts',
    );
  if (o.out !== undefined && o.textfileDir !== undefined)
    throw usageError('give --out or --textfile-dir, not both');
  if (o.out === '' || o.textfileDir === '') throw usageError('name a file, or a directory, to write to');
  const named = o.textfileDir === undefined ? o.out : `${o.textfileDir}/mc_pickup.prom`;
  if (named === undefined || named === '-') {
    context.out.line((await metricsNow(context)).trimEnd());
    return EXIT.ok;
  }
  context.out.line(await writeMetrics(context, resolve(named)));
  return EXIT.ok;
}
