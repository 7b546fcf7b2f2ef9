import { join } from 'node:path';
import { textAt } from '../machine/foreign.ts';
import { commonOf, gitDir, MOST_REFS } from './own.ts';

/** In the worktree's own git dir: the commit that its branch was made from. */
export const START = 'mc-pickup-start';

/**
 * Whether the branch of a worktree holds commits that it was not made with, read from git's files without a process:
 * a tick may ask this of every idle agent. null = it cannot be told (another ref storage, a detached head).
 */
export function hasCommits(worktree: string): boolean | null {
  const own = gitDir(worktree);
  if (own === null) return null;
  const start = line(join(own, START));
  const head = headCommit(own);
  return start === null || head === null ? null : head !== start;
}

function headCommit(own: string): string | null {
  const head = line(join(own, 'HEAD'));
  if (head === null) return null;
  const [, ref] = /^ref: (refs\/\S+)$/.exec(head) ?? [];
  if (ref === undefined) return sha(head);
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
