import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, git, makeSandbox, type Ran, type Sandbox } from '../support/sandbox.ts';

let box: Sandbox;
let config: string;
beforeEach(() => {
  box = makeSandbox();
  config = join(box.dir, 'config.toml');
});
afterEach(async () => {
  await box.destroy();
});

/** The program, run in a directory. */
async function inDir(dir: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const here = process.cwd();
  process.chdir(dir);
  try {
    return await box.here(args, '', env);
  } finally {
    process.chdir(here);
  }
}

function repoAt(...path: string[]): string {
  const repo = join(box.dir, ...path);
  mkdirSync(repo, { recursive: true });
  git({ ...box, repo }, 'init', '-q', '-b', 'main');
  return repo;
}

describe.each([
  [
    'broken TOML',
    () => writeFileSync(config, '[limits]\nmax_agents = = 4\n'),
    /config\.toml:2:14: not valid TOML/,
  ],
  [
    'an unknown key',
    () => writeFileSync(config, '[limits]\nmax_agnets = 4\n'),
    /config\.toml:2:1: limits\.max_agnets/,
  ],
  [
    'a file that anyone can write',
    () => chmodSync(config, 0o666),
    /config\.toml:1:1: can be written by anyone/,
  ],
  [
    'a directory in its place',
    () => {
      rmSync(config);
      mkdirSync(config);
    },
    /config\.toml:1:1: is not a regular file/,
  ],
] as const)('%s', (_, spoil, complaint) => {
  beforeEach(spoil);

  it('is what ticket add complains of where the default project is needed: exit 78', async () => {
    const done = await box.here(['ticket', 'add', '--title', 'One']);
    expect(done).toMatchObject({ code: 78, out: '' });
    expect(done.err).toMatch(complaint);
    expect(done.err).not.toContain('has no default');
    expect(done.err.trim().split('\n')).toHaveLength(1);
  });

  it('is a warning where the project is named', async () => {
    const done = await box.here(['ticket', 'add', '--title', 'One', '--project', 'demo', '--json']);
    expect(done.code).toBe(0);
    expect(JSON.parse(done.out)).toMatchObject({ id: 'MC-1', project: 'demo' });
    expect(done.err).toMatch(complaint);
  });

  it('is said by status in one line', async () => {
    await box.here(['ticket', 'add', '--title', 'One', '--project', 'demo']);
    const done = await box.here(['status']);
    expect(done.code).toBe(0);
    expect(done.out.split('\n').filter((line) => complaint.test(line))).toHaveLength(1);
    const { config_errors } = JSON.parse((await box.here(['status', '--json'])).out) as {
      config_errors: string[];
    };
    expect(config_errors[0]).toMatch(complaint);
  });

  it('is said by init, which adds nothing to it: exit 78', async () => {
    for (const args of [['init'], ['init', '--project']]) {
      const done = await inDir(box.repo, args);
      expect(done.code).toBe(78);
      expect(done.err).toMatch(complaint);
      expect(done.err).not.toContain('a bug');
    }
  });
});

it('a missing configuration is named by ticket add and status, and made by init', async () => {
  rmSync(config);
  const done = await box.here(['ticket', 'add', '--title', 'One']);
  expect(done.code).toBe(78);
  expect(done.err).toMatch(/no configuration at \S+config\.toml: run mc-pickup init/);
  expect((await box.here(['status'])).out).toMatch(/no configuration at/);
  expect(await box.here(['init'])).toMatchObject({ code: 0, err: '' });
  expect((await box.here(['status'])).out).not.toMatch(/^config /m);
});

it('a sound configuration without a default names its projects: exit 2', async () => {
  writeFileSync(config, `${readFileSync(config, 'utf8')}\n[project.shop]\nrepo = "/nowhere"\n`);
  const done = await box.here(['ticket', 'add', '--title', 'One']);
  expect(done.code).toBe(2);
  expect(done.err).toMatch(/--project \(demo, shop\)/);
});

it('a dispatch for a project that is not in the configuration names those that are: exit 2', async () => {
  await box.here(['ticket', 'add', '--title', 'One']);
  for (const args of [
    ['dispatch', '--project', 'nope'],
    ['dispatch', '--dry-run', '--project', 'nope'],
  ]) {
    const done = await box.here(args);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toMatch(/no project "nope" in \S+; known: demo\n$/);
  }
});

describe('init --project', () => {
  it('gives a second repository of the same directory name a name of its own', async () => {
    expect((await inDir(repoAt('a', 'shop'), ['init', '--project'])).out).toMatch(/project shop /);
    const second = repoAt('b', 'shop');
    const done = await inDir(second, ['init', '--project']);
    expect(done.code).toBe(0);
    expect(done.out).toMatch(/project shop-2 .*shop is \S+\/a\/shop/);
    expect(readFileSync(config, 'utf8')).toContain(`[project.shop-2]\nrepo = ${JSON.stringify(second)}`);
    const again = readFileSync(config, 'utf8');
    expect((await inDir(second, ['init', '--project'])).out).toMatch(/project shop-2 is in .* already/);
    expect(readFileSync(config, 'utf8')).toBe(again);
    expect(JSON.parse((await inDir(second, ['init', '--project', '--json'])).out)).toMatchObject({
      project: 'shop-2',
    });
  });

  it('takes a name of your choice, and never one that another repository has', async () => {
    const repo = repoAt('c', 'shop');
    const before = readFileSync(config, 'utf8');
    const taken = await inDir(repo, ['init', '--project', '--name', 'demo']);
    expect(taken.code).toBe(2);
    expect(taken.err).toMatch(/demo is taken by \S+\/repo .*nothing was added.*--name/);
    expect((await inDir(repo, ['init', '--project', '--name', 'a b'])).code).toBe(2);
    expect((await inDir(repo, ['init', '--name', 'till'])).code).toBe(2);
    expect(readFileSync(config, 'utf8')).toBe(before);
    expect(await inDir(repo, ['init', '--project', '--name', 'till.v2'])).toMatchObject({ code: 0, err: '' });
    expect(await box.here(['ticket', 'add', '--title', 'One', '--project', 'till.v2'])).toMatchObject({
      code: 0,
      err: '',
    });
  });

  it('puts back a configuration that the project does not fit into', async () => {
    const text = 'project = { }\n';
    writeFileSync(config, text);
    const done = await inDir(repoAt('d', 'shop'), ['init', '--project']);
    expect(done.code).toBe(78);
    expect(done.err).toMatch(/add it by hand/);
    expect(readFileSync(config, 'utf8')).toBe(text);
  });

  it('in a folder says how to make that a project, and makes it one: beside the whole and other folders of it', async () => {
    const repo = repoAt('mono', 'mono');
    git({ ...box, repo }, 'commit', '-q', '--allow-empty', '-m', 'base');
    const app = join(repo, 'packages', 'app');
    mkdirSync(app, { recursive: true });
    const whole = await inDir(app, ['init', '--project']);
    expect(whole.out).toMatch(/project mono .*\n.*init --project --path \. makes packages\/app/);
    expect((await inDir(app, ['init', '--project', '--path', '.'])).out).toMatch(
      /project app \(packages\/app of /,
    );
    expect(readFileSync(config, 'utf8')).toContain(
      `[project.app]\nrepo = ${JSON.stringify(repo)}\nbase = "main"\npath = "packages/app"\n`,
    );
    expect((await inDir(repo, ['init', '--project', '--path', 'packages/app/'])).out).toMatch(
      /app is in .* already/,
    );
    for (const path of ['..', '/', 'none'])
      expect(await inDir(repo, ['init', '--project', '--path', path])).toMatchObject({ code: 2 });
    // It is nowhere yet but in this checkout.
    const checked = await box.here(['config', 'check']);
    expect(checked.code).toBe(78);
    expect(checked.out).toMatch(
      /config\.toml:\d+:1: project\.app\.path: packages\/app does not exist in main\n/,
    );
  });

  it('says how to get git where there is none', async () => {
    const done = await inDir(box.repo, ['init', '--project'], { PATH: join(box.dir, 'empty') });
    expect(done.code).toBe(69);
    expect(done.err).toMatch(/git is not installed.*apt-get install git.*brew install git/);
  });
});

describe('a disk that is full', () => {
  /** As on a disk with so much room: no file may grow beyond that many blocks of 512 bytes. */
  function withRoom(blocks: number, repo: string) {
    const words = `cd ${repo} && ulimit -f ${blocks} && exec ${process.execPath} ${BIN} init --project`;
    return spawnSync('/bin/sh', ['-c', words], { env: box.env, encoding: 'utf8' });
  }

  it('with room for the board, not for the configuration: the configuration stays as it was', () => {
    writeFileSync(config, `# ${'x'.repeat(900_000)}\n[agent.a]\nkind = "claude"\n`);
    const before = readFileSync(config, 'utf8');
    const done = withRoom(1000, repoAt('big'));
    expect(done.status).toBe(69);
    expect(done.stderr).toMatch(/can't use .*config\.toml \(EFBIG.*: look at the disk/);
    expect(box.sql('SELECT id FROM tickets')).toEqual([]);
    expect(readFileSync(config, 'utf8')).toBe(before);
    expect(readdirSync(box.dir).filter((name) => name.startsWith('config.toml.'))).toEqual([]);
  });

  it('with no room for the board: it says so, and the next call finishes what this one began', async () => {
    writeFileSync(config, '[agent.a]\nkind = "claude"\n');
    const repo = repoAt('small');
    const done = withRoom(100, repo);
    expect(done.status).toBe(69);
    expect(done.stderr).toMatch(/board\.sqlite refused the board/);
    expect(readFileSync(config, 'utf8')).toBe('[agent.a]\nkind = "claude"\n');

    expect((await inDir(repo, ['init', '--project'])).code).toBe(0);
    expect(box.sql('SELECT id FROM tickets')).toEqual([]);
  });
});
