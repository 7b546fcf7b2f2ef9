import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { projectScope, todoOf } from '../model/hold.ts';
import type { Policy, Project } from '../model/policy.ts';
import { oneLine } from '../model/text.ts';
import { git } from '../workspace/git.ts';
import { type Refusal, type Refused, tryOut } from '../workspace/index.ts';
import { type Finding, fail, looked, ok, warn } from './finding.ts';

const SAYS = 400;
/** What of a trial is neither fetch nor checkout: to ask for a push, to take it all away. */
const AROUND_MS = 60_000;

/** Of these the other findings on a project tell already. */
const TOLD: ReadonlySet<Refusal> = new Set([
  'git_missing',
  'repo_missing',
  'base_missing',
  'path_missing',
  'branch_collision',
  'worktrees_root_missing',
]);

/** How long trials may take. They go side by side. */
export function trialMs(projects: Iterable<Project>): number {
  const each = [...projects].map((one) => one.checkout_timeout_seconds + one.fetch_timeout_seconds);
  return Math.max(0, ...each) * 1000 + AROUND_MS;
}

/** What the first launch of each project would meet: all of it done for real on a scratch name, and taken away again. */
export async function trialFindings({ places }: Context, { projects }: Policy): Promise<Finding[]> {
  // Where nothing was set up yet, nothing is made.
  if (!existsSync(places.state)) return [];
  const each = [...projects.values()].map((project) =>
    looked(
      `trial ${project.name}`,
      () => trial(project, join(places.worktrees, project.name)),
      trialMs([project]),
    ),
  );
  return (await Promise.all(each)).flat();
}

async function trial(project: Project, root: string): Promise<Finding[]> {
  const { name, review, fetch } = project;
  const check = `trial ${name}`;
  const tried = await tryOut({
    ...{ project, root, fetch },
    inside: (worktree) => otherIdentity(project, worktree),
    ...(review?.push === true ? { push: review.remote } : {}),
  });
  if (!tried.ok && TOLD.has(tried.because)) return [];
  if (!tried.ok) return [refused(check, tried, project)];
  const { stale, unpushed, complaint, inside } = tried;
  const found = [
    ...(stale === null ? [] : [refused(check, stale, project)]),
    ...(unpushed === null
      ? []
      : [
          warn(
            check,
            oneLine(unpushed, SAYS),
            `mend ${review?.remote}: work that is in review can't be pushed`,
          ),
        ]),
    ...(inside === null
      ? []
      : [
          warn(
            check,
            inside,
            `let the condition hold for its worktrees as well: includeIf "gitdir:${project.repo}/" (a slash at its end)`,
          ),
        ]),
    ...(complaint === ''
      ? []
      : [
          warn(
            check,
            `a hook of the repository fails: ${oneLine(complaint, SAYS)}`,
            `mend or remove it: work begins all the same`,
          ),
        ]),
  ];
  if (found.length > 0) return found;
  const more = [
    fetch ? await whatWasFetched(project) : null,
    review?.push === true ? 'a push would be taken' : null,
  ];
  return [ok(check, ['a worktree was made and taken away again', ...more].filter(Boolean).join(', '))];
}

async function whatWasFetched({ repo }: Project): Promise<string> {
  return (await git(repo, ['remote'])).stdout === '' ? 'there is no remote to fetch from' : 'fetched';
}

/** A configuration that is included for the checkout alone (`includeIf "gitdir:.../.git"`) is not that of a worktree. */
async function otherIdentity({ repo }: Project, worktree: string): Promise<string | null> {
  const [here, there] = await Promise.all(
    [repo, worktree].map(async (cwd) => (await git(cwd, ['config', '--get', 'user.email'])).stdout),
  );
  if (here === there) return null;
  const who = (mail: string | undefined): string => (mail ? oneLine(mail, 100) : 'nobody');
  return `in a worktree of ${repo} an agent commits as ${who(there)}, and not as ${who(here)}: git includes another configuration there`;
}

function refused(check: string, { because, error }: Refused, { name, remote, base }: Project): Finding {
  const says = oneLine(error, SAYS);
  if (because === 'base_gone')
    return fail(check, says, `set project.${name}.base to the name that ${base} has on ${remote} now`);
  // It may be away for a moment: it holds launches when it is so in two ticks.
  if (because === 'fetch_failed')
    return warn(
      check,
      says,
      `mend ${remote}, or set fetch = false in project.${name} to begin at what is here`,
    );
  const scope = projectScope(name);
  const fix = because === 'checkout_slow' ? todoOf({ scope, because }) : 'mend what git complains of';
  return fail(check, says, `${fix}: until then no ticket of this project is launched`);
}
