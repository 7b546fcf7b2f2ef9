import { shellQuote } from '../machine/files.ts';
import type { Project } from '../model/policy.ts';
import { baseRefs, commitOf, git } from './git.ts';

type Based = Pick<Project, 'name' | 'repo' | 'base' | 'remote'>;

/** That a base is a tag, a commit, or the name of a ref in full, and what to do: work begins at a branch, is compared with it and goes back to
 *  it. null = it is a branch, or nothing at all. */
export async function noBranch(cwd: string, { name, repo, base, remote }: Based): Promise<string | null> {
  const tag = `refs/tags/${base}`;
  const refs = ['--format=%(refname)', '--', tag, ...baseRefs({ remote, base })];
  const { stdout } = await git(cwd, ['for-each-ref', ...refs]);
  const short = [`${remote}/`, 'refs/heads/', `refs/remotes/${remote}/`].find((one) => base.startsWith(one));
  const named = short === undefined ? '' : base.slice(short.length);
  if (stdout === '' && named !== '' && (await commitOf(cwd, base)) !== null)
    return `${base} is the branch ${named}: project.${name}.base = "${named}"`;
  const isCommit = stdout === '' && /^[0-9a-f]{7,64}$/.test(base) && (await commitOf(cwd, base)) !== null;
  if (stdout !== tag && !isCommit) return null;
  const branch = `from-${isCommit ? base.slice(0, 12) : base}`;
  return `${base} is a ${isCommit ? 'commit' : 'tag'} of ${repo}, and work begins at a branch: git -C ${shellQuote(repo)} branch ${branch} ${base}, then project.${name}.base = "${branch}" and project.${name}.fetch = false`;
}

/** Why there is nowhere to begin. */
export async function baseMissing(cwd: string, project: Based): Promise<string> {
  const { name, base, remote } = project;
  return (
    (await noBranch(cwd, project)) ??
    `neither ${remote}/${base} nor ${base} exists: mend project.${name}.base`
  );
}
