/*
 * Who holds a lock, and since when. The lock is the kernel's, which frees it however its holder dies; the note beside it only
 * says what the kernel does not: when it began, and how long it may take. So a note proves nothing by itself. It is
 * believed where the process that it names lives, and the kernel says that this very process has the lock.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { identityIn, judge, type ObserverIdentity, type ProcessIdentity } from '../model/identity.ts';
import { monotonicMs } from './clock.ts';
import { numberOf, readObject, textOf } from './files.ts';
import { argvOf } from './proc.ts';
import { lookAt, lookAtSelf } from './process.ts';

/** What a holder says of itself. */
export interface Holder {
  readonly process: ProcessIdentity;
  /** The command: `dispatch`, `send`. */
  readonly what: string;
  /** For how long it has had the lock while the machine was awake: this clock stands still in suspend. */
  readonly held_ms: number;
  /** It never takes longer than this. */
  readonly bound_ms: number;
}

export type HeldBy =
  | { readonly kind: 'known'; readonly holder: Holder; readonly overdue: boolean }
  /** `pids`: who has the lock by the kernel's word; null = it can't be told here. */
  | { readonly kind: 'unknown'; readonly pids: readonly number[] | null };

/** Beside the lock. */
function holderFile(lock: string): string {
  return lock.replace(/(\.sqlite)?$/, '-holder.json');
}

/** Says who has taken this lock just now, and for how long at most. Only where the kernel can be asked who has a lock: elsewhere
 *  nobody could believe the note. Best effort: without a note nobody is ever ended. */
export function noteHolder(lock: string, me: ObserverIdentity, what: string, bound_ms: number): void {
  if (process.platform !== 'linux') return;
  const look = lookAt(process.pid);
  if (look.kind !== 'present') return;
  const { self_readable: _, ...here } = me;
  const note = { ...here, pid: process.pid, pid_start: look.start, what, bound_ms, mono_ms: monotonicMs() };
  try {
    writeNote(holderFile(lock), `${JSON.stringify(note)}\n`);
  } catch {
    // A state dir that takes nothing more is told of by the tick itself.
  }
}

/** A note is always as long as this. */
const NOTE_BYTES = 1024;

/** Over the note before, by one write of the same length: only who has the lock writes here, every minute, and a new file that takes
 *  the place of another is one that the file system brings to the disk at once. What is no plain file of our own is removed. */
function writeNote(file: string, text: string): void {
  const bytes = Buffer.from(text.padEnd(NOTE_BYTES - 1).concat('\n'));
  let fd: number | null = null;
  try {
    fd = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.nlink === 1 && stat.size === bytes.length) {
      writeSync(fd, bytes, 0, bytes.length, 0);
      return;
    }
  } catch {
    // There is none, or it is something else.
  } finally {
    if (fd !== null) closeSync(fd);
  }
  rmSync(file, { recursive: true, force: true });
  writeFileSync(file, bytes, { mode: 0o600, flag: 'wx' });
}

/** Who holds this lock now, as far as the note and the kernel agree. Takes no lock. */
export function heldBy(lock: string, host_id: string): HeldBy {
  const file = readObject(holderFile(lock));
  const pids = pidsWith(lock);
  const unknown = { kind: 'unknown', pids } as const;
  const named = identityIn(file);
  const [mono_ms, bound_ms, what] = [
    numberOf(file, 'mono_ms'),
    numberOf(file, 'bound_ms'),
    textOf(file, 'what'),
  ];
  if (named === null || mono_ms === null || bound_ms === null || what === null) return unknown;
  if (pids === null || !pids.includes(named.pid)) return unknown;
  if (judge(named, lookAtSelf(host_id), lookAt(named.pid)).verdict !== 'alive') return unknown;
  const held_ms = monotonicMs() - mono_ms;
  return {
    kind: 'known',
    holder: { process: named, what, held_ms, bound_ms },
    overdue: held_ms > bound_ms,
  };
}

/** Which processes have this lock, by the kernel's word (Linux); null = it does not say. */
export function pidsWith(lock: string): readonly number[] | null {
  return locksOn(lock)?.flatMap(({ kind, pid }) => (kind === 'WRITE' ? pid : [])) ?? null;
}

/** The bytes of a board's `-shm` by which SQLite knows who reads ("WAL Read Locks" in its file format). */
const READS = { from: 123, to: 127 };

/** Which processes are in the middle of reading this board, so that its write-ahead log can't be brought back into it; null = the kernel
 *  does not say. */
export function readersOf(board: string): readonly number[] | null {
  const all = locksOn(`${board}-shm`)?.filter(({ from, to }) => from >= READS.from && to <= READS.to);
  return all === undefined ? null : [...new Set(all.map(({ pid }) => pid))];
}

interface Locked {
  readonly kind: string;
  readonly pid: number;
  readonly from: number;
  readonly to: number;
}

/** Those that wait for a lock are marked by an arrow, and do not count. */
function locksOn(file: string): readonly Locked[] | null {
  try {
    const inode = statSync(file).ino;
    const rows = readFileSync('/proc/locks', 'latin1').split('\n');
    return rows.flatMap((row) => {
      const [, , , kind = '', pid = '', on = '', from = '', to = ''] = / -> /.test(row)
        ? []
        : row.split(/\s+/);
      const its = /^[1-9]\d*$/.test(pid) && on.endsWith(`:${inode}`);
      return its ? { kind, pid: Number(pid), from: Number(from), to: Number(to) } : [];
    });
  } catch {
    return null;
  }
}

/** What this process does if it is this program: the verb of its command line, behind the script and the options that stand before
 *  it; never a word of some text. null = it is another program, or cannot be looked at. */
export function verbOf(pid: number): string | null {
  const words = argvOf(pid) ?? [];
  const script = words.findIndex((word) => /(^|\/)mc-pickup(\.js)?$/.test(word));
  if (script < 0 || script > 8) return null;
  const after = words.slice(script + 1);
  return (
    after.find((word, n) => !word.startsWith('-') && !/^--(state-dir|config)$/.test(after[n - 1] ?? '')) ??
    null
  );
}
