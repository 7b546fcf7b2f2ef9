import { asObject, textOf } from '../../machine/files.ts';
import type { Refusal } from '../../model/trouble.ts';

const STATUS = /"code":\s*(\d{3})\b|\bstatus:? (\d{3})\b|\bgot status:? (\d{3})\b/i;
const WORD = /RESOURCE_EXHAUSTED|exhausted your (?:daily quota|capacity)|exceeded your current quota/i;
/** `59m59.5s`, `3599s`, `700ms`. */
const RETRY = /\b(?:retry in|retry after) ((?:\d+(?:\.\d+)?(?:ms|h|m|s)\s?)+)/i;
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** In the user's own time zone. */
const CLOCK = /Access resets at (\d{1,2}):(\d{2})\s(AM|PM)(?:\s([A-Z]{2,5}(?:[+-]\d{1,2}(?::\d{2})?)?))?/;
const BAD_KEY = 'API_KEY_INVALID';
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What an error of the client tells. A delay counts from the error. */
export function refusalIn(text: string, at_ms: number): Refusal {
  const status = STATUS.exec(text)?.slice(1).find(Boolean);
  const limit = WORD.exec(text)?.[0];
  const told = limit === undefined ? status : '429';
  const delay = delayIn(text);
  return {
    status: told === undefined ? null : Number(told),
    word: limit ?? (text.includes(BAD_KEY) ? BAD_KEY : ''),
    says: messageIn(text),
    until_ms: delay === null || Number.isNaN(at_ms) ? null : Math.ceil(at_ms + delay),
  };
}

/** What a headless client prints last. */
export function refusalPrinted(printed: string): Refusal | null {
  const line = printed.split('\n').findLast((one) => one.startsWith('{"type":"result"'));
  try {
    const result = asObject(JSON.parse(line ?? ''));
    const text = textOf(result, 'status') === 'error' ? textOf(asObject(result?.error), 'message') : null;
    return text === null ? null : refusalIn(text, Date.parse(textOf(result, 'timestamp') ?? ''));
  } catch {
    return null;
  }
}

function delayIn(text: string): number | null {
  const parts = [...(RETRY.exec(text)?.[1] ?? '').matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0) return null;
  return parts.reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS_MS[unit] ?? 0), 0);
}

/** The API's own sentence, where its whole answer is shown. */
function messageIn(text: string): string {
  const json = /\{[\s\S]*\}/.exec(text)?.[0];
  if (json === undefined) return text;
  try {
    return textOf(asObject(asObject(JSON.parse(json))?.error), 'message') ?? text;
  } catch {
    return text;
  }
}

/**
 * The limit that a dialog on the screen tells of. While it is open the title says that the client works, and neither a hook nor the session's record
 * knows. The time of day leaves the seconds out: the reset is somewhere within that minute, so the wait lasts to its end.
 */
export function limitOnScreen(screen: string, now_ms: number): Refusal | null {
  const shown = /Usage limit reached for [^\n]*?\.(?=\s|$)/.exec(screen)?.[0];
  if (shown === undefined) return null;
  const [clock, hours = '', minutes = '', half, zone = ''] = CLOCK.exec(screen) ?? [];
  const until_ms =
    clock === undefined
      ? null
      : nextAt((Number(hours) % 12) + (half === 'PM' ? 12 : 0), Number(minutes) + 1, zone, now_ms);
  return { status: 429, word: 'dialog', says: clock === undefined ? shown : `${shown} ${clock}.`, until_ms };
}

/** The next moment at which it is that time of day in a zone, as the client names it; null = a zone that nobody knows here. */
function nextAt(hours: number, minutes: number, zone: string, now_ms: number): number | null {
  const offset_ms = offsetOf(zone, now_ms);
  if (offset_ms === null) return null;
  const midnight = Math.floor((now_ms + offset_ms) / DAY_MS) * DAY_MS - offset_ms;
  const today = midnight + (hours * 60 + minutes) * MINUTE_MS;
  return today > now_ms ? today : today + DAY_MS;
}

function offsetOf(zone: string, now_ms: number): number | null {
  const [, sign, hours, minutes = '0'] = /^(?:GMT|UTC)(?:([+-])(\d{1,2})(?::(\d{2}))?)?$/.exec(zone) ?? [];
  if (zone === 'UTC' || zone === 'GMT') return 0;
  if (sign !== undefined) return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
  return zone === '' || zone === zoneHere(now_ms) ? -new Date(now_ms).getTimezoneOffset() * MINUTE_MS : null;
}

/** How the client would name the time zone of this machine. */
function zoneHere(now_ms: number): string {
  const parts = new Intl.DateTimeFormat('en-US', { hour: 'numeric', timeZoneName: 'short' }).formatToParts(
    now_ms,
  );
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
