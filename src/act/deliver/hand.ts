import { randomBytes } from 'node:crypto';
import { BEFORE, type Hands, textFile } from '../../agents/handing.ts';
import { clean } from '../../model/text.ts';

/** What is typed for a text, and the file of the run that holds it, where it is not the text that is typed. */
export interface Handed {
  /** The text itself, as the client's model is to get it. */
  readonly text: string;
  readonly typed: string;
  readonly file: string | null;
}

/** How a text gets to a client that lives, by what the client would read into it; a reason where it can't. */
export function handed(adapter: Hands, given: string, runDir: string): Handed | { readonly why: string } {
  const text = clean(given);
  if (text.trim() === '') return { why: 'there is no text to paste' };
  switch (adapter.hands(text, 'typed')) {
    case 'as_is':
      return { text, typed: text, file: null };
    case 'after_words':
      return { text, typed: `${BEFORE} ${text}`, file: null };
    case 'by_file': {
      const by = textFile(adapter, { runDir, name: `text-${randomBytes(8).toString('hex')}`, way: 'typed' });
      if (by !== null) return { text, typed: by.words, file: by.file };
      return { why: unnamable(runDir) };
    }
  }
}

/** Why a client can't be told of a file. */
export function unnamable(path: string): string {
  return `its client would read something into the name ${path}: give the state dir another one`;
}
