import { join } from 'node:path';
import { realOf, shellQuote } from '../machine/files.ts';
import { isPlainFile } from '../machine/foreign.ts';
import { branchKeys, isBranchOf, keyOf, prefixOf, shortName } from './branches.ts';
import { type GitResult, git, isSilence } from './git.ts';
import { branchesOf, nameOf } from './make.ts';
import { ownGitDir, READY, registered, textOf } from './own.ts';
import { askedFor, no, notAdded, type Prepared, type Site } from './prepared.ts';
import { markReady } from './ready.ts';
import { checkOutSubmodules } from './submodules.ts';
import type { Shared } from './turn.ts';

/** The worktree that is there, with whatever is in it, if it is this repository's and this ticket's. Its agent may have left it on
 *  another branch, on none, or in the middle of something: it is gone on with as it is (`work.ts` finds the work). */
export async function reuse(site: Site, shared: Shared): Promise<Prepared> {
  const { target, common, project, ticket } = site;
  const [seen, head] = await look(target);
  if (!seen.ok) {
    if (isSilence(seen.error)) return no('git_silent', seen.error);
    // What is wrong with the repository itself is no word on this worktree.
    const repo = await askedFor(project.repo);
    if (typeof repo !== 'string') return repo;
  }
  const [top = '', dir = ''] = seen.stdout.split('\n');
  if (!seen.ok || realOf(top) !== realOf(target) || realOf(dir) !== common)
    return no('worktree_foreign', foreignWords(site, seen.ok ? dir : ''));
  const branch = shortName(head);
  const keys = await branchKeys(common);
  // One that its agent has made beside the ticket's is called after it at most.
  const isNoted = keys.has(branch) || ![...keys.values()].includes(keyOf(ticket));
  const mine = isNoted && isBranchOf(branch, site, keys);
  const key = keyHere(site, branch, keys);
  if (key !== null && key !== keyOf(ticket))
    return no(
      'worktree_foreign',
      `${target} was made for another ticket of that number (${key}): move it away, or run git worktree unlock and git worktree remove on it`,
    );
  const on = head === 'HEAD' ? 'a detached HEAD' : `branch ${branch}`;
  // A person may have made it by hand: then its branch says for which ticket.
  if (key === null && !mine)
    return no(
      'worktree_foreign',
      `${target} is on ${on}, not on one of ${ticket.id} (${project.branch_prefix}/${ticket.id}-...), and was not made by mc-pickup: switch it, or run git worktree remove on it`,
    );
  const name = mine ? branch : await branchOf(site, shared);
  if (typeof name !== 'string') return name;
  // Nobody was given it yet: it may lack what could not be had then.
  const lacks = isReady(target) ? null : await checkOutSubmodules(project, common, target);
  if (lacks !== null) return notAdded(lacks, site, no('submodules_missing', lacks));
  markReady(site);
  const warnings = mine ? [] : [`${target} is on ${on}, not on ${name}: it is gone on with as it is`];
  return { ok: true, worktree: target, branch: name, created: false, warnings };
}

/** What stands there, and what to do: it may hold somebody's work, and where its repository was copied, that of the ticket. */
function foreignWords({ common, target, project }: Site, theirs: string): string {
  if (theirs === '' || realOf(theirs) === common)
    return `${target} exists and is not a worktree of this repository: move it away`;
  const joins = registered(common).some(({ path }) => path === target)
    ? `if ${project.repo} is a copy of it, git -C ${shellQuote(common)} worktree repair ${shellQuote(target)} joins the two as they are; else `
    : '';
  return `${target} is a worktree of ${theirs}, and not of ${project.repo}, whose it is to be: ${joins}move it away`;
}

/** Where it is and whose, and the full name of its branch; `HEAD` = none. */
async function look(target: string): Promise<readonly [GitResult, string]> {
  const where = ['--path-format=absolute', '--show-toplevel', '--git-common-dir'];
  const seen = await git(target, ['rev-parse', ...where, '--symbolic-full-name', 'HEAD']);
  if (seen.ok) return [seen, seen.stdout.split('\n')[2] ?? 'HEAD'];
  // A branch without a commit yet has no such name.
  const [place, ref] = [
    await git(target, ['rev-parse', ...where]),
    await git(target, ['symbolic-ref', '--quiet', 'HEAD']),
  ];
  return [place, ref.ok ? ref.stdout : 'HEAD'];
}

/** The key of the ticket that a worktree was made for; null = it was not made here. An earlier version noted it of branches alone. */
function keyHere({ target, ticket }: Site, branch: string, keys: ReadonlyMap<string, string>): string | null {
  const own = ownGitDir(target);
  const ready = isReady(target);
  const noted = own !== null && ready ? textOf(join(own, READY)) : '';
  if (noted !== '') return noted;
  const isNumber = prefixOf(branch, ticket.id) !== null;
  if (!ready && !isNumber) return null;
  const ofNumber = [...keys.values()].filter((key) => key.startsWith(`${ticket.id}@`));
  const known = isNumber ? keys.get(branch) : undefined;
  return known ?? (ofNumber.includes(keyOf(ticket)) ? undefined : ofNumber[0]) ?? keyOf(ticket);
}

function isReady(target: string): boolean {
  const own = ownGitDir(target);
  return own !== null && isPlainFile(join(own, READY));
}

/** The ticket's branch, where its worktree is on another: the newest of those that were made for it, or the name that it would have. */
async function branchOf(site: Site, shared: Shared): Promise<Prepared | string> {
  const found = await branchesOf(site, shared);
  if ('ok' in found) return found;
  return found.kept === undefined ? nameOf(site, found) : shortName(found.kept.ref);
}
