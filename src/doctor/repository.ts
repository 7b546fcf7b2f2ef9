import { reviewComplaint } from '../config/repositories.ts';
import type { Policy, Project } from '../model/policy.ts';
import { many } from '../model/text.ts';
import { collision } from '../workspace/collision.ts';
import { folderFault } from '../workspace/folder.ts';
import { baseRefs, fetchesTo, git } from '../workspace/git.ts';
import { noBranch } from '../workspace/no-branch.ts';
import { about, type Finding, fail, ok } from './finding.ts';
import { mirror } from './mirror.ts';
import { sshFinding } from './ssh.ts';

const PATIENCE = { timeout_ms: 5000 };
const DAY_MS = 86_400_000;
/** Commits are counted up to here: more say nothing more. */
const COUNTED = 500;
const IDENTITY = ['GIT_AUTHOR_NAME', 'GIT_AUTHOR_EMAIL', 'GIT_COMMITTER_NAME', 'GIT_COMMITTER_EMAIL'];

/** What git says of a project's repository. The first finding is on the repository itself. Changes nothing, and asks no
 *  other machine. */
export async function repository(
  project: Project,
  policy: Policy,
  env: NodeJS.ProcessEnv,
): Promise<Finding[]> {
  const { name, repo, base, remote } = project;
  const check = `project ${name}`;
  const refs = baseRefs(project);
  const format = '--format=%(refname)%00%(committerdate:unix)';
  const [listed, url] = await Promise.all([
    git(repo, ['for-each-ref', format, '--', ...refs], PATIENCE),
    git(repo, ['config', '--get', `remote.${remote}.url`], PATIENCE),
  ]);
  const known = new Map(listed.stdout.split('\n').map((line) => line.split('\0') as [string, string]));
  const start = refs.find((ref) => known.has(ref));
  if (listed.missing) return [fail(check, listed.error, 'install git, or put it on PATH')];
  const odd = listed.ok && start === undefined ? await noBranch(repo, project) : null;
  if (odd !== null) return [fail(check, odd, 'set it as that line says')];
  if (!listed.ok || start === undefined)
    return [
      fail(
        check,
        `${repo} is no git repository with a branch "${base}" that has a commit${listed.ok ? '' : ` (${listed.error})`}`,
        'correct repo or base in the configuration',
      ),
    ];
  const [apart, who, pruned, shut, lacking, address, review] = await Promise.all([
    known.size === 2 ? comparison(project, refs) : null,
    identity(project, policy, env),
    url.ok ? mirror(project) : [],
    collision(repo, project, { asks: false }),
    folderFault(repo, { commit: start, called: start }, project),
    // As git itself goes there (`url.*.insteadOf`).
    git(repo, ['ls-remote', '--get-url', remote], PATIENCE),
    reviewComplaint(project),
  ]);
  const from = start.replace(/^refs\/(heads|remotes)\//, '');
  const at_ms = Number(known.get(start)) * 1000;
  return [
    ok(check, `${repo}, from ${from}`),
    baseFinding(project, from, at_ms, apart),
    who,
    ...pruned,
    ...(lacking === null
      ? []
      : [fail(`folder ${name}`, `${lacking}: nothing is launched`, `correct project.${name}.path`)]),
    ...(shut === null ? [] : [fail(`branches ${name}`, shut.says, shut.fix)]),
    ...(review === null
      ? []
      : [
          fail(
            `review ${name}`,
            `${review.path.join('.')}: ${review.says}`,
            'mc-pickup config check has its line',
          ),
        ]),
    ...(project.fetch && url.ok ? sshFinding(name, address.stdout, env) : []),
  ];
}

interface Apart {
  /** Of the remote's base, and not in the local one. */
  readonly behind: number;
  /** Of the local base, and not in the remote's. */
  readonly ahead: number;
}

async function comparison(
  { repo }: Project,
  [there = '', here = '']: readonly string[],
): Promise<Apart | null> {
  // In a shallow clone what is beyond the cut would count as well.
  if (!(await git(repo, ['merge-base', there, here], PATIENCE)).ok) return null;
  const count = async (range: string): Promise<number> =>
    Number(
      (await git(repo, ['rev-list', '--count', `--max-count=${COUNTED}`, range, '--'], PATIENCE)).stdout,
    );
  const [behind, ahead] = await Promise.all([count(`${here}..${there}`), count(`${there}..${here}`)]);
  return { behind, ahead };
}

/** Work begins at the remote's base where there is one: what it lacks no agent sees. */
function baseFinding(project: Project, from: string, at_ms: number, apart: Apart | null): Finding {
  const { name, repo, base, remote, base_max_age_days } = project;
  const { ok, warn } = about(`base ${name}`);
  const days = Math.floor((Date.now() - at_ms) / DAY_MS);
  // By name: of some clones a plain fetch moves nothing that work begins at.
  const fetch = `git -C ${repo} fetch ${remote} ${fetchesTo(project)}`;
  if (apart !== null && apart.ahead > 0)
    return warn(
      `${base} has ${commits(apart.ahead)} that ${from} has not, and work begins at ${from}: no agent sees them`,
      `git -C ${repo} push ${remote} ${base}`,
    );
  const behind =
    apart !== null && apart.behind > 0 ? `; the local ${base} is ${commits(apart.behind)} behind it` : '';
  if (days > base_max_age_days)
    return warn(
      `the last commit of ${from} is ${days} days old${behind}`,
      apart === null && !from.startsWith(`${remote}/`)
        ? `bring ${base} up to date in ${repo}, or raise project.${name}.base_max_age_days`
        : `${fetch}; or raise project.${name}.base_max_age_days`,
    );
  if (behind !== '' && !project.fetch)
    return warn(
      `${from} is ${days} days old${behind}, and project.${name}.fetch is off`,
      `${fetch} now and then`,
    );
  return ok(`${from}, last commit ${days === 0 ? 'today' : `${many(days, 'day')} ago`}${behind}`);
}

function commits(count: number): string {
  return count >= COUNTED ? `${COUNTED} commits or more` : many(count, 'commit');
}

/** Whom an agent commits as: git refuses a commit of nobody. */
async function identity({ name, repo }: Project, policy: Policy, env: NodeJS.ProcessEnv): Promise<Finding> {
  const { ok, warn } = about(`commits ${name}`);
  const without = [...policy.agents.values()].filter(
    ({ env: own, pass_env }) =>
      !IDENTITY.every((one) => own[one] !== undefined || (pass_env.includes(one) && env[one] !== undefined)),
  );
  if (without.length === 0 && policy.agents.size > 0) return ok('as the profiles say (GIT_AUTHOR_NAME)');
  const [ident, mail] = await Promise.all([
    git(repo, ['var', 'GIT_COMMITTER_IDENT'], PATIENCE),
    git(repo, ['config', '--get', 'user.email'], PATIENCE),
  ]);
  const who = ident.stdout.replace(/ \d+ [+-]\d{4}$/, '');
  if (ident.ok && mail.ok && mail.stdout !== '') return ok(`as ${who}`);
  return warn(
    ident.ok
      ? `as ${who}, which git has guessed`
      : `git knows no name or e-mail for ${repo}: an agent can't commit`,
    `git -C ${repo} config user.name agent && git -C ${repo} config user.email agent@example.com`,
  );
}
