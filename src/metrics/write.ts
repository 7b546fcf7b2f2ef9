import { knownBoard, withBoard, withReader } from '../board/open.ts';
import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { readSwitches } from '../machine/killswitch.ts';
import { METRICS_FILE, refuseFile, replaceFile } from '../machine/named-file.ts';
import { hostId } from '../machine/process.ts';
import { findProgram } from '../machine/programs.ts';
import { EXIT, type ExitCode } from '../model/errors.ts';
import type { Policy } from '../model/policy.ts';
import { channelKey, channelName, readNotified, waitingOf } from '../notify/record.ts';
import { notedMetrics, noteMetrics, outcomeOf, type TickFacts, writeBrief } from '../report/brief.ts';
import { statusFactsOf } from '../status/facts.ts';

/** Set by the build; absent where the source runs unbundled. */
declare const MC_PICKUP_VERSION: string | undefined;

/** Writes the file in one step, readable by others: node_exporter is another user. Returns its path. */
export async function writeMetrics(
  context: Context,
  file: string,
  {
    open = withReader,
    over = null,
  }: { readonly open?: typeof withReader; readonly over?: TickFacts['last'] } = {},
): Promise<string> {
  refuseFile(file, METRICS_FILE); // before the work
  return replaceFile(file, await metricsNow(context, { kept: true, open, over }), { mode: 0o644 });
}

/** The figures of this moment as text. `kept`: they go into a file, which is read later. `over`: a tick that ends now, and could not work. */
export async function metricsNow(
  context: Context,
  {
    kept = false,
    open = withReader,
    over = null,
  }: { readonly kept?: boolean; readonly open?: typeof withReader; readonly over?: TickFacts['last'] } = {},
): Promise<string> {
  const { gather, metricsText } = await import('./index.ts');
  const { places, env } = context;
  const now_ms = Date.now();
  const { policy } = loadPolicy(places.config, env);
  const noted = policy.broken.length > 0 ? notedMetrics(places) : null;
  const known = {
    ...{ now_ms, kept, over, host_id: hostId(places.state) ?? '' },
    version: typeof MC_PICKUP_VERSION === 'undefined' ? 'source' : MC_PICKUP_VERSION,
    schema: (await (await knownBoard(context)).upkeep?.schema()) ?? null,
    // One that is broken may not even say how often.
    interval_ms: (noted ?? policy.limits).interval_seconds * 1000,
    agents: [...policy.agents.keys()],
    without_program: [...policy.agents.values()]
      .filter(({ argv: [word], kind, env: own }) => findProgram(word ?? kind, own.PATH ?? env.PATH) === null)
      .map(({ name }) => name),
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

/** What follows a tick: the file that the configuration names, or named before it broke. A tick that could not work says at least that. */
export async function metricsOfTick(
  context: Context,
  { metrics, broken, limits }: Policy,
  tick: { readonly worked: boolean; readonly code: ExitCode },
): Promise<void> {
  const { places, env } = context;
  if (tick.code === EXIT.usage) return; // that of a person who has mistyped it
  const file = metrics?.file ?? (broken.length > 0 ? notedMetrics(places)?.file : undefined);
  if (file === undefined) return noteMetrics(places, null);
  const over = tick.worked ? null : ({ at_ms: Date.now(), outcome: outcomeOf(tick.code) } as const);
  if (metrics !== null) noteMetrics(places, { file, interval_seconds: limits.interval_seconds });
  try {
    // Where the tick has worked on it, the board need not be copied to be read without a trace.
    await writeMetrics(context, file, { open: tick.worked ? withBoard : withReader, over });
  } catch (error) {
    if (over === null || !writeBrief(places, { switches: readSwitches(places, env, over.at_ms), last: over }))
      throw error;
  }
}
