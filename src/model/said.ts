/*
 * What an agent reports. It goes by a file of its run first, so that it is not lost where the board can't be written: `report` itself
 * or the next tick tells the board of it. The file lies where agents write, so that it says no more than the command can say.
 */
import { clean } from './text.ts';

/** What `report` is called with, and where the ticket goes by it. */
export const REPORTS = {
  review: 'in_review',
  'needs-input': 'needs_input',
  done: 'done',
  blocked: 'blocked',
} as const;

export type ReportedTo = (typeof REPORTS)[keyof typeof REPORTS];

/** A report that was kept, and that the board may not have been told of yet. */
export interface Said {
  /** Of its file. */
  readonly name: string;
  readonly to: ReportedTo;
  readonly message: string;
  /** The agent's turn when it was said, by the events before it. */
  readonly turn: number;
  readonly at_ms: number;
}

const MAX_MESSAGE = 16_384;

/** What an agent's message is cut and cleaned to. */
export function reportMessage(text: string): string {
  return clean(text).slice(0, MAX_MESSAGE);
}

/** Where the ticket goes by a word of `report`; null = it is none. */
export function reportedTo(word: unknown): ReportedTo | null {
  return typeof word === 'string' && Object.hasOwn(REPORTS, word)
    ? REPORTS[word as keyof typeof REPORTS]
    : null;
}
