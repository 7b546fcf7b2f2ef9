import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Places } from '../machine/paths.ts';
import { run } from '../machine/spawn.ts';
import { about, type Finding } from './finding.ts';

/** MB. What the program itself keeps of a run is bounded far below this. */
const LARGE = 256;
const TIMEOUT_MS = 5000;
const FEW = 3;

/**
 * Directories of runs that have grown large. An agent may put whatever it likes into its own, and it may be its work, so that nobody cuts
 * it down; but it is told before the disk is full. `du` follows no link. macOS has it too.
 */
export async function runDirFindings(
  { runs, own }: Pick<Places, 'runs' | 'own'>,
  large_mb = LARGE,
): Promise<Finding[]> {
  const { ok, warn } = about('runs');
  const dirs = [runs, own].filter((dir) => existsSync(dir));
  if (dirs.length === 0) return [];
  const options = { timeoutMs: TIMEOUT_MS };
  // It ends with 1 where something went while it looked; what it printed stands all the same.
  const { stdout, error } = await run('du', ['-x', '-k', '-d', '1', ...dirs], options);
  if (error !== null)
    return [warn(`how large they are can't be told: ${error}`, `look at ${runs} yourself: du -sh`)];
  const sizes = stdout.split('\n').flatMap((line) => {
    const [, kb, path = ''] = /^(\d+)\t(.+)$/.exec(line) ?? [];
    return dirname(path) === runs || dirname(path) === own ? [{ path, mb: Number(kb) / 1024 }] : [];
  });
  const large = sizes.filter(({ mb }) => mb > large_mb).sort((a, b) => b.mb - a.mb);
  const all = Math.ceil(sizes.reduce((sum, { mb }) => sum + mb, 0));
  if (large.length === 0) return [ok(`${all} MB in the directories of runs`)];
  const named = large.slice(0, FEW).map(({ path, mb }) => `${Math.ceil(mb)} MB in ${path}`);
  const more = large.length > FEW ? [`${large.length - FEW} more`] : [];
  return [
    warn(
      `${[...named, ...more].join(', ')}, where more than ${large_mb} MB is no longer prompt, events and logs`,
      `look what its agent keeps there; what runs of settled tickets have left goes by mc-pickup clean`,
    ),
  ];
}
