import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Lock {
  readonly packages: Record<string, { gypfile?: boolean }>;
}

/* npm takes the binding.gyp of better-sqlite3 for a wish to be compiled, and overlooks in its own lock file that the
 * package says no (it brings its binaries along). Without both of these, `npm ci` needs a C++ compiler and Python. */
it('an installation needs no compiler: neither npm 11 (allowScripts) nor npm 10 (gypfile) builds better-sqlite3', () => {
  const { allowScripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    allowScripts: Record<string, boolean>;
  };
  expect(allowScripts).toEqual({
    node: true,
    'better-sqlite3': false,
    esbuild: false,
    '@scarf/scarf': false, // would tell its maker of the installation
  });
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
  // "npm install" drops this line: put it back.
  expect(packages['node_modules/better-sqlite3']?.gypfile).toBe(false);
});

it('a checkout brings the program as one that can be run, in the working tree and in git', () => {
  expect(spawnSync('git', ['ls-files', '-s', 'bin/mc-pickup.js'], { encoding: 'utf8' }).stdout).toMatch(
    /^100755 /,
  );
  const done = spawnSync('bin/mc-pickup.js', ['--version'], { encoding: 'utf8' });
  expect(done).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});
