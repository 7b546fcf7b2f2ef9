/* Settings of a repository that are other than they were: found, said, and put back one by one. */
import { basename, dirname, join } from 'node:path';
import { inMadeDir, removeFileAt, writeIn } from '../machine/foreign.ts';
import { withoutUser } from '../model/address.ts';
import { uniqueName } from '../model/hash.ts';
import { type GitResult, git } from './git.ts';

export interface Change {
  readonly key: string;
  /** All values, in their order; none = it was not set. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** Sections that our own launches and everyday commands write. */
const EVERYDAY = /^(branch|submodule|lfs|maintenance|gc)\./i;
/** How the repository is stored: what is on disk was written by it, and without it git reads that wrongly or not at all. */
const STORAGE = /^(extensions\.|core\.repositoryformatversion$|remote\..*\.(promisor|partialclonefilter)$)/i;
/** What a value says is nobody's business where one of these is in its key. */
const SECRET = /extraheader|token|password|passwd|secret|credential|cookie|\.proxy$/i;
const PATIENCE = { timeout_ms: 5000 };

/** What a configuration file says now that a text of it did not. `notes`: a directory of ours. */
export async function configChanges(before: string, file: string, notes: string): Promise<Change[]> {
  const name = `.compared-${uniqueName()}`;
  const then = inMadeDir(dirname(notes), basename(notes), (dir) => {
    writeIn(dir, name, before);
    return join(notes, name);
  });
  try {
    const [was, is] = [await settingsIn(then), await settingsIn(file)];
    if (was === null || is === null) return [];
    const keys = [...new Set([...was.keys(), ...is.keys()])].filter((key) => !EVERYDAY.test(key)).sort();
    return keys
      .map((key) => ({ key, before: was.get(key) ?? [], after: is.get(key) ?? [] }))
      .filter((one) => !same(one.before, one.after));
  } finally {
    removeFileAt(then);
  }
}

/** Every key with its values, by git's own reading; null = it can't be read. What is included is another file's. */
export async function settingsIn(file: string): Promise<ReadonlyMap<string, readonly string[]> | null> {
  const words = ['config', '--file', file, '--no-includes', '--list', '-z'];
  const listed = await git(dirname(file), words, PATIENCE);
  if (!listed.ok) return null;
  const all = new Map<string, string[]>();
  for (const line of listed.stdout.split('\0')) {
    const at = line.indexOf('\n');
    const key = at < 0 ? line : line.slice(0, at);
    // A key alone means true.
    if (key !== '') all.set(key, [...(all.get(key) ?? []), at < 0 ? 'true' : line.slice(at + 1)]);
  }
  return all;
}

/** Whether it is never put back by itself. */
export function isOfStorage({ key }: Pick<Change, 'key'>): boolean {
  return STORAGE.test(key);
}

/** Gives one setting the values that it had. null = done, else why not. */
export async function putBack(file: string, { key, before }: Change): Promise<string | null> {
  const set = (...words: string[]): Promise<GitResult> =>
    git(dirname(file), ['config', '--file', file, ...words], PATIENCE);
  const [first, ...more] = before;
  const done = [await (first === undefined ? set('--unset-all', key) : set('--replace-all', key, first))];
  for (const value of more) done.push(await set('--add', key, value));
  return done.find(({ ok }) => !ok)?.error ?? null;
}

/** `core.bare is true, and was not set`. */
export function wordsOf({ key, before, after }: Change): string {
  const value = (all: readonly string[]): string => {
    if (all.length === 0) return 'not set';
    return SECRET.test(key) ? 'set' : all.map((one) => withoutUser(one, '(hidden)')).join(', ');
  };
  return SECRET.test(key) && before.length > 0 && after.length > 0
    ? `${key} has another value`
    : `${key} is ${value(after)}, and was ${value(before)}`;
}

export function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, n) => one === b[n]);
}
