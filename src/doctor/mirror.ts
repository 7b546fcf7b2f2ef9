import type { Project } from '../model/policy.ts';
import { git } from '../workspace/git.ts';
import { type Finding, warn } from './finding.ts';

/** A mirror holds what its remote holds: a fetch that prunes deletes everything else, the branches that agents work on included. */
export async function mirror({ name, repo, remote, branch_prefix }: Project): Promise<Finding[]> {
  const found = await git(repo, ['config', '--get-all', `remote.${remote}.fetch`], { timeout_ms: 5000 });
  const specs = found.stdout.split('\n');
  // What we write below refs/, that no remote has.
  const ours = [`refs/heads/${branch_prefix}/MC-1`, 'refs/mc-pickup/cleaned'];
  const left = ours.filter(
    (ref) => specs.some((spec) => writes(spec, ref)) && !specs.some((spec) => spares(spec, ref)),
  );
  if (left.length === 0) return [];
  const spare = left.map(
    (ref) => `git -C ${repo} config --add remote.${remote}.fetch '^${ref.replace(/[^/]*$/, '*')}'`,
  );
  return [
    warn(
      `mirror ${name}`,
      `${remote} is mirrored into ${repo}: a fetch that prunes (git remote update --prune) deletes the branches of agents, and one that was pushed keeps every fetch from ending while it is checked out`,
      spare.join(' && '),
    ),
  ];
}

function writes(spec: string, ref: string): boolean {
  const [, to] = /^\+?[^^:]*:(.+)$/.exec(spec) ?? [];
  return to !== undefined && fits(to, ref);
}

function spares(spec: string, ref: string): boolean {
  return spec.startsWith('^') && fits(spec.slice(1), ref);
}

/** A pattern of a refspec has one star at most, and it stands for anything. */
function fits(pattern: string, ref: string): boolean {
  const [before = '', after] = pattern.split('*');
  return after === undefined ? pattern === ref : ref.startsWith(before) && ref.endsWith(after);
}
