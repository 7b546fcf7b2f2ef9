/** `5s`, `12m`, `3h`, `2d`: how long, in one unit. */
export function age(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  return s < 86_400 ? `${Math.floor(s / 3600)}h` : `${Math.floor(s / 86_400)}d`;
}

/** `3m ago`, `in 3m`, `now`. */
export function ago(at_ms: number, now_ms: number): string {
  const ms = now_ms - at_ms;
  if (Math.abs(ms) < 1000) return 'now';
  return ms > 0 ? `${age(ms)} ago` : `in ${age(-ms)}`;
}

/** `2026-11-26 02:10:07Z`: UTC, as everywhere in the program. */
export function utc(at_ms: number): string {
  if (!Number.isFinite(at_ms) || Math.abs(at_ms) > 8e15) return '?';
  return `${new Date(at_ms).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

/** `02:10:07Z`, for what lies within the day. */
export function utcTime(at_ms: number): string {
  return utc(at_ms).slice(11) || '?';
}
