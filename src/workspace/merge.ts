/*
 * A ticket's work goes into the base of its repository, here and for a person: by a fast-forward, or by a merge commit that is made without a
 * checkout. Where the base is checked out, that checkout must be clean, and follows. Nothing is left half done: what does not merge cleanly is refused
 * before anything has moved.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../model/errors.ts';
import type { Project } from '../model/policy.ts';
import { operationIn } from './as-left.ts';
import { commitOf, type GitResult, git, ON_DISK } from './git.ts';
import { few } from './kept.ts';
import { programsOf } from './merged.ts';
import { gitDir } from './own.ts';
import { commonOfRepo } from './prepared.ts';

export interface Merged {
  readonly ok: true;
  readonly how: 'fast_forward' | 'merge_commit' | 'already';
  /** What the base is at now. */
  readonly head: string;
  /** The checkout that has followed; null = the base is checked out nowhere. */
  readonly checkout: string | null;
}

export interface NotMerged {
  readonly ok: false;
  readonly because: 'base_missing' | 'conflicts' | 'checkout_dirty' | 'moved' | 'failed';
  readonly error: string;
}

const CHECKOUT_MS = 300_000;

/** Merges one commit into the local base. `plain` false = by a merge commit also where a fast-forward would do. Never throws. */
export async function mergeInto(
  project: Pick<Project, 'repo' | 'base'>,
  o: { readonly tip: string; readonly branch: string; readonly message: string; readonly plain: boolean },
): Promise<Merged | NotMerged> {
  try {
    return await merge(project, o);
  } catch (error) {
    return no('failed', messageOf(error));
  }
}

async function merge(
  { repo, base }: Pick<Project, 'repo' | 'base'>,
  o: Parameters<typeof mergeInto>[1],
): Promise<Merged | NotMerged> {
  const common = await commonOfRepo(repo);
  if (typeof common !== 'string') return no('failed', common.error);
  const ref = `refs/heads/${base}`;
  const was = await commitOf(common, ref);
  if (was === null)
    return no(
      'base_missing',
      `${repo} has no branch ${base} of its own: git -C ${repo} branch ${base} origin/${base}`,
    );
  const asked = await git(common, ['for-each-ref', '--format=%(worktreepath)', '--', ref]);
  if (!asked.ok) return no('failed', asked.error);
  const checkout = asked.stdout === '' ? null : asked.stdout;
  if (await isAncestor(common, o.tip, was)) return { ok: true, how: 'already', head: was, checkout };
  const dirty = checkout === null ? null : await whyNotClean(checkout, base);
  if (dirty !== null) return dirty;
  const isPlain = o.plain && (await isAncestor(common, was, o.tip));
  const made = isPlain ? o.tip : await mergeCommit(common, was, o, base);
  if (typeof made !== 'string') return made;
  const moved =
    checkout === null
      ? await git(common, ['update-ref', '-m', `mc-pickup ticket merge ${o.branch}`, ref, made, was])
      : await git(checkout, ['merge', '--ff-only', '--quiet', made], {
          timeout_ms: CHECKOUT_MS,
          hooks: true,
        });
  if (!moved.ok)
    return no(
      checkout === null ? 'moved' : 'checkout_dirty',
      `${base} did not go ahead, and is where it was: ${moved.error}`,
    );
  return { ok: true, how: isPlain ? 'fast_forward' : 'merge_commit', head: made, checkout };
}

/** A commit that has both as its parents, made in no checkout. */
async function mergeCommit(
  common: string,
  was: string,
  { tip, branch, message }: Parameters<typeof mergeInto>[1],
  base: string,
): Promise<string | NotMerged> {
  const driver = (await programsOf(common, new Map())).find((name) => name.startsWith('merge.'));
  if (driver !== undefined)
    return no(
      'failed',
      `${driver} names a program that merges by itself: merge ${branch} into ${base} yourself`,
    );
  const tree = await git(common, [
    'merge-tree',
    '--write-tree',
    '--name-only',
    '--no-messages',
    '-z',
    was,
    tip,
  ]);
  const [oid = '', ...names] = tree.stdout.split('\0').filter((one) => one !== '');
  if (!tree.ok && names.length > 0)
    return no('conflicts', `${branch} and ${base} both have changed ${few(names)}: nothing was merged`);
  if (!tree.ok) return no('failed', tree.error);
  const args = ['commit-tree', oid, '-p', was, '-p', tip, '-F', '-'];
  const made = await git(common, args, { input: `${message}\n`, env: identityOf(process.env) });
  if (made.ok) return made.stdout;
  const unknown = /identity unknown|empty ident/i.test(made.error);
  return no('failed', unknown ? NOBODY : made.error);
}

const NOBODY =
  'git does not know who merges: git config --global user.name "..." and user.email "..." tell it';

/** A person merges: git's own variables that say who that is are theirs. */
function identityOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const own = Object.entries(env).filter(([name]) => /^GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL)$/.test(name));
  return Object.fromEntries(own.filter((one): one is [string, string] => one[1] !== undefined));
}

/** Why the checkout can't follow; null = nobody has changes in it. */
async function whyNotClean(checkout: string, base: string): Promise<NotMerged | null> {
  const own = existsSync(checkout) ? gitDir(checkout) : null;
  if (own === null)
    return no(
      'checkout_dirty',
      `${base} is checked out in ${checkout}, which is not there: git worktree prune`,
    );
  const operation = await operationIn(own);
  if (operation !== null || existsSync(join(own, 'index.lock')))
    return no(
      'checkout_dirty',
      `a ${operation ?? 'git command'} is in progress in ${checkout}, where ${base} is checked out`,
    );
  const status = await git(checkout, [...ON_DISK, 'status', '--porcelain', '-z', '--untracked-files=no']);
  if (!status.ok) return no('failed', status.error);
  const names = status.stdout.split('\0').flatMap((line) => (/^.. /.test(line) ? [line.slice(3)] : []));
  return names.length === 0
    ? null
    : no(
        'checkout_dirty',
        `${checkout}, where ${base} is checked out, has changes of its own: ${few(names)}; commit or stash them`,
      );
}

async function isAncestor(cwd: string, one: string, other: string): Promise<boolean> {
  const asked: GitResult = await git(cwd, ['merge-base', '--is-ancestor', one, other]);
  return asked.ok;
}

function no(because: NotMerged['because'], error: string): NotMerged {
  return { ok: false, because, error };
}
