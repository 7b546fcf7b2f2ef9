/*
 * The launch protocol. Nothing starts without a committed claim; the claim's transaction holds the `launching`
 * row. tmux then runs a launcher that registers itself (`launching -> registered`, compare-and-swap) before it
 * becomes the agent by exec. So whatever kills this process, at any line, leaves either a row that a later
 * tick ends after the deadline, with a launcher that can't register any more, or a registered agent.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '../clock.ts';
import { blocks, readSwitches } from '../killswitch.ts';
import type { Outcome, Step } from '../model/plan.ts';
import type { AgentProfile, Project } from '../model/policy.ts';
import { retryAfter } from '../model/retry.ts';
import type { Runtime } from '../model/runtime.ts';
import type { Ticket } from '../model/ticket.ts';
import type { World } from '../model/world.ts';
import { renderPrompt } from '../prompt.ts';
import { sentence } from '../report/sentences.ts';
import { type Adapter, adapterOf } from '../runtime/agents/index.ts';
import { lookAt } from '../runtime/identity.ts';
import { agentEnvironment, ensureTools, programWord, stageRun, writeMark } from '../runtime/launcher.ts';
import { findProgram } from '../runtime/programs.ts';
import { startPane } from '../runtime/tmux.ts';
import { lastLines, oneLine } from '../text.ts';
import { findBusy } from './busy.ts';
import { type Hands, outcome } from './index.ts';

export type LaunchStep = Extract<Step, { kind: 'launch' }>;

export interface Claimed {
  readonly step: LaunchStep;
  readonly run: string;
  readonly ticket: Ticket;
  readonly project: Project;
  readonly profile: AgentProfile;
}

/** What keeps every launch of this profile from coming to anything, known before anything is claimed: then no attempt
 *  is spent on it. null = nothing. */
export async function unlaunchable(step: LaunchStep, hands: Hands): Promise<string | null> {
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
    : (await import('./versions.ts')).tooOld(profile, adapter, hands);
}

/** Takes the ticket, or says that another was faster or that the killswitch is on. */
export async function claim(step: LaunchStep, world: World, hands: Hands): Promise<Claimed | Outcome> {
  const project = hands.policy.projects.get(step.project);
  const profile = hands.policy.agents.get(step.agent);
  if (project === undefined || profile === undefined) return outcome(step, null, 'lost_race', null, null);
  if (blocked(step, hands)) return outcome(step, null, 'halted', null, null);
  const run = `${step.ticket}-e${step.guard.claim_epoch + 1}-${randomBytes(4).toString('hex')}`;
  const won = await hands.board.claim(
    {
      ticket: step.ticket,
      guard: step.guard,
      run,
      agent: step.agent,
      project: step.project,
      attempt: step.attempt,
      host_id: world.host_id,
      boot_id: world.boot_id,
      kind: profile.kind,
      headless: profile.mode === 'headless',
    },
    `tick:${hands.tick_id}`,
    hands.clock(),
  );
  if (won === 'lost') return outcome(step, null, 'lost_race', null, null);
  const ticket = await hands.board.ticket(step.ticket);
  if (ticket === null) return outcome(step, run, 'lost_race', null, null);
  return { step, run, ticket, project, profile };
}

/** From the claim to a registered agent. Every way out leaves the ticket claimed by a live row, or released. */
export async function launch(claimed: Claimed, world: World, hands: Hands): Promise<Outcome> {
  const { step, run } = claimed;
  const place = await prepare(claimed, hands);
  if (!place.ok) return release(claimed, hands, place.because, place.error);

  const busy = await findBusy(claimed.ticket, run, place.worktree, world, hands);
  if (busy !== null) {
    if (busy.do === 'adopt') {
      const won = await hands.board.adopt(busy.request, `tick:${hands.tick_id}`, hands.clock());
      if (won === 'lost') return outcome(step, run, 'lost_race', null, null);
      writeMark(hands.places.marks, step.ticket, busy.sighting);
      return outcome(step, busy.request.mark, 'adopted', 'in_progress', null);
    }
    if (busy.do === 'release') return release(claimed, hands, 'runtime_busy', sentence('runtime_busy', {}));
    return outcome(step, run, 'declined', 'in_progress', busy.because);
  }

  if (blocked(step, hands)) return release(claimed, hands, 'killswitch', null);
  const delivery = `${run}-prompt`;
  await hands.board.saveDelivery({
    id: delivery,
    run_id: run,
    ticket_id: step.ticket,
    kind: 'prompt',
    nonce: randomBytes(8).toString('hex'),
    sha256: place.sha256,
    bytes: place.bytes,
    outcome: 'pending',
    ack_source: null,
    at_ms: hands.clock(),
  });
  const pane = await startPane(hands.tmux, {
    name: run,
    run,
    ticket: step.ticket,
    cwd: place.worktree,
    argv: place.command,
  });
  if (!pane.ok && pane.untouched) return release(claimed, hands, 'environment', pane.error);
  if (!pane.ok) {
    // tmux may have started it all the same (a timeout): only the launcher's own registration tells.
    return outcome(step, run, 'failed', 'in_progress', pane.error);
  }
  const registered = await untilRegistered(run, pane.pid, hands);
  if (!registered) return outcome(step, run, 'launching', 'in_progress', null);
  await hands.board.setDelivery(delivery, 'started', 'registered');
  await hands.board.takeAnswers(place.answers, run);
  return outcome(step, run, 'launched', 'in_progress', null);
}

type Prepared =
  | {
      readonly ok: true;
      readonly worktree: string;
      readonly command: readonly string[];
      readonly sha256: string;
      readonly bytes: number;
      /** What people answered, as it stands in the prompt. */
      readonly answers: readonly number[];
    }
  | { readonly ok: false; readonly because: 'launch_failed' | 'environment'; readonly error: string };

/** Refusals that say nothing against the ticket: the machine or the configuration is not ready for it. */
const NOT_THE_TICKETS: ReadonlySet<string> = new Set([
  'git_missing',
  'repo_missing',
  'base_missing',
  'worktrees_root_missing',
  'worktree_missing',
]);

function failed(error: string, because: 'launch_failed' | 'environment' = 'launch_failed'): Prepared {
  return { ok: false, because, error };
}

async function prepare(claimed: Claimed, hands: Hands): Promise<Prepared> {
  const { step, run, ticket, project, profile } = claimed;
  const { places, board, policy } = hands;
  const adapter = adapterOf(profile.kind);
  if (adapter === null) return failed(`no adapter for ${profile.kind}`);
  const workspace = await import('../workspace/index.ts');
  const made = await workspace.prepareWorkspace({
    project,
    ticket,
    root: join(places.worktrees, project.name),
  });
  if (!made.ok) {
    const because = NOT_THE_TICKETS.has(made.because) ? 'environment' : 'launch_failed';
    return failed(`${made.because}: ${made.error}`, because);
  }
  const left = await workspace.hookLeft(made.worktree, startOf);
  if (left !== null) return failed(left, 'environment');
  for (const warning of made.warnings) await warn(step.ticket, run, warning, hands);

  const ids = { run, ticket: ticket.id };
  const env = agentEnvironment(profile, places, ids, hands.env);
  const logs = join(places.runs, run);
  const previous = await lastAttempt(ticket, run, hands);
  const resume = previous === null ? null : sessionToContinue(previous.row, claimed, adapter, env, hands);
  const client_session = resume ?? randomUUID();
  const answers = await board.openAnswers(ticket.id);
  const prompt = renderPrompt(profile.prompt, {
    ticket,
    project: project.name,
    branch: made.branch,
    worktree: made.worktree,
    attempt: step.attempt,
    max_attempts: policy.limits.max_attempts,
    previous,
    resumed: resume !== null,
    answers: answers.map(({ text }) => text),
    program: programWord(places),
    fence: randomBytes(8).toString('hex'),
  });
  ensureTools(places, hands.node, hands.bin);
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
    prompt,
    env,
    node: hands.node,
    bin: hands.bin,
  });
  if (project.after_create !== null && (await workspace.hookPending(made.worktree))) {
    const spec = project.after_create;
    const ran = await workspace.runHook({
      spec,
      cwd: made.worktree,
      logFile: join(logs, 'after_create.log'),
      env,
      startOf,
    });
    if (!ran.ok) return failed(`hook after_create: ${ran.error ?? 'failed'} (output in ${logs})`);
    await workspace.hookDone(made.worktree);
  }
  if (project.before_run !== null) {
    const spec = project.before_run;
    const ran = await workspace.runHook({
      spec,
      cwd: made.worktree,
      logFile: join(logs, 'before_run.log'),
      env,
      startOf,
    });
    if (!ran.ok)
      await warn(step.ticket, run, `hook before_run: ${ran.error ?? 'failed'} (output in ${logs})`, hands);
  }
  await board.staged(run, {
    ...{ worktree: made.worktree, branch: made.branch, resumed: resume },
    client_session: resume ?? (adapter.takesSession === true ? client_session : null),
  });
  return { ok: true, worktree: made.worktree, answers: answers.map(({ id }) => id), ...staged };
}

/** Gives a claim back before anything was launched for it. */
async function release(
  { step, run, ticket }: Claimed,
  hands: Hands,
  because: 'launch_failed' | 'environment' | 'runtime_busy' | 'killswitch',
  error: string | null,
): Promise<Outcome> {
  const { board, clock, policy, tick_id } = hands;
  const row = await board.runtime(run);
  const now = await board.ticket(ticket.id);
  if (row === null || now === null || row.phase !== 'launching' || now.claim_epoch !== ticket.claim_epoch) {
    return outcome(step, run, 'lost_race', null, error);
  }
  const blameless = because !== 'launch_failed';
  const after = retryAfter(ticket.id, blameless ? 0 : ticket.attempts, clock(), policy.limits);
  const to = blameless
    ? {
        status: 'todo' as const,
        attempts: ticket.attempts,
        not_before_at_ms: because === 'killswitch' ? null : after.not_before_at_ms,
      }
    : after;
  const won = await board.retry(
    ticket.id,
    { status: 'in_progress', owner: ticket.owner, claim_epoch: now.claim_epoch, version: now.version },
    { run, version: row.version },
    { end_reason: because, exit_code: null, exit_signal: null },
    to,
    { reason: because, text: error ?? sentence(because, {}) },
    `tick:${tick_id}`,
    clock(),
  );
  if (won === 'lost') return outcome(step, run, 'lost_race', null, error);
  const result = because === 'killswitch' ? 'halted' : because === 'runtime_busy' ? 'released' : 'failed';
  return outcome(step, run, result, to.status, error);
}

/** When a process was started, in the words of the kernel; null = there is none. */
function startOf(pid: number): string | null {
  const look = lookAt(pid);
  return look.kind === 'present' && look.state !== 'Z' ? look.start : null;
}

/** Waits until the launcher has registered, or its process is gone, or the time is up: whichever comes first.
 *  Nothing depends on the answer but what this tick says. */
async function untilRegistered(run: string, pid: number, { board, policy }: Hands): Promise<boolean> {
  const end = monotonicMs() + policy.limits.register_wait_seconds * 1000;
  for (;;) {
    const row = await board.runtime(run);
    if (row !== null && row.phase !== 'launching') return row.registered_at_ms !== null;
    if (monotonicMs() >= end) return false;
    const look = lookAt(pid);
    const gone = look.kind === 'gone' || (look.kind === 'present' && look.state === 'Z');
    if (gone) return (await board.runtime(run))?.registered_at_ms != null;
    await pause(20);
  }
}

function blocked(step: LaunchStep, { places, env, clock }: Hands): boolean {
  return blocks(readSwitches(places, env, clock()), step.project, step.agent) !== null;
}

async function warn(
  ticket: string,
  run: string,
  text: string,
  { board, tick_id, clock }: Hands,
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

/** What the last attempt left for the next one: how it ended and the last lines that it showed. */
async function lastAttempt(ticket: Ticket, run: string, { board, places }: Hands): Promise<Past | null> {
  const row = (await board.runtimesOf(ticket.id, 2)).find(
    ({ id, ended_at_ms }) => id !== run && ended_at_ms !== null,
  );
  if (row === undefined) return null;
  let words = '';
  try {
    words = lastLines(readFileSync(join(places.runs, row.mark, 'screen.txt'), 'utf8'), 20, 2000);
  } catch {
    // Nothing was kept: the prompt says how it ended, no more.
  }
  const exit =
    row.exit_signal !== null ? `signal ${row.exit_signal}` : `exit code ${row.exit_code ?? 'unknown'}`;
  return { row, branch: row.branch, reason: `${row.end_reason ?? 'ended'} (${exit})`, words };
}

/** How a run may end whose session is worth going on with: it was cut off, and did not give up. */
const CUT_OFF: ReadonlySet<string> = new Set([
  'agent_dead',
  'agent_killed',
  'agent_exited',
  'rebooted',
  'tmux_server_lost',
  'rate_limited',
  'stopped',
]);

/** The client's own session of the run before, where the same client can continue it in the same place. A run that was
 *  itself a continuation and never began a turn has shown that it can't be continued. */
function sessionToContinue(
  past: Runtime,
  { profile, ticket }: Claimed,
  adapter: Adapter,
  env: Readonly<Record<string, string>>,
  { places }: Hands,
): string | null {
  const { client_session: session, worktree } = past;
  if (session === null || past.kind !== profile.kind || past.agent !== profile.name) return null;
  if (past.turn === 0 || past.ticket_id !== ticket.id || !CUT_OFF.has(past.end_reason ?? '')) return null;
  const look = { runDir: join(places.runs, past.mark), worktree, env, session };
  try {
    return adapter.resumable?.(look) === true ? session : null;
  } catch {
    return null;
  }
}
