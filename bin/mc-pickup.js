#!/usr/bin/env node
// The launcher: checks the version of Node before anything is loaded (the native SQLite module crashes an old
// Node instead of refusing it), turns the compile cache on, and loads the one bundled file. Nothing else, and
// nothing by a static import: importing `node:fs` into an ES module alone costs as much as the killswitch gate,
// since every export is read, and with them the streams.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > 22 || (major === 22 && minor >= 13)) {
  const { createRequire, enableCompileCache } = process.getBuiltinModule('node:module');
  const require = createRequire(import.meta.url);
  enableCompileCache(
    process.getBuiltinModule('node:url').fileURLToPath(new URL('../dist/.compile-cache', import.meta.url)),
  );
  let bundle;
  try {
    bundle = require('../dist/main.cjs');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !String(error.message).includes('main.cjs')) throw error;
    process.stderr.write('mc-pickup: dist/main.cjs is missing: run "npm run build" in the checkout\n');
    process.exitCode = 78;
  }
  await bundle?.main(process.argv.slice(2), process.env);
} else {
  const { spawnSync } = await import('node:child_process');
  const { existsSync } = await import('node:fs');
  const { constants } = await import('node:os');
  const { fileURLToPath } = await import('node:url');
  // A checkout brings its own Node (a development dependency): the one on PATH may stay as old as it is.
  const own = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  if (existsSync(own) && !process.env.MC_PICKUP_REEXEC) {
    const child = spawnSync(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
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
