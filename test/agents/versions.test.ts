/** A client that a version manager updates behind one and the same file on PATH. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clientVersion } from '../../src/act/versions.ts';
import { claude } from '../../src/agents/claude/index.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { aProfile } from '../support/builders.ts';

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
