import { realpathSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Project } from '../model/policy.ts';
import { roomWords } from '../model/room.ts';
import type { Ticket } from '../model/ticket.ts';
import { askCommonDir, type GitResult, isSilence } from './git.ts';
import type { Owner } from './lock.ts';
import { commonDir } from './own.ts';

export type Refusal =
  | 'repo_missing'
  | 'git_missing'
  | 'base_missing'
  | 'path_missing'
  | 'worktree_foreign'
  | 'worktree_symlink'
  | 'worktree_missing'
  | 'worktree_lost'
  | 'worktrees_root_missing'
  | 'fetch_failed'
  | 'base_gone'
  | 'no_permission'
  | 'disk_full'
  | 'too_many_files'
  | 'git_failed'
  | 'submodules_missing'
  | 'git_silent'
  | 'checkout_slow'
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

/** A worktree that a run can work in. */
export interface Ready {
  readonly ok: true;
  readonly worktree: string;
  readonly branch: string;
  readonly created: boolean;
  readonly warnings: readonly string[];
  /** What its agent has to know of the worktree. */
  readonly tells?: readonly string[];
  /** Git has just checked it out: what would be wrong with every worktree of the project is not. */
  readonly proven?: true;
  /** What a hook of the repository complained of, though the worktree is complete. */
  readonly complaint?: string;
  /** Why the base could not be fetched. */
  readonly stale?: Refused;
  /** The base is as its remote has it now. */
  readonly fetched?: true;
}

export type Prepared = Ready | Refused;

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

/** A refusal. Git complains in several lines: where they become one, each stays a sentence of its own. */
export function no(because: Refusal, error: string): Refused {
  const said = error.trim().replace(/([.:;,]?)\s*\n\s*/g, (_, end: string) => `${end || ';'} `);
  return { ok: false, because, error: said };
}

const SYSTEM: readonly (readonly [Refusal, RegExp])[] = [
  // Of a write that fails in a checkout, or to a ref, git does not tell the reason: there is none but the disk's.
  [
    'disk_full',
    /^(ENOSPC|EDQUOT)$|No space left on device|Disk quota exceeded|unable to write file |couldn't write '/,
  ],
  ['too_many_files', /^(EMFILE|ENFILE)$|Too many open files/],
  ['no_permission', /^(EACCES|EPERM|EROFS)$|Permission denied|Read-only file system/],
];

/** What the system refused, by the code of an error or by what git says of it; null = something else is wrong. */
export function systemRefusal(says: string): Refusal | null {
  return SYSTEM.find(([, pattern]) => pattern.test(says))?.[0] ?? null;
}

/** Git, or the system, could not do it: which of the two, as far as it is told. */
export function failed(error: string, code = ''): Refused {
  return no(systemRefusal(code) ?? systemRefusal(error) ?? 'git_failed', error);
}

/** A new worktree, or what belongs to it, could not be checked out. */
export function notAdded(
  error: string,
  { project: { name, checkout_timeout_seconds }, target }: Pick<Site, 'project' | 'target'>,
  otherwise = no('git_failed', error),
): Refused {
  const refused = systemRefusal(error) === null ? otherwise : failed(error);
  if (refused.because === 'disk_full')
    return no('disk_full', `${refused.error} (${roomAt(dirname(target))})`);
  if (!isSilence(error)) return refused;
  const bound = `project.${name}.checkout_timeout_seconds = ${checkout_timeout_seconds}`;
  return no('checkout_slow', `${error}, which is ${bound}: the checkout was not through`);
}

/** Git has taken its half-made worktree away again: the room is as it was before. */
function roomAt(dir: string): string {
  return roomWords(statfsSync(dir), dir);
}

/** The git dir that all worktrees of a repository share. */
export async function commonOfRepo(repo: string): Promise<string | Refused> {
  return commonDir(repo) ?? (await askedFor(repo));
}

/** Git could not do it: because of the repository, or of what it was asked for. */
export async function failing(repo: string, { error }: GitResult): Promise<Refused> {
  if (isSilence(error)) return no('git_silent', error);
  const found = await askedFor(repo);
  return typeof found === 'string' ? failed(`${repo}: ${error}`) : found;
}

/** Git's own word on it. */
export async function askedFor(repo: string): Promise<string | Refused> {
  const found = await askCommonDir(repo);
  if (found.missing) return no('git_missing', found.error);
  if (found.ok) return realpathSync.native(found.stdout);
  // It is there, and not this user's.
  const because = /dubious ownership/.test(found.error)
    ? 'no_permission'
    : (systemRefusal(found.error) ?? 'repo_missing');
  return no(because, `${repo}: ${found.error}`);
}
