/*
 * A worktree and its repository name each other: the `.git` file of one, a git dir below `worktrees/` of the other. They lose each other
 * when one of them is moved or put back from a backup, and when `git worktree prune` runs while the worktree is not to be seen. What is in
 * the worktree is somebody's unsaved work all the same: its files are never touched here. A git dir that is still there is named anew
 * (`git worktree repair`); where it is gone, git makes another one, on the ticket's branch and with nothing staged.
 */
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { realOf } from '../machine/files.ts';
import { inDirAt, isPlainDir, isPlainFile, lookAtName, moveIn, textAt } from '../machine/foreign.ts';
import { removeWorktree } from './adding.ts';
import { keyOf, shortName } from './branches.ts';
import { elsewhere } from './elsewhere.ts';
import { commitOf, git } from './git.ts';
import { saysOf, whoseLock } from './lock.ts';
import { branchesOf } from './make.ts';
import { namedGitDir, ownGitDir, registered, textOf } from './own.ts';
import { failed, no, type Refused, type Site } from './prepared.ts';
import { markReady, markStart } from './ready.ts';
import { STUB } from './refs.ts';
import { writeNote } from './rights.ts';
import type { Shared } from './turn.ts';

/** Joins them again where they are apart. What was done, for people; null = nothing; or why it can't be. */
export async function reconnect(site: Site, shared: Shared): Promise<string | null | Refused> {
  const { common, target } = site;
  if (isPlainDir(join(target, '.git'))) return null;
  const own = ownGitDir(target);
  if (own !== null) {
    const mended = await mendHead(site, own, shared);
    if (mended === null || typeof mended === 'string') await stageNothing(target, own);
    return mended;
  }
  await dropTrial(site);
  const apart = whereApart(site);
  if (apart === null) return null;
  const { there } = apart;
  if (there !== null) {
    const whose = whoseLock(there, site.me);
    if (whose.kind === 'other') return no('other_board', saysOf(target, whose));
    const done = await git(common, ['worktree', 'repair', '--', target]);
    if (ownGitDir(target) === null)
      return lost(site, `git worktree repair could not join them: ${done.error}`);
    await stageNothing(target, there);
    return `${target} and ${common} had lost each other: joined again by git worktree repair`;
  }
  return registerAnew(site, shared);
}

/** Whether they have lost each other, and the git dir that it had; null = it is gone. Touches nothing. */
export function whereApart(site: Site): { readonly there: string | null } | null {
  const { target } = site;
  if (isPlainDir(join(target, '.git'))) return null;
  const own = ownGitDir(target);
  if (own !== null)
    return ['HEAD', 'commondir'].some((name) => isBlank(join(own, name))) ? { there: own } : null;
  const there = gitDirFor(site);
  if (there === 'foreign') return null;
  return there === null && lookAtName(join(target, '.git')) === null ? null : { there };
}

/** A disk that lost its power leaves empty files: without HEAD, or the way to the repository, git knows no worktree there. The log of HEAD
 *  may still tell where it was. */
async function mendHead(site: Site, own: string, shared: Shared): Promise<string | null | Refused> {
  if (isBlank(join(own, 'commondir'))) writeNote(join(own, 'commondir'), '../..\n');
  const head = join(own, 'HEAD');
  if (!isBlank(head)) return null;
  if (isPlainDir(join(own, 'reftable'))) {
    writeNote(head, `${STUB}\n`);
    return `${head} said nothing (a disk that lost its power?): git's tables have it`;
  }
  const branches = await branchesOf(site, shared);
  if ('ok' in branches) return branches;
  const { kept } = branches;
  const [, last] = /^[0-9a-f]+ ([0-9a-f]+) /.exec(lastLine(join(own, 'logs', 'HEAD'))) ?? [];
  const there = last === undefined ? null : await commitOf(site.common, last);
  if (there === null && kept === undefined) return lost(site, `${head} is empty`);
  const says = there !== null && there !== kept?.oid ? there : `ref: ${kept?.ref}`;
  writeNote(head, `${says}\n`);
  return `${head} said nothing (a disk that lost its power?): it is ${says} again`;
}

/** Missing, or without a word in it; one that can't be read is not. */
function isBlank(file: string): boolean {
  if (lookAtName(file) === null) return true;
  return /^[\s\0]*$/.test(textAt(file) ?? 'unreadable');
}

function lastLine(file: string): string {
  return textOf(file).split('\n').at(-1) ?? '';
}

/** The git dir that a worktree had; null = it is gone, and `foreign` = another repository's. */
function gitDirFor({ common, target }: Site): string | 'foreign' | null {
  const known = registered(common).find(({ path }) => path === target)?.own;
  if (known !== undefined) return known;
  const named = namedGitDir(target);
  if (named === null) return null;
  // Its repository may be at another place by now.
  if (isPlainDir(named) && realOf(dirname(named)) !== join(common, 'worktrees')) return 'foreign';
  const here = registered(common).find(({ own }) => basename(own) === basename(named));
  if (here === undefined) return null;
  // Another worktree may have got its name.
  const taken = namedGitDir(here.path);
  return taken !== null && realOf(taken) === realOf(here.own) ? null : here.own;
}

/** Git adds a worktree beside it, without files, and what git has noted of that is given to this one. */
async function registerAnew(site: Site, shared: Shared): Promise<string | Refused> {
  const { common, target, ticket } = site;
  const branches = await branchesOf(site, shared);
  if ('ok' in branches) return branches;
  const { kept, keys, base } = branches;
  const others = [...keys.values()].filter((key) => key.startsWith(`${ticket.id}@`) && key !== keyOf(ticket));
  if (others.length > 0)
    return lost(site, `there are branches of another ticket of that number (${others[0]})`);
  if (kept === undefined) return lost(site, `no branch of ${ticket.id} is there any more`);
  const busy = elsewhere(kept, site);
  if (busy !== null) return busy;
  const branch = shortName(kept.ref);
  const trial = trialOf(site);
  mkdirSync(dirname(trial), { recursive: true, mode: 0o700 });
  const added = await git(common, ['worktree', 'add', '--no-checkout', '--', trial, branch]);
  if (!added.ok) return failed(added.error);
  inDirAt(trial, (from) =>
    inDirAt(target, (to) => {
      if (to.path === target) moveIn(from, '.git', to, '.git');
    }),
  );
  const done = await git(common, ['worktree', 'repair', '--', target]);
  const own = ownGitDir(target);
  if (own === null) return lost(site, `it could not be registered again: ${done.error}`);
  rmdirSync(trial);
  rmdirSync(dirname(trial));
  await stageNothing(target, own);
  markReady(site);
  await markStart(site, { base: base?.ref, fresh: undefined });
  return `git had forgotten ${target} (git worktree prune, or a repository that was put back): registered again on ${branch}; its files are as they were, what was staged and where else HEAD was is not known`;
}

/** Without an index git would take every file for deleted. Only what it holds is read; no file is written. */
async function stageNothing(target: string, own: string): Promise<void> {
  if (!existsSync(join(own, 'index'))) await git(target, ['read-tree', '-m', 'HEAD']);
}

function trialOf({ target }: Site): string {
  return join(dirname(target), `.joining-${basename(target)}`, basename(target));
}

/** What a killed tick has left of an attempt to register it: a worktree that has no files, and was nobody's. */
async function dropTrial(site: Site): Promise<void> {
  const trial = trialOf(site);
  if (!isPlainDir(dirname(trial))) return;
  if (isPlainFile(join(trial, '.git'))) await removeWorktree(site.common, trial);
  for (const dir of [trial, dirname(trial)]) if (isPlainDir(dir)) rmdirSync(dir);
}

function lost({ target, project }: Site, why: string): Refused {
  return no(
    'worktree_lost',
    `git does not know ${target} any more, and ${why}. Its files may be unsaved work: look at them, and take over what you want; then mv ${target} ${target}.saved, and the next attempt makes a new one from ${project.repo}`,
  );
}
