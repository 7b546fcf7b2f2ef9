import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** In the worktree's own git dir: its making ended, and somebody may have worked in it since. */
export const READY = 'mc-pickup-ready';

/** The git dir of the worktree that is registered at a path, whether it is on disk or not. */
export function ownDir(common: string, target: string): string | null {
  const all = join(common, 'worktrees');
  if (!existsSync(all)) return null;
  const found = readdirSync(all).find(
    (name) => resolve(all, name, textOf(join(all, name, 'gitdir'))) === join(target, '.git'),
  );
  return found === undefined ? null : join(all, found);
}

/** What a file says, trimmed; '' = nothing can be read. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
