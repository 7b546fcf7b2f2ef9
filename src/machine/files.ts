import { closeSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { uniqueName } from '../model/hash.ts';
import { attempt, objectIn } from '../model/json.ts';
import { lookAtName, openLog, textAt } from './foreign.ts';
import type { Places } from './paths.ts';
import { umaskToNote } from './umask.ts';

/** Writes a file so that a reader sees the old or the new text, never a part. */
export function writeAtomic(
  path: string,
  text: string,
  mode = 0o600,
  encoding: BufferEncoding = 'utf8',
): void {
  const temp = `${path}.tmp${uniqueName()}`;
  try {
    writeFileSync(temp, text, { mode, flag: 'wx', encoding });
    renameSync(temp, path);
  } catch (error) {
    rmSync(temp, { force: true });
    throw error;
  }
}

/** Notes the umask of the person who sets things up: a scheduler may have another. */
export function noteUmask({ umask }: Pick<Places, 'umask'>): void {
  const text = umaskToNote();
  if (text !== null) writeAtomic(umask, text);
}

/** Writes so many bytes to a file of that name, has it opened so often, and takes it away again. Throws what the system says of that. */
export function tryWriting(path: string, bytes: number, times: number): void {
  const file = `${path}.tmp${uniqueName()}`;
  const open: number[] = [];
  try {
    writeFileSync(file, Buffer.alloc(bytes), { mode: 0o600, flag: 'wx' });
    while (open.length < times) open.push(openLog(file).fd);
  } finally {
    for (const fd of open) closeSync(fd);
    rmSync(file, { force: true });
  }
}

/** A path without symbolic links; as it is where nothing is there. */
export function realOf(path: string): string {
  return attempt(() => realpathSync.native(path)) ?? path;
}

/** The checkout that the worktrees of a repository are made beside; null = it is bare, or not there. */
export function mainCheckout(repo: string): string | null {
  return lookAtName(`${repo}/.git`) === null ? null : realOf(repo);
}

/** A JSON object from a file, or null when it is missing, unreadable or anything else. */
export function readObject(path: string): Record<string, unknown> | null {
  return objectIn(textAt(path));
}

/** A whole text file, or null when it is missing or unreadable: a link, a pipe, a device, another user's, too large. */
export function textOfFile(path: string): string | null {
  return textAt(path);
}

/** A field that is a string, else null. */
export function textOf(object: Record<string, unknown> | null, key: string): string | null {
  const value = object?.[key];
  return typeof value === 'string' ? value : null;
}

/** A field that is a whole number, else null. */
export function numberOf(object: Record<string, unknown> | null, key: string): number | null {
  const value = object?.[key];
  return Number.isSafeInteger(value) ? (value as number) : null;
}

/** Single-quotes a word for POSIX sh. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

export { asObject } from '../model/json.ts';
