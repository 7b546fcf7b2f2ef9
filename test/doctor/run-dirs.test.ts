import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runDirFindings } from '../../src/doctor/run-dirs.ts';

it('directories of runs that have grown are named, the largest first; a link in one is not followed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-runs-'));
  try {
    const places = { runs: join(dir, 'runs'), own: join(dir, 'own') };
    expect(await runDirFindings(places)).toEqual([]);
    for (const [name, mb] of [
      ['MC-1-e1-a', 2],
      ['MC-2-e1-b', 4],
      ['MC-3-e1-c', 0],
    ] as const) {
      mkdirSync(join(places.runs, name, 'cache'), { recursive: true });
      writeFileSync(join(places.runs, name, 'cache', 'big'), Buffer.alloc(mb * 1024 * 1024, 'x'));
    }
    symlinkSync(join(places.runs, 'MC-2-e1-b'), join(places.runs, 'MC-3-e1-c', 'link'));
    expect(await runDirFindings(places, 1)).toMatchObject([
      {
        result: 'warn',
        says: expect.stringMatching(/^[45] MB in \S+MC-2-e1-b, [23] MB in \S+MC-1-e1-a, where/),
      },
    ]);
    expect(await runDirFindings(places)).toMatchObject([{ result: 'ok' }]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
