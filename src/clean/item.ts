import { shellQuote } from '../machine/files.ts';
import { type Acted, type Found, type Item, type Left, NOTHING, type Proposal } from '../model/clean.ts';

/** A word of a command that a person may copy, quoted where a shell needs it. */
export function word(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : shellQuote(text);
}

export function isSettled(status: string | undefined): boolean {
  return status === 'done' || status === 'cancelled';
}

/** One thing that may go. */
export function proposed(
  item: Omit<Item, 'bytes' | 'rows'> & Partial<Pick<Item, 'bytes' | 'rows'>>,
  restorable: string,
  act: Proposal['act'],
  before: Proposal['before'] | null = null,
): Found {
  const { bytes = null, rows = null, ...rest } = item;
  const first = before === null ? {} : { before };
  return { ...NOTHING, proposals: [{ item: { ...rest, bytes, rows }, restorable, act, ...first }] };
}

/** One thing that was looked at and stays. */
export function kept(left: Left): Found {
  return { ...NOTHING, left: [left] };
}

/** It was to go, and stays. */
export function stays(because: string, says: string): Acted {
  return { result: 'left', because, says };
}
