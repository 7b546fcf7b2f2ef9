/*
 * Worktrees that are kept ready. A slot is the directory `.pool-N` beside the worktrees of the tickets, and its state file
 * `.pool-N.json`: written last, when all is ready, and renamed away first, by whoever takes the slot. So whoever has renamed
 * it has the slot, and a slot without it is nobody's yet. Nothing here runs git: a tick may ask at its end.
 */

import { lstatSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { textOf } from '../machine/files.ts';
import { namesAt, removeFileAt, textAt, writeFileAt } from '../machine/foreign.ts';
import { exists } from '../machine/proc.ts';
import { fnv1a } from '../model/hash.ts';
import { objectIn } from '../model/json.ts';
import type { Project } from '../model/policy.ts';

export interface SlotState {
  /** The commit that is checked out. */
  readonly sha: string;
  readonly made_at_ms: number;
  /** What it was made ready by. */
  readonly hook: string;
  /** null = ready; else why it is not, and is not tried again at once. */
  readonly failed: string | null;
}

const HOUR_MS = 3_600_000;
/** A slot that could not be made is left for so long. */
const AGAIN_MS = 600_000;
/** Longer than a claim can take. */
const CLAIM_MS = 900_000;

export const slotDir = (root: string, n: number): string => join(root, `.pool-${n}`);
const stateFile = (root: string, n: number): string => join(root, `.pool-${n}.json`);

/** Of another hook than now, or of one that was run in another folder, a slot is not ready. */
export function hookKey({
  after_create,
  pool_setup,
  path,
  submodules,
}: Pick<Project, 'after_create' | 'pool_setup' | 'path' | 'submodules'>): string {
  const more = [...(path === null ? [] : [path]), ...(submodules === null ? [] : [submodules])];
  return fnv1a(JSON.stringify([pool_setup?.argv ?? null, after_create?.argv ?? null, ...more]));
}

/** null = there is none that can be read. */
export function readSlot(root: string, n: number): SlotState | null {
  const all = objectIn(textAt(stateFile(root, n), { most: 64 * 1024 }));
  const { sha, made_at_ms, hook } = all ?? {};
  if (typeof sha !== 'string' || typeof hook !== 'string' || typeof made_at_ms !== 'number') return null;
  return { sha, made_at_ms, hook, failed: textOf(all, 'failed') };
}

export function writeSlot(root: string, n: number, state: SlotState): void {
  writeFileAt(stateFile(root, n), `${JSON.stringify(state)}\n`);
}

/** Takes a slot away from everybody else; null = somebody was first. What it returns stands there until the taker is through. */
export function claimSlot(root: string, n: number): string | null {
  const claimed = join(root, `.pool-${n}.claimed-${process.pid}`);
  try {
    renameSync(stateFile(root, n), claimed);
    return claimed;
  } catch {
    return null;
  }
}

/** Puts the directory of a slot at the place of a worktree, beside it: git is told afterwards. */
export function moveSlot(slot: string, target: string): void {
  renameSync(slot, target);
}

/** Takes away what claims of processes that are gone have left of a slot. */
export function dropClaims(root: string, n: number): void {
  for (const name of namesAt(root))
    if (name.startsWith(`.pool-${n}.claimed-`)) removeFileAt(join(root, name));
}

/** Whether somebody is taking this slot just now. A claim of a process that is gone holds nobody. */
export function isBeingTaken(root: string, n: number, now_ms: number): boolean {
  return namesAt(root).some((name) => {
    const [, slot, pid] = /^\.pool-(\d+)\.claimed-(\d+)$/.exec(name) ?? [];
    if (Number(slot) !== n) return false;
    const stat = lstatSync(join(root, name), { throwIfNoEntry: false });
    return stat !== undefined && now_ms - stat.ctimeMs < CLAIM_MS && exists(Number(pid));
  });
}

/** Ready, made by what is configured now, and not too old to be given out. */
export function isFresh(state: SlotState, project: Project, now_ms: number): boolean {
  const age_ms = now_ms - state.made_at_ms;
  const young = age_ms >= 0 && age_ms < project.pool_max_age_hours * HOUR_MS;
  return state.failed === null && young && state.hook === hookKey(project);
}

/** Whether a slot is to be made, or made anew. */
export function isWanting(root: string, n: number, project: Project, now_ms: number): boolean {
  const state = readSlot(root, n);
  if (state === null) return true;
  if (isFresh(state, project, now_ms)) return false;
  const age_ms = now_ms - state.made_at_ms;
  return state.failed === null || age_ms < 0 || age_ms >= AGAIN_MS || state.hook !== hookKey(project);
}
