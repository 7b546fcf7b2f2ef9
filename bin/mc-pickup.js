#!/usr/bin/env node
// The launcher: checks the version of Node before anything is loaded (the native SQLite module crashes an old
// Node instead of refusing it), and runs the bundle from V8's code cache. Nothing else. CommonJS, since
// importing `node:fs` into an ES module alone costs as much as the killswitch gate: every export is read, and with
// them the streams.
const { napi } = process.versions;

/** The Node-API that the native SQLite module is built for: Node 22.14 and 23.6 have it, and 22.13 ends in a segmentation fault. */
const NODE_API = 10;

/** The code of an error that says what is wrong with this installation. */
const NOT_WHOLE = 'MC_PICKUP_NOT_WHOLE';

if (Number(napi) >= NODE_API) start(`${__dirname}/../dist`);
else startWithOwnNode();

async function start(dist) {
  const words = process.argv.slice(2);
  const entry = isRegistration(words) ? 'registration.cjs' : 'main.cjs';
  const loaded = [];
  /** One bundle from V8's code cache: the main one, and those that it asks for by `loadBeside`. */
  const load = (name) => {
    const file = `${dist}/${name}`;
    const [head, tail] = [
      '(function (exports, require, module, __filename, __dirname, loadBeside) {',
      '\n})',
    ];
    const source = readWhole(head, file, tail);
    // Node's own compile cache holds only what is compiled before the first line runs; V8's, taken at the end of a tick,
    // holds every function that the tick called. The last line of the bundle is the hash of the rest: V8 itself would
    // take a cache for the right one by the length of the source alone.
    const cache = openCache(
      `${dist}/.code-cache`,
      `${source.slice(-20, -4)}-${process.version}-${process.arch}`,
    );
    const { Script } = require('node:vm');
    const script = new Script(source, {
      filename: file,
      columnOffset: -head.length,
      cachedData: cache.data,
    });
    loaded.push({ script, cache });
    const bundle = { exports: {} };
    script.runInThisContext()(bundle.exports, require, bundle, file, dist, load);
    return bundle.exports;
  };
  if (process.env.MC_PICKUP_DEBUG) {
    process.setSourceMapsEnabled(true); // a stack then names the lines of `src`
    await require(`${dist}/${entry}`).main(words, process.env);
    return;
  }
  let depth;
  let spoke;
  try {
    const main = load(entry);
    spoke = listenForWords();
    depth = await main.main(words, process.env);
  } catch (error) {
    if (error.code !== NOT_WHOLE) throw error;
    process.stderr.write(`mc-pickup: ${error.message}\n`);
    process.exitCode = 78;
    return;
  }
  // What a cache holds is in the next one too, used or not: a deeper run makes room, and the one after it begins with nothing.
  for (const { script, cache } of loaded)
    if (script.cachedDataRejected || cache.depth < 0) cache.save(depth, script);
    else if (depth > cache.depth) cache.drop();
  // A tick has closed all: what Node would free piece by piece goes with the process. Not where it has said something: a
  // pipe takes its time, and whatever it has not taken yet would be lost.
  if (depth > 0 && !spoke()) process.exit();
}

/** A bundle between two texts. Throws `NOT_WHOLE` where it is missing, or has no hash in its last line: while a build writes, or after
 *  an installation that was broken off. */
function readWhole(head, file, tail) {
  const notWhole = (what) =>
    Object.assign(
      new Error(
        `dist/${file.slice(file.lastIndexOf('/') + 1)} ${what}: install mc-pickup again, or run "npm run build" in the checkout`,
      ),
      { code: NOT_WHOLE },
    );
  let source;
  try {
    source = readBetween(head, file, tail);
  } catch (error) {
    throw error.code === 'ENOENT' ? notWhole('is missing') : error;
  }
  if (!/\n\/\/[0-9a-f]{16}\n\n\}\)$/.test(source.slice(-23))) throw notWhole('is not whole');
  return source;
}

/** Whether anybody has asked for stdout or stderr since. */
function listenForWords() {
  let asked = false;
  for (const name of ['stdout', 'stderr']) {
    const own = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, {
      ...own,
      get() {
        asked = true;
        return own.get.call(process);
      },
    });
  }
  return () => asked;
}

/** The very words of a launch script, for which each launch waits; anything else is for the command-line parser. */
function isRegistration([state, dir, file, config, command, ...rest]) {
  const plain = [dir, config, ...rest].every((word) => word !== '' && !word?.startsWith('-'));
  return (
    state === '--state-dir' && file === '--config' && command === 'register' && rest.length === 2 && plain
  );
}

/** A file between two texts, as one string from one buffer: strings of this size that are put together are copied, and
 *  fill the young heap, which then has to be collected. The build makes the file plain ASCII. */
function readBetween(head, file, tail) {
  const { closeSync, fstatSync, openSync, readSync } = require('node:fs');
  const fd = openSync(file);
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.allocUnsafeSlow(head.length + size + tail.length);
    bytes.latin1Write(head, 0);
    const read = readSync(fd, bytes, head.length, size, 0);
    if (read !== size) throw new Error(`${file}: ${read} bytes read of ${size}`);
    bytes.latin1Write(tail, head.length + size);
    return bytes.latin1Slice();
  } finally {
    closeSync(fd);
  }
}

/** The cache of this very bundle, by the deepest run that has left one: one that ran a tick with agents has more of
 *  what a tick needs than one that printed the help. */
function openCache(dir, name) {
  const fs = require('node:fs');
  const path = (depth) => `${dir}/${name}-${depth}`;
  const drop = (deepest = 2) => {
    try {
      for (let depth = deepest; depth >= 0; depth--) fs.rmSync(path(depth), { force: true });
    } catch {
      // It is used as it is.
    }
  };
  const save = (depth, script) => {
    const temp = `${path(depth)}.tmp${process.pid}`;
    try {
      fs.mkdirSync(dir, { recursive: true });
      const fd = fs.openSync(temp, 'wx', 0o600);
      try {
        fs.writeSync(fd, script.createCachedData());
        fs.fsyncSync(fd); // V8 trusts the bytes: none may be missing after a power cut
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(temp, path(depth));
      drop(depth - 1);
    } catch {
      // Without a cache everything works, a little later.
    }
  };
  for (let depth = 2; depth >= 0; depth--) {
    try {
      return { data: fs.readFileSync(path(depth)), depth, save, drop };
    } catch (error) {
      if (error.code !== 'ENOENT') return { depth: 2, save, drop }; // another user's
    }
  }
  return { depth: -1, save, drop };
}

/** A checkout brings its own Node (a development dependency), and the launcher of a state dir knows where to look for one: the one on PATH
 *  may stay as old as it is. */
function startWithOwnNode() {
  const { spawnSync } = require('node:child_process');
  const { existsSync } = require('node:fs');
  const { constants } = require('node:os');
  const { MC_PICKUP_REEXEC, MC_PICKUP_SEARCH, MC_PICKUP_STATE_DIR } = process.env;
  const own = `${__dirname}/../node_modules/node/bin/node`;
  const launcher = `${MC_PICKUP_STATE_DIR}/bin/mc-pickup`;
  const words = process.argv.slice(2);
  const start = (file, args, env) => {
    const child = spawnSync(file, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    process.exitCode = child.status ?? 128 + (constants.signals[child.signal] ?? 0);
  };
  if (existsSync(own) && !MC_PICKUP_REEXEC) start(own, [__filename, ...words], { MC_PICKUP_REEXEC: '1' });
  else if (MC_PICKUP_STATE_DIR && !MC_PICKUP_SEARCH && existsSync(launcher))
    start('/bin/sh', [launcher, ...words], { MC_PICKUP_SEARCH: '1' });
  else {
    process.stderr.write(
      `mc-pickup: found Node ${process.versions.node} at ${process.execPath}, but needs Node 22.14 or newer\n`,
    );
    process.exitCode = 78;
  }
}
