/*
 * What a git dir says of its own HEAD, its log and its refs. Where they are plain files those are read, without a process: a tick asks this of
 * every idle agent. Where they are not (reftable), the `HEAD` that stands there is a stub, and git is asked.
 */
import { join } from 'node:path';
import { lookAtName, namesAt, textAt } from '../machine/foreign.ts';
import { git } from './git.ts';
import { commonOf, MOST_REFS } from './own.ts';

/** What stands in the file `HEAD` where refs are no files. */
export const STUB = 'ref: refs/heads/.invalid';
/** Refs of one worktree alone; all others are of the whole repository. */
const OF_ONE = /^(?!refs\/)|^refs\/(bisect|worktree|rewritten)\//;

/** Whether git has the refs of this git dir elsewhere than in files there. */
export function inTables(own: string): boolean {
  return line(join(own, 'HEAD')) === STUB;
}

/** What HEAD is, as its file says it: `ref: refs/heads/main`, or a commit; null = it can't be told. */
export async function headText(own: string): Promise<string | null> {
  const head = line(join(own, 'HEAD'));
  if (head !== STUB) return head;
  const on = await ask(own, 'symbolic-ref', '--quiet', 'HEAD');
  if (on.ok) return `ref: ${on.stdout}`;
  return sha((await ask(own, 'rev-parse', '--verify', '--quiet', 'HEAD')).stdout);
}

/** The log of HEAD, or of another ref of a git dir, an entry a line: `OLD NEW WHO\tWHAT`. undefined = there is none; null = it can't be read. */
export async function logOf(
  own: string,
  { ref = 'HEAD', most }: { readonly ref?: string; readonly most: number },
): Promise<string | null | undefined> {
  if (!inTables(own)) {
    const file = join(own, 'logs', ref);
    return textAt(file, { most, encoding: 'latin1' }) ?? (lookAtName(file) === null ? undefined : null);
  }
  // What a commit came after is another entry of the same log.
  const words = ['log', '-g', '--format=%H %H -%x09%gs', '--end-of-options', ref, '--'];
  const said = await git(commonOf(own), [`--git-dir=${own}`, ...words], { most });
  if (said.ok) return said.stdout === '' ? undefined : said.stdout;
  return (await ask(own, 'rev-parse', '--verify', '--quiet', ref)).ok ? null : undefined;
}

/** The commit that a ref of the repository names; null = there is none of that name. */
export async function tipOf(own: string, ref: string): Promise<string | null> {
  if (inTables(own)) return sha((await ask(own, 'rev-parse', '--verify', '--quiet', ref)).stdout);
  const common = commonOf(own);
  return sha(line(join(common, ref))) ?? packed(join(common, 'packed-refs'), ref);
}

/** Names of the refs that a worktree has for itself where they are no files: `CHERRY_PICK_HEAD`, `refs/bisect/bad`. null = it can't be told. */
export async function ownRefs(own: string): Promise<readonly string[] | null> {
  if (!inTables(own)) return filesBelow(own, 'refs');
  const said = await ask(own, 'for-each-ref', '--include-root-refs', '--format=%(refname)');
  return said.ok ? said.stdout.split('\n').filter((name) => name !== '' && OF_ONE.test(name)) : null;
}

function filesBelow(own: string, name: string): readonly string[] {
  const path = join(own, name);
  if (lookAtName(path)?.isDirectory() !== true) return lookAtName(path) === null ? [] : [name];
  return namesAt(path).flatMap((one) => filesBelow(own, `${name}/${one}`));
}

function ask(own: string, ...words: readonly string[]): ReturnType<typeof git> {
  return git(commonOf(own), [`--git-dir=${own}`, ...words], { most: MOST_REFS });
}

function packed(file: string, ref: string): string | null {
  const found = textAt(file, { most: MOST_REFS })
    ?.split('\n')
    .find((one) => one.endsWith(` ${ref}`));
  return sha(found?.slice(0, found.indexOf(' ')) ?? null);
}

/** A text, if it is a commit's full name. */
export function sha(text: string | null): string | null {
  return text !== null && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text) ? text : null;
}

function line(file: string): string | null {
  return textAt(file, { most: 64 * 1024 })?.trim() ?? null;
}
