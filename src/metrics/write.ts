import { knownBoard, withReader } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { METRICS_FILE, refuseFile, replaceFile } from '../machine/named-file.ts';
import { hostId } from '../machine/process.ts';
import type { Policy } from '../model/policy.ts';
import { channelKey, channelName, readNotified, waitingOf } from '../notify/record.ts';
import { statusFactsOf } from '../status/facts.ts';

/** Set by the build; absent where the source runs unbundled. */
declare const MC_PICKUP_VERSION: string | undefined;

/** Writes the file in one step, readable by others: node_exporter is another user. Returns its path. */
export async function writeMetrics(
  context: Context,
  file: string,
  open: typeof withReader = withReader,
): Promise<string> {
  refuseFile(file, METRICS_FILE); // before the work
  return replaceFile(file, await metricsNow(context, true, open), 0o644);
}

/** The figures of this moment as text. `kept`: they go into a file, which is read later. */
export async function metricsNow(context: Context, kept: boolean, open = withReader): Promise<string> {
  const { gather, metricsText } = await import('./index.ts');
  const { places, env } = context;
  const now_ms = Date.now();
  const { policy } = loadPolicy(places.config, env);
  const known = {
    ...{ now_ms, kept, host_id: hostId(places.state) ?? '' },
    version: typeof MC_PICKUP_VERSION === 'undefined' ? 'source' : MC_PICKUP_VERSION,
    schema: (await (await knownBoard(context)).upkeep?.schema()) ?? null,
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
