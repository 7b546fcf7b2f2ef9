import { existsSync } from 'node:fs';
import type { Policy, Project } from '../model/policy.ts';
import { folderFault } from '../workspace/folder.ts';
import { baseRefs, commitOf } from '../workspace/git.ts';
import { noBranch } from '../workspace/no-branch.ts';
import { hostedOn, pushAddresses } from '../workspace/remotes.ts';
import type { Complaint } from './load.ts';
import { locator } from './locate.ts';

/** What a configuration says of its repositories and they do not: a base that is no branch, a folder that the base has not, a remote that is not there, another owner
 *  of a fork. A tick does not ask it, and a repository that is not there is no matter of the configuration alone. */
export async function repositoryComplaints(policy: Policy, text: string): Promise<Complaint[]> {
  const projects = [...policy.projects.values()].filter(({ repo }) => existsSync(repo));
  const found = await Promise.all(
    projects.map(async (project) =>
      [await baseComplaint(project), await folderComplaint(project), await reviewComplaint(project)].filter(
        (one) => one !== null,
      ),
    ),
  );
  const placeOf = locator(text);
  return found.flat().map(({ path, says }) => ({ ...placeOf(path), key: path.join('.'), says }));
}

interface Told {
  readonly path: readonly string[];
  readonly says: string;
}

async function baseComplaint(project: Project): Promise<Told | null> {
  const says = await noBranch(project.repo, project);
  return says === null ? null : { path: ['project', project.name, 'base'], says };
}

async function folderComplaint(project: Project): Promise<Told | null> {
  const { name, repo, path } = project;
  if (path === null) return null;
  for (const ref of baseRefs(project)) {
    const commit = await commitOf(repo, ref);
    if (commit === null) continue;
    const says = await folderFault(
      repo,
      { commit, called: ref.replace(/^refs\/(heads|remotes)\//, '') },
      project,
    );
    return says === null ? null : { path: ['project', name, 'path'], says };
  }
  return null;
}

/** Of a project: what its review pushes to. */
export async function reviewComplaint({ name, repo, review }: Project): Promise<Told | null> {
  if (review === null || !review.push) return null;
  const { remote, head, api_url, pull_request } = review;
  const at = (key: string): readonly string[] => ['project', name, 'review', key];
  const addresses = await pushAddresses(repo, remote);
  if ('ok' in addresses)
    return /No such remote/i.test(addresses.error)
      ? {
          path: at('remote'),
          says: `${repo} has no remote "${remote}": git remote add ${remote} ADDRESS, or name another`,
        }
      : null;
  const there = hostedOn(api_url, addresses);
  if (pull_request === 'none' || head === null || there === null) return null;
  if (there.owner.toLowerCase() === head.toLowerCase()) return null;
  return {
    path: at('head'),
    says: `is "${head}", and the remote "${remote}" pushes to ${there.owner}/${there.name}: name that owner, or the remote of ${head}'s fork`,
  };
}
