/*
 * Which hook runs in which worktree is noted in the state dir while it runs: it outlives the tick that was killed meanwhile, and with that
 * tick goes its time limit.
 */

import { basename, dirname, join } from 'node:path';
import { textOf } from '../machine/files.ts';
import { inDir, inMadeDir, removeIn, textAt, writeIn } from '../machine/foreign.ts';
import { killGroup } from '../machine/spawn.ts';
import { HOOK_MARK } from '../model/environment.ts';
import { fnv1a } from '../model/hash.ts';
import {
  identify,
  identityIn,
  judge,
  type ObserverIdentity,
  type ProcessIdentity,
  type ProcessLook,
} from '../model/identity.ts';
import { objectIn } from '../model/json.ts';
import { ownGitDir } from './own.ts';

/** This machine's processes: who looks, one look, and where it is noted which hooks run. */
export interface Processes {
  readonly me: ObserverIdentity;
  readonly lookAt: (pid: number) => ProcessLook;
  /** Whether a process was started with this variable in its environment; false where that can't be seen. */
  readonly startedWith: (pid: number, variable: string) => boolean;
  /** A directory of our own, which agents are not told of. */
  readonly notes: string;
}

/** Notes a hook before it begins. Throws where it could not be found again: it would run beside the next. */
export function noteHook(
  { me, lookAt, notes }: Processes,
  hook: {
    readonly pid: number;
    readonly worktree: string;
    readonly nonce: string;
    readonly until_ms: number;
  },
): void {
  const { pid, ...more } = hook;
  const identity = identify(pid, me, lookAt(pid));
  if (identity === null) throw new Error(`process ${pid} can't be told apart, so it was not let on`);
  const text = JSON.stringify({ ...identity, ...more });
  inMadeDir(dirname(notes), basename(notes), (dir) => writeIn(dir, noteOf(hook.worktree), text));
}

/** It has ended. */
export function forgetHook({ notes }: Pick<Processes, 'notes'>, worktree: string): void {
  inDir(dirname(notes), basename(notes), (dir) => removeIn(dir, noteOf(worktree)));
}

/** What a hook of an earlier tick still does in this worktree must not be done twice at once: says which process to wait for, or null.
 *  One that is past its limit is ended, as its own tick would have done. What can't be told counts as running. `acts` false = a dry
 *  run: nothing is ended or removed. */
export async function hookLeft(
  worktree: string,
  { me, lookAt, startedWith, notes }: Processes,
  acts = true,
): Promise<string | null> {
  const own = ownGitDir(worktree);
  if (own === null)
    return `git can't tell its git dir of ${worktree}: whether a hook runs there is not known`;
  const note = readNote(join(notes, noteOf(worktree)), worktree);
  if (note === null) return hookOfBefore(worktree, own, { me, lookAt });
  const { verdict, because } = judge(note, me, lookAt(note.pid));
  const late = Date.now() > note.until_ms;
  // A container that was started anew has another namespace, and took its hooks with it: no reason to wait for ever.
  if (verdict === 'dead' || (/^other_(time_)?namespace$/.test(because) && late)) {
    if (acts) forgetHook({ notes }, worktree);
    return null;
  }
  // A note is only a file: what is ended must know the word that we gave to what we started.
  if (acts && verdict === 'alive' && late && startedWith(note.pid, `${HOOK_MARK}=${note.nonce}`)) {
    if (judge(note, me, lookAt(note.pid)).verdict === 'alive') killGroup(note.pid);
  }
  return running(worktree, note.pid, verdict, because);
}

/** 0.1 noted a hook in the worktree's git dir, where an agent can write: it may be waited for, within its own limit, and is never
 *  ended. */
function hookOfBefore(
  worktree: string,
  own: string,
  { me, lookAt }: Pick<Processes, 'me' | 'lookAt'>,
): string | null {
  const note = readNote(join(own, 'mc-pickup-hook.json'), null);
  if (note === null || Date.now() > note.until_ms) return null;
  const { verdict, because } = judge(note, me, lookAt(note.pid));
  return verdict === 'dead' ? null : running(worktree, note.pid, verdict, because);
}

function running(worktree: string, pid: number, verdict: string, because: string): string {
  const runs = verdict === 'alive' ? 'still runs' : 'may still run';
  return `a hook of an earlier attempt ${runs} in ${worktree} (process ${pid}, ${because})`;
}

interface Note extends ProcessIdentity {
  readonly until_ms: number;
  /** '' = none was noted. */
  readonly nonce: string;
}

/** null = there is none for this worktree, or its writer was killed with it half written: then the hook was never let on. */
function readNote(file: string, worktree: string | null): Note | null {
  const note = objectIn(textAt(file, { most: 64 * 1024 }));
  const identity = identityIn(note);
  if (identity === null || (worktree !== null && note?.worktree !== worktree)) return null;
  return { ...identity, until_ms: Number(note?.until_ms), nonce: textOf(note, 'nonce') ?? '' };
}

function noteOf(worktree: string): string {
  return `${fnv1a(worktree)}.json`;
}
