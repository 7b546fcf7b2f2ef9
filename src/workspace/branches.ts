import { DEFAULT_PREFIX, type Project } from '../model/policy.ts';
import { addToConfig } from './config-file.ts';
import { git } from './git.ts';
import type { Site } from './prepared.ts';
import { once, type Shared } from './turn.ts';

const HEADS = 'refs/heads/';

/** The name of a branch without what stands before it. */
export function shortName(ref: string): string {
  return ref.slice(HEADS.length);
}

/** What stands before the ticket's id in the name of a branch that is called after it; null = it is called otherwise. `id` holds
 *  letters, digits and one dash only, so it needs no escaping. */
export function prefixOf(branch: string, id: string): string | null {
  return new RegExp(`^(.+)/${id}(-[^/]*)?$`).exec(branch)?.[1] ?? null;
}

/** The ticket that a branch is called after; null = none. */
export function calledAfter(branch: string): string | null {
  return /\/([A-Za-z]+-\d+)(-[^/]*)?$/.exec(branch)?.[1] ?? null;
}

/** The prefix of new branches, and that of those which versions without the key have made. */
export function prefixesOf({ branch_prefix }: Pick<Project, 'branch_prefix'>): readonly string[] {
  return branch_prefix === DEFAULT_PREFIX ? [DEFAULT_PREFIX] : [branch_prefix, DEFAULT_PREFIX];
}

/** Whether a branch is this ticket's: it is called after it, and was noted as made for it. One that nobody has noted is so by our
 *  prefixes alone. A key without the name says nothing: agents can write both, and `main` must never become a ticket's. */
export function isBranchOf(
  branch: string,
  { project, ticket }: Pick<Site, 'project' | 'ticket'>,
  keys: ReadonlyMap<string, string>,
): boolean {
  const prefix = prefixOf(branch, ticket.id);
  if (prefix === null) return false;
  const key = keys.get(branch);
  return key === undefined ? prefixesOf(project).includes(prefix) : key === keyOf(ticket);
}

/** A ticket's number alone says little: another board, or this one after a restore, gives it out again. */
export function keyOf({ id, created_at_ms }: Pick<Site['ticket'], 'id' | 'created_at_ms'>): string {
  return `${id}@${created_at_ms}`;
}

/** Which ticket each of our branches was made for, as noted in the repository's own configuration. */
export async function branchKeys(
  common: string,
  shared: Shared = new Map(),
): Promise<ReadonlyMap<string, string>> {
  const words = ['config', '--local', '-z', '--get-regexp', '^branch\\..*\\.mcpickupticket$'];
  const listed = await once(shared, 'keys', () => git(common, words));
  const lines = listed.stdout.split('\0').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [name = '', key = ''] = line.split('\n');
      return [name.slice('branch.'.length, -'.mcpickupticket'.length), key];
    }),
  );
}

/** Notes it. Git itself does it where the file can't be added to as it is. null = done, else why not. */
export async function noteKey(common: string, branch: string, key: string): Promise<string | null> {
  const plain = /^[\w/-]+$/.test(branch) && /^[\w@-]+$/.test(key);
  if (plain && addToConfig(common, `[branch "${branch}"]\n\tmcPickupTicket = ${key}\n`)) return null;
  const done = await git(common, ['config', '--local', `branch.${branch}.mcPickupTicket`, key]);
  return done.ok ? null : done.error;
}
