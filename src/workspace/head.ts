import { join } from 'node:path';
import { textAt } from '../machine/foreign.ts';
import { gitDir } from './own.ts';
import { headText, logOf, sha, tipOf } from './refs.ts';

/** In the worktree's own git dir: the commit that its branch was made from. */
export const START = 'mc-pickup-start';

/** Likewise: commits that were made in an earlier worktree of the ticket, which is gone with its log; one a line. */
export const MADE_BEFORE = 'mc-pickup-made';

/** A log of HEAD of some 100,000 entries. */
const MOST_LOG = 16 * 1024 * 1024;
/** What git writes there before the first ": " where it has made a commit, and not only gone to one. */
const MAKES = /^(commit|cherry-pick|revert|am|rebase|pull|merge)\b/;
const GOES = /^rebase finished|\((start|finish|abort|reset)\)$/;

/**
 * Whether a worktree has commits that it was not made with: on the ticket's branch, or made in it on whatever branch. Read from git's
 * files without a process, where refs are files: a tick may ask this of every idle agent. null = it cannot be told.
 */
export async function hasCommits(worktree: string, branch: string | null): Promise<boolean | null> {
  const own = gitDir(worktree);
  if (own === null) return null;
  const start = line(join(own, START));
  const head = await headText(own);
  if (start === null || head === null) return null;
  const made = await madeIn(own);
  if (made !== null && made.size > 0) return true;
  const mine = branch === null ? null : await tipOf(own, `refs/heads/${branch}`);
  // Where else HEAD is, it has gone to somebody's commits, unless no log tells.
  const found = [mine, made === null ? await tipAt(own, head) : null].filter((tip) => tip !== null);
  return found.length === 0 && made === null ? null : found.some((tip) => tip !== start);
}

/** Whether this commit is all that a worktree has come to, on the ticket's branch or wherever HEAD is. */
export async function isAtTip(worktree: string, branch: string | null, commit: string): Promise<boolean> {
  const own = gitDir(worktree);
  const head = own === null ? null : await headText(own);
  if (own === null || head === null) return false;
  const at = await tipAt(own, head);
  if (at === commit) return true;
  // HEAD is elsewhere: on somebody's commits, or on some that were made since.
  const mine = branch === null ? null : await tipOf(own, `refs/heads/${branch}`);
  return mine === commit && at !== null && (await madeIn(own))?.has(at) === false;
}

/** What HEAD of a git dir is on, in words: `main at 0123456789ab`; null = it cannot be told. */
export async function headOf(own: string): Promise<string | null> {
  const head = await headText(own);
  const tip = head === null ? null : await tipAt(own, head);
  if (head === null || tip === null) return null;
  return `${refOf(head)?.replace('refs/heads/', '') ?? 'a detached HEAD'} at ${tip.slice(0, 12)}`;
}

/** The commits that were made in the worktree with this git dir, by its log of HEAD; null = no log can be read. */
export async function madeIn(own: string): Promise<ReadonlySet<string> | null> {
  const text = await logOf(own, { most: MOST_LOG });
  if (text == null) return null;
  const before = textAt(join(own, MADE_BEFORE), { most: MOST_LOG, encoding: 'latin1' }) ?? '';
  const made = new Set(before.split('\n').filter((one) => sha(one) !== null));
  for (const one of text.split('\n')) {
    const [, oid, says = ''] = /^[0-9a-f]+ ([0-9a-f]+) [^\t]*\t(.*)$/.exec(one) ?? [];
    const [what = '', ...rest] = says.split(': ');
    const makes = MAKES.test(what) && !GOES.test(what) && !/^fast-forward$/i.test(rest.join(': '));
    if (oid !== undefined && (makes || what.startsWith('commit'))) made.add(oid);
  }
  return made;
}

/** The commit that HEAD is at. */
async function tipAt(own: string, head: string): Promise<string | null> {
  const on = refOf(head);
  return on === null ? sha(head) : tipOf(own, on);
}

function refOf(head: string): string | null {
  return /^ref: (refs\/\S+)$/.exec(head)?.[1] ?? null;
}

function line(file: string): string | null {
  return textAt(file, { most: 64 * 1024 })?.trim() ?? null;
}
