/* What piles up, and how it goes: proposed by looking alone, done only when a person has said yes, each thing looked at once
 * more right before it goes. Nothing goes that is dirty, in use, or the only place of a commit. */

import { type Acted, type Found, type Group, type Proposal, together } from '../model/clean.ts';
import { messageOf } from '../model/errors.ts';
import { activity } from './activity.ts';
import { branches } from './branches.ts';
import type { Here } from './here.ts';
import { runs } from './runs.ts';
import { runtimes } from './runtimes.ts';
import { worktrees } from './worktrees.ts';

const LOOK: Readonly<Record<Group, (here: Here) => Promise<Found>>> = {
  ...{ worktrees, runs, activity, runtimes, branches },
};

/** Looks at all that was asked for; writes nothing. */
export async function propose(groups: readonly Group[], here: Here): Promise<Found> {
  const found: Found[] = [];
  for (const group of groups) found.push(await LOOK[group](here));
  return together(found);
}

/** Does one thing. Whatever goes wrong with it is its result, and stops nothing else. */
export async function carryOut({ act }: Proposal): Promise<Acted> {
  try {
    return await act();
  } catch (error) {
    return { result: 'failed', error: messageOf(error) };
  }
}
