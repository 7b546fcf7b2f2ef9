/*
 * Whose a worktree is. Two boards may know one worktree: a backup that was restored into a second state dir, a state dir that was
 * copied. So each worktree of ours is locked, as `git worktree lock --reason` does it, and the reason names the state dir and the ticket.
 * A state dir is known by its real path, by device and inode of its `host-id`, and by what that file holds: a copy has the same content at
 * another place, one that was moved has left its old place, and one that was put back from a backup is at its place with another inode.
 */

import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { lookAtName, textAt } from '../machine/foreign.ts';
import { fnv1a } from '../model/hash.ts';
import { attempt, jsonIn } from '../model/json.ts';
import { writeNote } from './rights.ts';

/** A state dir, as a lock names it. */
export interface Owner {
  readonly state: string;
  /** Device and inode of its `host-id`. */
  readonly id: string;
  /** A hash of what is in it. */
  readonly host: string;
}

/** What a lock says to one state dir. `person`: somebody's own lock, or one that git has set. */
export type Whose =
  | { readonly kind: 'nobody' | 'mine' | 'moved' | 'person' }
  /** `gone`: there is no such state dir any more. */
  | { readonly kind: 'other'; readonly state: string; readonly ticket: string; readonly gone: boolean };

const REASON = /^mc-pickup ([A-Za-z]+-\d+) of (".*") \(host-id (\d+:\d+) ([0-9a-f]+)\)$/;
/** A lock is one line. */
const MOST_BYTES = 16_384;

/** Who a state dir is; null = no tick has run in it. */
export function ownerOf(state: string): Owner | null {
  return attempt(() => {
    const real = realpathSync.native(state);
    return { state: real, ...hostOf(real) };
  });
}

/** Whose the worktree with this git dir is. */
export function whoseLock(own: string | null, me: Owner | null): Whose {
  const text = own === null ? null : lockText(own);
  if (text === null) return { kind: 'nobody' };
  const [, ticket = '', path, id, host] = REASON.exec(text) ?? [];
  const state = path === undefined ? null : jsonIn(path);
  if (typeof state !== 'string' || !state.startsWith('/') || id === undefined || host === undefined)
    return { kind: 'person' };
  if (state === me?.state && host === me.host) return { kind: 'mine' };
  const there = standing(state);
  // Another name of this very state dir.
  if (me !== null && typeof there === 'object' && there.id === me.id) return { kind: 'moved' };
  if (there !== 'gone' && (there === 'unknown' || there.id === id || there.host === host))
    return { kind: 'other', state, ticket, gone: false };
  return me !== null && host === me.host ? { kind: 'moved' } : { kind: 'other', state, ticket, gone: true };
}

/** Locks a worktree for its ticket; a person's lock stays. */
export function lockFor(own: string, me: Owner, ticket: string): void {
  const text = `mc-pickup ${ticket} of ${JSON.stringify(me.state)} (host-id ${me.id} ${me.host})`;
  const before = lockText(own);
  if (before === text || (before !== null && !REASON.test(before))) return;
  writeNote(join(own, 'locked'), `${text}\n`);
}

/** What a person is told of a worktree that is another state dir's. */
export function saysOf(path: string, { state, ticket, gone }: Extract<Whose, { kind: 'other' }>): string {
  const whose = `${path} is the worktree of ${ticket} on the board of ${state}`;
  return gone
    ? `${whose}, which is gone: mc-pickup doctor --fix takes it over`
    : `${whose}: work on it from there, or take it away there (mc-pickup --state-dir ${JSON.stringify(state)} clean), and this board makes its own`;
}

/** A lock that an agent wrote may name any directory. */
function hostOf(state: string): Omit<Owner, 'state'> {
  const file = join(state, 'host-id');
  const { dev, ino } = statSync(file);
  const text = textAt(file);
  if (text === null) throw new Error(`${file} can't be read`);
  return { id: `${dev}:${ino}`, host: fnv1a(text.trim()) };
}

function standing(state: string): Omit<Owner, 'state'> | 'gone' | 'unknown' {
  try {
    return hostOf(state);
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '') ? 'gone' : 'unknown';
  }
}

/** What a lock says; null = it is not locked. An agent can write here: what is no plain file of one line is a lock that says nothing. */
export function lockText(own: string): string | null {
  const file = join(own, 'locked');
  return lookAtName(file) === null ? null : (textAt(file, { most: MOST_BYTES })?.trim() ?? '');
}
