/*
 * Waits end at a time of the wall clock, because they outlive processes and reboots. That clock may run ahead for a while, and what
 * was set meanwhile would last for as long as it was ahead. So a wait keeps the time it was set at beside its end: both are of the
 * same clock, and their difference is its own length. It is never longer than that, counted from any look at it. The
 * other way round nothing is done: what ends early is tried early.
 */
import type { Limits } from './policy.ts';

const DAY_MS = 86_400_000;

/** The longest that a ticket is put off by hand, or by another program that does not tell when it did so. */
const BY_HAND_MS = 366 * DAY_MS;
/** No client's limit lasts longer: the longest are of a week. */
const MOST_LIMIT_MS = 8 * DAY_MS;
/** No look at a forge is further off. */
const MOST_REVIEW_MS = DAY_MS;

interface Wait {
  readonly not_before_at_ms: number | null;
  /** When it was set; null = whoever set it did not tell. */
  readonly wait_since_ms: number | null;
}

/** When the wait of a ticket ends; null = there is none. Where nobody told when it was set, it is a back-off if the ticket has failed
 *  before, and as long as the longest at most. */
export function ticketWaitEnd(
  ticket: Wait & { readonly attempts: number },
  { retry_max_seconds }: Pick<Limits, 'retry_max_seconds'>,
  now_ms: number,
): number | null {
  return endOf(ticket, ticket.attempts > 0 ? Math.ceil(retry_max_seconds * 1100) : BY_HAND_MS, now_ms);
}

/** The same of an account. */
export function accountWaitEnd(account: Wait, now_ms: number): number | null {
  return endOf(account, MOST_LIMIT_MS, now_ms);
}

function endOf(
  { not_before_at_ms: end_ms, wait_since_ms }: Wait,
  most_ms: number,
  now_ms: number,
): number | null {
  if (end_ms === null) return null;
  const length_ms = wait_since_ms === null ? most_ms : Math.max(0, end_ms - wait_since_ms);
  return Math.min(end_ms, now_ms + length_ms);
}

/** Whether a limit that a client has told of holds. One that is further off than any that there is was told by another clock. */
export function limitHolds(until_ms: number | null, now_ms: number): boolean {
  return until_ms !== null && until_ms > now_ms && until_ms - now_ms <= MOST_LIMIT_MS;
}

/** Whether the next look at a review is due. A row that was written in the future was written by a clock that ran ahead. */
export function reviewDue(
  { next_at_ms, updated_at_ms }: { readonly next_at_ms: number; readonly updated_at_ms: number },
  now_ms: number,
): boolean {
  return next_at_ms <= now_ms || updated_at_ms > now_ms || next_at_ms - now_ms > MOST_REVIEW_MS;
}
