/*
 * The worktree of a ticket: looked for, then used again (`reuse.ts`) or made (`make.ts`), or refused (`prepared.ts`) for a reason that a
 * person can mend. Nothing that exists is ever wiped, moved or reset, but for a half-made worktree that nobody was ever given.
 */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import { namesAt } from '../machine/foreign.ts';
import { messageOf } from '../model/errors.ts';
import { TICKET_ID } from '../model/ticket.ts';
import { beingMade, removeWorktree } from './adding.ts';
import { git, isSilence } from './git.ts';
import { ownerOf, saysOf, whoseLock } from './lock.ts';
import { make } from './make.ts';
import { moveOddAside, oddInRepository } from './odd.ts';
import { gitDir } from './own.ts';
import { mendMoved } from './pool.ts';
import { commonOfRepo, failing, no, type Prepared, type Refused, type Site } from './prepared.ts';
import { halfMade } from './ready.ts';
import { reuse } from './reuse.ts';
import { realRoot, rootOf } from './root.ts';
import { inTurn, type Shared } from './turn.ts';

export interface Wanted extends Pick<Site, 'project' | 'ticket'> {
  /** Where worktrees go unless the project says otherwise: `<state dir>/worktrees/<project>`. */
  readonly root: string;
  /** The state dir that the worktree is locked for; without one it is nobody's. */
  readonly state?: string;
}

/** Repositories in which git did not answer in time, in this process: whoever waits for it again would hold up all the others. */
const silent = new Set<string>();

/** Those in whose repository was looked for what would hold up git. */
const looked = new WeakSet<Shared>();

/** The worktree and branch of a ticket: the ones it has, with whatever is in them, or new ones from the base. Never throws. */
export async function prepareWorkspace(wanted: Wanted): Promise<Prepared> {
  const { project, ticket } = wanted;
  // The id becomes a path and a ref.
  if (!TICKET_ID.test(ticket.id)) return no('git_failed', `${JSON.stringify(ticket.id)} is no ticket id`);
  try {
    if (!statSync(project.repo, { throwIfNoEntry: false })?.isDirectory())
      return no('repo_missing', `${project.repo} is not a directory: mend project.${project.name}.repo`);
    const repo = realpathSync(project.repo);
    return await inTurn(repo, async (shared, next) => {
      if (silent.has(repo))
        return no(
          'git_silent',
          `git did not answer in ${repo} a moment ago: look at what it waits for there`,
        );
      const prepared = await prepare(wanted, { shared, next });
      if (prepared.ok || !isSilence(prepared.error)) return prepared;
      silent.add(repo);
      return no('git_silent', prepared.error);
    });
  } catch (error) {
    return no('git_failed', messageOf(error));
  }
}

async function prepare(wanted: Wanted, turn: { shared: Shared; next: () => void }): Promise<Prepared> {
  const common = await commonOfRepo(wanted.project.repo);
  if (typeof common !== 'string') return common;
  failpoint('prepare-repo-found');
  // Those that wait for each other here need it but once.
  const odd = looked.has(turn.shared) ? [] : moveOddAside(common);
  looked.add(turn.shared);
  const inTheWay = oddInRepository(common);
  if (inTheWay !== null) return no('repo_odd', inTheWay);
  const site = siteOf(wanted, common);
  if ('ok' in site) return site;
  const prepared = await reuseOrMake(site, turn);
  if (!prepared.ok) return prepared;
  const moved = odd.map((one) => `${one} would hold up git: moved aside`);
  return { ...prepared, warnings: [...prepared.warnings, ...moved] };
}

/** Where it is, or is to be. */
function siteOf({ project, ticket, root, state }: Wanted, common: string): Site | Refused {
  if (project.worktrees !== null && lstatSync(project.worktrees, { throwIfNoEntry: false }) === undefined)
    return no(
      'worktrees_root_missing',
      `${project.worktrees} does not exist: mount its disk, make it, or mend project.${project.name}.worktrees`,
    );
  const real = realRoot(rootOf(project, root));
  if (typeof real !== 'string') return real;
  const me = state === undefined ? null : ownerOf(state);
  return { project, ticket, common, target: join(real, ticket.id), me };
}

async function reuseOrMake(site: Site, turn: { shared: Shared; next: () => void }): Promise<Prepared> {
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
    if (!halfMade(site)) return reuse(site);
    const gone = await removeWorktree(common, target);
    if (!gone.ok) return failing(site.project.repo, gone);
  }
  return make(site, turn);
}
