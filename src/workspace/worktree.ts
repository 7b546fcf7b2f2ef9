/*
 * The worktree of a ticket: looked for, then used again (`reuse.ts`) or made (`make.ts`), or refused (`prepared.ts`) for a reason that a
 * person can mend. Nothing that exists is ever wiped, moved or reset, but for a half-made worktree that nobody was ever given.
 */
import { lstatSync } from 'node:fs';
import { namesAt } from '../machine/foreign.ts';
import { TICKET_ID } from '../model/ticket.ts';
import { beingMade, removeWorktree } from './adding.ts';
import { git } from './git.ts';
import { type LockLeft, locksLeft, type Witness } from './git-locks.ts';
import { saysOf, whoseLock } from './lock.ts';
import { make } from './make.ts';
import { gitDir } from './own.ts';
import { mendMoved } from './pool.ts';
import { failing, no, type Prepared, type Ready, type Refused, type Site } from './prepared.ts';
import { halfMade } from './ready.ts';
import { reconnect } from './reconnect.ts';
import { reuse } from './reuse.ts';
import { atSite, type Turn, type Wanted } from './site.ts';
import type { Shared } from './turn.ts';

export interface WantedWorkspace extends Wanted {
  /** Whether work may begin at the base as it is here, though it could not be fetched. */
  readonly tolerates?: (stale: Refused) => boolean;
  /** What may prove that a lock which git has left there is nobody's any more; without it all stay. */
  readonly witness?: Witness;
}

/** The worktree and branch of a ticket: the ones it has, with whatever is in them, or new ones from the base. Never throws. */
export async function prepareWorkspace(wanted: WantedWorkspace): Promise<Prepared> {
  const { ticket, tolerates = () => true, witness } = wanted;
  // The id becomes a path and a ref.
  if (!TICKET_ID.test(ticket.id)) return no('git_failed', `${JSON.stringify(ticket.id)} is no ticket id`);
  return atSite<Ready>(wanted, async (site, turn) => {
    const locks = await locksLeft(site, witness);
    const prepared = await reuseOrMake(site, turn, tolerates);
    if (!prepared.ok)
      return locks.tells.length === 0 ? prepared : { ...prepared, error: withLocks(prepared, locks) };
    const moved = turn.odd.map((one) => `${one} would hold up git: moved aside`);
    const warnings = [...locks.warnings, ...prepared.warnings, ...moved];
    const tells = [...(prepared.tells ?? []), ...locks.tells];
    return { ...prepared, warnings, ...(tells.length === 0 ? {} : { tells }) };
  });
}

function withLocks({ error }: Refused, { tells }: LockLeft): string {
  return [error, ...tells].join('; ');
}

async function reuseOrMake(
  site: Site,
  turn: Turn,
  tolerates: (stale: Refused) => boolean,
): Promise<Prepared> {
  const { common, target, ticket, me } = site;
  const there = lstatSync(target, { throwIfNoEntry: false });
  if (there?.isSymbolicLink()) return no('worktree_symlink', `${target} is a symlink: remove it`);
  if (there !== undefined && !there.isDirectory())
    return no('worktree_foreign', `${target} is not a directory`);
  // Also where nothing is to be seen of it yet, and where its checkout is through and git's own hook runs.
  if (beingMade(common, ticket.id))
    return no('being_made', `git worktree add is still making ${target}: try again later`);
  const whose = whoseLock(there === undefined ? null : gitDir(target), me);
  if (whose.kind === 'other') return no('other_board', saysOf(target, whose));
  // It has come along with its state dir: git looks for it at the old place.
  if (whose.kind === 'moved') await git(common, ['worktree', 'repair', '--', target]);
  await mendMoved(common, target);
  if (there !== undefined && namesAt(target, 1).length > 0) {
    if (!halfMade(site)) return joinAndReuse(site, turn.shared);
    const gone = await removeWorktree(common, target);
    if (!gone.ok) return failing(site.project.repo, gone);
  }
  return make(site, turn, tolerates);
}

async function joinAndReuse(site: Site, shared: Shared): Promise<Prepared> {
  const joined = await reconnect(site, shared);
  if (joined !== null && typeof joined !== 'string') return joined;
  const reused = await reuse(site, shared);
  if (!reused.ok || joined === null) return reused;
  return { ...reused, warnings: [joined, ...reused.warnings], tells: [joined] };
}
