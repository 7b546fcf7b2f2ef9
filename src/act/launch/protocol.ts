/*
 * The launch protocol: which write comes before which process, and what follows when this one dies in between. PROTOCOL.md tells it whole.
 */

import { failpoint } from '../../machine/failpoint.ts';
import { ENDS } from '../../model/ends.ts';
import { messageOf } from '../../model/errors.ts';
import { agentScope } from '../../model/hold.ts';
import type { LaunchStep, Outcome, RunEnd } from '../../model/plan.ts';
import { failedLaunches, heldAfter, LAUNCHES_SEEN } from '../../model/retry.ts';
import type { World } from '../../model/world.ts';
import { type Busy, findBusy } from '../busy.ts';
import { begin, withTodo } from '../hold.ts';
import { type Hands, outcome } from '../outcome.ts';
import type { Claimed, Place, PreparedLaunch } from '../outside.ts';

/** Takes the ticket, or says that another was faster or that the killswitch is on. */
export async function claim(step: LaunchStep, world: World, hands: Hands): Promise<Claimed | Outcome> {
  const project = hands.policy.projects.get(step.project);
  const profile = hands.policy.agents.get(step.agent);
  if (project === undefined || profile === undefined) return outcome(step, null, 'lost_race', null, null);
  if (hands.outside.halted(step.project, step.agent)) return outcome(step, null, 'halted', null, null);
  const run = `${step.ticket}-e${step.guard.claim_epoch + 1}-${hands.outside.token()}`;
  const request = {
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
  };
  try {
    failpoint('claim-before');
    const won = await hands.board.claim(request, { actor: `tick:${hands.tick_id}`, now_ms: hands.clock() });
    if (won === 'lost') return outcome(step, null, 'lost_race', null, null);
    failpoint('claim-committed');
    if (step.tries === true) hands.outside.tries(agentScope(step.agent), { ticket: step.ticket, turn: 0 });
    const ticket = await hands.board.ticket(step.ticket);
    if (ticket === null) return outcome(step, run, 'lost_race', null, null);
    failpoint('claim-read');
    return { step, run, ticket, project, profile };
  } catch (error) {
    return releaseAfter({ step, run }, hands, error);
  }
}

/** From the claim to a registered agent. Every way out leaves the ticket claimed by a live row, or released. */
export async function launch(
  claimed: Claimed,
  world: World,
  hands: Hands,
  placed?: (proven: boolean) => void,
): Promise<Outcome> {
  let started = false;
  try {
    const place = await hands.outside.prepare(claimed, placed);
    if (!place.ok) return await refused(place, claimed, hands);
    return await lookAndStart(place, claimed, world, hands, () => {
      started = true;
    });
  } catch (error) {
    // From here on only the kernel can tell whether something runs: the next tick asks it.
    if (started) throw error;
    return releaseAfter(claimed, hands, error);
  }
}

/** What is no ticket's holds what it concerns, before the claim is given back: whoever is claimed next looks for it. */
async function refused(
  place: Extract<PreparedLaunch, { ok: false }>,
  claimed: Claimed,
  hands: Hands,
): Promise<Outcome> {
  if (place.because !== 'held') return release(claimed, hands, place.because, place.error);
  await begin(place.fault, claimed.run, hands);
  return release(claimed, hands, 'held', withTodo(place.fault));
}

/** The launch, in the order of PROTOCOL.md. `beforeStart` is called right before anything is started. */
async function lookAndStart(
  place: Place,
  claimed: Claimed,
  world: World,
  hands: Hands,
  beforeStart: () => void,
): Promise<Outcome> {
  const { step, run } = claimed;
  failpoint('launch-look-before');
  const seen = await hands.outside.neighbours(step.ticket, run, place.where.worktree, world.host_id);
  failpoint('launch-look-done');
  const busy = findBusy(claimed.ticket, run, seen);
  if (busy !== null) return believe(busy, claimed, hands);

  if (hands.outside.halted(step.project, step.agent)) return release(claimed, hands, 'killswitch', null);
  failpoint('launch-switch-read');
  const delivery = `${run}-prompt`;
  const prompt = {
    id: delivery,
    run_id: run,
    ticket_id: step.ticket,
    kind: 'prompt' as const,
    nonce: `${hands.outside.token()}${hands.outside.token()}`,
    sha256: place.sha256,
    bytes: place.bytes,
    outcome: 'pending' as const,
    ack_source: null,
    at_ms: hands.clock(),
  };
  if ((await hands.board.staged({ run, ...place.where, prompt })) === 'lost')
    return release(claimed, hands, 'environment', 'the board did not take what was prepared');
  failpoint('launch-staged');
  // Noted before anything is started, so that it is known which words the run honours, whatever becomes of this tick.
  const given = { run, outcome: 'prompt', turn: 0 } as const;
  if (place.answers.length > 0)
    await hands.board.handWords({ ids: place.answers, ...given }, { now_ms: hands.clock() });
  beforeStart();
  const pane = await hands.outside.start(run, step.ticket, place);
  if (!pane.ok && 'busy' in pane) {
    await hands.board.setDelivery({ id: delivery, outcome: 'busy', ack_source: null });
    const named = findBusy(claimed.ticket, run, { ok: true, sightings: [pane.busy] });
    // The server calls busy what the kernel here calls dead: by the next tick it will know too.
    return believe(named ?? { do: 'release', because: 'busy_and_dead' }, claimed, hands);
  }
  if (!pane.ok && 'fault' in pane)
    return refused({ ok: false, because: 'held', fault: pane.fault }, claimed, hands);
  if (!pane.ok && pane.untouched) return release(claimed, hands, 'environment', pane.error);
  if (!pane.ok) {
    // tmux may have started it all the same (a timeout): only the launcher's own registration tells.
    return outcome(step, run, 'failed', 'in_progress', pane.error);
  }
  failpoint('launch-pane-known');
  const registered = await hands.outside.registered(run, pane.pid);
  if (!registered) return outcome(step, run, 'launching', 'in_progress', null);
  failpoint('launch-registered-seen');
  await hands.board.setDelivery({ id: delivery, outcome: 'started', ack_source: 'registered' });
  failpoint('launch-acknowledged');
  if (place.answers.length > 0) await hands.board.takeAnswers({ ids: place.answers, run });
  failpoint('launch-answers-taken');
  return outcome(step, run, 'launched', 'in_progress', null);
}

/** What follows when an agent lives already where one was to be started: it is adopted, left alone where it can't be judged, and else the
 *  claim is given back. */
async function believe(busy: Busy, claimed: Claimed, hands: Hands): Promise<Outcome> {
  const { step, run } = claimed;
  if (busy.do === 'release') return release(claimed, hands, 'runtime_busy', ENDS.runtime_busy.words);
  if (busy.do === 'leave') return outcome(step, run, 'declined', 'in_progress', busy.because);
  const won = await hands.board.adopt(busy.request, {
    actor: `tick:${hands.tick_id}`,
    now_ms: hands.clock(),
  });
  // That process is on another row already, say. Nothing runs for this claim, so that it is given back.
  if (won === 'lost') return release(claimed, hands, 'runtime_busy', ENDS.runtime_busy.words);
  await hands.outside.mark(step.ticket, busy.sighting);
  return outcome(step, busy.request.mark, 'adopted', 'in_progress', null);
}

/** Gives the claim back after an error that no step of the launch expects. Where that fails too, or nobody knows whether the claim was
 *  committed, the next tick ends the row; what is told is the error, and no run. */
async function releaseAfter(
  claimed: Pick<Claimed, 'step' | 'run'>,
  hands: Hands,
  error: unknown,
): Promise<Outcome> {
  const why = messageOf(error);
  const released = await release(claimed, hands, 'environment', why).catch(() => null);
  return released?.result === 'failed' ? released : outcome(claimed.step, null, 'failed', null, why);
}

/** Gives a claim back before anything was launched for it. It costs no attempt: no agent ran. */
async function release(
  { step, run }: Pick<Claimed, 'step' | 'run'>,
  hands: Hands,
  because: 'launch_failed' | 'environment' | 'held' | 'runtime_busy' | 'killswitch',
  error: string | null,
): Promise<Outcome> {
  const { board, clock, policy, tick_id } = hands;
  const row = await board.runtime(run);
  const now = await board.ticket(step.ticket);
  const { owner } = step.guard;
  const claim_epoch = step.guard.claim_epoch + 1; // which the claim has made it
  if (row === null || now === null || row.phase !== 'launching' || now.claim_epoch !== claim_epoch) {
    return outcome(step, run, 'lost_race', null, error);
  }
  const failed = because === 'launch_failed' || because === 'environment';
  const failedBefore = failed
    ? failedLaunches(await board.runtimesOf({ ticket: now.id, limit: LAUNCHES_SEEN }))
    : 0;
  const held = heldAfter(now, failedBefore + 1, clock(), policy.limits);
  const waits = because !== 'killswitch' && because !== 'held';
  const to = waits ? held : { ...held, not_before_at_ms: null };
  const won = await board.retry(
    {
      ticket: now.id,
      guard: { status: 'in_progress', owner, claim_epoch, version: now.version },
      runtime: { run, version: row.version },
      end: { end_reason: because, exit_code: null, exit_signal: null } satisfies RunEnd,
      to,
      why: { reason: because, text: error ?? ENDS[because].words },
    },
    { actor: `tick:${tick_id}`, now_ms: clock() },
  );
  if (won === 'lost') return outcome(step, run, 'lost_race', null, error);
  const result = because === 'killswitch' ? 'halted' : because === 'runtime_busy' ? 'released' : 'failed';
  return outcome(step, run, result, to.status, error);
}
