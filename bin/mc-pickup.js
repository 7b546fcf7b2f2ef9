#!/usr/bin/env node
// The launcher: checks the version of Node before anything is loaded (the native SQLite module crashes an old
// Node instead of refusing it), turns the compile cache on, and loads the one bundled file. Nothing else.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > 22 || (major === 22 && minor >= 13)) {
  const bundle = join(root, 'dist', 'main.cjs');
  if (existsSync(bundle)) {
    nodeModule.enableCompileCache(join(root, 'dist', '.compile-cache'));
    await nodeModule
      .createRequire(import.meta.url)(bundle)
      .main(process.argv.slice(2), process.env);
  } else {
    process.stderr.write(`mc-pickup: ${bundle} is missing: run "npm run build" in ${root}\n`);
    process.exitCode = 78;
  }
} else {
  // A checkout brings its own Node (a development dependency): the one on PATH may stay as old as it is.
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(own) && !process.env.MC_PICKUP_REEXEC) {
    const { spawnSync } = await import('node:child_process');
    const { constants } = await import('node:os');
    const child = spawnSync(own, [self, ...process.argv.slice(2)], {
      stdio: 'inherit',
      env: { ...process.env, MC_PICKUP_REEXEC: '1' },
    });
    process.exitCode = child.status ?? 128 + (constants.signals[child.signal] ?? 0);
  } else {
    process.stderr.write(
      `mc-pickup: found Node ${process.versions.node} at ${process.execPath}, but needs Node 22.13 or newer\n`,
    );
    process.exitCode = 78;
  }
}
