import { join } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import { lookAtName, removeFileAt } from '../machine/foreign.ts';
import { exists } from '../machine/proc.ts';
import { type GitResult, git } from './git.ts';
import { textOf } from './own.ts';
import { writeNote } from './rights.ts';

/** A checkout may be large. */
export const ADD_MS = 300_000;

/** `git worktree add`, noted by this id while it runs (`beingMade`). */
export async function addWorktree(common: string, id: string, args: readonly string[]): Promise<GitResult> {
  const note = noteOf(common, id);
  failpoint('prepare-worktree-before');
  try {
    const started = (pid: number): void => writeNote(note, `${pid}`);
    return await git(common, ['worktree', 'add', ...args], { timeout_ms: ADD_MS, hooks: true, started });
  } finally {
    removeFileAt(note);
    failpoint('prepare-worktree-added');
  }
}

/** `git worktree add` outlives us when we are killed, and clears its target away when it then fails: the note tells
 *  the next of us. An old note says nothing, its number may be another's by now. */
export function beingMade(common: string, id: string): boolean {
  const note = noteOf(common, id);
  const group = Number(textOf(note));
  // In whole milliseconds, as the clock tells them: a note of this very moment is none of the future.
  const age_ms = Date.now() - Math.floor(lookAtName(note)?.mtimeMs ?? 0);
  if (!Number.isInteger(group) || group <= 1 || age_ms < 0 || age_ms > 2 * ADD_MS) return false;
  return exists(-group);
}

/** Has git forget a worktree, and removes what is there of it: one that was never given to anybody, or is gone already. */
export function removeWorktree(common: string, target: string): Promise<GitResult> {
  // Twice: it may be locked.
  const args = ['worktree', 'remove', '--force', '--force', '--', target];
  return git(common, args, { timeout_ms: ADD_MS });
}

function noteOf(common: string, id: string): string {
  return join(common, `mc-pickup-adding-${id}`);
}
