import type { git } from './git.ts';

/** Why a worktree stays. */
export type Kept =
  | 'symlink'
  | 'not_a_worktree'
  | 'repo_missing'
  | 'repo_moved'
  | 'other_ticket'
  | 'locked'
  | 'in_progress'
  | 'own_refs'
  | 'submodule'
  | 'unsaved'
  | 'hidden_changes'
  | 'ignored_files'
  | 'nested_repository'
  | 'nested_worktree'
  | 'undeletable'
  | 'mount'
  | 'stashed'
  | 'unmerged'
  | 'shallow'
  | 'base_missing'
  | 'git_failed'
  | 'unreadable';

export interface Stays {
  readonly ok: false;
  readonly because: Kept;
  readonly says: string;
}

export function no(because: Kept, says: string): Stays {
  return { ok: false, because, says };
}

/** Asks git in one place. */
export type Ask = (...args: string[]) => ReturnType<typeof git>;

/** A worktree has many files. */
export const MANY = { most: 256 * 1024 * 1024 };

/** Some of many names, for a sentence. */
export function few(names: readonly string[], most = 3): string {
  const more = names.length > most ? ` and ${names.length - most} more` : '';
  return `${names.slice(0, most).join(', ')}${more}`;
}
