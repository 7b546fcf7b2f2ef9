import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Adapter, adapterOf } from '../../agents/index.ts';
import { sessionId } from '../../agents/session.ts';
import type { WordsRow } from '../../board/port/index.ts';
import { failpoint } from '../../machine/failpoint.ts';
import { startedWith } from '../../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../../machine/process.ts';
import { findProgram } from '../../machine/programs.ts';
import { wasCutOff } from '../../model/ends.ts';
import type { LaunchStep } from '../../model/plan.ts';
import type { HookSpec } from '../../model/policy.ts';
import { renderPrompt } from '../../model/prompt.ts';
import type { Runtime } from '../../model/runtime.ts';
import { lastLines, oneLine } from '../../model/text.ts';
import type { Ticket } from '../../model/ticket.ts';
import { ownDir, textOfRun } from '../../runs/dirs.ts';
import { agentEnvironment } from '../../runs/environment.ts';
import { ensureTools, programWord } from '../../runs/tools.ts';
import type { Here } from '../here.ts';
import type { Claimed, Prepared } from '../outside.ts';
import { stageRun } from './script.ts';

/** What keeps every launch of this profile from coming to anything, known before anything is claimed: then no attempt
 *  is spent on it. null = nothing. */
export async function unlaunchable(step: LaunchStep, hands: Here): Promise<string | null> {
  const { policy, env } = hands;
  const profile = policy.agents.get(step.agent);
  const adapter = profile === undefined ? null : adapterOf(profile.kind);
  if (profile === undefined || adapter === null)
    return `agent kind "${profile?.kind ?? step.agent}" can't be launched by this version`;
  if (findProgram('git', env.PATH) === null)
    return 'git is not installed or not on PATH: install it, for example apt-get install git';
  const [word = profile.kind] = profile.argv;
  const path = profile.env.PATH ?? env.PATH;
  if (findProgram(word, path) === null)
    return `the program "${word}" of agent ${profile.name} was not found (PATH ${path ?? 'is empty'}): install it, or name its full path in argv`;
  return adapter.minVersion === undefined
    ? null
    : (await import('../versions.ts')).tooOld(profile, adapter, hands);
}

/** Refusals that say nothing against the ticket: the machine or the configuration is not ready for it. */
const NOT_THE_TICKETS: ReadonlySet<string> = new Set([
  'git_missing',
  'repo_missing',
  'base_missing',
  'worktrees_root_missing',
  'worktree_missing',
  'being_made',
  'other_board',
  'git_silent',
  'repo_odd',
]);

function failed(error: string, because: 'launch_failed' | 'environment' = 'launch_failed'): Prepared {
  return { ok: false, because, error };
}

/** All that a launch needs, down to the command of its pane. A refusal says what is in the way. */
export async function prepare(claimed: Claimed, hands: Here, pipe: string | null): Promise<Prepared> {
  const { step, run, ticket, project, profile } = claimed;
  const { places, board, policy } = hands;
  const adapter = adapterOf(profile.kind);
  if (adapter === null) return failed(`no adapter for ${profile.kind}`);
  failpoint('prepare-before');
  const workspace = await import('../../workspace/index.ts');
  const made = await workspace.prepareWorkspace({
    project,
    ticket,
    root: join(places.worktrees, project.name),
    state: places.state,
  });
  if (!made.ok) {
    const because = NOT_THE_TICKETS.has(made.because) ? 'environment' : 'launch_failed';
    return failed(`${made.because}: ${made.error}`, because);
  }
  failpoint('prepare-worktree-ready');
  const processes = {
    ...{ me: lookAtSelf(hostId(places.state) ?? ''), lookAt, startedWith },
    notes: places.hooks,
  };
  const left = await workspace.hookLeft(made.worktree, processes).catch(String);
  if (left !== null) return failed(left, 'environment');
  for (const warning of made.warnings) await warn(step.ticket, run, warning, hands);

  const ids = { run, ticket: ticket.id };
  const env = agentEnvironment(profile, places, ids, hands.env);
  const logs = ownDir(join(places.runs, run));
  const previous = await lastAttempt(ticket, run, hands);
  const resume = previous === null ? null : sessionToContinue(previous.row, claimed, adapter, env, hands);
  const client_session = resume ?? randomUUID();
  failpoint('prepare-previous-read');
  const words = (await board.words(ticket.id)).filter(({ honoured_by }) => honoured_by === null);
  const prompt = renderPrompt(profile.prompt, {
    ticket,
    project: project.name,
    branch: made.branch,
    worktree: made.worktree,
    attempt: step.attempt,
    max_attempts: policy.limits.max_attempts,
    previous,
    resumed: resume !== null,
    answers: words.map(({ text, had }) => ({ text, unsure: isUnsure(had) })),
    program: programWord(places),
    fence: randomBytes(8).toString('hex'),
  });
  failpoint('prepare-prompt-rendered');
  ensureTools(places, hands.node, hands.bin);
  failpoint('prepare-tools-written');
  const staged = stageRun({
    places,
    run,
    ticket: ticket.id,
    owner: ticket.owner,
    claim_epoch: ticket.claim_epoch,
    profile,
    adapter,
    project: project.name,
    worktree: made.worktree,
    branch: made.branch,
    ticket_created_at_ms: ticket.created_at_ms,
    headless: profile.mode === 'headless',
    client_session,
    resume,
    pipe,
    prompt,
    env,
    node: hands.node,
    bin: hands.bin,
  });
  failpoint('prepare-run-written');
  const hook = (name: string, spec: HookSpec) =>
    workspace.runHook({
      ...{ spec, cwd: made.worktree, logFile: join(logs, `${name}.log`), env, processes },
    });
  if (project.after_create !== null && workspace.hookPending(made.worktree)) {
    const ran = await hook('after_create', project.after_create);
    failpoint('prepare-hook-ran');
    if (!ran.ok) return failed(`hook after_create: ${ran.error ?? 'failed'} (output in ${logs})`);
    workspace.hookDone(made.worktree);
    failpoint('prepare-hook-noted');
  }
  if (project.before_run !== null) {
    const ran = await hook('before_run', project.before_run);
    if (!ran.ok)
      await warn(step.ticket, run, `hook before_run: ${ran.error ?? 'failed'} (output in ${logs})`, hands);
  }
  failpoint('prepare-hooks-done');
  const where = {
    ...{ worktree: made.worktree, branch: made.branch, resumed: resume },
    client_session: resume ?? (adapter.takesSession === true ? client_session : null),
  };
  return { ok: true, where, answers: words.map(({ id }) => id), ...staged };
}

/** No run had it for certain, and one may have. */
function isUnsure(had: WordsRow['had']): boolean {
  return had.length > 0 && had.every(({ outcome }) => outcome === 'indeterminate');
}

async function warn(
  ticket: string,
  run: string,
  text: string,
  { board, tick_id, clock }: Here,
): Promise<void> {
  await board.log({
    at_ms: clock(),
    ticket_id: ticket,
    run_id: run,
    actor: `tick:${tick_id}`,
    kind: 'warning',
    because: null,
    text: oneLine(text, 500),
  });
}

interface Past {
  readonly row: Runtime;
  readonly branch: string | null;
  readonly reason: string;
  readonly words: string;
}

/** Of so many runs the last one is looked for that an agent came of. */
const RUNS_SEEN = 50;

/** What the last attempt left for the next one: how it ended and the last lines that it showed. */
async function lastAttempt(ticket: Ticket, run: string, { board, places }: Here): Promise<Past | null> {
  // A launch of which no agent came was no attempt.
  const row = (await board.runtimesOf({ ticket: ticket.id, limit: RUNS_SEEN })).find(
    ({ id, ended_at_ms, registered_at_ms }) =>
      id !== run && ended_at_ms !== null && registered_at_ms !== null,
  );
  if (row === undefined) return null;
  // Where nothing was kept, the prompt says how it ended, no more.
  const words = lastLines(textOfRun(join(places.runs, row.mark), 'screen.txt') ?? '', 20, 2000);
  const exit =
    row.exit_signal !== null ? `signal ${row.exit_signal}` : `exit code ${row.exit_code ?? 'unknown'}`;
  return { row, branch: row.branch, reason: `${row.end_reason ?? 'ended'} (${exit})`, words };
}

/** The client's own session of the run before, where the same client can continue it in the same place. A run that was
 *  itself a continuation and never began a turn has shown that it can't be continued. */
function sessionToContinue(
  past: Runtime,
  { profile, ticket }: Claimed,
  adapter: Adapter,
  env: Readonly<Record<string, string>>,
  { places }: Here,
): string | null {
  const { worktree } = past;
  const session = sessionId(profile.kind, past.client_session);
  if (session === null || past.kind !== profile.kind || past.agent !== profile.name) return null;
  if (past.turn === 0 || past.ticket_id !== ticket.id || !wasCutOff(past.end_reason)) return null;
  const look = { runDir: join(places.runs, past.mark), worktree, env, session };
  try {
    return adapter.resumable?.(look) === true ? session : null;
  } catch {
    return null;
  }
}
