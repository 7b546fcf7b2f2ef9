import { shellQuote } from '../machine/files.ts';

/** A word of a command that a person may copy, quoted where a shell needs it. */
export function word(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : shellQuote(text);
}

export function isSettled(status: string | undefined): boolean {
  return status === 'done' || status === 'cancelled';
}
