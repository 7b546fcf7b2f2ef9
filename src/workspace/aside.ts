/*
 * How a worktree goes, so that a SIGKILL between any two steps loses nothing:
 *   1. refs keep its commits          (a ref too many harms nobody)
 *   2. rename to .cleaning-ID-TIME    (undecided: whoever finds it later puts it back)
 *   3. it is judged once more there   (nobody finds it by its name any more)
 *   4. rename to .cleaned-ID-TIME     (decided: whoever finds it later goes on)
 *   5. git forgets the worktree, the files are deleted
 * A rename stays within one directory, and so within one file system: it is done or not done.
 */
import { lstatSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inDirAt, namesAt } from '../machine/foreign.ts';
import { removeTreeIn } from '../machine/remove-tree.ts';
import { removeWorktree } from './adding.ts';
import { git } from './git.ts';

const NAME = /^\.(cleaning|cleaned)-([A-Za-z]+-[0-9]+)-(\d{8}T\d{9}Z)$/;

/** A worktree that an earlier clean has left on its way. */
export interface OnTheWay {
  readonly path: string;
  readonly target: string;
  readonly ticket: string;
  readonly decided: boolean;
}

/** `20261126T124500123Z`: sorts by time, and may stand in a ref and in a file's name. */
export function stampOf(now_ms: number): string {
  return new Date(now_ms).toISOString().replaceAll(/[-:.]/g, '');
}

/** Creates the refs that keep a tip and what was left behind on the way to it; one that exists is never moved. Returns the
 *  first, or what went wrong. */
export async function keepByRef(
  repo: string,
  ticket: string,
  stamp: string,
  tips: readonly string[],
): Promise<{ readonly ok: true; readonly ref: string } | { readonly ok: false; readonly error: string }> {
  const ref = `refs/mc-pickup/cleaned/${ticket}/${stamp}`;
  for (const [n, tip] of tips.entries()) {
    const name = n === 0 ? ref : `${ref}-${n}`;
    const none = '0'.repeat(tip.length);
    const made = await git(repo, ['update-ref', '-m', `mc-pickup clean ${ticket}`, name, tip, none]);
    if (!made.ok) return { ok: false, error: made.error };
  }
  return { ok: true, ref };
}

/** Sets a worktree aside. Where it is now. */
export function setAside(target: string, ticket: string, stamp: string): string {
  const aside = join(dirname(target), `.cleaning-${ticket}-${stamp}`);
  renameSync(target, aside);
  return aside;
}

/** Puts it back where it was; false = something else is there by now. */
export function putBack(aside: string, target: string): boolean {
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) return false;
  renameSync(aside, target);
  return true;
}

/** It will not come back: the name says so from now on. */
export function decide(aside: string): string {
  const decided = join(dirname(aside), basename(aside).replace('.cleaning-', '.cleaned-'));
  renameSync(aside, decided);
  return decided;
}

/** Git forgets the worktree that was there, and those that were in it; nothing, where it knows none or something is there again. */
export async function forget(repo: string, target: string): Promise<string | null> {
  if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) return null;
  const list = await git(repo, ['worktree', 'list', '--porcelain', '-z']);
  if (!list.ok) return list.error;
  const all = list.stdout.split('\0').flatMap((one) => /^worktree ([\s\S]+)$/.exec(one)?.[1] ?? []);
  const known = all.filter((one) => one === target || one.startsWith(`${target}/`));
  // The outer one last: it leads the next clean to what is left of the others.
  for (const one of known.sort((a, b) => b.length - a.length)) {
    const gone = await removeWorktree(repo, one);
    if (!gone.ok) return gone.error;
  }
  return null;
}

/** Deletes what was decided on. Links are deleted, not followed. */
export function erase(decided: string): void {
  if (NAME.exec(basename(decided))?.[1] !== 'cleaned') throw new Error(`${decided} was never decided on`);
  const root = dirname(decided);
  inDirAt(root, (dir) => dir.path === root && removeTreeIn(dir, basename(decided)));
}

/** What earlier cleans have left in a directory of worktrees. */
export function onTheWay(root: string): OnTheWay[] {
  return namesAt(root).flatMap((name) => {
    const [, how, ticket] = NAME.exec(name) ?? [];
    if (ticket === undefined || !lstatSync(join(root, name)).isDirectory()) return [];
    return [{ path: join(root, name), target: join(root, ticket), ticket, decided: how === 'cleaned' }];
  });
}
