/** `npm run test:install`: packs the program, installs it as a user does (`npm install --global`, below a directory of its own), and
 *  does one ticket with it: what is missing from the package is missed here, and nowhere else. Needs the registry, as `npm ci` does. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BOUND_MS, makeSandbox, type Ran, type Sandbox, until } from '../support/sandbox.ts';

/** What an installation may take on disk, in MB (`du -sm`); better-sqlite3 alone takes 27. */
const MAX_MB = 36;

const box = makeSandbox();
try {
  const root = install(box);
  const took = Number(call(box, 'du', ['-sm', root]).out.split('\t')[0]);
  assert.ok(took <= MAX_MB, `the installation takes ${took} MB, and may take ${MAX_MB}`);
  readsTheManual(box, root);
  await doesOneTicket(box, root);
  console.log(`installed (${took} MB), and one ticket done`);
} finally {
  await box.destroy();
}

/** A package as npm publishes it, installed below `<dir>/global`, with the registry and the cache that npm has here; gives that directory. */
function install({ dir }: Sandbox): string {
  const root = join(dir, 'global');
  const npm = (...args: string[]): string =>
    call(process, 'npm', [...args, '--no-fund', '--no-audit', '--no-update-notifier', '--loglevel=error'])
      .out;
  // `dist/` is built already; its build beside other runs would take it away under them.
  const tarball = npm('pack', '--ignore-scripts', '--pack-destination', dir).trim();
  npm('install', '--global', '--prefer-offline', '--prefix', root, join(dir, tarball));
  return root;
}

function readsTheManual({ env }: Sandbox, root: string): void {
  const page = join(root, 'share', 'man', 'man1', 'mc-pickup.1');
  assert.ok(existsSync(page), 'npm has linked no manual page: "man" in package.json has to be an array');
  assert.match(call({ env }, 'mandoc', ['-T', 'ascii', page]).out, /picks tickets up/);
}

/** The whole way of a ticket, on a board of its own, with the tmux server and the scripted agent of a sandbox. */
async function doesOneTicket(box: Sandbox, root: string): Promise<void> {
  const bin = join(root, 'bin', 'mc-pickup');
  const modules = join(root, 'lib', 'node_modules', 'mc-pickup', 'node_modules');
  const native = join(box.dir, 'native');
  const env = tellNative(box.dir, native);
  const run = async (...args: string[]): Promise<Ran> => {
    const done = await box.begin(args, env, bin).done;
    assert.equal(done.code, 0, `mc-pickup ${args.join(' ')}: exit ${done.code}: ${done.out}${done.err}`);
    return done;
  };
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.equal((await run('--version')).out, `${version}\n`);
  await run('init');
  const ticket = ['--project', 'demo', '--agent', 'scripted', '--title', 'One', '--body', 'behave: review'];
  const { id } = JSON.parse((await run('ticket', 'add', ...ticket, '--json')).out) as { id: string };
  const status = () => box.sql<{ status: string }>('SELECT status FROM tickets WHERE id = ?', id)[0]?.status;
  assert.match((await run('dispatch')).out, new RegExp(id));
  assert.ok(await until(() => status() === 'in_review'), `${id} is ${status()}`);
  await run('dispatch');
  const page = join(box.dir, 'page.html');
  await run('page', '--out', page);
  assert.match(readFileSync(page, 'utf8'), /<svg/);
  assert.match((await run('metrics')).out, /^mc_pickup_tickets\{/m);
  // The prebuilt module that came with the package, at its first guess; and nothing was compiled.
  const loaded = new Set(readFileSync(native, 'utf8').trim().split('\n'));
  const own = join(modules, 'better-sqlite3', 'prebuilds', `${process.platform}-${process.arch}.node`);
  assert.deepEqual([...loaded], [own]);
  assert.ok(!existsSync(join(modules, 'better-sqlite3', 'build')), 'npm has compiled better-sqlite3');
}

/** An environment in which Node notes in `file` each native module that it loads. */
function tellNative(dir: string, file: string): NodeJS.ProcessEnv {
  const preload = join(dir, 'tell-native.cjs');
  writeFileSync(
    preload,
    `const { dlopen } = process;
process.dlopen = (module, path, ...rest) => {
  require('node:fs').appendFileSync(${JSON.stringify(file)}, require('node:fs').realpathSync(path) + '\\n');
  return dlopen.call(process, module, path, ...rest);
};`,
  );
  return { NODE_OPTIONS: `--require ${preload}` };
}

function call({ env }: { env: NodeJS.ProcessEnv }, program: string, args: readonly string[]): Ran {
  const done = spawnSync(program, args, { env, encoding: 'utf8', timeout: BOUND_MS });
  const said = `${done.stdout}${done.stderr}`;
  assert.equal(done.status, 0, `${program} ${args.join(' ')}: ${done.error ?? said}`);
  return { code: done.status, out: done.stdout, err: done.stderr };
}
