import { NotPermitted } from '../../machine/foreign.ts';
import { codeOf, isDiskFault, messageOf } from '../../model/errors.ts';
import { type Fault, type HoldBecause, projectScope } from '../../model/hold.ts';
import { oneLine } from '../../model/text.ts';
import { type Refusal, type Refused, systemRefusal } from '../../workspace/prepared.ts';

const SAYS = 500;

/** Whose a refusal is. `passing`: this ticket's, and it goes by itself. `untold`: a ticket's own, unless a scratch name meets it too. */
type Whose =
  | 'ticket'
  | 'passing'
  | { readonly of: 'untold' | 'project' | 'host'; readonly because: HoldBecause };

const untold = (because: HoldBecause): Whose => ({ of: 'untold', because });
const project = (because: HoldBecause): Whose => ({ of: 'project', because });
const host = (because: HoldBecause): Whose => ({ of: 'host', because });

/** Each refusal of a worktree, and whose it is: what is not the ticket's holds what it concerns, and costs no ticket anything. */
const WHOSE: Readonly<Record<Refusal, Whose>> = {
  worktree_foreign: 'ticket',
  worktree_lost: 'ticket',
  branch_elsewhere: 'passing',
  other_board: 'passing',
  being_made: 'passing',
  // Its disk is away; the root as such may be fine.
  worktree_missing: 'passing',
  worktree_symlink: untold('checkout_fails'),
  git_failed: untold('checkout_fails'),
  submodules_missing: untold('submodules_missing'),
  no_permission: untold('no_permission'),
  disk_full: untold('disk_full'),
  git_silent: project('git_silent'),
  checkout_slow: project('checkout_slow'),
  repo_missing: project('repo_missing'),
  repo_odd: project('repo_odd'),
  base_missing: project('base_missing'),
  path_missing: project('path_missing'),
  branch_collision: project('branch_collision'),
  base_gone: project('base_gone'),
  fetch_failed: project('fetch_fails'),
  worktrees_root_missing: project('worktrees_root_missing'),
  too_many_files: host('too_many_files'),
  git_missing: host('git_missing'),
};

/** Whose it is: a fault that holds its scope, one that a trial has to tell, or the ticket's own. */
export function whoseIs({ because, error }: Refused, name: string): Fault | 'untold' | 'ticket' | 'passing' {
  const whose = WHOSE[because];
  if (typeof whose === 'string') return whose;
  return whose.of === 'untold' ? 'untold' : faultOfTrial({ because, error }, name);
}

/** What a scratch name has met: whatever it is, it is no ticket's. */
export function faultOfTrial({ because, error }: Pick<Refused, 'because' | 'error'>, name: string): Fault {
  const whose = WHOSE[because];
  const fault = typeof whose === 'string' ? { of: 'project', because: 'checkout_fails' as const } : whose;
  const scope = fault.of === 'host' ? 'host' : projectScope(name);
  return { scope, because: fault.because, says: oneLine(error, SAYS) };
}

/** Without tmux no agent is started on this host. */
export function faultOfTmux(error: string): Fault {
  return { scope: 'host', because: 'tmux_fails', says: oneLine(error, SAYS) };
}

/** Of what only this program writes, the state dir: a full disk there, or a directory that it may not use, is of every launch.
 *  null = no fault of the machine. */
export function faultOfHost(error: unknown): Fault | null {
  if (error instanceof NotPermitted)
    return { scope: 'host', because: 'no_permission', says: oneLine(error.message, SAYS) };
  if (!isDiskFault(error)) return null;
  const because = systemRefusal(codeOf(error) ?? '') === 'too_many_files' ? 'too_many_files' : 'disk_full';
  return { scope: 'host', because, says: oneLine(messageOf(error), SAYS) };
}
