import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeSandbox, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
let config: string;
beforeEach(() => {
  box = makeSandbox();
  config = join(box.dir, 'config.toml');
});
afterEach(async () => {
  await box.destroy();
});

describe('config path', () => {
  it('says which files are used, and why those', async () => {
    const path = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      JSON.parse((await box.here(['config', 'path', '--json', ...args], '', env)).out) as Record<
        string,
        unknown
      >;
    expect(await path([])).toEqual({
      ...{ config, config_from: 'environment', config_exists: true },
      ...{ state_dir: box.state, state_dir_from: 'environment', state_dir_exists: false },
      schema: join(process.cwd(), 'docs', 'config.schema.json'),
    });
    const bare = { MC_PICKUP_CONFIG: '', MC_PICKUP_STATE_DIR: '' };
    expect(await path([], bare)).toMatchObject({
      ...{ config: `${box.env.HOME}/.config/mc-pickup/config.toml`, config_from: 'default' },
      ...{
        config_exists: false,
        state_dir: `${box.env.HOME}/.local/state/mc-pickup`,
        state_dir_from: 'default',
      },
    });
    expect(await path(['--config', '/x/c.toml'], { ...bare, XDG_STATE_HOME: '/s' })).toMatchObject({
      ...{ config: '/x/c.toml', config_from: 'option', state_dir: '/s/mc-pickup', state_dir_from: 'xdg' },
    });
    const told = (await box.here(['config', 'path', '--state-dir', '/nowhere/s'])).out;
    expect(told).toContain(`${config}  (MC_PICKUP_CONFIG)\n`);
    expect(told).toContain('/nowhere/s  (--state-dir; not there yet: mc-pickup init)\n');
  });
});

it('profiles of a broken configuration are none that could be shown: its place is, exit 78', async () => {
  expect((await box.here(['init'])).code).toBe(0);
  writeFileSync(config, 'nonsense = 1\n');
  expect(await box.here(['agents'])).toMatchObject({
    ...{ code: 78, out: '' },
    err: expect.stringMatching(/no profile can be shown: .*config\.toml:1:1: nonsense: unknown key/),
  });
});

describe('config check', () => {
  it('counts what is fine, and writes nothing', async () => {
    expect(await box.here(['config', 'check'])).toEqual({
      code: 0,
      out: 'fine: 1 project, 1 profile\n',
      err: '',
    });
    expect(JSON.parse((await box.here(['config', 'check', '--json'])).out)).toEqual({
      ...{ file: config, ok: true, complaints: [], warnings: [] },
    });
    expect(existsSync(box.state)).toBe(false);
  });

  it('tells every mistake with its place and what was meant: exit 78', async () => {
    box.configure('[limits]\nmax_agnets = 4\n\n[agent.a]\n  kind = "cluade"\n[[route]]\nagent = "b"\n');
    const done = await box.here(['config', 'check'], '', { MC_PICKUP_TTL_MINUTES: 'long' });
    expect(done).toMatchObject({ code: 78, err: `mc-pickup: 4 mistakes in ${config}\n` });
    expect(done.out.split('\n')).toEqual([
      'environment: MC_PICKUP_TTL_MINUTES: must be a number above 0 and at most 43200',
      `${config}:2:1: limits.max_agnets: unknown key (did you mean "max_agents"?)`,
      expect.stringContaining(`${config}:5:3: agent.a.kind: must be one of`),
      `${config}:7:1: route.0.agent: no agent "b"`,
      '',
    ]);
    const { ok, complaints } = JSON.parse((await box.here(['config', 'check', '--json'])).out) as {
      ok: boolean;
      complaints: unknown[];
    };
    expect(ok).toBe(false);
    expect(complaints[0]).toEqual({
      ...{ line: 2, column: 1, key: 'limits.max_agnets', says: 'unknown key (did you mean "max_agents"?)' },
    });
  });

  it('warns of what is hardly meant, and that is no mistake; doctor knows of certificates that are not there', async () => {
    const gone = join(box.dir, 'gone');
    const text = readFileSync(config, 'utf8').replace(/^repo = .*$/m, `repo = ${JSON.stringify(gone)}`);
    box.configure(
      `${text.replace('[limits]\n', '[limits]\nmax_living = 3\n')}\n[network]\nca_file = "ca.pem"\n`,
    );
    const done = await box.here(['config', 'check']);
    expect(done).toMatchObject({ code: 0, out: 'fine: 1 project, 1 profile\n' });
    expect(done.err.split('\n')).toEqual([
      `mc-pickup: warning: ${config}:2:1: limits.max_living: is 3, and max_agents 8: no more than 3 agents are ever at work`,
      expect.stringMatching(/:\d+:1: network\.ca_file: \S+\/ca\.pem cannot be read: /),
      expect.stringMatching(/:\d+:1: project\.demo\.repo: \S+\/gone is not there$/),
      '',
    ]);
    const found = JSON.parse((await box.here(['doctor', '--json'])).out) as { check: string; says: string }[];
    expect(found).toContainEqual(
      expect.objectContaining({
        ...{ check: 'configuration', result: 'warn' },
        says: expect.stringMatching(/^network\.ca_file: \S+ca\.pem cannot be read/),
      }),
    );
  });

  it('checks another file, and what stands on its standard input', async () => {
    const other = join(box.dir, 'other.toml');
    writeFileSync(other, '[limits\n', { mode: 0o600 });
    expect(await box.here(['config', 'check', other])).toMatchObject({
      code: 78,
      out: expect.stringContaining(`${other}:1:8: not valid TOML`) as unknown,
    });
    expect(await box.here(['config', 'check', join(box.dir, 'none.toml')])).toMatchObject({ code: 78 });
    expect(await box.here(['config', 'check', '-'], '[limits]\nmax_agents = "x"\n')).toMatchObject({
      code: 78,
      out: expect.stringContaining('stdin:2:1: limits.max_agents: must be a whole number') as unknown,
    });
    expect(await box.here(['config', 'check', '-'], readFileSync(config, 'utf8'))).toMatchObject({ code: 0 });
  });

  it('also knows what every other command would refuse of [board]', async () => {
    box.configure('[board]\nkind = "mission-control"\nurl = "http://example.net"\n');
    const done = await box.here(['config', 'check']);
    expect(done.code).toBe(78);
    expect(done.out).toBe(`${config}:3:1: board.url: http is for this machine alone: use https\n`);
  });

  it.each([
    ['a directory', (file: string): void => void mkdirSync(file), 'is not a regular file'],
    [
      'a file that anyone can write',
      (file: string) => writeFileSync(file, '', { mode: 0o666 }),
      'can be written by anyone',
    ],
    ['no file', (): void => undefined, 'run mc-pickup init'],
  ] as const)('says what is wrong with %s', async (_, spoil, says) => {
    rmSync(config);
    spoil(config);
    if (existsSync(config)) chmodSync(config, 0o777);
    const done = await box.here(['config', 'check']);
    expect(done).toMatchObject({ code: 78, err: `mc-pickup: 1 mistake in ${config}\n` });
    expect(done.out).toContain(says);
    expect(done.out).not.toContain('environment');
  });
});

describe('config show', () => {
  it('prints what is in force, which can be read again', async () => {
    const done = await box.here(['config', 'show', '--defaults'], '', { MC_PICKUP_MAX_AGENTS: '3' });
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(done.out).toMatch(/^max_agents = 3 +# MC_PICKUP_MAX_AGENTS, in place of line 2$/m);
    expect(await box.here(['config', 'check', '-'], done.out)).toMatchObject({ code: 0, err: '' });
    const { settings } = JSON.parse((await box.here(['config', 'show', '--json'])).out) as {
      settings: unknown[];
    };
    expect(settings).toContainEqual({
      ...{ key: 'project.demo.repo', value: box.repo, from: 'file', line: 9, variable: null },
    });
  });

  it('shows nothing of a broken one: exit 78', async () => {
    box.configure('[limits]\nmax_agnets = 4\n');
    const done = await box.here(['config', 'show']);
    expect(done).toMatchObject({ code: 78, out: '' });
    expect(done.err).toMatch(/nothing of the configuration is in force: \S+:2:1: .*config check\n$/);
  });
});

it('init writes a configuration that is fine, names the schema, and can be added to', async () => {
  rmSync(config);
  expect(await box.here(['init'])).toMatchObject({ code: 0, err: '' });
  expect((await box.here(['config', 'check'])).out).toBe('fine: 0 projects, 1 profile\n');
  const [first = ''] = readFileSync(config, 'utf8').split('\n');
  const address = /^#:schema (file:\S+)$/.exec(first)?.[1] ?? '';
  expect(JSON.parse(readFileSync(new URL(address), 'utf8'))).toMatchObject({
    title: 'mc-pickup: config.toml',
  });
  const here = process.cwd();
  process.chdir(box.repo);
  try {
    expect(await box.here(['init', '--project'])).toMatchObject({ code: 0, err: '' });
  } finally {
    process.chdir(here);
  }
  expect((await box.here(['config', 'check'])).out).toBe('fine: 1 project, 1 profile\n');
});
