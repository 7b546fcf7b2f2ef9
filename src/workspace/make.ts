import { existsSync, rmdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { namesAt } from '../machine/foreign.ts';
import { slug } from '../model/text.ts';
import { addWorktree, removeWorktree } from './adding.ts';
import { branchKeys, isBranchOf, keyOf, noteKey, prefixesOf, shortName } from './branches.ts';
import { collision, spacesOf } from './collision.ts';
import { elsewhere } from './elsewhere.ts';
import { folderFault } from './folder.ts';
import { baseRefs, git } from './git.ts';
import { type Gone, lastOf, noteMade } from './gone.ts';
import { saysOf, whoseLock } from './lock.ts';
import { type Near, near } from './near.ts';
import { baseMissing } from './no-branch.ts';
import { ownDir, registered } from './own.ts';
import { given, takeSlot } from './pool.ts';
import { failed, failing, no, notAdded, type Prepared, type Refused, type Site } from './prepared.ts';
import { halfMade, markReady, markStart } from './ready.ts';
import type { Turn } from './site.ts';
import { checkOutSubmodules } from './submodules.ts';
import { sweepTrials } from './trial.ts';
import { fetchOnce, once, type Shared } from './turn.ts';

const DAY_MS = 86_400_000;

interface Branch {
  readonly ref: string;
  readonly at_ms: number;
  readonly oid: string;
  /** Where it is checked out; '' = nowhere. */
  readonly worktree: string;
}

/** What of the repository's branches concerns a ticket. */
interface Branches {
  /** Where work begins, the best first; none = neither the remote's base nor the one here is there. */
  readonly base: Branch | undefined;
  /** The branch of an earlier attempt: the title may have changed since, so its id alone finds it, the newest if there are more. */
  readonly kept: Branch | undefined;
  /** The ticket that each branch was made for. */
  readonly keys: ReadonlyMap<string, string>;
  readonly near: Near;
  isTaken(name: string): boolean;
}

/** A worktree where there is none: on the branch of an earlier attempt, else on a new one from the base. Nobody else of this
 *  repository is at it until `next` is called. */
export async function make(
  site: Site,
  { shared, next }: Turn,
  tolerates: (stale: Refused) => boolean,
): Promise<Prepared> {
  const { project, ticket, common, target } = site;
  await sweepTrials(site);
  const fetched = project.fetch ? await fetchOnce(common, project) : null;
  const stale = typeof fetched === 'string' ? null : fetched;
  const branches = await branchesOf(site, shared);
  if ('ok' in branches) return branches;
  const { base, kept, keys } = branches;
  const refused = elsewhere(kept, site) ?? (await shutOut(site, branches));
  if (refused !== null) return refused;
  const gone = await clearAway(site, kept && shortName(kept.ref));
  if (gone !== null && 'ok' in gone) return gone;
  const branch = kept === undefined ? nameOf(site, branches) : shortName(kept.ref);
  const start = kept ?? base;
  if (start === undefined) return no('base_missing', await baseMissing(common, project));
  const isNew = kept === undefined;
  if (isNew && stale !== null && !tolerates(stale)) return stale;
  let complaint = '';
  const lacking = isNew && (await folderFault(common, { commit: start.oid, called: start.ref }, project));
  if (lacking) return no('path_missing', lacking);
  const pooled = isNew && (await takeSlot({ project, common, target, base: start.ref, branch }));
  if (!pooled) {
    const args = isNew ? ['--no-track', '-b', branch, '--', target, start.oid] : ['--', target, branch];
    const added = await addWorktree({ common, project }, ticket.id, { target, args });
    if (!added.ok) {
      // Nobody was given it.
      if (ownDir(common, target) !== null) await removeWorktree(common, target);
      return notAdded(added.error, site);
    }
    complaint = added.complaint;
  }
  const unnoted = keys.get(branch) === keyOf(ticket) ? null : await noteKey(common, branch, keyOf(ticket));
  // What follows is of this worktree alone.
  if (!pooled) next();
  const lacks = pooled ? null : await checkOutSubmodules(project, common, target);
  if (lacks !== null) return notAdded(lacks, site, no('submodules_missing', lacks));
  markReady(site);
  if (pooled) given(common, target);
  if (gone !== null) noteMade(site, gone);
  await markStart(site, { base: base?.ref, fresh: isNew && !pooled ? start.oid : undefined });
  const days = isNew ? Math.floor((Date.now() - start.at_ms) / DAY_MS) : 0;
  const warnings = [
    typeof fetched === 'string' ? fetched : null,
    unnoted && `whose branch ${branch} is could not be noted: ${unnoted}`,
    days > project.base_max_age_days ? `${start.ref} is ${days} days old: the base may be out of date` : null,
  ].filter((one) => one !== null);
  return {
    ...{ ok: true, worktree: target, branch, created: true, warnings },
    ...(gone === null || gone.tells.length === 0 ? {} : { tells: gone.tells }),
    ...(pooled ? {} : { proven: true }),
    ...(complaint === '' ? {} : { complaint }),
    ...(isNew && stale !== null ? { stale } : {}),
    ...(project.fetch && fetched === null ? { fetched: true } : {}),
  };
}

/** The branches that there are. */
export async function branchesOf(site: Site, shared: Shared): Promise<Branches | Refused> {
  const { project, ticket, common, target } = site;
  const bases = baseRefs(project);
  const prefixes = prefixesOf(project);
  const may = near(common, { id: ticket.id, prefixes, spaces: spacesOf(project) });
  const format = '--format=%(refname)%00%(committerdate:unix)%00%(objectname)%00%(worktreepath)';
  const look = (...more: string[]) => git(common, ['for-each-ref', format, ...more]);
  const keys = may.branch ? await branchKeys(common) : new Map<string, string>();
  const noted = [...keys].filter(([, key]) => key === keyOf(ticket)).map(([name]) => `refs/heads/${name}`);
  const named = prefixes.map((prefix) => `refs/heads/${prefix}/${ticket.id}`);
  const alike = named.flatMap((name) => [name, `${name}/**`, `${name}-*`, `${name}-*/**`]);
  const refs = may.branch
    ? await look('--ignore-case', '--', ...bases, ...noted, ...alike)
    : await once(shared, `${project.fetch} ${bases.join(' ')}`, () => look('--', ...bases));
  if (!refs.ok) return failing(project.repo, refs);
  const all = refs.stdout.split('\n').map(branchOf);
  const heads = all.filter(({ ref }) => ref.startsWith('refs/heads/'));
  // What was noted comes before what is only called so, as a copy that its agent has made of it.
  const rank = ({ ref, worktree }: Branch): number =>
    Number(keys.has(shortName(ref))) * 2 + Number(worktree === target);
  const [kept] = heads
    .filter(({ ref }) => isBranchOf(shortName(ref), site, keys))
    .sort((a, b) => rank(b) - rank(a) || b.at_ms - a.at_ms);
  return {
    base: bases.map((ref) => all.find((one) => one.ref === ref)).find((one) => one !== undefined),
    ...{ kept, keys, near: may },
    isTaken: (name) => heads.some(({ ref }) => collides(shortName(ref), name)),
  };
}

/** Whether git can't keep both everywhere: the same but for case, or one where the directory of the other has to be. */
function collides(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

function branchOf(line: string): Branch {
  const [ref = '', at = '', oid = '', worktree = ''] = line.split('\0');
  return { ref, at_ms: Number(at) * 1000, oid, worktree };
}

/** What a new branch of the ticket is called. */
export function nameOf({ project, ticket }: Site, { isTaken }: Branches): string {
  const name = slug(ticket.title);
  const fresh = `${project.branch_prefix}/${ticket.id}${name === '' ? '' : `-${name}`}`;
  const own = `${fresh}-${ticket.created_at_ms.toString(36)}`;
  const more = [...Array(9).keys()].map((n) => `${own}-${n + 2}`);
  return [fresh, own, ...more].find((one) => !isTaken(one)) ?? own;
}

/** No new branch can be made beside what is there. */
async function shutOut({ project, common }: Site, { kept, near }: Branches): Promise<Refused | null> {
  const why = kept === undefined && near.prefix ? await collision(common, project, { asks: true }) : null;
  return why === null ? null : no('branch_collision', `${why.says}: ${why.fix}`);
}

/** Why the branch that a ticket has can't be had just now: it is checked out in another worktree. null = it can, or it has none. Asked
 *  before the ticket is claimed, and of git only where it may have one. */
export async function busyElsewhere(site: Site): Promise<string | null> {
  const { project, ticket, common } = site;
  if (!near(common, { id: ticket.id, prefixes: prefixesOf(project), spaces: [] }).branch) return null;
  const branches = await branchesOf(site, new Map());
  const refused = 'ok' in branches ? null : elsewhere(branches.kept, site);
  return refused?.because === 'branch_elsewhere' ? refused.error : null;
}

/** Registered, yet missing on disk or empty: only this one registration goes, not that of a disk that is away. */
async function clearAway(site: Site, branch: string | undefined): Promise<Gone | Refused | null> {
  const { project, common, target, me } = site;
  const known = registered(common).map(({ path }) => path);
  if (!known.includes(target)) return null;
  const half = halfMade(site);
  const whose = whoseLock(ownDir(common, target), me);
  if (whose.kind === 'other') return no('other_board', saysOf(target, whose));
  const root = dirname(target);
  const others = known.some((path) => path.startsWith(`${root}/`) && path !== target);
  const empty = namesAt(root).every((name) => name === basename(target));
  if (empty && (others || (project.worktrees !== null && !half)))
    return no(
      'worktree_missing',
      `${target} is registered, and ${root} is empty: mount its disk, or if it is gone for good, run in ${project.repo}: git worktree unlock ${target} && git worktree prune`,
    );
  const own = half ? null : ownDir(common, target);
  const last = own === null ? null : await lastOf(site, own, branch);
  if (last !== null && 'ok' in last) return last;
  if (existsSync(target)) rmdirSync(target);
  const gone =
    ['mine', 'moved'].includes(whose.kind) || half
      ? await removeWorktree(common, target)
      : await git(common, ['worktree', 'remove', '--', target]);
  return gone.ok ? last : failed(gone.error);
}
