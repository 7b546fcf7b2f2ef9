/*
 * What this machine has left for one more agent. It is looked at only where something is to be launched, and what is short keeps
 * launches alone from going on: no agent that works, and no attempt.
 */
import type { Why } from './evidence.ts';
import type { Limits } from './policy.ts';

export const RESOURCES = ['memory', 'cpu', 'io'] as const;
export type Resource = (typeof RESOURCES)[number];

/** One look at it. What is not told keeps nothing from going on. */
export interface Room {
  /** null = it is not told here. */
  readonly memory: { readonly available_mb: number; readonly of: 'machine' | 'cgroup' } | null;
  /** Percent of the last minute in which something waited for it; only what a limit asks for. */
  readonly pressure: Readonly<Partial<Record<Resource, number>>>;
}

export type RoomLimits = Pick<
  Limits,
  'min_free_memory_mb' | 'max_memory_pressure' | 'max_cpu_pressure' | 'max_io_pressure'
>;

/** The most that each may be waited for, in percent; null = whatever it is. */
export function pressureLimits(limits: RoomLimits): Readonly<Record<Resource, number | null>> {
  return { memory: limits.max_memory_pressure, cpu: limits.max_cpu_pressure, io: limits.max_io_pressure };
}

/** Why nothing is launched just now. */
export type Lacking =
  | Why<
      'low_memory',
      {
        readonly available_mb: number;
        readonly of: 'machine' | 'cgroup';
        readonly min_free_memory_mb: number;
      }
    >
  | Why<'under_pressure', { readonly resource: Resource; readonly percent: number; readonly most: number }>;

/** What a file system has left. */
export interface Space {
  readonly bsize: number;
  readonly blocks: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** What there is, in words. */
export function roomWords({ bavail, bsize, ffree }: Space, path: string): string {
  return `${Math.floor((bavail * bsize) / 1e6)} MB and ${ffree} files are free in ${path}`;
}

const MB = 1024 * 1024;
/** Where nothing else is said: so much, or a twentieth of a small disk. */
const LEAST_MB = 500;
const LEAST_FILES = 1000;
/** The least that a file of a checkout takes. */
const FILE_BYTES = 4096;

/** Whether a disk has too little for one more worktree of so many files. `least_mb`: what must be left free; null = what is usual, 0 = anything. */
export function isShort(space: Space, least_mb: number | null, checkout_files = 0): boolean {
  // No disk, such as /proc, or one that does not tell.
  if (space.blocks === 0 || least_mb === 0) return false;
  return hasFewBytes(space, least_mb, checkout_files) || hasFewFiles(space, checkout_files);
}

/** What a disk that is short would have to have, and by which key. */
export function needWords(space: Space, least_mb: number | null, checkout_files: number): string {
  const checkout_bytes = checkout_files * FILE_BYTES;
  if (!hasFewBytes(space, least_mb, checkout_files))
    return `one more worktree takes room for ${Math.ceil(leastFiles(space, checkout_files))} files`;
  const least = leastBytes(space, least_mb);
  return least < checkout_bytes
    ? `a checkout of ${checkout_files} files needs ${Math.ceil(checkout_bytes / 1e6)} MB`
    : `min_free_disk_mb is ${Math.round(least / MB)}`;
}

function hasFewBytes(space: Space, least_mb: number | null, checkout_files: number): boolean {
  return space.bavail * space.bsize < Math.max(leastBytes(space, least_mb), checkout_files * FILE_BYTES);
}

function leastBytes({ bsize, blocks }: Pick<Space, 'bsize' | 'blocks'>, least_mb: number | null): number {
  return least_mb === null ? Math.min(LEAST_MB * MB, (blocks * bsize) / 20) : least_mb * MB;
}

/** Some have no table of inodes, and say 0 of 0. */
function hasFewFiles({ files, ffree }: Space, checkout_files: number): boolean {
  return files > 0 && ffree < leastFiles({ files }, checkout_files);
}

function leastFiles({ files }: Pick<Space, 'files'>, checkout_files: number): number {
  return Math.max(Math.min(LEAST_FILES, files / 100), checkout_files);
}
