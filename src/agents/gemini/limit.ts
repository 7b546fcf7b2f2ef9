import { oneLine } from '../../model/text.ts';
import type { Limited } from '../adapter.ts';

const LIMIT =
  /exceeded your current quota|exhausted your (?:daily quota|capacity)|RESOURCE_EXHAUSTED|"code":429/i;
const RETRY = /(?:retry in|retry after) (\d+(?:\.\d+)?)(ms|s)\b/i;
const CLOCK = /Access resets at (\d{1,2}):(\d{2}) (AM|PM) (?:UTC|GMT)\b/;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** A limit that an error of the client tells of; its delay counts from the error. */
export function limitIn(text: string, at_ms: number): Limited | null {
  if (!LIMIT.test(text)) return null;
  const [, amount, unit] = RETRY.exec(text) ?? [];
  const delay = amount === undefined ? null : Number(amount) * (unit === 'ms' ? 1 : 1000);
  const until_ms = delay === null || Number.isNaN(at_ms) ? null : Math.ceil(at_ms + delay);
  return { until_ms, text: oneLine(text, 300) };
}

/**
 * The limit that a dialog on the screen tells of. While it is open the title says that the client works, and neither a
 * hook nor the session's record knows. The time of day is only read where it is told in UTC. It leaves the seconds
 * out: the reset is somewhere within that minute, so the wait lasts to its end.
 */
export function limitOnScreen(screen: string, now_ms: number): Limited | null {
  const shown = /Usage limit reached for [^\n]*?\.(?=\s|$)/.exec(screen)?.[0];
  if (shown === undefined) return null;
  const [, hours, minutes, half] = CLOCK.exec(screen) ?? [];
  if (hours === undefined) return { until_ms: null, text: shown };
  const ofDay =
    ((Number(hours) % 12) + (half === 'PM' ? 12 : 0)) * 3_600_000 + (Number(minutes) + 1) * MINUTE_MS;
  const today = Math.floor(now_ms / DAY_MS) * DAY_MS + ofDay;
  return { until_ms: today > now_ms ? today : today + DAY_MS, text: shown };
}
