import type { ReviewSpec } from '../model/policy.ts';
import { type GitResult, git } from './git.ts';

/** A repository on a forge, as an address of it says. */
export interface Hosted {
  readonly host: string;
  readonly owner: string;
  readonly name: string;
}

const NAMES = /^\/?([A-Za-z0-9][A-Za-z0-9_-]{0,63})\/([A-Za-z0-9_.-]{1,100}?)(?:\.git)?\/?$/;

/** What an address names: `https://host/owner/name.git`, `ssh://git@host/owner/name`, `git@host:owner/name.git`. null = a path, or a
 *  repository that no forge has so. */
export function hostedAt(url: string): Hosted | null {
  const [, scheme, place, path] =
    /^([a-z][a-z0-9+-]*):\/\/(?:[^@/]*@)?([^:/@]+)(?::\d+)?(\/.*)$/i.exec(url) ?? [];
  const [, alias, tail] = /^(?:[^@/:]+@)?([^:/@]{2,}):(?!\/\/)(.*)$/.exec(url) ?? [];
  if (scheme?.toLowerCase() === 'file') return null;
  const host = (place ?? alias)?.toLowerCase();
  const [, owner, name] = NAMES.exec(path ?? tail ?? '') ?? [];
  return host === undefined || owner === undefined || name === undefined ? null : { host, owner, name };
}

/** What a remote pushes to: as git has it after its rewriting (`insteadOf`, `pushInsteadOf`), then as it is written. An error of git: there is
 *  no such remote, say. */
export async function pushAddresses(repo: string, remote: string): Promise<readonly string[] | GitResult> {
  const rewritten = await git(repo, ['remote', 'get-url', '--push', '--all', '--', remote]);
  if (!rewritten.ok) return rewritten;
  const [pushed = '', fetched = ''] = await Promise.all(
    ['pushurl', 'url'].map(
      async (key) => (await git(repo, ['config', '--get-all', `remote.${remote}.${key}`])).stdout,
    ),
  );
  return `${rewritten.stdout}\n${pushed || fetched}`.split('\n').filter((one) => one !== '');
}

/** Whose repository on the forge of a review a remote pushes to; null = none of that forge, for all that its address tells. A host without a
 *  dot, or one that goes on behind the forge's (`github.com-work`), is an alias of ssh. */
export function hostedOn(api_url: string, addresses: readonly string[]): Hosted | null {
  const forge = (URL.parse(api_url)?.hostname ?? '').replace(/^api\./, '');
  const fits = ({ host }: Hosted): boolean =>
    !host.includes('.') || host === `ssh.${forge}` || host.startsWith(forge);
  return addresses.map(hostedAt).find((one) => one !== null && fits(one)) ?? null;
}

/** Whose fork the branches of a review are pushed to: as the configuration says, or else the owner of what the remote pushes to. null = it
 *  can't be told, and is the repository of the pull request itself. */
export async function headOwner(
  repo: string,
  { head, remote, api_url }: Pick<ReviewSpec, 'head' | 'remote' | 'api_url'>,
): Promise<string | null> {
  if (head !== null) return head;
  const addresses = await pushAddresses(repo, remote);
  return 'ok' in addresses ? null : (hostedOn(api_url, addresses)?.owner ?? null);
}
