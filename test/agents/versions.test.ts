/** A client that a version manager updates behind one and the same file on PATH. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clientVersion } from '../../src/act/versions.ts';
import { claude } from '../../src/agents/claude/index.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { changesIn, type Result, resultsIn, tableOf } from '../real-agents/table.ts';
import { aProfile } from '../support/builders.ts';
import { versionOf } from '../support/clients/versions.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-versions-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('is known by its new version: by doctor always, by a launch where the old one would not do', async () => {
  const shim = join(dir, 'claude');
  const update = (version: string) => writeFileSync(join(dir, 'current'), `${version} (Claude Code)\n`);
  writeFileSync(shim, `#!/bin/sh\necho asked >>'${dir}/asked'\nexec cat '${dir}/current'\n`, { mode: 0o755 });
  const places = placesOf({ stateDir: dir, config: join(dir, 'c.toml') }, {});
  const at = { places, env: { PATH: process.env.PATH } };
  const profile = aProfile({ kind: 'claude', argv: [shim] });
  update('2.1.1');
  expect((await clientVersion(profile, claude, at)).fix).toMatch(/is version 2\.1\.1, and/);
  update('2.1.400');
  expect(await clientVersion(profile, claude, at)).toEqual({ version: '2.1.400', fix: null });
  // What will do is asked once.
  update('2.1.500');
  expect(await clientVersion(profile, claude, at)).toEqual({ version: '2.1.400', fix: null });
  expect(await clientVersion(profile, claude, { ...at, traceless: true })).toEqual({
    version: '2.1.500',
    fix: null,
  });
});

it('a newer release of a client is told by what is otherwise than in the table of the documentation', () => {
  const of = (version: string, all: Readonly<Record<string, string>>): Result[] =>
    Object.entries(all).map(([name, result]) => ({ kind: 'codex', version, name, result }));
  const table = tableOf(['codex'], of('0.1.0', { starts: 'pass', asks: 'pass', quits: 'limit: never' }));
  const now = of('0.2.0', { starts: 'pass', asks: 'FAIL', quits: 'limit: not yet', waits: 'pass' });
  expect(changesIn(resultsIn(table, ['codex']), now)).toEqual([
    'codex 0.2.0, since 0.1.0: 2 scenarios as before, 1 changed, 1 new',
    '  asks: pass -> FAIL',
    '  new: waits: pass',
  ]);
  const pinned = { kind: 'codex', pkg: 'none', version: '0.1.0' } as const;
  expect(versionOf(pinned, { MC_AGENTS_VERSIONS: 'pinned' })).toBe('0.1.0');
  expect(versionOf(pinned, { MC_AGENTS_VERSIONS: 'pinned codex=0.9.1' })).toBe('0.9.1');
  expect(() => versionOf(pinned, { MC_AGENTS_VERSIONS: 'latest' })).toThrow('neither');
});
