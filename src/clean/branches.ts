import { existsSync } from 'node:fs';
import { realOf } from '../machine/files.ts';
import { type Acted, type Found, NOTHING, together } from '../model/clean.ts';
import type { Project } from '../model/policy.ts';
import { keepByRef, stampOf } from '../workspace/aside.ts';
import { branchKeys, calledAfter, prefixesOf, prefixOf, shortName } from '../workspace/branches.ts';
import { askCommonDir, git } from '../workspace/git.ts';
import { MANY } from '../workspace/kept.ts';
import { whereElse } from '../workspace/merged.ts';
import { logOf } from '../workspace/refs.ts';
import { unreached } from '../workspace/safe.ts';
import { type Here, step } from './here.ts';
import { isSettled, kept, proposed, stays, word } from './item.ts';

interface Ours {
  readonly branch: string;
  readonly tip: string;
  /** Where it is checked out; '' = nowhere. */
  readonly worktree: string;
  readonly ticket: string;
}

/** Branches of settled tickets whose commits are also elsewhere. Only where a person has asked for branches by name. */
export async function branches(here: Here): Promise<Found> {
  const all: Found[] = [];
  for (const project of here.policy.projects.values()) {
    const list = await oursOf(project);
    if (typeof list === 'string')
      all.push(
        kept({ group: 'branches', name: project.repo, ticket: null, because: 'repo_missing', says: list }),
      );
    else for (const one of list) all.push(await branch(one, project, here));
  }
  return together(all);
}

async function oursOf(project: Project): Promise<Ours[] | string> {
  const { repo } = project;
  if (!existsSync(repo)) return `its repository ${repo} is not there: has it moved?`;
  const format = '--format=%(refname)%00%(objectname)%00%(worktreepath)%00';
  const list = await git(repo, ['for-each-ref', format, '--', 'refs/heads/']);
  if (!list.ok) return list.error;
  const keys = await branchKeys(repo);
  return list.stdout.split('\0\n').flatMap((line) => {
    const [ref = '', tip = '', worktree = ''] = line.split('\0');
    const name = shortName(ref);
    const ticket = calledAfter(name);
    if (ticket === null) return [];
    const ours = prefixesOf(project).includes(prefixOf(name, ticket) ?? '');
    return ours || keys.get(name)?.startsWith(`${ticket}@`) === true
      ? [{ branch: name, tip, worktree, ticket }]
      : [];
  });
}

type Judged = { readonly because: string; readonly says: string } & (
  | { readonly ok: true; readonly logged: readonly string[] }
  | { readonly ok: false }
);

async function branch(one: Ours, project: Project, here: Here): Promise<Found> {
  const judged = await judge(one, project, here);
  if (judged === null) return NOTHING;
  const { ticket, branch: name } = one;
  const { because, says } = judged;
  const found = { group: 'branches', name, ticket, because, says } as const;
  if (!judged.ok) return kept(found);
  return proposed(
    { ...found, kind: 'branch' },
    `git branch, from refs/mc-pickup/cleaned/${ticket}/ in ${project.repo}`,
    () => remove(one, project, here),
  );
}

/** null = its ticket is open, or not on this board. */
async function judge(
  { branch: name, tip, worktree, ticket: id }: Ours,
  project: Project,
  here: Here,
): Promise<Judged | null> {
  const ticket = await here.board.ticket(id);
  if (ticket === null || !isSettled(ticket.status)) return null;
  const { repo, base } = project;
  // Two projects may be folders of one repository: each judges the branches of its own tickets.
  const own = here.policy.projects.get(ticket.project);
  if (own !== undefined && own.name !== project.name && realOf(own.repo) === realOf(repo)) return null;
  const no = (because: string, says: string): Judged => ({ ok: false, because, says });
  if (worktree !== '') return no('checked_out', `it is checked out in ${worktree}`);
  if ((await here.board.liveRuntime(id)) !== null)
    return no('runtime_alive', 'a run of its ticket has not ended');
  const noted = await git(repo, ['config', '--local', '--get', `branch.${name}.mcPickupTicket`]);
  if (noted.ok && noted.stdout !== `${id}@${ticket.created_at_ms}`)
    return no('other_ticket', `it was made for another ticket of that number (${noted.stdout})`);
  const at = await askCommonDir(repo);
  if (!at.ok) return no('git_failed', at.error);
  const where = await whereElse(repo, at.stdout, { tip, ...project });
  if (!where.ok)
    return no(
      where.because,
      where.because === 'unmerged'
        ? `${where.commits} of its commits are neither in ${base} nor on a remote`
        : 'it can not be compared with the base',
    );
  const log = await logOf(at.stdout, { ref: `refs/heads/${name}`, ...MANY });
  const logged = await unreached(log, (...args) => git(repo, args));
  if (logged === null) return no('git_failed', 'its log can not be followed');
  return { ok: true, because: where.because, says: `${ticket.status}, ${where.because}`, logged };
}

async function remove(one: Ours, project: Project, here: Here): Promise<Acted> {
  const list = await oursOf(project);
  const now = typeof list === 'string' ? undefined : list.find(({ branch: name }) => name === one.branch);
  const judged = now === undefined ? null : await judge(now, project, here);
  if (now === undefined || judged === null) return stays('changed', 'it has changed meanwhile');
  if (!judged.ok) return stays(judged.because, judged.says);
  const { repo } = project;
  const kept = await keepByRef(repo, now.ticket, stampOf(Date.now()), [now.tip, ...judged.logged]);
  if (!kept.ok) return { result: 'failed', error: kept.error };
  step('branch-kept');
  // By its commit: one that has moved on meanwhile stays.
  const gone = await git(repo, ['update-ref', '-d', `refs/heads/${now.branch}`, now.tip]);
  if (!gone.ok) return stays('changed', gone.error);
  step('branch-gone');
  // Nothing depends on it: a branch without a note is anybody's of that number.
  await git(repo, ['config', '--local', '--remove-section', `branch.${now.branch}`]);
  return { result: 'done', restore: `git -C ${word(repo)} branch ${word(now.branch)} ${kept.ref}` };
}
