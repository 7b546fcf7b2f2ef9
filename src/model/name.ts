const MAX_NAME = 64;
/** What can't be seen, or moves what is seen: controls, formats (bidi among them), line separators, unassigned. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/u;

/** Why a text can't be the name of a project, profile, person or label; null = it can. */
export function wrongName(text: string): string | null {
  if (text.trim() === '') return 'is empty';
  if (HIDDEN.test(text)) return 'has characters that cannot be seen';
  if (text.trim() !== text) return 'begins or ends with a space';
  return text.length > MAX_NAME ? `is longer than ${MAX_NAME} characters` : null;
}

/** The one form of texts that people see as equal: systems and keyboards write an "e with an accent" as one character or as two (Unicode's
 *  composed form; a Mac's file names have the other). What is compared, or looked up, is compared in it. */
export function asSeen(text: string): string {
  return text.normalize('NFC');
}

/** A text in each form that it may have been written down in. */
export function formsOf(text: string): string[] {
  return [...new Set([text, text.normalize('NFC'), text.normalize('NFD')])];
}
