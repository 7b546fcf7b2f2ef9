/*
 * A trial: what every launch of a project does, done for real on a scratch name, and taken away again. It tells whether a fault is the
 * project's or one ticket's, whether it is gone, and, asked by `doctor`, whether the first launch will come through.
 */
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { inMadeDir, lookAtName, namesAt } from '../machine/foreign.ts';
import { exists } from '../machine/proc.ts';
import { lookAtSelf } from '../machine/process.ts';
import { removeTreeIn } from '../machine/remove-tree.ts';
import { fnv1a } from '../model/hash.ts';
import type { Project } from '../model/policy.ts';
import { addWorktree, beingMade, forgetAdding, removeWorktree } from './adding.ts';
import { prefixesOf } from './branches.ts';
import { collision } from './collision.ts';
import { folderFault } from './folder.ts';
import { baseRefs, commitOf, git } from './git.ts';
import { baseMissing, noBranch } from './no-branch.ts';
import { no, notAdded, type Refused, type Site } from './prepared.ts';
import { dryPush } from './push.ts';
import { dropRoot, missingOf, rootOf } from './root.ts';
import { atSite } from './site.ts';
import { checkOutSubmodules } from './submodules.ts';
import { fetchOnce } from './turn.ts';

export interface Trial {
  readonly project: Project;
  readonly root: string;
  /** Asks the remote for the base as well. */
  readonly fetch?: boolean;
  /** The remote that is asked whether it would take a branch. */
  readonly push?: string;
  /** Runs in the scratch worktree; a text = what is wrong. */
  readonly inside?: (worktree: string) => Promise<string | null>;
}

export interface Tried {
  readonly ok: true;
  /** Why the base can't be fetched. */
  readonly stale: Refused | null;
  /** Why nothing can be pushed. */
  readonly unpushed: string | null;
  /** What `inside` says. */
  readonly inside: string | null;
  /** What a hook of the repository complained of; '' = nothing. */
  readonly complaint: string;
}

/** Its trier's process, and where that is one: another container, or the machine before it was started anew, counts its own. */
const SCRATCH = /^trial-(\d+)-([0-9a-f]{4})[0-9a-f]{4}$/;
const LONG_MS = 86_400_000;

/** Tries it, leaving nothing behind: what a trial that was killed has left goes first. Never throws. */
export async function tryOut(trial: Trial): Promise<Tried | Refused> {
  const { project, root } = trial;
  const place = rootOf(project, root);
  const missing = missingOf(place);
  const ticket = { id: `.${freshName()}`, title: '', created_at_ms: 0 };
  try {
    return await atSite<Tried>({ project, ticket, root }, (site) => tryAt(site, trial));
  } finally {
    dropRoot(place.root, missing);
  }
}

function freshName(): string {
  return `trial-${process.pid}-${countedHere()}${randomBytes(2).toString('hex')}`;
}

async function tryAt(site: Site, trial: Trial): Promise<Tried | Refused> {
  const { common, project, target } = site;
  await sweep(site);
  const fetched = trial.fetch === true && project.fetch ? await fetchOnce(common, project) : null;
  // What is only to be said is no fault.
  const stale = typeof fetched === 'string' ? null : fetched;
  const shut = await collision(common, project, { asks: true });
  if (shut !== null) return no('branch_collision', shut.says);
  const start = await baseOf(site);
  // A tag is none of the remote's branches.
  const wrong = start === null ? await noBranch(common, project) : null;
  if (wrong !== null) return no('base_missing', wrong);
  if (start === null) return stale ?? no('base_missing', await baseMissing(common, project));
  const lacking = await folderFault(common, { commit: start, called: project.base }, project);
  if (lacking !== null) return stale ?? no('path_missing', lacking);
  const name = basename(target).slice(1);
  const branch = `${project.branch_prefix}/${name}`;
  for (let n = 1; ; n++)
    try {
      const tried = await checkedOut(site, { name, branch, start, stale }, trial);
      // Somebody else is at the repository at this very moment: that is no fault of it.
      if (tried.ok || n === TRIES || !LOCKED.test(tried.error)) return tried;
    } finally {
      await takeAway(site, name, branch);
    }
}

/** What git says where another git holds a lock. */
const LOCKED = /\.lock': File exists|cannot lock ref|could not lock/i;
const TRIES = 3;

async function checkedOut(
  site: Site,
  scratch: {
    readonly name: string;
    readonly branch: string;
    readonly start: string;
    readonly stale: Refused | null;
  },
  { inside, push }: Trial,
): Promise<Tried | Refused> {
  const { common, target, project } = site;
  const { name, branch, start, stale } = scratch;
  const args = ['--no-track', '-b', branch, '--', target, start];
  const added = await addWorktree({ common, project }, name, { target, args });
  if (!added.ok) return notAdded(added.error, site);
  const lacks = await checkOutSubmodules(project, common, target);
  if (lacks !== null) return notAdded(lacks, site, no('submodules_missing', lacks));
  return {
    ok: true,
    stale,
    unpushed: push === undefined ? null : await dryPush(common, push, { branch, head: start }),
    inside: inside === undefined ? null : await inside(target),
    complaint: added.complaint,
  };
}

async function baseOf({ common, project }: Site): Promise<string | null> {
  for (const ref of baseRefs(project)) {
    const found = await commitOf(common, ref);
    if (found !== null) return found;
  }
  return null;
}

/** What trials that were killed have left beside the worktrees goes, where a launch sees it: one read of a directory. */
export async function sweepTrials(site: Site): Promise<void> {
  const root = dirname(site.target);
  if (namesAt(root).some((name) => name.startsWith('.') && isLeft(name.slice(1), root))) await sweep(site);
}

function countedHere(): string {
  const { boot_id, pid_ns } = lookAtSelf('');
  return fnv1a(`${boot_id} ${pid_ns}`).slice(0, 4);
}

/** Whether it is the scratch name of a trier that is gone. */
function isLeft(name: string, root: string): boolean {
  const [, pid, counted] = SCRATCH.exec(name) ?? [];
  if (pid === undefined) return false;
  if (counted === countedHere()) return !exists(Number(pid));
  const made_ms = lookAtName(join(root, `.${name}`))?.mtimeMs;
  return made_ms !== undefined && Date.now() - made_ms > LONG_MS;
}

/** One whose `git worktree add` still works is left to the next trial. */
async function sweep(site: Site): Promise<void> {
  const { common, target, project } = site;
  const ours = prefixesOf(project).map((prefix) => `refs/heads/${prefix}/trial-*`);
  const listed = await git(common, ['for-each-ref', '--format=%(refname:lstrip=2)', '--', ...ours]);
  const branches = new Map(listed.stdout.split('\n').map((one) => [basename(one), one] as const));
  const hidden = namesAt(dirname(target)).filter((one) => one.startsWith('.'));
  for (const name of new Set([...branches.keys(), ...hidden.map((one) => one.slice(1))])) {
    if (!isLeft(name, dirname(target)) || beingMade(common, name)) continue;
    await takeAway(site, name, branches.get(name) ?? null);
  }
}

async function takeAway({ common, target }: Site, name: string, branch: string | null): Promise<void> {
  const root = dirname(target);
  const scratch = `${root}/.${name}`;
  await removeWorktree(common, scratch);
  // It is no worktree yet, or any more.
  if (lookAtName(scratch) !== null)
    inMadeDir(dirname(root), basename(root), (dir) => removeTreeIn(dir, basename(scratch)));
  // Not by `git branch -D`, which writes the configuration anew.
  if (branch !== null) await git(common, ['update-ref', '-d', `refs/heads/${branch}`]);
  forgetAdding(common, name);
}
