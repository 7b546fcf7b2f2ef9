import { asSeen, formsOf } from '../model/name.ts';
import type { Project } from '../model/policy.ts';
import { git } from './git.ts';
import { ancestors } from './near.ts';

const HEADS = 'refs/heads';

/** Where the directory of a project's new branches is needed: here, and where they are pushed to. */
export function spacesOf({ review }: Pick<Project, 'review'>): string[] {
  return [HEADS, ...(review?.push === true ? [`refs/remotes/${review.remote}`] : [])];
}

interface Collision {
  readonly says: string;
  /** The way out. */
  readonly fix: string;
}

/**
 * What of a repository's names shuts out every new branch of a project; null = nothing. Git keeps no `mc/MC-1` beside
 * a branch `mc`, and where the file system does not tell case, `MC/x` and `mc/x` share a directory. What was fetched of the remote may be
 * old: with `asks` the remote itself is asked before it counts.
 */
export async function collision(
  repo: string,
  project: Pick<Project, 'name' | 'branch_prefix' | 'review' | 'fetch_timeout_seconds'>,
  { asks }: { readonly asks: boolean },
): Promise<Collision | null> {
  const { name, branch_prefix: prefix } = project;
  const spaces = spacesOf(project);
  const ways = ancestors(prefix);
  const [top = ''] = ways;
  // Where names are not told apart by what they look like, a listing has the form in which one was made.
  const exactly = spaces.flatMap((space) => ways.map((way) => `${space}/\\${way}`));
  const listed = await git(repo, [
    ...['for-each-ref', '--ignore-case', '--format=%(refname)', '--'],
    ...[...exactly, ...formsOf(top).flatMap((one) => [`${HEADS}/\\${one}`, `${HEADS}/\\${one}/**`])],
  ]);
  const refs = listed.stdout.split('\n');
  const or = `set project.${name}.branch_prefix to another word (it is "${prefix}")`;
  const here = refs.filter((ref) => ref.startsWith(`${HEADS}/`)).map((ref) => ref.slice(HEADS.length + 1));
  const exact = here.find((one) => ways.includes(one));
  const odd = exact ?? here.find((one) => differsByCase(one, ways));
  if (exact !== undefined || (odd !== undefined && (await ignoresCase(repo))))
    return {
      says: `the branch "${odd}" of ${repo} shuts out new ones called ${prefix}/...`,
      fix: `rename it (git -C ${repo} branch -m ${odd} NEW), or ${or}`,
    };
  for (const way of ways) {
    const there = spaces.slice(1).find((space) => refs.includes(`${space}/${way}`));
    const remote = project.review?.remote ?? '';
    if (there === undefined || (asks && !(await isThere(repo, remote, way, project)))) continue;
    const gone = asks ? '' : `; if it is gone there: git -C ${repo} fetch --prune ${remote}`;
    return {
      says: `${remote} has a branch "${way}", which shuts out ${prefix}/... there: nothing could be pushed`,
      fix: `rename it there, or ${or}${gone}`,
    };
  }
  return null;
}

/** Whether a branch is, or lies in, one of these directories by another case, or another form of the same letters. */
function differsByCase(branch: string, ways: readonly string[]): boolean {
  const lower = asSeen(branch).toLowerCase();
  return ways.some((way) => {
    const seen = asSeen(way).toLowerCase();
    const same = lower === seen || lower.startsWith(`${seen}/`);
    return same && branch !== way && !branch.startsWith(`${way}/`);
  });
}

async function ignoresCase(repo: string): Promise<boolean> {
  return (await git(repo, ['config', '--type=bool', '--get', 'core.ignorecase'])).stdout === 'true';
}

/** Whether the remote says so itself; where it does not answer, nothing is held by what may be old. */
async function isThere(
  repo: string,
  remote: string,
  branch: string,
  { fetch_timeout_seconds }: Pick<Project, 'fetch_timeout_seconds'>,
): Promise<boolean> {
  const args = ['ls-remote', '--heads', '--end-of-options', remote, `${HEADS}/${branch}`];
  const asked = await git(repo, args, { timeout_ms: fetch_timeout_seconds * 1000, remote: true });
  return asked.ok && asked.stdout !== '';
}
