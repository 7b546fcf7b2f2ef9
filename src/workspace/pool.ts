/*
 * A slot becomes a ticket's worktree: its state file is renamed (nobody else has it then), it is looked at, brought to the
 * base's tip, moved to the ticket's path, and gets the ticket's branch. Whatever is not as expected: the slot is left, and the
 * worktree made in the ordinary way. Killed in between, the slot is nobody's and is made anew; what stands at the ticket's
 * path already is known by SLOT without READY, was never given to anybody, and goes like every half-made worktree.
 */
import { existsSync, lstatSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { removeFileAt } from '../machine/foreign.ts';
import type { Project } from '../model/policy.ts';
import { checkoutMs, removeWorktree } from './adding.ts';
import { commitOf, git, ON_DISK } from './git.ts';
import { gitDir, ownDir, READY } from './own.ts';
import { claimSlot, isFresh, moveSlot, readSlot, slotDir } from './slots.ts';
import { checkOutSubmodules, hasSubmodules, moveSubmodules } from './submodules.ts';

/** In a worktree's own git dir: it was made as a slot. */
export const SLOT = 'mc-pickup-slot';
/** Files that say what has to be installed: where one of them has changed, what is installed in a slot is of yesterday. */
const MANIFEST =
  /(^|\/)(package(-lock)?\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-(lock|workspace)\.yaml|bun\.lockb?|deno\.(json|lock)|pyproject\.toml|setup\.(py|cfg)|requirements[^/]*\.txt|(poetry|uv|pdm|Pipfile|Cargo|Gemfile|composer|mix|flake)\.lock|Pipfile|Cargo\.toml|go\.(mod|sum)|Gemfile|composer\.json|mix\.exs|pom\.xml|build\.gradle(\.kts)?|\.gitmodules|\.tool-versions|\.nvmrc)$/;

/** A worktree that was made as a slot and never given to anybody. */
export function neverGiven(own: string): boolean {
  return existsSync(join(own, SLOT)) && !existsSync(join(own, READY));
}

/** From now on it is a worktree like all others. */
export function given(common: string, target: string): void {
  const own = ownDir(common, target);
  if (own !== null) removeFileAt(join(own, SLOT));
}

/** `git worktree move` renames the directory before it writes down where it is: killed in between, git looks for a slot at its
 *  old place. */
export async function mendMoved(common: string, target: string): Promise<void> {
  const dot = join(target, '.git');
  if (lstatSync(dot, { throwIfNoEntry: false })?.isFile() !== true || ownDir(common, target) !== null) return;
  const own = gitDir(target);
  if (own === null || dirname(own) !== join(common, 'worktrees') || !neverGiven(own)) return;
  await git(common, ['worktree', 'repair', '--', target]);
}

/** Makes a slot that is ready into the worktree of a ticket that has none yet. false = none could be had. Never throws. */
export async function takeSlot(wanted: {
  readonly project: Project;
  readonly common: string;
  readonly target: string;
  readonly base: string;
  readonly branch: string;
}): Promise<boolean> {
  const { project, target } = wanted;
  const root = dirname(target);
  for (let n = 1; n <= project.pool; n++) {
    const state = readSlot(root, n);
    if (state === null || !isFresh(state, project, Date.now())) continue;
    const claimed = claimSlot(root, n);
    if (claimed === null) continue;
    try {
      if (await turnInto(slotDir(root, n), state.sha, wanted)) return true;
    } catch {
      // It is made anew, like every slot without a state file.
    } finally {
      removeFileAt(claimed);
    }
  }
  return false;
}

async function turnInto(
  slot: string,
  sha: string,
  {
    project,
    common,
    target,
    base,
    branch,
  }: { project: Project; common: string; target: string; base: string; branch: string },
): Promise<boolean> {
  const checkout = { hooks: true, timeout_ms: checkoutMs(project) };
  if (!(await isUntouched(slot, common, sha))) return false;
  const tip = await commitOf(common, base);
  if (tip === null) return false;
  if (tip !== sha) {
    const ahead = await git(common, ['merge-base', '--is-ancestor', sha, tip]);
    const names = await git(common, ['diff', '--name-only', '-z', '--no-renames', sha, tip, '--']);
    if (!ahead.ok || !names.ok || names.stdout.split('\0').some((name) => MANIFEST.test(name))) return false;
    if (!(await git(slot, ['reset', '-q', '--hard', tip], checkout)).ok) return false;
    if ((await checkOutSubmodules(project, common, slot)) !== null) return false;
  }
  if (existsSync(target)) rmdirSync(target);
  if (!(await moveTo(common, slot, target))) return false;
  if ((await git(target, ['switch', '-q', '--no-track', '-c', branch], checkout)).ok) return true;
  await removeWorktree(common, target);
  return false;
}

/** Git moves no worktree that has submodules: they know where they are. */
async function moveTo(common: string, slot: string, target: string): Promise<boolean> {
  if (!hasSubmodules(slot)) return (await git(common, ['worktree', 'move', '--', slot, target])).ok;
  moveSlot(slot, target);
  const repaired = await git(common, ['worktree', 'repair', '--', target]);
  return repaired.ok && (await moveSubmodules(target)) === null;
}

/** Ours, as it was made, and nothing of anybody's in it. */
export async function isUntouched(slot: string, common: string, sha: string): Promise<boolean> {
  const own = ownDir(common, slot);
  if (lstatSync(slot, { throwIfNoEntry: false })?.isDirectory() !== true || own === null) return false;
  if (!neverGiven(own) || existsSync(join(own, 'locked'))) return false;
  if ((await git(slot, ['symbolic-ref', '-q', 'HEAD'])).ok) return false;
  const head = await git(slot, ['rev-parse', 'HEAD']);
  const status = await git(slot, [
    ...ON_DISK,
    'status',
    '--porcelain',
    '-z',
    '--untracked-files=all',
    '--ignore-submodules=none',
  ]);
  return head.ok && head.stdout === sha && status.ok && status.stdout === '';
}
