import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { textAt } from '../machine/foreign.ts';
import { messageOf } from '../model/errors.ts';
import type { Project } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { baseRefs, commitOf, git, isShallow } from './git.ts';
import { START } from './head.ts';
import { ownGitDir } from './own.ts';
import { type Change, type Commit, changes, commitsOf, dirt, quietOptions } from './patch.ts';
import { placedIn } from './placed.ts';
import { type Stash, stashesOf } from './stashes.ts';
import { NO_SUBMODULES, type SubmoduleDiff, submoduleChanges } from './submodule-diff.ts';
import { type Line, workOf } from './work.ts';

/** What a ticket's branch holds that its base does not. */
export interface BranchDiff {
  /** Where git can be asked: the worktree if it is there, else the repository. */
  readonly cwd: string;
  /** null = the worktree is gone. */
  readonly worktree: string | null;
  /** Where its commits are: the ticket's, another that its agent has left the worktree on, or `HEAD`, which is detached. */
  readonly branch: string;
  readonly base: { readonly sha: string; readonly name: string };
  readonly tip: string;
  /** Commits that the work began with, and that the base has no more: it was rewritten. They are none of these. */
  readonly dropped: number;
  /** The base holds it all already. */
  readonly merged: boolean;
  readonly commits: readonly Commit[];
  readonly files: readonly Change[];
  /** In the worktree alone: changed, staged or new. */
  readonly uncommitted: readonly Change[];
  /** Those that the branch has at another commit than the base, and those with changes of their own. */
  readonly submodules: readonly SubmoduleDiff[];
  /** Branches of the worktree, and its HEAD, with commits that are none of these. */
  readonly elsewhere: readonly Line[];
  /** What its agent has stashed, and not taken up again. */
  readonly stashed: readonly Stash[];
  /** Nobody but a person or an agent can say which of them are the work. */
  readonly undecided: boolean;
  /** What `uncommitted` is compared with. */
  readonly head: string;
  /** git's options that keep what is configured there from being started. */
  readonly quiet: readonly string[];
}

export type Looked =
  | { readonly ok: true; readonly diff: BranchDiff }
  | {
      readonly ok: false;
      readonly because: 'no_repo' | 'no_branch' | 'no_base' | 'git_failed';
      readonly error: string;
    };

/** Looks at a branch from where it can be seen. Reads only, and takes none of git's optional locks. */
export async function branchDiff(where: {
  readonly project: Pick<Project, 'repo' | 'base' | 'remote'> | null;
  readonly worktree: string | null;
  readonly branch: string | null;
  /** Where is noted what worktrees were given of the main checkout: as long as it is as it was given, it is no change. */
  readonly placed?: string;
}): Promise<Looked> {
  const no = (because: Extract<Looked, { ok: false }>['because'], error: string): Looked => ({
    ok: false,
    because,
    error,
  });
  const worktree = where.worktree !== null && isDir(where.worktree) ? where.worktree : null;
  const cwd = worktree ?? where.project?.repo ?? null;
  if (cwd === null || !isDir(cwd)) return no('no_repo', `neither its worktree nor its repository is there`);
  // Its `.git` file may name what is another's by now.
  if (worktree !== null && ownGitDir(worktree) === null)
    return no(
      'no_repo',
      `${worktree} and its repository have lost each other: the next attempt joins them again, or git -C ${where.project?.repo ?? 'REPO'} worktree repair ${worktree} does`,
    );
  const dirs = await git(cwd, ['rev-parse', '--path-format=absolute', '--git-dir', '--git-common-dir']);
  if (!dirs.ok) return no('no_repo', dirs.error);
  const [own = '', common = ''] = dirs.stdout.split('\n');
  const project = where.project ?? { remote: 'origin', base: 'main' };
  const work = await workOf({
    cwd,
    own: worktree === null ? null : own,
    branch: where.branch,
    base: project,
  });
  if (work === null)
    return no(
      'no_branch',
      `its branch ${where.branch ?? ''} is gone, and so is its worktree: there is nothing to compare`,
    );
  const { tip, elsewhere, undecided } = work;
  const branch = work.name ?? 'HEAD';
  // One without a commit yet is compared with a tree that is empty.
  const head = work.unborn ? (await git(cwd, ['hash-object', '-t', 'tree', '/dev/null'])).stdout : 'HEAD';
  const start = worktree === null ? null : firstLine(join(own, START));
  const base = await baseOf(cwd, tip, project, start);
  if (base === null)
    return no(
      'no_base',
      `neither ${project.remote}/${project.base} nor ${project.base} has anything in common with ${branch}${isShallow(common) ? `: the clone is shallow, and git -C ${common} fetch --unshallow tells more` : ''}`,
    );
  const range = [base.sha, tip, '--'];
  let quiet: readonly string[];
  try {
    quiet = await quietOptions(cwd);
  } catch (error) {
    return no('git_failed', messageOf(error));
  }
  const [log, files, uncommitted] = await Promise.all([
    commitsOf(cwd, quiet, `${base.sha}..${tip}`),
    changes(cwd, quiet, range),
    worktree === null ? { error: null, changes: [] } : dirt(cwd, quiet, head),
  ]);
  const on = [where.branch, work.name, ...elsewhere.map(({ name }) => name)];
  const stashed = await stashesOf({ cwd, common, own: worktree === null ? null : own }, on);
  const below = worktree === null ? NO_SUBMODULES : await submoduleChanges(worktree, quiet, [base.sha, tip]);
  const error = log.error ?? files.error ?? uncommitted.error ?? below.error;
  if (error !== null) return no('git_failed', error);
  const given = where.placed === undefined || worktree === null ? null : placedIn(where.placed, worktree);
  const mine = uncommitted.changes.filter(({ path, status }) => status !== '?' || given?.has(path) !== true);
  const diff = {
    ...{ cwd: worktree ?? common, worktree, branch, base: { sha: base.sha, name: base.name }, tip },
    ...{ dropped: base.dropped, merged: base.merged, commits: log.commits, files: files.changes },
    ...{ uncommitted: [...mine, ...below.uncommitted], submodules: below.submodules },
    ...{ elsewhere, stashed, undecided, head, quiet },
  };
  return { ok: true, diff };
}

/** Where the branch left its base: the nearest merge base. One that is merged would have left it nowhere: then where it was
 *  made counts. */
async function baseOf(
  cwd: string,
  tip: string,
  project: Pick<Project, 'base' | 'remote'>,
  start: string | null,
): Promise<{
  readonly sha: string;
  readonly name: string;
  readonly merged: boolean;
  readonly dropped: number;
} | null> {
  const made = start === null ? null : await commitOf(cwd, start);
  let best: { sha: string; name: string; ahead: number } | null = null;
  for (const ref of baseRefs(project)) {
    const name = ref.replace(/^refs\/(heads|remotes)\//, '');
    const there = await commitOf(cwd, ref);
    const common = there === null ? null : await git(cwd, ['merge-base', there, tip]);
    if (common === null || !common.ok || common.stdout === '') continue;
    const ahead = Number((await git(cwd, ['rev-list', '--count', `${common.stdout}..${tip}`, '--'])).stdout);
    if (best === null || ahead < best.ahead) best = { sha: common.stdout, name, ahead };
  }
  const dropped =
    best === null || best.ahead === 0 || made === null ? 0 : await between(cwd, best.sha, made, tip);
  if (best !== null && dropped === 0 && (best.ahead > 0 || made === null || made === tip))
    return { sha: best.sha, name: best.name, merged: best.ahead === 0 && made !== tip, dropped };
  const merged = best !== null && dropped === 0;
  return made === null ? null : { sha: made, name: best?.name ?? 'its start', merged, dropped };
}

/** How many commits lie between a merge base and where the work was begun, on the way to its tip: the base had them then. */
async function between(cwd: string, base: string, made: string, tip: string): Promise<number> {
  if (base === made) return 0;
  for (const [one, other] of [
    [base, made],
    [made, tip],
  ] as const)
    if (!(await git(cwd, ['merge-base', '--is-ancestor', one, other])).ok) return 0;
  return Number((await git(cwd, ['rev-list', '--count', `${base}..${made}`, '--'])).stdout);
}

/** That the base was rewritten, in words; '' = it was not. */
export function droppedWords({ dropped, base }: Pick<BranchDiff, 'dropped' | 'base'>): string {
  if (dropped === 0) return '';
  const sha = base.sha.slice(0, 12);
  return `${base.name} was rewritten: ${many(dropped, 'commit')} that this began with, up to ${sha}, ${dropped === 1 ? 'is' : 'are'} no longer in it (git rebase --onto ${base.name} ${sha} leaves ${dropped === 1 ? 'it' : 'them'} behind)`;
}

function isDir(path: string): boolean {
  return statSync(resolve(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

function firstLine(path: string): string | null {
  const text = textAt(path, { most: 1024 })?.trim() ?? '';
  return /^[0-9a-f]{40,64}$/.test(text) ? text : null;
}
