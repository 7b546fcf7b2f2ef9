import { isFailedLaunch } from './ends.ts';
import type { RetryTo } from './plan.ts';
import type { Limits } from './policy.ts';
import type { Runtime } from './runtime.ts';

/** The retry table: doubling back-off with a jitter that depends on the ticket alone, so that two looks at the
 *  same world agree; `blocked` after the last attempt. */
export function retryAfter(ticketId: string, attempts: number, now_ms: number, limits: Limits): RetryTo {
  const n = attempts + 1;
  if (n >= limits.max_attempts) return { status: 'blocked', attempts: n, not_before_at_ms: null };
  return { status: 'todo', attempts: n, not_before_at_ms: now_ms + backOff(ticketId, n, limits) };
}

/** When a ticket whose launch failed may be launched again. `failures`: launches in a row that failed, this one among them. They
 *  hold the ticket as attempts would, and never block it: no agent ever ran. */
export function heldAfter(
  ticket: { readonly id: string; readonly attempts: number },
  failures: number,
  now_ms: number,
  limits: Limits,
): RetryTo {
  const not_before_at_ms = now_ms + backOff(ticket.id, failures, limits);
  return { status: 'todo', attempts: ticket.attempts, not_before_at_ms };
}

/** So many runs of a ticket are looked at to count its failed launches. */
export const LAUNCHES_SEEN = 20;

/** Of a ticket's runs, the newest first: how many launches failed since one of them registered. */
export function failedLaunches(runs: readonly Pick<Runtime, 'registered_at_ms' | 'end_reason'>[]): number {
  const ran = runs.findIndex(({ registered_at_ms }) => registered_at_ms !== null);
  const since = ran < 0 ? runs : runs.slice(0, ran);
  return since.filter(({ end_reason }) => isFailedLaunch(end_reason)).length;
}

function backOff(ticketId: string, n: number, limits: Limits): number {
  const delay_ms = backOffMs(n, limits);
  return Math.floor(delay_ms) + Math.floor((delay_ms / 10) * fraction(ticketId));
}

/** How long the n-th wait in a row is. */
export function backOffMs(
  n: number,
  { retry_base_seconds, retry_max_seconds }: Pick<Limits, 'retry_base_seconds' | 'retry_max_seconds'>,
): number {
  return Math.min(retry_base_seconds * 2 ** Math.min(n - 1, 30), retry_max_seconds) * 1000;
}

/** FNV-1a (Fowler, Noll, Vo) over the id, as a number in [0, 1). */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}
