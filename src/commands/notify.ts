import { loadPolicy } from '../config/load.ts';
import type { Context } from '../context.ts';
import { hostId } from '../machine/process.ts';
import { configError, EXIT, type ExitCode } from '../model/errors.ts';
import { oneLine } from '../model/text.ts';
import { secondsOf, send } from '../notify/channels.ts';
import { idOf, type TellEvent } from '../notify/event.ts';
import { channelName } from '../notify/record.ts';
import { notificationOf } from '../notify/tell.ts';

/** Sends a test message through each channel at once, and says what came of it. Exit 3 where one failed. Nothing is
 *  remembered: what waits for a channel still waits. */
export async function notifyTest(context: Context): Promise<ExitCode> {
  const { places, env, out } = context;
  const { policy } = loadPolicy(places.config, env);
  if (policy.broken.length > 0) throw configError(policy.broken.join('\n'));
  if (policy.notify.length === 0)
    throw configError(`${places.config} has no [[notify]]: add one, and ask again`);
  const now_ms = Date.now();
  const host = hostId(places.state) ?? '';
  const results = await Promise.all(
    policy.notify.map(async (spec, n) => {
      const event: TellEvent = {
        id: idOf('test', host, now_ms, n),
        ...{ kind: 'test', at_ms: now_ms, ticket: null, title: null, project: null, labels: [], run: null },
        ...{ because: null, text: 'a test of the notifications of mc-pickup' },
      };
      const message = notificationOf({ id: event.id, events: [event], more: 0, dropped: 0 }, host);
      const timeout_ms = secondsOf(spec.channel) * 1000;
      const error = await send(spec.channel, message, { env, now_ms, timeout_ms });
      return { channel: oneLine(channelName(spec), 100), on: spec.on, ok: error === null, error };
    }),
  );
  if (context.json) out.json(results);
  else
    for (const { channel, on, error } of results)
      out.line(`${error === null ? 'ok  ' : 'FAIL'}  ${channel}  ${error ?? `hears of ${on.join(', ')}`}`);
  return results.every(({ ok }) => ok) ? EXIT.ok : EXIT.partial;
}
