import { readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Places } from '../machine/paths.ts';
import type { Policy } from '../model/policy.ts';
import { unescaped } from '../workspace/tree.ts';
import { about, type Finding, fail, ok, warn } from './finding.ts';

/** What statfs(2) tells. */
export interface Space {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

const MB = 1024 * 1024;
const GB = 1024 * MB;
const LEAST = 50 * MB;
/** A twentieth of a large disk is room enough for anything that is done here. */
const ENOUGH = 20 * GB;
const FEW_INODES = 1000;
/** File systems on another machine: their locks and shared memory are not what SQLite needs. */
const NETWORK =
  /^(nfs\d?|cifs|smb\d?|smbfs|afs|ceph|glusterfs|lustre|beegfs|9p|vboxsf|fuse\.(sshfs|rclone|s3fs|glusterfs|ceph))$/;

/** Room on each file system that is written to, and whether the board lies on one that SQLite can trust. */
export function diskFindings(
  places: Places,
  policy: Policy,
  read: (path: string) => Space = statfsSync,
  mounts: () => string = () => readFileSync('/proc/self/mounts', 'utf8'),
): Finding[] {
  const roots = [...policy.projects.values()].flatMap(({ worktrees, repo }) => [
    worktrees ?? places.worktrees,
    repo,
  ]);
  const seen = new Set<number>();
  const found: Finding[] = [];
  for (const path of [places.state, ...roots]) {
    const there = standing(path);
    const { dev } = statSync(there);
    if (seen.has(dev)) continue;
    seen.add(dev);
    found.push(judgeSpace(path, read(there)));
  }
  return [...found, ...(process.platform === 'linux' ? [fileSystem(places.state, mounts())] : [])];
}

/** Says whether there is room enough: for the board, and for another worktree. */
export function judgeSpace(path: string, { bsize, blocks, bavail, files, ffree }: Space): Finding {
  const check = 'disk';
  const [free, all] = [bavail * bsize, blocks * bsize];
  const says = `${size(free)} of ${size(all)} free under ${path}`;
  // Not a disk: /proc and the like, or a file system that does not tell.
  if (all === 0) return ok(check, `not told for ${path}`);
  if (free < LEAST) return fail(check, says, 'make room: without it nothing can be written to the board');
  // Some file systems have no table of inodes, and say 0 of 0.
  if (files > 0 && ffree < Math.max(FEW_INODES, files / 100))
    return (ffree < FEW_INODES ? fail : warn)(
      check,
      `${says}, but only ${ffree} more files fit (inodes)`,
      'delete files that are not needed',
    );
  if (free < GB || (free < all / 20 && free < ENOUGH))
    return warn(check, says, 'make room: mc-pickup clean shows what may go');
  return ok(check, says);
}

function fileSystem(dir: string, mounts: string): Finding {
  const { ok, warn } = about('file system');
  const type = fileSystemOf(mounts, standing(dir));
  if (type === null) return ok('not told by the kernel');
  return NETWORK.test(type)
    ? warn(
        `${dir} is on a network file system (${type}): SQLite's locks can't be trusted there`,
        'move the state dir to a local disk: --state-dir or MC_PICKUP_STATE_DIR',
      )
    : ok(type);
}

/** The type of the file system that a path lies on, by the text of /proc/self/mounts; null = not among them. */
export function fileSystemOf(mounts: string, path: string): string | null {
  let best = '';
  let found: string | null = null;
  for (const line of mounts.split('\n')) {
    const [, at = '', type = ''] = line.split(' ');
    const point = unescaped(at);
    const inside = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    // The last one that was mounted at a place covers those before it.
    if (at !== '' && inside && point.length >= best.length) [best, found] = [point, type];
  }
  return found;
}

/** The path, or the nearest directory above it that is there. */
export function standing(path: string): string {
  let at = resolve(path);
  while (statSync(at, { throwIfNoEntry: false }) === undefined && dirname(at) !== at) at = dirname(at);
  return at;
}

function size(bytes: number): string {
  if (bytes < GB) return `${Math.floor(bytes / MB)} MB`;
  return `${(bytes / GB).toFixed(bytes < 10 * GB ? 1 : 0)} GB`;
}
