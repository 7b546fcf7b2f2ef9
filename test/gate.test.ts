import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-gate-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** What one run of the bundle loaded: packages by path, the bundles beside it, and Node's own modules beyond those of an empty
 *  program. */
function loadedBy(args: readonly string[]): { packages: string[]; bundles: string[]; builtins: string[] } {
  const script = `
    const before = new Set(process.moduleLoadList);
    require(${JSON.stringify(join(process.cwd(), 'dist/main.cjs'))}).main(${JSON.stringify(args)}, { HOME: ${JSON.stringify(dir)} }).then(() => {
      const mapped = require('node:fs').readFileSync('/proc/self/maps', 'utf8').match(/\\S+\\.node$/gm) ?? [];
      const packages = [...mapped, ...Object.keys(require.cache)].filter((f) => f.includes('node_modules'));
      const bundles = Object.keys(require.cache).flatMap((f) => f.match(/dist.([\\w-]+)\\.cjs$/)?.[1] ?? []);
      const builtins = process.moduleLoadList.filter((m) => !before.has(m) && m.startsWith('NativeModule ') && !m.includes('internal')).map((m) => m.slice(13));
      process.stderr.write(JSON.stringify({ packages, bundles, builtins }));
    });`;
  const done = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  return JSON.parse(done.stderr) as { packages: string[]; bundles: string[]; builtins: string[] };
}

it('a gated tick loads no board, no execa, no command-line parser and no child processes', () => {
  writeFileSync(join(dir, 'killswitch.json'), '{"level":"all","reason":"test"}');
  const { packages, builtins } = loadedBy(['dispatch', '--state-dir', dir]);
  expect(packages).toEqual([]);
  expect(existsSync(join(dir, 'gate.json'))).toBe(true);
  expect(existsSync(join(dir, 'board.sqlite'))).toBe(false);
  for (const one of ['child_process', 'readline', 'sqlite', 'http', 'crypto', 'stream'])
    expect(builtins).not.toContain(one);
});

it('the same question asked of an open tick does find the board: the check can fail', () => {
  const { packages } = loadedBy(['dispatch', '--state-dir', dir, '--config', join(dir, 'none.toml')]);
  expect(packages.some((file) => file.includes('better-sqlite3'))).toBe(true);
});

it('a tick that nothing is to follow loads two bundles, and one that something follows loads that', () => {
  const config = join(dir, 'config.toml');
  const tick = () => loadedBy(['dispatch', '--state-dir', dir, '--config', config]).bundles.sort();
  // What is old was looked at just now, as most ticks find it.
  writeFileSync(join(dir, 'retention.json'), JSON.stringify({ at_ms: Date.now() }));
  writeFileSync(config, '');
  expect(tick()).toEqual(['main', 'tick']);
  writeFileSync(config, `[page]\nfile = ${JSON.stringify(join(dir, 'page.html'))}\n`);
  expect(tick()).toEqual(expect.arrayContaining(['page', 'tick-following']));
  expect(tick()).toEqual(['main', 'tick']);
});

/** Node 22.13 as it says of itself: recent, and its Node-API one older than the native SQLite module needs. */
const OLD = `for (const [name, value] of [['node', '22.13.0'], ['napi', '9']])
  Object.defineProperty(process.versions, name, { value });`;

it('an old Node without a checkout of its own is told which version was found, where, and what is needed: exit 78', () => {
  mkdirSync(join(dir, 'bin'));
  copyFileSync('bin/mc-pickup.js', join(dir, 'bin', 'mc-pickup.cjs'));
  const old = join(dir, 'old.mjs');
  writeFileSync(old, OLD);
  const done = spawnSync(process.execPath, ['--import', old, join(dir, 'bin', 'mc-pickup.cjs'), 'status'], {
    encoding: 'utf8',
  });
  expect(done.status).toBe(78);
  expect(done.stderr).toMatch(/^mc-pickup: found Node 22\.13\.0 at \S+, but needs Node 22\.14 or newer\n$/);
});

it('an old Node in the place of the one that the launcher names has the launcher look for another, once', () => {
  mkdirSync(join(dir, 'bin'));
  copyFileSync('bin/mc-pickup.js', join(dir, 'bin', 'mc-pickup.cjs'));
  writeFileSync(join(dir, 'bin', 'mc-pickup'), 'echo "$MC_PICKUP_SEARCH" "$@"; exit 3');
  const old = join(dir, 'old.mjs');
  writeFileSync(old, OLD);
  const start = (search: string) =>
    spawnSync(process.execPath, ['--import', old, join(dir, 'bin', 'mc-pickup.cjs'), 'status', 'a b'], {
      env: { PATH: process.env.PATH, MC_PICKUP_STATE_DIR: dir, MC_PICKUP_SEARCH: search },
      encoding: 'utf8',
    });
  expect(start('')).toMatchObject({ status: 3, stdout: '1 status a b\n' });
  expect(start('1')).toMatchObject({ status: 78, stdout: '' });
});
