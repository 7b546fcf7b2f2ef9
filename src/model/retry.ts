import type { RetryTo } from './plan.ts';
import type { Limits } from './policy.ts';

/** The retry table: doubling back-off with a jitter that depends on the ticket alone, so that two looks at the
 *  same world agree; `blocked` after the last attempt. */
export function retryAfter(ticketId: string, attempts: number, now_ms: number, limits: Limits): RetryTo {
  const n = attempts + 1;
  if (n >= limits.max_attempts) return { status: 'blocked', attempts: n, not_before_at_ms: null };
  const delay_ms = Math.min(limits.retry_base_seconds * 2 ** (n - 1), limits.retry_max_seconds) * 1000;
  const jitter_ms = Math.floor((delay_ms / 10) * fraction(ticketId));
  return { status: 'todo', attempts: n, not_before_at_ms: now_ms + Math.floor(delay_ms) + jitter_ms };
}

/** FNV-1a (Fowler, Noll, Vo) over the id, as a number in [0, 1). */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}
