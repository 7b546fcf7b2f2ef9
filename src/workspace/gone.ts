import { join } from 'node:path';
import { keepByRef, stampOf } from './aside.ts';
import { shortName } from './branches.ts';
import { git } from './git.ts';
import { MADE_BEFORE, madeIn } from './head.ts';
import { ownDir } from './own.ts';
import { failed, type Refused, type Site } from './prepared.ts';
import { headText } from './refs.ts';
import { writeNote } from './rights.ts';

/** What git still knew of a worktree whose files are gone, and would forget with it. */
export interface Gone {
  /** The commits that were made in it. */
  readonly made: ReadonlySet<string>;
  /** What the next agent has to know. */
  readonly tells: readonly string[];
}

/** Looks before it is forgotten: commits that only its HEAD leads to get a ref. `branch`: where the next one will be. */
export async function lastOf(
  { common, target, ticket }: Site,
  own: string,
  branch: string | undefined,
): Promise<Gone | Refused> {
  const head = (await headText(own)) ?? '';
  const made = (await madeIn(own)) ?? new Set<string>();
  const was = 'The worktree of an earlier attempt is gone, with what was not committed in it.';
  if (!/^[0-9a-f]{40,64}$/.test(head)) {
    const on = shortName(head.replace(/^ref: /, ''));
    return { made, tells: on === '' || on === branch ? [] : [`${was} It was on the branch ${on}.`] };
  }
  const args = ['rev-list', '--count', head, '--not', '--branches', '--remotes', '--tags', '--'];
  const alone = await git(common, args);
  if (alone.ok && alone.stdout === '0') return { made, tells: [`${was} Its HEAD was detached at ${head}.`] };
  const kept = await keepByRef(common, ticket.id, stampOf(Date.now()), [head]);
  if (!kept.ok) return failed(`the commits of ${target} could not be kept: ${kept.error}`);
  return {
    made,
    tells: [`${was} Its HEAD was detached, with commits that no branch has: they are kept as ${kept.ref}.`],
  };
}

/** Notes them in the worktree that was made in its place: a branch that ends with one of them is work of the ticket. */
export function noteMade({ common, target }: Site, { made }: Gone): void {
  const own = made.size === 0 ? null : ownDir(common, target);
  if (own !== null) writeNote(join(own, MADE_BEFORE), `${[...made].join('\n')}\n`);
}
