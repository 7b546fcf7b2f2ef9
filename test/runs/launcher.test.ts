/** The launcher, by a real sh in the environment of a scheduler: Nodes and programs are scripts that tell what is asked of them. */
import { spawnSync } from 'node:child_process';
import {
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
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import pkg from '../../package.json' with { type: 'json' };
import { inDir } from '../../src/machine/foreign.ts';
import { placesOf } from '../../src/machine/paths.ts';
import { foundFile, namedIn } from '../../src/runs/launcher.ts';
import { saidIn } from '../../src/runs/said.ts';
import { ensureTools } from '../../src/runs/tools.ts';
import type { Ran } from '../support/sandbox.ts';

let dir: string;
let home: string;
beforeEach(() => {
  // A quote, a space and a "=" in every path.
  dir = mkdtempSync(join(tmpdir(), "mc-pickup-it's=a "));
  home = join(dir, 'home');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const places = () => placesOf({ stateDir: join(dir, 'state'), config: join(dir, 'config.toml') }, {});
const launcher = () => join(places().bin, 'mc-pickup');

function program(file: string, text = "#!/usr/bin/env node\n// it's the program\n"): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o755 });
  return file;
}

/** A Node of that version: it tells itself, its words, what it finds itself in, and its pid. */
const node = (file: string, version: string): string =>
  program(
    file,
    `#!/bin/sh
[ "$1" = -v ] && echo v${version} && exit
printf '%s\\n' ${version} "$@" "$MC_PICKUP_STATE_DIR" "$PATH" $$
`,
  );

function start(
  env: NodeJS.ProcessEnv = {},
  ...words: string[]
): Ran & { readonly lines: string[]; pid: number } {
  const bare = { HOME: home, PATH: '/usr/bin:/bin', ...env };
  const done = spawnSync(launcher(), words, { env: bare, encoding: 'utf8' });
  return {
    ...{ code: done.status, out: done.stdout, err: done.stderr, pid: done.pid },
    lines: done.stdout.trimEnd().split('\n'),
  };
}

const MODULE = 'lib/node_modules/mc-pickup/bin/mc-pickup.js';

it('as a rule it becomes Node at once, in the very same process, and takes words as they are', () => {
  const [is, bin] = [node(join(dir, 'n', 'node'), '22.14.0'), program(join(dir, 'p', 'mc-pickup.js'))];
  ensureTools(places(), is, bin);
  const { code, err, lines, pid } = start({}, 'report', '--message', 'a "b" $c\\n%');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(lines).toEqual([
    ...['22.14.0', bin, 'report', '--message', 'a "b" $c\\n%', places().state],
    ...['/usr/bin:/bin', String(pid)],
  ]);
  expect(namedIn(readFileSync(launcher(), 'utf8'))).toEqual({ node: is, program: bin });
  // Whoever names another state dir means that one.
  expect(start({ MC_PICKUP_STATE_DIR: '/other' }).lines).toContain('/other');
});

it.each([
  ['nvm', '.nvm/versions/node/v*/bin/node'],
  ['fnm', '.local/share/fnm/node-versions/v*/installation/bin/node'],
  ['asdf', '.asdf/installs/nodejs/*/bin/node'],
  ['mise', '.local/share/mise/installs/node/*/bin/node'],
  ['volta', '.volta/tools/image/node/*/bin/node'],
  ['n', 'n/n/versions/node/*/bin/node'],
  ['nodenv', '.nodenv/versions/*/bin/node'],
  ['nvs', '.nvs/node/*/x64/bin/node'],
  ['one of its own', 'tools/node-v*-linux-x64/bin/node'],
])('%s takes the old Node away, and its packages with it: those of the new one are started', (_, layout) => {
  const at = (version: string) => join(home, layout.replace('*', version));
  ensureTools(places(), at('22.14.0'), join(dirname(dirname(at('22.14.0'))), MODULE));
  node(at('18.20.4'), '18.20.4');
  for (const version of ['22.9.0', '22.15.1', '24.9.0', '24.11.0']) {
    node(at(version), version);
    program(join(dirname(dirname(at(version))), MODULE));
  }
  const { code, err, lines } = start({}, 'dispatch');
  expect(code).toBe(0);
  expect(lines.slice(0, 3)).toEqual(['24.11.0', join(dirname(dirname(at('24.11.0'))), MODULE), 'dispatch']);
  // What is installed with that Node, such as an agent's client, is found with it.
  expect(lines.at(-2)).toBe(`${dirname(at('24.11.0'))}:/usr/bin:/bin`);
  expect(err).toContain(at('22.14.0'));
  expect(err).toMatch(/is gone.*mc-pickup schedule install/);
});

it.each([
  ['another version manager has it', '.nodenv/versions/24.1.0/bin/node', {}],
  [
    'its manager is elsewhere, and a variable says where',
    'managed/versions/node/v24.1.0/bin/node',
    { NVM_DIR: 'managed' },
  ],
  ['it is on PATH alone', 'odd/node', { PATH: 'odd' }],
])('the Node is gone: %s', (_, place, variables) => {
  const bin = program(join(dir, 'p', 'mc-pickup.js'));
  ensureTools(places(), join(dir, 'gone', 'node'), bin);
  node(join(home, place), '24.1.0');
  const env = Object.fromEntries(
    Object.entries(variables).map(([name, path]) => [name, `${join(home, path)}:/usr/bin:/bin`]),
  );
  if ('NVM_DIR' in variables) env.NVM_DIR = join(home, variables.NVM_DIR ?? '');
  expect(start(env).lines.slice(0, 2)).toEqual(['24.1.0', bin]);
});

it.each([
  ['is linked again on PATH', (now: string) => symlinkSync(now, join(dir, 'bin', 'mc-pickup'))],
  [
    'is linked again by npm',
    (now: string) => symlinkSync(dirname(dirname(now)), dirname(dirname(join(dir, MODULE)))),
  ],
  ['has its version in its path', () => program(join(dir, 'mc-pickup-0.3.0', 'bin', 'mc-pickup.js'))],
])('a program that has moved %s', (_, link) => {
  const is = node(join(dir, 'n', 'node'), '24.1.0');
  ensureTools(places(), is, join(dir, 'mc-pickup-0.2.0', 'bin', 'mc-pickup.js'));
  const now = program(join(dir, 'moved', 'bin', 'mc-pickup.js'));
  mkdirSync(join(dir, 'bin'));
  mkdirSync(join(dir, 'lib', 'node_modules'), { recursive: true });
  link(now);
  const { code, err, lines } = start(
    { PATH: `${places().bin}:${join(dir, 'bin')}:/usr/bin:/bin` },
    'dispatch',
  );
  expect([code, lines[0], lines[2]]).toEqual([0, '24.1.0', 'dispatch']);
  expect(readFileSync(lines[1] ?? '', 'utf8')).toContain("it's the program");
  expect(err).toContain(join(dir, 'mc-pickup-0.2.0'));
});

it('says what it found once, and never to an agent; what it found is gone too: it looks again', () => {
  const bin = program(join(dir, 'p', 'mc-pickup.js'));
  ensureTools(places(), join(dir, 'gone', 'node'), bin);
  const first = node(join(home, '.nvm/versions/node/v24.1.0/bin/node'), '24.1.0');
  expect(start({ MC_RUN_ID: 'r' })).toMatchObject({ code: 0, err: '' });
  expect(existsSync(foundFile(places()))).toBe(false);
  expect(start().err).toMatch(/^mc-pickup: [^\n]*gone[^\n]*\n$/);
  expect(readFileSync(foundFile(places()), 'utf8')).toBe(`${first}\n${bin}\n`);
  expect(start()).toMatchObject({ code: 0, err: '' });
  expect(start().lines[0]).toBe('24.1.0');
  rmSync(first);
  node(join(home, '.nvm/versions/node/v24.2.0/bin/node'), '24.2.0');
  expect(start().err).toContain('v24.2.0');
  expect(start()).toMatchObject({ code: 0, err: '' });
  // What it names is there again.
  ensureTools(places(), node(join(dir, 'n', 'node'), '22.14.0'), bin);
  expect(start()).toMatchObject({ code: 0, err: '', lines: expect.arrayContaining(['22.14.0']) });
});

it.each(['/bin/sh', 'bash', 'dash'])(
  'a Node that is there and can no longer be executed is as good as gone: %s',
  (shell) => {
    if (spawnSync(shell, ['-c', ':']).status !== 0) return;
    const bin = program(join(dir, 'p', 'mc-pickup.js'));
    ensureTools(places(), program(join(dir, 'n', 'node'), '#!/nowhere/its/loader\n'), bin);
    node(join(home, '.nvm/versions/node/v24.1.0/bin/node'), '24.1.0');
    const bare = { HOME: home, PATH: '/usr/bin:/bin' };
    const done = spawnSync(shell, [launcher(), 'report', 'a b'], { env: bare, encoding: 'utf8' });
    expect([done.status, done.stdout.split('\n').slice(0, 4)]).toEqual([0, ['24.1.0', bin, 'report', 'a b']]);
  },
);

it('asked to search, it does not take what it names at its word: that one has become too old', () => {
  const bin = program(join(dir, 'p', 'mc-pickup.js'));
  ensureTools(places(), node(join(dir, 'n', 'node'), '20.1.0'), bin);
  node(join(home, '.nvm/versions/node/v24.1.0/bin/node'), '24.1.0');
  expect(start({ MC_PICKUP_SEARCH: '1' }).lines[0]).toBe('24.1.0');
});

it('with nothing to be found it says what, and what to do: exit 78', () => {
  const bin = program(join(dir, 'p', 'mc-pickup.js'));
  const old = node(join(home, '.nvm/versions/node/v22.13.1/bin/node'), '22.13.1');
  // The one on PATH may be any: none of it is there.
  const bare = { PATH: '/nowhere' };
  ensureTools(places(), old.replace('22.13', '22.14'), bin);
  if (
    spawnSync('sh', ['-c', '/usr/bin/node -v || /usr/local/bin/node -v'], { encoding: 'utf8' }).stdout < 'v22'
  )
    expect(start(bare)).toMatchObject({
      code: 78,
      out: '',
      err: expect.stringMatching(/no Node 22\.14 or newer/),
    });
  ensureTools(places(), node(join(dir, 'n', 'node'), '24.1.0'), `${bin}.gone`);
  const none = start(bare);
  expect(none).toMatchObject({ code: 78, out: '' });
  expect(none.err).toContain(`${bin}.gone is gone`);
  expect(none.err).toContain('mc-pickup init');
});

it.each([
  [
    'in_review',
    ['report', 'review', '--message', 'Done: "a" \\ b\n\twith\u0007 it\'s é'],
    'Done: "a" \\ b\n with it\'s é',
  ],
  ['needs_input', ['--json', 'report', 'needs-input', '--message=Which --message?'], 'Which --message?'],
  ['blocked', ['report', 'blocked'], ''],
  // Escaped, that is more than is read of a report.
  ['done', ['report', 'done', '--message', '"\\'.repeat(50_000)], '"\\'.repeat(8192)],
])('with nothing to be found an agent can report all the same: %s is kept', (to, words, message) => {
  ensureTools(places(), node(join(dir, 'n', 'node'), '24.1.0'), join(dir, 'gone.js'));
  const run = 'MC-1-e1-x';
  const events = join(places().runs, run, 'events');
  mkdirSync(events, { recursive: true });
  const env = { MC_RUN_ID: run, MC_TICKET_ID: 'MC-1', MC_RUN_DIR: join(places().runs, run) };
  expect(start(env, ...words)).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringMatching(/^kept: MC-1 -> .*next tick/),
  });
  const [name = '', ...more] = readdirSync(events);
  expect(more).toEqual([]);
  const told = inDir(dirname(events), 'events', (at) => saidIn(at, { name, mtimeNs: 7_000_000n }));
  expect(told).toEqual({ name, to, message, at_ms: 7 });
  // Whoever is no agent, or says something else, is told what is wrong.
  expect(start({ ...env, MC_RUN_ID: '' }, ...words).code).toBe(78);
  expect(start(env, 'dispatch').code).toBe(78);
  expect(start(env, 'report', 'done?').code).toBe(78);
  expect(start(env, 'ticket', 'comment', 'MC-1', 'report', 'done').code).toBe(78);
  expect(start(env, 'report', 'done', '--help').code).toBe(78);
  expect(readdirSync(events)).toEqual([name]);
});

it('the oldest Node that will do is the one that the package asks for', () => {
  const [, major, minor] = /^>=(\d+)\.(\d+)/.exec(pkg.engines.node) ?? [];
  const bin = program(join(dir, 'p', 'mc-pickup.js'));
  ensureTools(places(), join(dir, 'gone', 'node'), bin);
  const at = (patch: string) => join(home, '.nvm/versions/node', `v${patch}`, 'bin/node');
  const old = node(at('a'), `${major}.${Number(minor) - 1}.99`);
  node(at('b'), `${major}.${minor}.0-nightly2026`);
  expect(start().lines[0]).toBe(`${major}.${minor}.0-nightly2026`);
  expect(existsSync(old)).toBe(true);
});
