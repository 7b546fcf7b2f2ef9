import { join } from 'node:path';
import { forgive, strike } from '../../machine/holds.ts';
import type { Fault } from '../../model/hold.ts';
import type { Project } from '../../model/policy.ts';
import { oneLine } from '../../model/text.ts';
import type { Prepared, Ready, Refused } from '../../workspace/prepared.ts';
import type { Tried } from '../../workspace/trial.ts';
import type { Shared } from '../../workspace/turn.ts';
import type { Here } from '../here.ts';
import type { Claimed, PreparedLaunch } from '../outside.ts';
import { faultOfTrial, whoseIs } from './fault.ts';

/** What a project as a whole shows in this tick. */
export interface Proof {
  /** A checkout has come through. */
  readonly proven: () => void;
  /** Tries one on a scratch name, once a tick. */
  readonly trial: (project: Project) => Promise<Tried | Refused>;
  readonly asked: Map<string, Shared>;
}

export type NotPrepared = Extract<PreparedLaunch, { ok: false }>;

export function failed(
  error: string,
  because: 'launch_failed' | 'environment' = 'launch_failed',
): NotPrepared {
  return { ok: false, because, error };
}

/** The worktree of a launch, with what is to be said of it on the board; or what is in the way, and whose it is. */
export async function workspaceFor(
  claimed: Claimed,
  hands: Here,
  { proven, trial, asked }: Proof,
): Promise<Ready | NotPrepared> {
  const { name } = claimed.project;
  const made = await prepared(claimed, hands, asked);
  if (made.ok) {
    if (made.proven === true) proven();
    await tell(claimed, made, hands);
    return made;
  }
  const whose = whoseIs(made, name);
  if (typeof whose === 'object') return { ok: false, because: 'held', fault: whose };
  if (whose === 'untold') {
    const scratch = await trial(claimed.project);
    if (!scratch.ok) return { ok: false, because: 'held', fault: faultOfTrial(scratch, name) };
  }
  return failed(`${made.because}: ${made.error}`, whose === 'passing' ? 'environment' : 'launch_failed');
}

async function prepared(
  { ticket, project }: Claimed,
  { places, tick_id }: Here,
  asked: Map<string, Shared>,
): Promise<Prepared> {
  const { prepareWorkspace } = await import('../../workspace/index.ts');
  return prepareWorkspace({
    ...{ project, ticket, root: join(places.worktrees, project.name), state: places.state },
    asked,
    // A remote may be away for a moment; what it does not have stays away.
    tolerates: ({ because }) =>
      because !== 'base_gone' && strike(places, { ...staleFault(project), who: tick_id }) !== 'again',
  });
}

/** Of whatever text: a remote that is away says it in many ways. */
function staleFault({ name }: Project): Fault {
  return faultOfTrial({ because: 'fetch_failed', error: '' }, name);
}

async function tell(claimed: Claimed, made: Ready, hands: Here): Promise<void> {
  const { project } = claimed;
  for (const warning of made.warnings) await warn(claimed, warning, hands);
  if (made.stale !== undefined) await warn(claimed, `the base may be old, ${made.stale.error}`, hands);
  else if (made.proven === true && project.fetch) forgive(hands.places, staleFault(project));
  const { complaint } = made;
  if (complaint === undefined) return;
  // Each launch would say it.
  const fault = faultOfTrial({ because: 'git_failed', error: complaint }, project.name);
  if (strike(hands.places, { ...fault, who: 'checkout' }) === 'first')
    await warn(
      claimed,
      `the worktree is complete, but a hook of the repository has failed: ${complaint}`,
      hands,
    );
}

/** Says it on the ticket. */
export async function warn(
  { step, run }: Claimed,
  text: string,
  { board, tick_id, clock }: Here,
): Promise<void> {
  await board.log({
    ...{ at_ms: clock(), ticket_id: step.ticket, run_id: run, actor: `tick:${tick_id}` },
    ...{ kind: 'warning', because: null, text: oneLine(text, 500) },
  });
}
