import { numberOf, readObject, textOf } from '../machine/files.ts';
import type { Places } from '../machine/paths.ts';
import type { Policy } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { age } from '../model/times.ts';
import { channelKey, channelName, readNotified, waitingOf } from '../notify/record.ts';
import { about, type Finding, ok, warn } from './finding.ts';

const TRY = 'mc-pickup notify test tries each';

/** The channels that fail, and pings that do, by what the last tick left. Sends nothing. */
export function notifyFindings(places: Places, policy: Policy, now_ms: number): Finding[] {
  return [...channels(places, policy, now_ms), ...pings(places, policy, now_ms)];
}

function channels(places: Places, policy: Policy, now_ms: number): Finding[] {
  const { ok, warn } = about('notifications');
  if (policy.notify.length === 0) return [];
  const read = readNotified(places.notified);
  if (read.kind === 'unusable')
    return [warn(`${places.notified} cannot be understood`, 'the next tick begins it anew')];
  const states = read.kind === 'known' ? read.record.channels : {};
  const failing = policy.notify.flatMap((spec) => {
    const state = states[channelKey(spec)];
    if (state === undefined || state.failures === 0) return [];
    const since = age(now_ms - (state.failing_since_ms ?? now_ms));
    const waits = waitingOf(state);
    const says = `${channelName(spec)} fails for ${since}, ${many(waits, 'event')} waiting: ${state.error ?? ''}`;
    return [warn(says, TRY)];
  });
  const count = many(policy.notify.length, 'channel');
  return failing.length > 0 ? failing : [ok(`${count}, none known to fail`)];
}

function pings({ ping }: Places, policy: Policy, now_ms: number): Finding[] {
  if (policy.ping === null) return [];
  const note = readObject(ping);
  if (note === null) return [ok('ping', 'the last tick got through')];
  const since = age(now_ms - (numberOf(note, 'since_ms') ?? now_ms));
  const error = textOf(note, 'error') ?? '';
  // The address is rarely at fault where the way to it is.
  const at = error.includes('by the proxy ') ? 'at that proxy, or at [network]' : 'at [ping] url';
  return [warn('ping', `fails for ${since}: ${error}`, `look ${at}`)];
}
