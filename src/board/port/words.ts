import type { At } from './by.ts';

/** How words came to a run: in its first prompt, or into its terminal, where it may not have taken them. */
export type Handed = 'prompt' | 'delivered' | 'indeterminate';

/** What a person has said of a ticket: an answer, or comments on work. They are owed to every attempt until a run has
 *  honoured them: it has reported, or ended a turn, after it had had them. */
export interface WordsRow {
  readonly id: number;
  readonly ticket_id: string;
  readonly text: string;
  readonly author: string;
  readonly at_ms: number;
  /** null = still owed to the next attempt. */
  readonly honoured_by: string | null;
  readonly honoured_at_ms: number | null;
  /** The runs that had them, in order of time. */
  readonly had: readonly { readonly run_id: string; readonly outcome: Handed; readonly at_ms: number }[];
}

export interface KeepRequest {
  readonly ticket: string;
  readonly text: string;
  readonly author: string;
}

export interface HandRequest {
  readonly ids: readonly number[];
  readonly run: string;
  readonly outcome: Handed;
  /** The turn that the run had begun before it was given the words. */
  readonly turn: number;
}

/** What people say of a ticket, and which runs had it. */
export interface Words {
  /** Its id. */
  keepAnswer(request: KeepRequest, at: At): Promise<number>;
  /** All that people have said of a ticket and have not withdrawn, honoured or not, the oldest first. */
  words(ticket: string): Promise<WordsRow[]>;
  /** A run is given these words. It honours them by the end of a later turn, or by its report. What is `indeterminate` it
   *  never honours; a later word on the same run says more. */
  handWords(request: HandRequest, at: At): Promise<void>;
  /** The first run that has them for certain; `withdrawn`: no run is to have them. */
  takeAnswers(request: { readonly ids: readonly number[]; readonly run: string }): Promise<void>;
}
