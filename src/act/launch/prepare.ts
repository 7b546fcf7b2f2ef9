import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { adapterOf } from '../../agents/index.ts';
import type { WordsRow } from '../../board/port/index.ts';
import { failpoint } from '../../machine/failpoint.ts';
import { forgive, strike } from '../../machine/holds.ts';
import { startedWith } from '../../machine/proc.ts';
import { hostId, lookAt, lookAtSelf } from '../../machine/process.ts';
import { randomHex } from '../../machine/random.ts';
import { type Fault, projectScope } from '../../model/hold.ts';
import type { HookSpec } from '../../model/policy.ts';
import { type AsLeft, renderPrompt } from '../../model/prompt.ts';
import { ownDir } from '../../runs/dirs.ts';
import { agentEnvironment, workplaceEnvironment } from '../../runs/environment.ts';
import { ensureTools, programWord } from '../../runs/tools.ts';
import type { Processes } from '../../workspace/hook-left.ts';
import type { Ready } from '../../workspace/prepared.ts';
import type { Here } from '../here.ts';
import type { Claimed, PreparedLaunch } from '../outside.ts';
import { faultOfHost } from './fault.ts';
import { lastAttempt, type Past, sessionToContinue } from './previous.ts';
import { stageRun } from './script.ts';
import { failed, type NotPrepared, type Proof, warn, workspaceFor } from './workspace.ts';

/** All that a launch needs, down to the command of its pane. A refusal says what is in the way, and whose it is. */
export async function prepare(
  claimed: Claimed,
  hands: Here,
  pipe: string | null,
  proof: Proof,
): Promise<PreparedLaunch> {
  failpoint('prepare-before');
  const made = await workspaceFor(claimed, hands, proof);
  if ('because' in made) return made;
  try {
    return await stage(claimed, made, hands, pipe, proof);
  } catch (error) {
    const fault = faultOfHost(error);
    if (fault === null) throw error;
    return { ok: false, because: 'held', fault };
  }
}

async function stage(
  claimed: Claimed,
  made: Ready,
  hands: Here,
  pipe: string | null,
  { slot: giveSlot }: Proof,
): Promise<PreparedLaunch> {
  const { run, ticket, project, profile } = claimed;
  const { places, node, bin } = hands;
  const adapter = adapterOf(profile.kind);
  const workspace = await import('../../workspace/index.ts');
  failpoint('prepare-worktree-ready');
  const processes = {
    ...{ me: lookAtSelf(hostId(places.state) ?? ''), lookAt, startedWith },
    notes: places.hooks,
  };
  const left = await workspace.hookLeft(made.worktree, processes).catch(String);
  if (left !== null) return failed(left, 'environment');
  const { worktree, branch, created } = made;
  const notes = places.placed;
  const { warnings, exposed } = await workspace.placeFromMain({ project, worktree, notes, created });
  for (const says of warnings) await warn(claimed, says, hands);
  failpoint('prepare-placed');
  const folder = workspace.startIn(worktree, project);
  const start = folder ?? worktree;
  if (folder === null)
    await warn(
      claimed,
      `there is no folder ${project.path} in ${worktree}: its agent starts at the top`,
      hands,
    );
  const slot = await giveSlot();
  const env = {
    ...agentEnvironment(profile, places, { run, ticket: ticket.id }, hands.env),
    ...workplaceEnvironment(project.repo, { slot, port_base: hands.policy.limits.port_base }),
  };
  const previous = await lastAttempt(ticket, run, hands);
  const resume =
    previous === null ? null : sessionToContinue(previous, { ...claimed, start }, adapter, env, hands);
  const client_session = resume ?? randomUUID();
  failpoint('prepare-previous-read');
  const words = (await hands.board.words(ticket.id)).filter(({ honoured_by }) => honoured_by === null);
  const found = await workspace.asLeft(
    withGiven(made, exposed),
    project,
    workspace.placedIn(notes, worktree),
  );
  if (found !== null && found.operation !== null)
    await warn(claimed, `a ${found.operation} is in progress in ${worktree}: its agent is told`, hands);
  const prompt = promptOf(
    claimed,
    {
      worktree,
      path: folder === null ? null : project.path,
      branch,
      previous,
      left: found,
      resumed: resume !== null,
      words,
    },
    hands,
  );
  failpoint('prepare-prompt-rendered');
  ensureTools(places, node, bin);
  failpoint('prepare-tools-written');
  const { id, owner, claim_epoch, created_at_ms: ticket_created_at_ms } = ticket;
  const staged = stageRun({
    ...{ run, ticket: id, owner, claim_epoch, ticket_created_at_ms, project: project.name },
    ...{ profile, adapter, worktree, start, branch, headless: profile.mode === 'headless', slot },
    ...{ client_session, resume, pipe, prompt, env, places, node, bin },
  });
  failpoint('prepare-run-written');
  const refused = await runHooks(claimed, { worktree, start }, hands, { env, processes });
  if (refused !== null) return refused;
  // What the hooks of the project have set is theirs.
  await workspace.noteCommons(places.commons, run, worktree);
  const where = {
    ...{ worktree, branch, resumed: resume },
    client_session: resume ?? (adapter.takesSession === true ? client_session : null),
  };
  return { ok: true, where, answers: words.map(({ id }) => id), ...staged };
}

function promptOf(
  { step, ticket, project, profile }: Claimed,
  {
    words,
    ...made
  }: {
    readonly worktree: string;
    readonly path: string | null;
    readonly branch: string;
    readonly previous: Past | null;
    readonly left: AsLeft | null;
    readonly resumed: boolean;
    readonly words: readonly WordsRow[];
  },
  { policy, places }: Here,
): string {
  return renderPrompt(profile.prompt, {
    ...{ ...made, ticket, project: project.name },
    ...{ attempt: step.attempt, max_attempts: policy.limits.max_attempts },
    answers: words.map(({ text, had }) => ({ text, unsure: isUnsure(had) })),
    program: programWord(places),
    fence: randomHex(8),
  });
}

/** What its agent must not commit, though git would let it. */
function withGiven(made: Ready, exposed: readonly string[]): Ready {
  if (exposed.length === 0) return made;
  const says = `These were copied or linked from the main checkout, are no part of the work, and must not be committed: ${exposed.join(', ')}`;
  return { ...made, tells: [...(made.tells ?? []), says] };
}

/** Runs the hooks of the project that come before the agent. Returns why nothing may be launched; null = nothing. */
async function runHooks(
  claimed: Claimed,
  at: { readonly worktree: string; readonly start: string },
  hands: Here,
  given: { readonly env: Readonly<Record<string, string>>; readonly processes: Processes },
): Promise<NotPrepared | null> {
  const { after_create, before_run, name: project } = claimed.project;
  const workspace = await import('../../workspace/index.ts');
  const logs = ownDir(join(hands.places.runs, claimed.run));
  const hook = async (name: string, spec: HookSpec): Promise<string | null> => {
    const ran = await workspace.runHook({ ...given, ...at, spec, logFile: join(logs, `${name}.log`) });
    return ran.ok ? null : `hook ${name}: ${ran.error ?? 'failed'}`;
  };
  const where = ` (output in ${logs})`;
  if (after_create !== null && workspace.hookPending(at.worktree)) {
    const wrong = await hook('after_create', after_create);
    failpoint('prepare-hook-ran');
    const fault: Fault = { scope: projectScope(project), because: 'hook_fails', says: wrong ?? '' };
    if (wrong !== null) {
      const again = strike(hands.places, { ...fault, who: claimed.ticket.id }) === 'again';
      return again
        ? { ok: false, because: 'held', fault: { ...fault, says: wrong + where } }
        : failed(wrong + where);
    }
    forgive(hands.places, fault);
    workspace.hookDone(at.worktree);
    failpoint('prepare-hook-noted');
  }
  const wrong = before_run === null ? null : await hook('before_run', before_run);
  if (wrong !== null) await warn(claimed, wrong + where, hands);
  failpoint('prepare-hooks-done');
  return null;
}

/** No run had it for certain, and one may have. */
function isUnsure(had: WordsRow['had']): boolean {
  return had.length > 0 && had.every(({ outcome }) => outcome === 'indeterminate');
}
