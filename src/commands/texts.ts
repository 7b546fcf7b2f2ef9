/*
 * Texts that a person gives: as words of the command line, by a file, or on standard input.
 */
import { readFileSync } from 'node:fs';
import { messageOf, UserError, usageError } from '../model/errors.ts';
import { clean } from '../model/text.ts';

const MAX_BODY_BYTES = 256 * 1024;

/** The text of a command: its words, or what stands on its standard input (no words, or `-`). */
export function textFrom(words: readonly string[]): string {
  let raw = words.join(' ');
  try {
    if (words.length === 0 || (words.length === 1 && words[0] === '-')) raw = readFileSync(0, 'utf8');
  } catch (error) {
    throw usageError(`standard input can't be read (${messageOf(error)})`);
  }
  const text = clean(raw).trim();
  if (text === '') throw usageError('there is no text: give it as arguments or on stdin');
  return text;
}

/** A body by word or by file; null = none is given. */
export function readBody(body: string | undefined, file: string | undefined): string | null {
  if (body !== undefined && file !== undefined) throw usageError('give --body or --file, not both');
  if (body !== undefined) return bounded(body);
  if (file === undefined) return null;
  try {
    return bounded(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw usageError(`can't read the body from ${file}: ${messageOf(error)}`);
  }
}

/** A body on a pipe; a terminal, a closed stdin or the null device has none. */
export function pipedBody(): string {
  if (process.stdin.isTTY) return '';
  try {
    return bounded(readFileSync(0, 'utf8'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    return '';
  }
}

function bounded(text: string): string {
  if (Buffer.byteLength(text) <= MAX_BODY_BYTES) return clean(text);
  throw usageError(
    `the body is larger than ${MAX_BODY_BYTES} bytes: put it into the repository and name the file`,
  );
}
