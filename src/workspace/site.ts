import { lstatSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../machine/failpoint.ts';
import { codeOf, messageOf } from '../model/errors.ts';
import { isSilence } from './git.ts';
import { ownerOf } from './lock.ts';
import { moveOddAside, oddInRepository, unstuck } from './odd.ts';
import { commonOfRepo, failed, no, type Refused, type Site } from './prepared.ts';
import { realRoot, rootOf } from './root.ts';
import { inTurn, type Shared } from './turn.ts';

/** Whose worktree is wanted: a ticket's, or one on a scratch name. */
export interface Wanted extends Pick<Site, 'project' | 'ticket'> {
  /** Where worktrees go unless the project says otherwise: `<state dir>/worktrees/<project>`. */
  readonly root: string;
  /** The state dir that the worktree is locked for; without one it is nobody's. */
  readonly state?: string;
  /** By repository, what the launches of one tick ask but once, also where none of them waits for another. */
  readonly asked?: Map<string, Shared>;
}

/** Who is at a repository now. */
export interface Turn {
  readonly shared: Shared;
  /** Lets the next one begin. */
  readonly next: () => void;
  /** What would have held up git there, and was moved aside. */
  readonly odd: readonly string[];
}

/** Repositories in which git did not answer in time, in this process: whoever waits for it again would hold up all the others. */
const silent = new Map<string, Refused>();

/** Those in whose repository was looked for what would hold up git. */
const looked = new WeakSet<Shared>();

/** Works where a worktree is, or is to be, with nobody else at its repository; or says what of the repository or of the place for its
 *  worktrees is in the way. Never throws. */
export async function atSite<T extends { readonly ok: true }>(
  wanted: Wanted,
  work: (site: Site, turn: Turn) => Promise<T | Refused>,
): Promise<T | Refused> {
  const { project } = wanted;
  try {
    if (!statSync(project.repo, { throwIfNoEntry: false })?.isDirectory())
      return no('repo_missing', `${project.repo} is not a directory: mend project.${project.name}.repo`);
    const repo = realpathSync.native(project.repo);
    return await inTurn(repo, async (ofQueue, next) => {
      const shared = wanted.asked?.get(repo) ?? ofQueue;
      wanted.asked?.set(repo, shared);
      const before = silent.get(repo);
      if (before !== undefined) return before;
      const done = await open(wanted, { shared, next }, work);
      if (done.ok || !isSilence(done.error)) return done;
      const refused = done.because === 'checkout_slow' ? done : no('git_silent', done.error);
      silent.set(repo, refused);
      return refused;
    });
  } catch (error) {
    return failed(messageOf(error), codeOf(error));
  }
}

async function open<T extends { readonly ok: true }>(
  wanted: Wanted,
  { shared, next }: Pick<Turn, 'shared' | 'next'>,
  work: (site: Site, turn: Turn) => Promise<T | Refused>,
): Promise<T | Refused> {
  const common = await commonOfRepo(wanted.project.repo);
  if (typeof common !== 'string') return common;
  failpoint('prepare-repo-found');
  // Those that wait for each other here need it but once.
  const odd = looked.has(shared) ? [] : moveOddAside(common);
  looked.add(shared);
  const inTheWay = oddInRepository(common);
  if (inTheWay !== null) return no('repo_odd', inTheWay);
  const site = siteOf(wanted, common);
  return 'ok' in site ? site : unstuck(common, () => work(site, { shared, next, odd }));
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
