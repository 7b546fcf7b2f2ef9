import { readFileSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt } from '../model/json.ts';
import {
  pressureLimits,
  RESOURCES,
  type Resource,
  type Room,
  type RoomLimits,
  type Space,
} from '../model/room.ts';
import { PROC, type Proc, procText } from './proc.ts';

/** Where the kernel shows control groups, and processes. */
export interface Shown {
  readonly proc: Proc;
  readonly cgroups: string;
}

const SHOWN: Shown = { proc: PROC, cgroups: '/sys/fs/cgroup' };

/** One look at what is left, of a few small files. `pid`: who starts the agents, whose control group they will be in. Only what a limit asks
 *  for is read. */
export function lookAtRoom(pid: number | null, limits: RoomLimits, { proc, cgroups }: Shown = SHOWN): Room {
  const asked = pressureLimits(limits);
  const pressure: Partial<Record<Resource, number>> = {};
  for (const one of RESOURCES) {
    const percent = asked[one] === null ? null : pressureIn(procText(`pressure/${one}`, proc));
    if (percent !== null) pressure[one] = percent;
  }
  return { memory: limits.min_free_memory_mb > 0 ? memoryOf(pid, proc, cgroups) : null, pressure };
}

/** The machine's memory, or that of a control group that is tighter. */
function memoryOf(pid: number | null, proc: Proc, cgroups: string): Room['memory'] {
  const machine = availableIn(procText('meminfo', proc));
  const groups = procText(`${pid ?? 'self'}/cgroup`, proc) ?? '';
  let tightest: number | null = null;
  for (const { of, below, files } of HIERARCHIES) {
    // The limit may be that of any group above. The topmost one that is seen has one where it is a container's; the machine's own has none.
    for (let at = join('/', of.exec(groups)?.[1] ?? ''); ; at = dirname(at)) {
      const left = leftIn(join(cgroups, below, at), files);
      if (left !== null && (tightest === null || left < tightest)) tightest = left;
      if (at === '/') break;
    }
  }
  const mb = (bytes: number): number => Math.floor(bytes / 1024 / 1024);
  if (tightest !== null && (machine === null || tightest < machine))
    return { available_mb: mb(tightest), of: 'cgroup' };
  return machine === null ? null : { available_mb: mb(machine), of: 'machine' };
}

/** `MemAvailable` of /proc/meminfo, in bytes; null = it is not told. */
function availableIn(text: string | null): number | null {
  const kb = /^MemAvailable:\s+(\d+) kB$/m.exec(text ?? '')?.[1];
  return kb === undefined ? null : Number(kb) * 1024;
}

/** The names of what tells of a control group: its limit, what it has, and what of that are files which nobody has used of late. */
interface Files {
  readonly limit: string;
  readonly used: string;
  readonly idle: RegExp;
}

/** Version 2, and version 1, which has a tree for memory alone. */
const HIERARCHIES: readonly { readonly of: RegExp; readonly below: string; readonly files: Files }[] = [
  {
    of: /^0::(\/.*)$/m,
    below: '',
    files: { limit: 'memory.max', used: 'memory.current', idle: /^inactive_file (\d+)$/m },
  },
  {
    of: /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(\/.*)$/m,
    below: 'memory',
    files: {
      limit: 'memory.limit_in_bytes',
      used: 'memory.usage_in_bytes',
      idle: /^total_inactive_file (\d+)$/m,
    },
  },
];

/** What a control group has left, in bytes: what it holds of files that nobody has used of late it gives up. null = it has no limit. */
function leftIn(dir: string, { limit, used, idle: idleIn }: Files): number | null {
  const max = Number(textIn(join(dir, limit)) || Number.NaN);
  const current = Number(textIn(join(dir, used)) || Number.NaN);
  if (!Number.isFinite(max) || !Number.isFinite(current)) return null;
  const idle = idleIn.exec(textIn(join(dir, 'memory.stat')))?.[1] ?? '0';
  return Math.max(0, max - current + Number(idle));
}

/** `some avg60` of a file of /proc/pressure; null = this kernel does not tell. */
function pressureIn(text: string | null): number | null {
  const percent = /^some .*\bavg60=(\d+(?:\.\d+)?)/m.exec(text ?? '')?.[1];
  return percent === undefined ? null : Number(percent);
}

function textIn(path: string): string {
  return attempt(() => readFileSync(path, 'utf8').trim()) ?? '';
}

/** What the file system has left on which a path lies, or will lie; null = it can't be told. */
export function spaceAt(path: string): Space | null {
  for (let at = path; ; at = dirname(at)) {
    try {
      return statfsSync(at);
    } catch {
      if (dirname(at) === at) return null;
    }
  }
}
