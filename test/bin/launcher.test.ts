import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const BUNDLES = readdirSync('dist').filter((name) => name.endsWith('.cjs'));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mc-launcher-'));
  mkdirSync(join(dir, 'dist'));
  cpSync('bin', join(dir, 'bin'), { recursive: true });
  for (const name of BUNDLES) cpSync(join('dist', name), join(dir, 'dist', name));
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  symlinkSync(join(process.cwd(), 'node_modules'), join(dir, 'node_modules'));
  writeFileSync(join(dir, 'config.toml'), '');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** One run of the copied program; what it left in its cache of compiled code. */
function run(
  command: string | readonly string[],
  env: NodeJS.ProcessEnv = {},
): { status: number | null; said: string } {
  const places = ['--state-dir', join(dir, 'state'), '--config', join(dir, 'config.toml')];
  const done = spawnSync(
    process.execPath,
    [join(dir, 'bin', 'mc-pickup.js'), ...[command].flat(), ...places],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: dir, ...env },
    },
  );
  return { status: done.status, said: done.stdout + done.stderr };
}

const CACHE = () => join(dir, 'dist', '.code-cache');
/** Of the bundle that is always loaded. */
const cached = (): string[] => cacheOf('main.cjs');
const cacheOf = (name: string): string[] => {
  const hash = readFileSync(join(dir, 'dist', name), 'latin1').slice(-17, -1);
  return existsSync(CACHE()) ? readdirSync(CACHE()).filter((file) => file.startsWith(hash)) : [];
};
const bytesOf = (name: string): Buffer => readFileSync(join(CACHE(), name));

it('keeps the compiled code of the deepest run, and leaves it alone when it is used', () => {
  expect(run('status').status).toBe(78); // there is no board yet
  expect(cached()).toEqual([expect.stringMatching(/-0$/)]);
  expect(cacheOf('cli.cjs')).toEqual([expect.stringMatching(/-0$/)]); // of its own, that no tick loads
  expect(cacheOf('tick.cjs')).toEqual([]);
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  expect(cached()).toEqual([]); // what lesser runs have compiled is not kept with it
  expect(cacheOf('tick.cjs')).toEqual([expect.stringMatching(/-1$/)]);
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  const [tick = ''] = cached();
  expect(cached()).toEqual([expect.stringMatching(/-1$/)]);
  const before = bytesOf(tick);
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  expect(run('status').status).toBe(0);
  expect(cached()).toEqual([tick]);
  expect(bytesOf(tick).equals(before)).toBe(true);
});

it('refuses compiled code that is cut short or is none, works all the same, and makes it anew', () => {
  run('dispatch');
  const [tick = ''] = cacheOf('tick.cjs');
  const whole = bytesOf(tick);
  for (const broken of [whole.subarray(0, 1000), Buffer.alloc(0), Buffer.alloc(whole.length)]) {
    writeFileSync(join(CACHE(), tick), broken);
    expect(run('dispatch')).toEqual({ status: 0, said: '' });
    expect(bytesOf(tick).length).toBeGreaterThan(100_000);
  }
});

it('never runs the compiled code of another build, even of one with as many bytes', () => {
  expect(run('--help').said).toContain('the board, the living agents');
  const file = join(dir, 'dist', 'cli.cjs');
  const other = readFileSync(file, 'latin1')
    .replace('the board, the living agents', 'THE BOARD, THE LIVING AGENTS')
    .replace(/[0-9a-f]{16}\n$/, '0123456789abcdef\n');
  writeFileSync(file, other);
  expect(run('--help').said).toContain('THE BOARD, THE LIVING AGENTS');
});

it('the hash in the last line of the bundle is there: without it two builds would share compiled code', () => {
  for (const name of BUNDLES)
    expect(readFileSync(join('dist', name), 'latin1')).toMatch(/\n\/\/[0-9a-f]{16}\n$/);
});

it('nothing is left of the failpoints in the bundle that is shipped', () => {
  const text = BUNDLES.map((name) => readFileSync(join('dist', name), 'latin1')).join('');
  expect(readFileSync('src/act/launch/protocol.ts', 'utf8')).toContain("failpoint('claim-committed')");
  expect(text).not.toMatch(/MC_PICKUP_FAILPOINT|claim-committed|launch-pane-started|register-committed/);
});

it('works where it may not write beside itself', () => {
  writeFileSync(CACHE(), 'a file where the directory would be');
  chmodSync(join(dir, 'dist'), 0o500);
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  chmodSync(join(dir, 'dist'), 0o700);
});

it('names the lines of the source in a stack, and uses no compiled code, when asked to debug', () => {
  cpSync('dist/cli.cjs.map', join(dir, 'dist', 'cli.cjs.map'));
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  const bug = { NODE_OPTIONS: `--import "data:text/javascript,Date.now=()=>{throw Error('broken')}"` };
  expect(run(['killswitch', 'on'], bug)).toMatchObject({
    status: 1,
    said: expect.not.stringContaining(' at '),
  });
  rmSync(CACHE(), { recursive: true });
  const { said } = run(['killswitch', 'on'], { ...bug, MC_PICKUP_DEBUG: '1' });
  expect(said).toMatch(/ at .+src\/commands\/killswitch\.ts:\d+:\d+/);
  expect(cached()).toEqual([]);
});

it('says so when a bundle is missing or was cut short, whichever: exit 78, and no stack', () => {
  const then = 'install mc-pickup again, or run "npm run build" in the checkout\n';
  const path = (name: string) => join(dir, 'dist', name);
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  writeFileSync(join(dir, 'tasks.csv'), 'title\nDo it\n');
  for (const [name, command, late = false] of [
    ['main.cjs', 'status'],
    ['cli.cjs', 'status'],
    ['tick.cjs', 'dispatch'],
    ['import.cjs', ['ticket', 'import', join(dir, 'tasks.csv')], true],
  ] as const) {
    const whole = readFileSync(path(name));
    rmSync(path(name));
    expect(run(command)).toEqual({ status: 78, said: `mc-pickup: dist/${name} is missing: ${then}` });
    for (const bytes of late ? [] : [0, 1000, whole.length - 1]) {
      writeFileSync(path(name), whole.subarray(0, bytes));
      expect(run(command)).toEqual({ status: 78, said: `mc-pickup: dist/${name} is not whole: ${then}` });
    }
    writeFileSync(path(name), whole);
  }
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
});

it('a gate that is closed loads nothing of a tick', () => {
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  expect(run(['killswitch', 'on', '--level', 'all', '--reason', 'test']).status).toBe(0);
  for (const name of BUNDLES) if (name !== 'main.cjs') rmSync(join(dir, 'dist', name));
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
});

/** Words that only these have. */
const OTHERS = {
  execa: 'isExecaError',
  'toml-eslint-parser': 'ParseError',
  workspace: '"worktree","add"',
};

it('a tick with nothing to do loads what a tick always needs, and not what only launches, hooks and other boards do', () => {
  for (const name of BUNDLES) if (!/^(main|tick)\./.test(name)) rmSync(join(dir, 'dist', name));
  writeFileSync(join(dir, 'config.toml'), '[retention]\nticks_days = 0\nhistory_days = 0\nruns_days = 0\n');
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  const tick = readFileSync('dist/tick.cjs', 'latin1');
  expect(tick.includes('mc-pickup.tick/1')).toBe(true);
  for (const [bundle, words] of Object.entries(OTHERS)) {
    expect(readFileSync(`dist/${bundle}.cjs`, 'latin1').includes(words)).toBe(true); // else nothing is looked for
    expect(tick.includes(words), bundle).toBe(false);
  }
});

it('a tick and a registration load nothing of the command line', () => {
  rmSync(join(dir, 'dist', 'cli.cjs'));
  expect(run('dispatch')).toEqual({ status: 0, said: '' });
  const places = ['--state-dir', join(dir, 'state'), '--config', join(dir, 'config.toml')];
  const words = [join(dir, 'bin', 'mc-pickup.js'), ...places, 'register', 'MC-1-e1-0', String(process.pid)];
  const done = spawnSync(process.execPath, words, { encoding: 'utf8', env: { HOME: dir } });
  expect(done).toMatchObject({ status: 75, stderr: expect.stringContaining('lost its claim') });
});

it('says all that it has to say, however slowly that is read', () => {
  // An error for each of many tables: more than a pipe holds at once.
  const broken = Array.from({ length: 3000 }, (_, n) => `[project.p${n}]\n`).join('');
  writeFileSync(join(dir, 'config.toml'), broken);
  const bin = `'${process.execPath}' '${join(dir, 'bin', 'mc-pickup.js')}'`;
  const places = `--state-dir '${join(dir, 'state')}' --config '${join(dir, 'config.toml')}'`;
  const said = (words: string) =>
    spawnSync('sh', ['-c', words], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: dir },
      maxBuffer: 1e8,
    });
  const whole = said(`${bin} dispatch --json ${places} >'${join(dir, 'whole')}'`);
  expect(whole.status).toBe(78);
  const text = readFileSync(join(dir, 'whole'), 'utf8');
  expect(text.length).toBeGreaterThan(150_000);
  const told = (json: string) => ({ ...(JSON.parse(json) as object), tick_id: '', duration_ms: 0 });
  expect(told(text)).toMatchObject({ schema: 'mc-pickup.tick/1' });
  const piped = said(`${bin} dispatch --json ${places} | { read -r line; printf '%s\n' "$line"; }`);
  expect(told(piped.stdout)).toEqual(told(text));
});

it('what is not in the very words of a launcher is a matter of the command line', () => {
  const places = ['--state-dir', join(dir, 'state'), '--config', join(dir, 'config.toml')];
  const typed = (...words: string[]) =>
    spawnSync(process.execPath, [join(dir, 'bin', 'mc-pickup.js'), ...words], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: dir },
    });
  expect(typed(...places, 'register', 'MC-1-e1-0', '-7')).toMatchObject({ status: 2 });
  expect(typed(...places, 'register', 'MC-1-e1-0', '')).toMatchObject({ status: 2 });
  expect(typed(...places, 'register', 'MC-1-e1-0', '99', 'more')).toMatchObject({ status: 2 });
  expect(typed('register', 'MC-1-e1-0', '1', ...places)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('"1" is no pid'),
  });
});

/** Modules of Node itself that a run loads beyond an empty program. */
function builtins(...words: string[]): string[] {
  const list = join(dir, 'loaded');
  const listen = join(dir, 'listen.cjs');
  const writes = `require('node:fs').writeFileSync(${JSON.stringify(list)}, process.moduleLoadList.join('\\n'))`;
  writeFileSync(listen, `process.on('exit', () => ${writes});`);
  const loaded = (...args: string[]): string[] => {
    const done = spawnSync(process.execPath, ['--require', listen, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: dir },
    });
    expect(done).toMatchObject({ status: 0, stdout: '', stderr: '' });
    return readFileSync(list, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('NativeModule ') && !line.includes('internal/'));
  };
  const empty = new Set(loaded('-e', '0'));
  const places = ['--state-dir', join(dir, 'state'), '--config', join(dir, 'config.toml')];
  const all = loaded(join(dir, 'bin', 'mc-pickup.js'), ...words, ...places);
  return all.filter((name) => !empty.has(name)).map((name) => name.replace('NativeModule ', ''));
}

it('an idle tick loads next to nothing of Node: each module would be paid for every minute', () => {
  run('dispatch');
  run('dispatch');
  expect(builtins('dispatch').sort()).toEqual(['vm']);
});
