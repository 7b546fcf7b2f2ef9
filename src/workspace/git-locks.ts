/*
 * Git locks what it writes by a file NAME.lock, and one that is killed leaves it: whoever comes after is refused for ever. Such a lock goes
 * only where its owner is provably dead: it is in the git dir of this worktree, or of a branch of this ticket; it was made while a run
 * of this ticket was at work here that has ended; no process has it open, and none works in the worktree. Everything else is named, and
 * so are the locks of what all share (packed-refs, the configuration): nothing proves whose they are.
 */
import { basename, dirname, join } from 'node:path';
import { isPlainDir, lookAtName, namesAt, removeFileAt } from '../machine/foreign.ts';
import type { Processes } from '../machine/processes.ts';
import { prefixesOf, prefixOf } from './branches.ts';
import { ownDir, textOf } from './own.ts';
import type { Site } from './prepared.ts';

/** When a run of the ticket that has ended was at work on this host. */
export interface Worked {
  readonly from_ms: number;
  readonly to_ms: number;
}

/** What may prove that the owner of a lock is dead. */
export interface Witness {
  readonly worked: () => Promise<readonly Worked[]>;
  readonly processes: () => Processes;
}

export interface LockLeft {
  /** For people: one for each lock that was there. */
  readonly warnings: readonly string[];
  /** Of those that are still there. */
  readonly tells: readonly string[];
}

const NONE: LockLeft = { warnings: [], tells: [] };
/** Git holds what all share for moments. */
const LONG_MS = 60_000;
const DEPTH = 6;
const MOST = 50;
const SHARED = [
  ...['packed-refs.lock', 'config.lock', 'shallow.lock', 'refs/stash.lock'],
  'reftable/tables.list.lock',
];

/** Looks for locks before somebody works there. */
export async function locksLeft(site: Site, witness: Witness | undefined): Promise<LockLeft> {
  const { mine, others } = locksAt(site);
  if (mine.length + others.length === 0) return NONE;
  const gone: string[] = [];
  const left: string[] = [];
  const worked = mine.length === 0 || witness === undefined ? [] : await witness.worked();
  for (const path of mine) {
    const why =
      witness === undefined ? 'nobody can tell whose it is' : owned(path, { site, worked, witness });
    if (why === null) gone.push(`${path} was left by a run that has ended, and no process has it: removed`);
    else left.push(`git is locked by ${path} (${why}): if no git works there, remove it`);
  }
  for (const path of others)
    left.push(
      `git is locked by ${path} for ${Math.round(ageOf(path) / 60_000)} min, for all of the repository: if no git works there, remove it`,
    );
  return { warnings: [...gone, ...left], tells: left };
}

/** The locks of a worktree and its branches, and those of what all share that have stood for long. */
function locksAt(site: Site): { readonly mine: readonly string[]; readonly others: readonly string[] } {
  const { common, target, project } = site;
  const own = ownDir(common, target);
  const mine = [...(own === null ? [] : locksBelow(own, DEPTH)), ...ofBranches(site)].slice(0, MOST);
  const [, on = 'HEAD'] = /^ref: (refs\/.+)$/.exec(own === null ? '' : textOf(join(own, 'HEAD'))) ?? [];
  const shared = [
    ...SHARED,
    `${on}.lock`,
    `refs/heads/${project.base}.lock`,
    `refs/remotes/${project.remote}/${project.base}.lock`,
  ];
  const others = [...new Set(shared)]
    .map((name) => join(common, name))
    .filter((path) => !mine.includes(path) && ageOf(path) > LONG_MS);
  return { mine, others };
}

/** A lock that has stood for longer than git takes for anything. `ours`: of the worktree, or of a branch of its ticket. */
export interface OldLock {
  readonly path: string;
  readonly minutes: number;
  readonly ours: boolean;
}

/** Those that the next launch in a worktree will meet. Touches nothing. */
export function oldLocks(site: Site): OldLock[] {
  const { mine, others } = locksAt(site);
  return [...mine, ...others]
    .filter((path) => ageOf(path) > LONG_MS)
    .map((path) => ({ path, minutes: Math.round(ageOf(path) / 60_000), ours: mine.includes(path) }));
}

/** Why a lock may have an owner; null = it had one that is dead, and is gone. */
function owned(
  path: string,
  {
    site: { common, target },
    worked,
    witness,
  }: { readonly site: Site; readonly worked: readonly Worked[]; readonly witness: Witness },
): string | null {
  const seen = lookAtName(path);
  if (seen === null) return null;
  if (!seen.isFile() || seen.uid !== process.geteuid?.()) return 'it is no file of this user';
  if (!worked.some(({ from_ms, to_ms }) => seen.mtimeMs >= from_ms && seen.mtimeMs <= to_ms))
    return 'it was made while no run of the ticket was at work here';
  const processes = witness.processes();
  if (!processes.seen) return 'this system does not tell which process has it';
  const own = ownDir(common, target);
  const places = [target, ...(own === null ? [] : [own]), dirname(path)];
  const pids = places.flatMap((place) => (isPlainDir(place) ? processes.inside(place) : []));
  if (pids.length > 0) return `process ${[...new Set(pids)].slice(0, 3).join(', ')} works there`;
  const now = lookAtName(path);
  if (now === null || now.ino !== seen.ino || now.mtimeMs !== seen.mtimeMs) return 'it was made just now';
  removeFileAt(path);
  return lookAtName(path) === null ? null : 'it could not be removed';
}

/** All locks in a worktree's own git dir: of its index, HEAD, refs, submodules. */
function locksBelow(dir: string, depth: number): readonly string[] {
  return namesAt(dir).flatMap((name) => {
    const path = join(dir, name);
    if (isPlainDir(path)) return depth > 0 && name !== 'objects' ? locksBelow(path, depth - 1) : [];
    return name.endsWith('.lock') ? [path] : [];
  });
}

/** Those of the branches that are called after the ticket. */
function ofBranches({ common, project, ticket }: Site): readonly string[] {
  return prefixesOf(project).flatMap((prefix) => {
    const dir = join(common, 'refs', 'heads', prefix);
    return namesAt(dir)
      .filter(
        (name) =>
          name.endsWith('.lock') && prefixOf(`${prefix}/${basename(name, '.lock')}`, ticket.id) !== null,
      )
      .map((name) => join(dir, name));
  });
}

/** -1 = there is none. */
function ageOf(path: string): number {
  const stat = lookAtName(path);
  return stat === null ? -1 : Date.now() - stat.mtimeMs;
}
