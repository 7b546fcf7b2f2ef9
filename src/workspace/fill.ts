import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { removeFileAt } from '../machine/foreign.ts';
import { fnv1a } from '../model/hash.ts';
import type { HookSpec, Project } from '../model/policy.ts';
import { addWorktree, beingMade, checkoutMs, removeWorktree } from './adding.ts';
import { startIn } from './folder.ts';
import { askCommonDir, baseRefs, commitOf, git } from './git.ts';
import { hookLeft, type Processes } from './hook-left.ts';
import { MARKER as HOOK_DONE, hookDone, runHook } from './hooks.ts';
import { lockText } from './lock.ts';
import { ownDir, READY } from './own.ts';
import { placeFromMain, takeBack } from './placed.ts';
import { isUntouched, neverGiven, SLOT } from './pool.ts';
import { headText, sha } from './refs.ts';
import { giveRights, writeNote } from './rights.ts';
import { realRoot, rootOf } from './root.ts';
import {
  claimSlot,
  dropClaims,
  hookKey,
  isBeingTaken,
  isFresh,
  isWanting,
  readSlot,
  slotDir,
  writeSlot,
} from './slots.ts';
import { checkOutSubmodules } from './submodules.ts';
import { fetchOnce } from './turn.ts';

/** In a slot's own git dir: it was ready once, and what is in it beyond that is somebody's. */
const MADE = 'mc-pickup-slot-made';

export interface Filling {
  readonly project: Project;
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: (n: number) => string;
  readonly processes: Processes;
  /** Where is noted what a worktree was given of the main checkout. */
  readonly placed: string;
}

export type Filled =
  | { readonly kind: 'full' }
  | { readonly kind: 'made'; readonly n: number }
  | { readonly kind: 'failed'; readonly n: number; readonly error: string };

/** Makes one slot of a project, or makes one ready anew: missing, too old, made by another hook, or behind the base. The
 *  caller holds the pool's lock. */
export async function fillSlot(filling: Filling): Promise<Filled> {
  const { project, root } = filling;
  const real = realRoot(rootOf(project, root));
  if (typeof real !== 'string') return { kind: 'failed', n: 0, error: real.error };
  const at = await askCommonDir(project.repo);
  if (!at.ok) return { kind: 'failed', n: 0, error: at.error };
  const common = realpathSync.native(at.stdout);
  const due = slots(project).find(
    (n) => isWanting(real, n, project, Date.now()) && !isBeingTaken(real, n, Date.now()),
  );
  const had = due !== undefined && readSlot(real, due) !== null;
  // The base is asked for at most as often as there is something to make.
  if (due !== undefined && project.fetch) await fetchOnce(common, project);
  const tip = await tipOf(project, common);
  if (tip === null) return { kind: 'failed', n: 0, error: `there is no ${project.base} to begin from` };
  const n = due ?? slots(project).find((one) => isBehind(real, one, tip, project));
  if (n === undefined) return { kind: 'full' };
  const before = readSlot(real, n);
  // Taken while the base was asked for: a tick works in it.
  if (isBeingTaken(real, n, Date.now()) || (had && n === due && before === null)) return { kind: 'full' };
  if (before === null) dropClaims(real, n);
  // Nobody may take it from now on.
  const claimed = before === null ? null : claimSlot(real, n);
  if (before !== null && claimed === null) return { kind: 'full' };
  const error = await makeReady(slotDir(real, n), before?.sha ?? null, { n, common, tip, filling }).catch(
    String,
  );
  writeSlot(real, n, { sha: tip, made_at_ms: Date.now(), hook: hookKey(project), failed: error });
  if (claimed !== null) removeFileAt(claimed);
  return error === null ? { kind: 'made', n } : { kind: 'failed', n, error };
}

function slots({ pool }: Project): number[] {
  return Array.from({ length: pool }, (_, n) => n + 1);
}

function isBehind(root: string, n: number, tip: string, project: Project): boolean {
  const state = readSlot(root, n);
  return state !== null && isFresh(state, project, Date.now()) && state.sha !== tip;
}

async function tipOf(project: Project, common: string): Promise<string | null> {
  const [there, here] = baseRefs(project);
  return (await commitOf(common, there)) ?? (await commitOf(common, here));
}

/** null = ready; else why not. A slot with somebody's work in it is left as it is. */
async function makeReady(
  slot: string,
  sha: string | null,
  o: { readonly n: number; readonly common: string; readonly tip: string; readonly filling: Filling },
): Promise<string | null> {
  const { common, tip, filling } = o;
  const { project, processes } = filling;
  const making = `slot-${o.n}-${fnv1a(slot)}`;
  if (beingMade(common, making)) return `git worktree add is still making ${slot}`;
  if (existsSync(slot)) {
    const left = await hookLeft(slot, processes).catch(String);
    if (left !== null) return left;
    if (sha !== null && (await isUntouched(slot, common, sha))) {
      const moved = await git(slot, ['reset', '-q', '--hard', tip], {
        timeout_ms: checkoutMs(project),
        hooks: true,
      });
      if (!moved.ok) return moved.error;
    } else {
      const error = await takeAway(slot, common);
      if (error !== null) return error;
    }
  } else if (ownDir(common, slot) !== null) {
    const gone = await removeWorktree(common, slot);
    if (!gone.ok) return gone.error;
  }
  if (!existsSync(slot)) {
    const added = await addWorktree({ common, project }, making, {
      ...{ target: slot, args: ['--detach', '--', slot, tip] },
    });
    if (!added.ok) return added.error;
    const own = ownDir(common, slot);
    if (own === null) return `${slot} was made, and git does not know it`;
    giveRights(common, own);
    writeNote(join(own, SLOT), '');
  }
  const own = ownDir(common, slot);
  if (own === null) return `${slot} is not known to git`;
  for (const name of [HOOK_DONE, MADE]) removeFileAt(join(own, name));
  const lacks = await checkOutSubmodules(project, common, slot);
  if (lacks !== null) return lacks;
  const spec: HookSpec | null = project.pool_setup ?? project.after_create;
  if (spec !== null) {
    const logFile = filling.logFile(o.n);
    const start = startIn(slot, project);
    if (start === null) return `there is no folder ${project.path} in ${slot}`;
    const notes = filling.placed;
    await placeFromMain({ project, worktree: slot, notes, created: true });
    const ran = await runHook({ spec, worktree: slot, start, logFile, env: filling.env, processes });
    // Whoever gets it is given them as they are then.
    takeBack(notes, slot);
    if (!ran.ok) return `its hook: ${ran.error ?? 'failed'} (output in ${logFile})`;
  }
  writeNote(join(own, MADE), '');
  // What runs for every new worktree has run, unless something else made this one ready.
  if (project.pool_setup === null) hookDone(slot);
  return (await isUntouched(slot, common, tip))
    ? null
    : `its hook leaves files in ${slot} that git does not ignore`;
}

/** Removes a slot that was never ready, or is as it was made. */
async function takeAway(slot: string, common: string): Promise<string | null> {
  const own = ownDir(common, slot);
  if (lstatSync(slot).isSymbolicLink() || own === null) return `${slot} is no worktree of ours: move it away`;
  const half = lockText(own) === 'initializing' && !existsSync(join(own, 'index'));
  // Its maker was killed before it marked it: on no branch, and never a ticket's.
  if (!existsSync(join(own, READY)) && sha(await headText(own)) !== null) writeNote(join(own, SLOT), '');
  if (!half && !neverGiven(own)) return `${slot} is somebody's: move it away`;
  // Also one whose hook has failed: somebody may be looking for the reason in it.
  if (!half) {
    const head = await git(slot, ['rev-parse', 'HEAD']);
    if (!(await isUntouched(slot, common, head.stdout)))
      return `${slot} has changes in it: look at them, then run git worktree remove --force on it`;
    const known = await git(slot, ['for-each-ref', '--count=1', `--contains=${head.stdout}`]);
    if (!known.ok || known.stdout === '') return `${slot} has commits that no branch has: look at them`;
  }
  const gone = await removeWorktree(common, slot);
  return gone.ok ? null : gone.error;
}
