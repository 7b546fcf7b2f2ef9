import { resolve } from 'node:path';
import { SCHEMA_VERSION } from '../board/sqlite/migrations.ts';
import { loadPolicy } from '../config/load.ts';
import { type Context, serverOf, withReader } from '../context.ts';
import { hostId } from '../machine/process.ts';
import { EXIT, type ExitCode, UserError } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { channelKey, channelName, readNotified, waitingOf } from '../notify/record.ts';
import { METRICS_FILE, refuseFile, replaceFile } from './page-file.ts';
import { statusFactsOf } from './status.ts';

/** Set by the build; absent where the source runs unbundled. */
declare const MC_PICKUP_VERSION: string | undefined;

/** Writes the figures to stdout, or into a file in one step. Reads the board without leaving a trace. */
export async function metrics(
  context: Context,
  o: { readonly out?: string; readonly textfileDir?: string },
): Promise<ExitCode> {
  if (context.json)
    throw new UserError(
      EXIT.usage,
      'metrics are text in the format of Prometheus, and no JSON: mc-pickup status --json has the facts',
    );
  if (o.out !== undefined && o.textfileDir !== undefined)
    throw new UserError(EXIT.usage, 'give --out or --textfile-dir, not both');
  if (o.out === '' || o.textfileDir === '')
    throw new UserError(EXIT.usage, 'name a file, or a directory, to write to');
  const named = o.textfileDir === undefined ? o.out : `${o.textfileDir}/mc_pickup.prom`;
  if (named === undefined || named === '-') {
    context.out.line((await make(context, false)).trimEnd());
    return EXIT.ok;
  }
  context.out.line(await writeMetrics(context, resolve(named)));
  return EXIT.ok;
}

/** Writes the file in one step, readable by others: node_exporter is another user. Returns its path. */
export async function writeMetrics(
  context: Context,
  file: string,
  open: typeof withReader = withReader,
): Promise<string> {
  refuseFile(file, METRICS_FILE); // before the work
  return replaceFile(file, await make(context, true, open), 0o644);
}

async function make(context: Context, kept: boolean, open = withReader): Promise<string> {
  const { gather, metricsText } = await import('../metrics/index.ts');
  const { places, env } = context;
  const now_ms = Date.now();
  const { policy } = loadPolicy(places.config, env);
  const known = {
    ...{ now_ms, kept, host_id: hostId(places.state) ?? '' },
    version: typeof MC_PICKUP_VERSION === 'undefined' ? 'source' : MC_PICKUP_VERSION,
    schema: (await serverOf(context)) === null ? SCHEMA_VERSION : null,
    interval_ms: policy.limits.interval_seconds * 1000,
    agents: [...policy.agents.keys()],
    channels: channelsOf(places.notified, policy),
  };
  return metricsText(
    await open(context, async (board) =>
      gather(board, { ...known, status: await statusFactsOf(context, board, policy, now_ms) }),
    ),
  );
}

function channelsOf(file: string, { notify }: Policy) {
  const read = notify.length === 0 ? null : readNotified(file);
  const states = read?.kind === 'known' ? read.record.channels : {};
  return notify.map((spec) => {
    const state = states[channelKey(spec)];
    return {
      name: channelName(spec),
      failing: (state?.failures ?? 0) > 0,
      waiting: state === undefined ? 0 : waitingOf(state),
    };
  });
}
