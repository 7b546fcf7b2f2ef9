import { join } from 'node:path';
import { forgive, strike } from '../../machine/holds.ts';
import { procText } from '../../machine/proc.ts';
import { hostId } from '../../machine/process.ts';
import { inTime, type Processes } from '../../machine/processes.ts';
import type { Fault } from '../../model/hold.ts';
import type { Project } from '../../model/policy.ts';
import { oneLine } from '../../model/text.ts';
import type { Worked } from '../../workspace/git-locks.ts';
import type { Prepared, Ready, Refused } from '../../workspace/prepared.ts';
import type { Tried } from '../../workspace/trial.ts';
import type { Shared } from '../../workspace/turn.ts';
import type { Here } from '../here.ts';
import type { Claimed, PreparedLaunch } from '../outside.ts';
import { faultOfTrial, whoseIs } from './fault.ts';
import { noRoom } from './probe.ts';

const MOST_RUNS = 50;
const MOST_NAMED = 5;

/** What a project as a whole shows in this tick. */
export interface Proof {
  /** There is a worktree; true = a checkout has just come through. */
  readonly placed: (proven: boolean) => void;
  /** Tries one on a scratch name, once a tick. */
  readonly trial: (project: Project) => Promise<Tried | Refused>;
  readonly asked: Map<string, Shared>;
  /** A number for one more agent. */
  readonly slot: () => Promise<number>;
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
  { placed, trial, asked }: Proof,
): Promise<Ready | NotPrepared> {
  const { name } = claimed.project;
  const made = await prepared(claimed, hands, asked);
  if (made.ok) {
    placed(made.proven === true);
    await tell(claimed, made, hands);
    return made;
  }
  const whose = whoseIs(made, name);
  if (typeof whose === 'object') return { ok: false, because: 'held', fault: whose };
  // Where not even the state dir has room, it is no project's: a checkout that does not fit may be large.
  const fault = made.because === 'disk_full' ? noRoom(hands) : null;
  if (fault !== null) return { ok: false, because: 'held', fault };
  if (whose === 'untold') {
    const scratch = await trial(claimed.project);
    if (!scratch.ok) return { ok: false, because: 'held', fault: faultOfTrial(scratch, name) };
  }
  return failed(`${made.because}: ${made.error}`, whose === 'passing' ? 'environment' : 'launch_failed');
}

async function prepared(
  { ticket, project, run }: Claimed,
  hands: Here,
  asked: Map<string, Shared>,
): Promise<Prepared> {
  const { places, tick_id } = hands;
  const { prepareWorkspace } = await import('../../workspace/index.ts');
  const made = await prepareWorkspace({
    witness: { worked: () => workedOn(ticket.id, run, hands), processes: inTime(places.state) },
    ...{ project, ticket, root: join(places.worktrees, project.name), state: places.state },
    asked,
    // A remote may be away for a moment; what it does not have stays away.
    tolerates: ({ because }) =>
      because !== 'base_gone' && strike(places, { ...staleFault(project), who: tick_id }) !== 'again',
  });
  const still = made.ok && !made.created ? atWork(made.worktree, hands) : null;
  if (!made.ok || still === null) return made;
  return { ...made, warnings: [...made.warnings, still], tells: [...(made.tells ?? []), still] };
}

const looked = new WeakMap<Here, () => Processes>();

/** Who works in a worktree that is used again: a server of an earlier attempt, a person's shell. One look serves a whole tick. */
function atWork(worktree: string, hands: Here): string | null {
  const look = looked.get(hands) ?? inTime(hands.places.state);
  looked.set(hands, look);
  const pids = look().inside(worktree);
  const names = pids.slice(0, MOST_NAMED).map((pid) => `${pid} (${(procText(`${pid}/comm`) ?? '?').trim()})`);
  if (pids.length === 0) return null;
  const more = pids.length > MOST_NAMED ? ` and ${pids.length - MOST_NAMED} more` : '';
  return `processes work in ${worktree} already: ${names.join(', ')}${more}`;
}

/** When other runs of the ticket were at work on this host. */
async function workedOn(ticket: string, run: string, { board, places }: Here): Promise<readonly Worked[]> {
  const host_id = hostId(places.state);
  const rows = await board.runtimesOf({ ticket, limit: MOST_RUNS });
  return rows.flatMap(({ id, host_id: host, claimed_at_ms: from_ms, ended_at_ms: to_ms }) =>
    id === run || host !== host_id || to_ms === null ? [] : [{ from_ms, to_ms }],
  );
}

/** Of whatever text: a remote that is away says it in many ways. */
function staleFault({ name }: Project): Fault {
  return faultOfTrial({ because: 'fetch_failed', error: '' }, name);
}

async function tell(claimed: Claimed, made: Ready, hands: Here): Promise<void> {
  const { project } = claimed;
  for (const warning of made.warnings) await warn(claimed, warning, hands);
  if (made.stale !== undefined) await warn(claimed, `the base may be old, ${made.stale.error}`, hands);
  else if (made.fetched === true) forgive(hands.places, staleFault(project));
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
