import { lstatSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inMadeDir } from '../../machine/foreign.ts';
import type { Places } from '../../machine/paths.ts';
import { removeTreeIn } from '../../machine/remove-tree.ts';
import { run } from '../../machine/spawn.ts';

const MKFIFO_MS = 10_000;

/** Makes those of the first `count` pipes that are not there, by one program. They stay, and every tick that launches uses them again. Where
 *  they can't be made, launchers register by themselves. */
export async function ensurePipes(places: Pick<Places, 'asking'>, count: number): Promise<void> {
  try {
    const pipes = Array.from({ length: count }, (_, n) => pipeOf(places, n));
    const missing = pipes.filter((path) => !isPipe(path));
    if (missing.length === 0) return;
    inMadeDir(dirname(places.asking), basename(places.asking), (dir) => {
      for (const path of missing) removeTreeIn(dir, basename(path));
    });
    await run('mkfifo', ['-m', '600', '--', ...missing], { timeoutMs: MKFIFO_MS });
  } catch {
    // The directory can't be written to, say: then there are no pipes.
  }
}

/** The pipe of the n-th launch of a tick. */
export function pipeOf({ asking }: Pick<Places, 'asking'>, n: number): string {
  return join(asking, String(n + 1));
}

export function isPipe(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
}
