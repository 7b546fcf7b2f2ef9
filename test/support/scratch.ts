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
