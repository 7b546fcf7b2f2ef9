/*
 * Where the tmux servers are that an agent starts itself. Without a directory of its own (`TMUX_TMPDIR`) its plain `tmux` would be the
 * user's server, and with `TMUX` of its pane the one that all agents are on: a test suite that ends with `tmux kill-server` would end
 * them all. It is the directory of the run, which goes when the run goes; where that is too long for a socket, a short one in /tmp.
 */

import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inDirAt } from '../machine/foreign.ts';
import { removeTreeIn } from '../machine/remove-tree.ts';
import { fnv1a } from '../model/hash.ts';
import { attempt } from '../model/json.ts';

/** What the path of a socket may take, without its final zero (unix(7)); macOS has 4 bytes less. */
export const MAX_SOCKET_PATH = process.platform === 'darwin' ? 103 : 107;
/** Room for the names that an agent gives its servers (`tmux -L NAME`). */
const ROOM_FOR_NAME = 24;

const uid = (): number => process.getuid?.() ?? 0;

/** The `TMUX_TMPDIR` of a run. tmux puts `tmux-UID/NAME` into it. */
export function tmuxDir(runDir: string): string {
  // tmux takes the path without symlinks.
  const longest = Buffer.byteLength(`${realPath(runDir)}/tmux-${uid()}/`) + ROOM_FOR_NAME;
  return longest <= MAX_SOCKET_PATH ? runDir : `/tmp/mc-${uid()}/${fnv1a(runDir)}`;
}

/** Makes it, where it is not the directory of the run. One that is somebody else's, or a link, is refused. */
export function makeTmuxDir(runDir: string): void {
  const dir = tmuxDir(runDir);
  if (dir === runDir) return;
  for (const one of [dirname(dir), dir]) {
    try {
      mkdirSync(one, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (!isOurs(one))
      throw new Error(
        `${one} is not a directory of this user's alone: remove it, or choose a shorter state dir (the tmux servers of agents need a short path)`,
      );
  }
}

/** Takes it away with its run. Links are deleted, not followed. */
export function removeTmuxDir(runDir: string): void {
  const dir = tmuxDir(runDir);
  if (dir === runDir || !isOurs(dirname(dir))) return;
  inDirAt(dirname(dir), (open) => removeTreeIn(open, basename(dir)));
}

/** Also of a run whose directory is not made yet. */
function realPath(runDir: string): string {
  const runs = dirname(runDir);
  return attempt(() => join(realpathSync.native(dirname(runs)), basename(runs), basename(runDir))) ?? runDir;
}

function isOurs(dir: string): boolean {
  const stat = lstatSync(dir, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === uid() && (stat.mode & 0o077) === 0;
}
