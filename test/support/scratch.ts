/*
 * Where tests have their scratch directories, for this process and all that it starts: in memory, where there is room and programs
 * may run. A tick waits for the disk whenever it writes to the board, and a test run makes and removes some 100,000 files: that costs
 * a quarter of its time on a disk. A TMPDIR that somebody has chosen stays.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
/** Far more than a run has ever had at a time. */
const ROOM_BYTES = 2 ** 31;

if ([undefined, '', '/tmp'].includes(process.env.TMPDIR) && usable()) process.env.TMPDIR = MEMORY;

/* Programs of Node that a test starts from source, and npm, Prism and the like, are compiled once in a checkout. npm and others would
 * make themselves such a place in the directory for scratch, and leave it there. */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../../.cache/compiled');

/** Room, and no `noexec`, as containers have it there: tests put programs next to their state dirs. */
function usable(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize < ROOM_BYTES) return false;
    const dir = mkdtempSync(join(MEMORY, 'mc-exec-'));
    try {
      const script = join(dir, 'true');
      writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o700 });
      return spawnSync(script).status === 0;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  } catch {
    return false; // a system without it
  }
}
