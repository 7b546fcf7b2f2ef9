import { join } from 'node:path';
import { textAt } from '../machine/foreign.ts';
import { commonOf, gitDir, MOST_REFS } from './own.ts';

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
 * files without a process: a tick may ask this of every idle agent. null = it cannot be told (another ref storage).
 */
export function hasCommits(worktree: string, branch: string | null): boolean | null {
  const own = gitDir(worktree);
  if (own === null) return null;
  const start = line(join(own, START));
  const head = line(join(own, 'HEAD'));
  if (start === null || head === null) return null;
  const made = madeIn(own);
  if (made !== null && made.size > 0) return true;
  const mine = branch === null ? null : `refs/heads/${branch}`;
  const on = /^ref: (refs\/\S+)$/.exec(head)?.[1] ?? null;
  // Where else HEAD is, it has gone to somebody's commits, unless no log tells.
  const refs = mine === null || made === null ? [mine, on] : [mine];
  const tips = [
    ...refs.map((ref) => (ref === null ? null : tipOf(own, ref))),
    made === null ? sha(head) : null,
  ];
  const found = tips.filter((tip) => tip !== null);
  return found.length === 0 && made === null ? null : found.some((tip) => tip !== start);
}

/** Whether this commit is all that a worktree has come to, on the ticket's branch or wherever HEAD is. Read from git's files alone. */
export function isAtTip(worktree: string, branch: string | null, commit: string): boolean {
  const own = gitDir(worktree);
  const head = own === null ? null : line(join(own, 'HEAD'));
  if (own === null || head === null) return false;
  const on = /^ref: (refs\/\S+)$/.exec(head)?.[1] ?? null;
  const at = on === null ? sha(head) : tipOf(own, on);
  if (at === commit) return true;
  // HEAD is elsewhere: on somebody's commits, or on some that were made since.
  const mine = branch === null ? null : tipOf(own, `refs/heads/${branch}`);
  return mine === commit && at !== null && madeIn(own)?.has(at) === false;
}

/** What HEAD of a git dir is on, in words: `main at 0123456789ab`; null = it cannot be told. */
export function headOf(own: string): string | null {
  const head = line(join(own, 'HEAD'));
  const on = head === null ? null : (/^ref: (refs\/\S+)$/.exec(head)?.[1] ?? null);
  const tip = on === null ? sha(head) : tipOf(own, on);
  return tip === null
    ? null
    : `${on?.replace('refs/heads/', '') ?? 'a detached HEAD'} at ${tip.slice(0, 12)}`;
}

/** The commits that were made in the worktree with this git dir, by its log of HEAD; null = no log can be read. */
export function madeIn(own: string): ReadonlySet<string> | null {
  const text = textAt(join(own, 'logs', 'HEAD'), { most: MOST_LOG, encoding: 'latin1' });
  if (text === null) return null;
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

function tipOf(own: string, ref: string): string | null {
  const common = commonOf(own);
  return sha(line(join(common, ref))) ?? packed(join(common, 'packed-refs'), ref);
}

function packed(file: string, ref: string): string | null {
  const found = textAt(file, { most: MOST_REFS })
    ?.split('\n')
    .find((one) => one.endsWith(` ${ref}`));
  return sha(found?.slice(0, found.indexOf(' ')) ?? null);
}

function sha(text: string | null): string | null {
  return text !== null && /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text) ? text : null;
}

function line(file: string): string | null {
  return textAt(file, { most: 64 * 1024 })?.trim() ?? null;
}
