import { realpathSync } from 'node:fs';
import type { Project } from '../model/policy.ts';
import type { Ticket } from '../model/ticket.ts';
import { askCommonDir, type GitResult, isSilence } from './git.ts';
import type { Owner } from './lock.ts';
import { commonDir } from './own.ts';

export type Refusal =
  | 'repo_missing'
  | 'git_missing'
  | 'base_missing'
  | 'worktree_foreign'
  | 'worktree_dirty'
  | 'worktree_symlink'
  | 'worktree_missing'
  | 'worktrees_root_missing'
  | 'git_failed'
  | 'git_silent'
  | 'repo_odd'
  | 'being_made'
  | 'branch_elsewhere'
  | 'branch_collision'
  | 'other_board';

export interface Refused {
  readonly ok: false;
  readonly because: Refusal;
  readonly error: string;
}

export type Prepared =
  | {
      readonly ok: true;
      readonly worktree: string;
      readonly branch: string;
      readonly created: boolean;
      readonly warnings: readonly string[];
    }
  | Refused;

/** Where the worktree of a ticket is, or is to be. */
export interface Site {
  readonly project: Project;
  readonly ticket: Pick<Ticket, 'id' | 'title' | 'created_at_ms'>;
  /** The git dir that all worktrees of the repository share. */
  readonly common: string;
  /** The directory of the worktree. */
  readonly target: string;
  /** Whom it is locked for; null = nobody. */
  readonly me: Owner | null;
}

export function no(because: Refusal, error: string): Refused {
  return { ok: false, because, error };
}

/** The git dir that all worktrees of a repository share. */
export async function commonOfRepo(repo: string): Promise<string | Refused> {
  return commonDir(repo) ?? (await askedFor(repo));
}

/** Git could not do it: because of the repository, or of what it was asked for. */
export async function failing(repo: string, { error }: GitResult): Promise<Refused> {
  if (isSilence(error)) return no('git_silent', error);
  const found = await askedFor(repo);
  return typeof found === 'string' ? no('git_failed', `${repo}: ${error}`) : found;
}

/** Git's own word on it. */
export async function askedFor(repo: string): Promise<string | Refused> {
  const found = await askCommonDir(repo);
  if (found.missing) return no('git_missing', found.error);
  return found.ok ? realpathSync(found.stdout) : no('repo_missing', `${repo}: ${found.error}`);
}
