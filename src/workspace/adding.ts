import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import { isPlainDir, lookAtName, removeFileAt } from '../machine/foreign.ts';
import { exists } from '../machine/proc.ts';
import type { Project } from '../model/policy.ts';
import { showFolder } from './folder.ts';
import { type GitResult, git, isSilence } from './git.ts';
import { few } from './kept.ts';
import { ownDir, textOf } from './own.ts';
import { writeNote } from './rights.ts';
import { inTheWay, openTree } from './tree.ts';

/** To delete a worktree may take long. */
const REMOVE_MS = 300_000;
/** What a note was good for before it said so. */
const NOTED_MS = 300_000;

/** So long a checkout may take. */
export function checkoutMs({ checkout_timeout_seconds }: Pick<Project, 'checkout_timeout_seconds'>): number {
  return checkout_timeout_seconds * 1000;
}

/** What came of `git worktree add`. */
export interface Added extends Pick<GitResult, 'ok' | 'error'> {
  /** What it complained of though the worktree is complete; '' = nothing. */
  readonly complaint: string;
}

/** `git worktree add` at this place, noted by this id while it runs (`beingMade`). It stands in the checkout that the project names, since
 *  git gives the new worktree what it is there: sparse, for example. */
export async function addWorktree(
  { common, project }: { readonly common: string; readonly project: Project },
  id: string,
  { target, args }: { readonly target: string; readonly args: readonly string[] },
): Promise<Added> {
  const note = noteOf(common, id);
  const timeout_ms = checkoutMs(project);
  failpoint('prepare-worktree-before');
  try {
    const started = (pid: number): void => writeNote(note, `${pid} ${timeout_ms}`);
    const all = ['worktree', 'add', '-q', ...args];
    const { ok, error } = await git(project.repo, all, { timeout_ms, hooks: true, started });
    const lacking = ok || isSilence(error) ? null : await lackingIn(common, target);
    if (ok) await showFolder(target, project);
    if (lacking === null) return { ok, error, complaint: '' };
    if (lacking.length === 0) return { ok: true, error, complaint: error };
    const gone = `the checkout was through, and a hook of the repository has taken files away: ${few(lacking)}`;
    return { ok: false, error: `${error}; ${gone}`, complaint: '' };
  } finally {
    removeFileAt(note);
    failpoint('prepare-worktree-added');
  }
}

/** What a worktree lacks whose checkout was through though `git worktree add` has failed: it ends with the code of the repository's own hook,
 *  which runs then. null = it was not: what git could not check out, a filter that failed, it has taken away again. */
async function lackingIn(common: string, target: string): Promise<readonly string[] | null> {
  const own = ownDir(common, target);
  if (own === null || !existsSync(join(own, 'index')) || existsSync(join(own, 'index.lock'))) return null;
  const status = await git(target, ['status', '--porcelain', '-z', '--untracked-files=no']);
  if (!status.ok) return null;
  return status.stdout.split('\0').flatMap((line) => (/^.?D/.test(line) ? [line.slice(3)] : []));
}

/** `git worktree add` outlives us when we are killed, and clears its target away when it then fails: the note tells
 *  the next of us. An old note says nothing, its number may be another's by now. */
export function beingMade(common: string, id: string): boolean {
  const note = noteOf(common, id);
  const [group = 0, bound_ms = NOTED_MS] = textOf(note).split(' ').map(Number);
  // In whole milliseconds, as the clock tells them: a note of this very moment is none of the future.
  const age_ms = Date.now() - Math.floor(lookAtName(note)?.mtimeMs ?? 0);
  if (!Number.isInteger(group) || group <= 1 || age_ms < 0 || !(age_ms <= 2 * bound_ms)) return false;
  return exists(-group);
}

/** Has git forget a worktree, and removes what is there of it: one that was never given to anybody, or is gone already. What can't be
 *  removed whole is not begun with: git would forget it first. */
export async function removeWorktree(common: string, target: string): Promise<GitResult> {
  const why = isPlainDir(target) ? inTheWay(openTree(target, 'shut')) : '';
  if (why !== '')
    return { ok: false, stdout: '', error: `${target} can't be removed: ${why}`, missing: false };
  // Twice: it may be locked.
  const args = ['worktree', 'remove', '--force', '--force', '--', target];
  return git(common, args, { timeout_ms: REMOVE_MS });
}

/** Forgets that it runs: once it is over, whoever had started it. */
export function forgetAdding(common: string, id: string): void {
  removeFileAt(noteOf(common, id));
}

function noteOf(common: string, id: string): string {
  return join(common, `mc-pickup-adding-${id}`);
}
