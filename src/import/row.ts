import type { ForeignTicket } from '../board/port/index.ts';

export const FORMATS = ['markdown', 'jsonl', 'csv', 'beads', 'github'] as const;
export type Format = (typeof FORMATS)[number];

/** The name of what an export writes, in each of its lines. */
export const SCHEMA = 'mc-pickup.ticket-export/1';

/** A task as a reader has found it; nothing in `fields` has been looked at yet. */
export interface Raw {
  /** For people: `plan.md:7`, `owner/name#12`. */
  readonly where: string;
  /** How other tasks of the same place name it. */
  readonly id: string | null;
  /** Its source, where the place says one; else it is made of the id, or of the title. */
  readonly source: string | null;
  /** Of an export of ours: its status is one of ours, and what is done comes along. */
  readonly own: boolean;
  readonly fields: Fields;
}

export const FIELDS = [
  ...(['title', 'body', 'status', 'priority', 'project', 'labels', 'agent'] as const),
  ...(['owner', 'author', 'trusted', 'depends_on', 'attempts', 'not_before_at'] as const),
  ...(['reason', 'reason_text', 'created_at', 'updated_at', 'comments'] as const),
] as const;
export type Fields = { readonly [name in (typeof FIELDS)[number]]?: unknown };

/** A task that may become a ticket. */
export interface Row {
  readonly where: string;
  readonly id: string | null;
  /** Which number it has in its file, from 1. */
  readonly number: number;
  /** `depends_on` as the file has it: ids, sources, `#n`. */
  readonly needs: readonly string[];
  /** null = the file does not say. */
  readonly project: string | null;
  readonly author: string | null;
  readonly trusted: boolean | null;
  readonly created_at_ms: number | null;
  readonly updated_at_ms: number | null;
  readonly ticket: Omit<
    ForeignTicket,
    'project' | 'author' | 'trusted' | 'depends_on' | 'created_at_ms' | 'updated_at_ms'
  >;
}

export interface Bad {
  readonly where: string;
  readonly why: string;
}

/** A task that does not become a ticket, and is not wrong either. */
export interface Skipped {
  readonly where: string;
  readonly id: string | null;
  readonly number: number;
  readonly title: string;
  /** `done`: what depends on it waits for nothing; `no_task`: not work; `other_label`: not among those asked for. */
  readonly because: 'done' | 'no_task' | 'other_label';
}

export interface Reading {
  readonly format: Format;
  readonly rows: readonly Row[];
  readonly bad: readonly Bad[];
  readonly skipped: readonly Skipped[];
  readonly warnings: readonly string[];
  /** What stands before an id of this place to make it a source. */
  readonly space: string | null;
}

/** What a reader gives: tasks, and what it could make nothing of. */
export interface Found {
  readonly raws: readonly (Raw | Bad | Skipped)[];
  readonly warnings: readonly string[];
}

/** Why nothing could be read. A value and not an error: this part of the program is a bundle of its own, whose classes the
 *  rest does not know. */
export class Fault extends Error {
  readonly exit: 2 | 69 | 75 | 78;
  constructor(exit: 2 | 69 | 75 | 78, message: string) {
    super(message);
    this.exit = exit;
  }
}

/** A status or the name of a column, however a person or a tool has written it: `In Progress`, `in-progress`. */
export function asWord(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
}
