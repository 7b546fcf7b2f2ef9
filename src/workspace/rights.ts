/*
 * Who may read and write what stands in a git dir. Git gives most of its files what `core.sharedRepository` says, and leaves out the
 * directory of a worktree and some files in it: a colleague whose git can't look into that takes the worktree for gone, and its branch
 * for free. What we write there ourselves has the rights of the directory that it lies in.
 */
import { fchmodSync, fstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  at,
  type Dir,
  inDirAt,
  isPlainDir,
  lookAtName,
  namesIn,
  textAt,
  withForeign,
  writeFileAt,
} from '../machine/foreign.ts';
import { userUmask } from '../machine/umask.ts';

const READ_WRITE = 0o666;
const SET_GID = 0o2000;
/** A worktree's own git dir has a dozen. */
const MOST_FILES = 200;

/** Writes a note of ours into a git dir. */
export function writeNote(path: string, text: string): void {
  writeFileAt(path, text, 0o600 | ((lookAtName(dirname(path))?.mode ?? 0) & READ_WRITE));
}

/** Gives a worktree's own git dir the rights that the user's umask and `core.sharedRepository` give; takes none away. */
export function giveRights(common: string, own: string): void {
  const umask = userUmask();
  const shared = sharedRights(common);
  const wanted = (umask === null ? 0 : READ_WRITE & ~umask) | shared;
  if (wanted === 0) return;
  inDirAt(own, (dir) => {
    if (dir.path !== own) return;
    // Git gives all of it what the umask says, or nothing of it: where nobody shares it, the directory tells of the rest.
    const given = shared === 0 && (fstatSync(dir.fd).mode & wanted) === wanted;
    if (!given) give(dir, wanted, shared > 0);
  });
}

function give(dir: Dir, wanted: number, shared: boolean): void {
  // Whoever may read a directory may go into it; what is made in a shared one is of its group.
  add(dir.fd, wanted | ((wanted & 0o444) >> 2) | (shared ? SET_GID : 0));
  for (const name of namesIn(dir, MOST_FILES).names)
    if (isPlainDir(at(dir, name))) inDirAt(at(dir, name), (below) => give(below, wanted, shared));
    else withForeign(at(dir, name), ({ fd }) => fstatSync(fd).nlink === 1 && add(fd, wanted));
}

function add(fd: number, more: number): void {
  const { mode, uid } = fstatSync(fd);
  if (uid === process.geteuid?.() && (mode | more) !== mode) fchmodSync(fd, (mode | more) & 0o7777);
}

/** Of files, as git reads it: `group`, `all`, or a mode in octal. Who shares a repository says it in its own configuration. */
function sharedRights(common: string): number {
  const text = textAt(join(common, 'config')) ?? '';
  if (!/sharedrepository/i.test(text)) return 0;
  let says: string | null = null;
  let section = '';
  for (const line of text.split('\n')) {
    const [, head, rest = line] = /^\s*\[([^\]]*)\](.*)$/.exec(line) ?? [];
    section = head?.trim().toLowerCase() ?? section;
    const [, key, value] = /^\s*([a-z][a-z0-9-]*)\s*(?:=\s*"?([^"#;]*))?/i.exec(rest) ?? [];
    if (section === 'core' && key?.toLowerCase() === 'sharedrepository') says = value?.trim() ?? 'true';
  }
  if (says === null) return 0;
  if (/^(group|true|yes|on|1)$/i.test(says)) return 0o660;
  if (/^(all|world|everybody|2)$/i.test(says)) return 0o664;
  return /^0[0-7]{3}$/.test(says) ? Number.parseInt(says, 8) & READ_WRITE : 0;
}
