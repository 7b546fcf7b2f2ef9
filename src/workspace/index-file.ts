import { readSync } from 'node:fs';
import { join } from 'node:path';
import { withForeign } from '../machine/foreign.ts';

/** How many files the checkout of a repository has, by the first bytes of its index; 0 = it can't be told (a bare one has none). A worktree
 *  of its base has about as many. */
export function checkoutFiles(repo: string): number {
  const count = withForeign(join(repo, '.git', 'index'), ({ fd }) => {
    const head = Buffer.alloc(12);
    const read = readSync(fd, head, 0, 12, 0);
    return read === 12 && head.toString('latin1', 0, 4) === 'DIRC' ? head.readUInt32BE(8) : 0;
  });
  return count ?? 0;
}
