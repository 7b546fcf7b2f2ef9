import { addToConfig } from './config-file.ts';
import { git } from './git.ts';
import type { Site } from './prepared.ts';

const HEADS = 'refs/heads/';

/** The name of a branch without what stands before it. */
export function shortName(ref: string): string {
  return ref.slice(HEADS.length);
}

/** Whether a ref is a branch of this ticket. `id` holds letters, digits and one dash only, so it needs no escaping. */
export function isBranchOf(ref: string, id: string): boolean {
  return new RegExp(`^refs/heads/mc/${id}(-[^/]*)?$`).test(ref);
}

/** A ticket's number alone says little: another board, or this one after a restore, gives it out again. */
export function keyOf({ id, created_at_ms }: Pick<Site['ticket'], 'id' | 'created_at_ms'>): string {
  return `${id}@${created_at_ms}`;
}

/** Which ticket each of our branches was made for, as noted in the repository's own configuration. */
export async function branchKeys(common: string): Promise<ReadonlyMap<string, string>> {
  const listed = await git(common, [
    ...['config', '--local', '-z', '--get-regexp', '^branch\\..*\\.mcpickupticket$'],
  ]);
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
