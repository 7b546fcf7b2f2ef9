import { TICKET_ID } from '../model/ticket.ts';
import { prefixesOf, prefixOf } from './branches.ts';
import { git } from './git.ts';

export type Pushed =
  | { readonly ok: true }
  /** `refused`: the remote has other commits; trying again would end the same. */
  | { readonly ok: false; readonly because: 'refused' | 'failed'; readonly error: string };

/** A branch of ours, by its name alone: what an agent renamed to something odd goes nowhere. `prefix`: that of new branches; `made`: the
 *  branch that the board knows its run to have got. What the repository notes of it an agent can write. */
export function isOurBranch(
  branch: string,
  id: string,
  { prefix, made }: { readonly prefix: string; readonly made: string | null },
): boolean {
  if (!TICKET_ID.test(id) || !/^[A-Za-z0-9._-]+$/.test(branch.slice(branch.lastIndexOf('/') + 1)))
    return false;
  const own = prefixOf(branch, id);
  return own !== null && (branch === made || prefixesOf({ branch_prefix: prefix }).includes(own));
}

/** What stands before `push`. The agents can write the configuration of the repository: nothing of that is started. */
const QUIET = ['-c', 'protocol.ext.allow=never', '-c', 'push.gpgSign=false'];

const PUSH = [
  ...['push', '--porcelain', '--no-verify', '--no-follow-tags', '--recurse-submodules=no'],
  ...['--receive-pack=git-receive-pack', '--no-signed', '--no-force-with-lease'],
];

/** To a mirror's own remote git would push all or nothing. */
const alone = (remote: string) => ['-c', `remote.${remote}.mirror=false`];

/** Asks a remote whether it would take a branch, and sends nothing; null = it would. */
export async function dryPush(
  repo: string,
  remote: string,
  { branch, head }: { readonly branch: string; readonly head: string },
): Promise<string | null> {
  const args = ['--dry-run', '--end-of-options', remote, `${head}:refs/heads/${branch}`];
  const done = await git(repo, [...QUIET, ...alone(remote), ...PUSH, ...args], { remote: true });
  return done.ok ? null : done.error;
}

/** Pushes exactly this commit to the branch of the same name. Never by force, no tags, no submodules; said twice, it is
 *  done once. Bounded in time; never throws. */
export async function pushBranch(
  repo: string,
  { remote, branch, head }: { readonly remote: string; readonly branch: string; readonly head: string },
): Promise<Pushed> {
  const done = await git(
    repo,
    [...QUIET, ...alone(remote), ...PUSH, '--end-of-options', remote, `${head}:refs/heads/${branch}`],
    { remote: true },
  );
  if (done.ok) return { ok: true };
  const said = /^!\t[^\t]*\t(.*)$/m.exec(done.stdout)?.[1] ?? '';
  if (/\[rejected\]/.test(said))
    return {
      ok: false,
      because: 'refused',
      error: `${remote} has other commits on ${branch} (${said}): look at them; nothing is pushed by force`,
    };
  // Its own refusal may pass: a lock that a push of before still holds, a check that is away.
  if (/\[remote rejected\]/.test(said)) {
    const [, taken] = /'refs\/heads\/([^']+)' exists; cannot create/.exec(done.error) ?? [];
    const why = taken === undefined ? said : `its branch "${taken}" is in the way: rename it there`;
    return { ok: false, because: 'failed', error: `${remote} does not take ${branch}: ${why}` };
  }
  const [first = ''] = done.error.split('\n');
  return { ok: false, because: 'failed', error: said === '' ? first : `git push: ${said}` };
}
