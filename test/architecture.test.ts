import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import pkg from '../package.json' with { type: 'json' };
import { APART } from './support/ending.ts';
import { ALONE, SLOW, UNIT, WHOLE } from './support/projects.ts';

const SRC = resolve(import.meta.dirname, '../src');
const IMPORT = /^\s*(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/gm;

interface Source {
  readonly path: string;
  readonly text: string;
  /** Paths under `src/` for our own modules, else the specifier as written. */
  readonly imports: readonly string[];
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    const imports = [...text.matchAll(IMPORT)].map((match) => {
      const name = match[1] ?? match[2] ?? '';
      return name.startsWith('.') ? relative(SRC, resolve(dirname(join(SRC, path)), name)) : name;
    });
    return { path, text, imports };
  });

/**
 * The house. A room imports from the floors below its own alone: neither from what is above nor from its neighbours, not even a type or
 * late. What stands loose in `src/` is a room by itself, and so is each part of the board.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['model'],
  ['machine', 'decide'],
  ['tmux', 'agents', 'workspace', 'board/port'],
  ['runs', 'import', 'board/sqlite', 'board/http'],
  ['config', 'report'],
  ['board/open.ts', 'context.ts', 'act', 'clean', 'publish', 'schedule'],
  ['status', 'notify'],
  ['metrics', 'page', 'doctor'],
  ['tick'],
  ['commands'],
  ['cli', 'registration.ts'],
  ['main.ts'],
];

/** The folder, or the file that stands loose in `src/`; of `board/` each part. */
function roomOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'board' ? `board/${second}` : first;
}

/** Files that import each other, by however many others between them. */
function circles(): string[][] {
  const found: string[][] = [];
  const over = new Set<string>();
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) found.push([...way.slice(way.indexOf(path)), path]);
    if (over.has(path) || way.includes(path)) return;
    for (const next of importsOf.get(path) ?? []) walk(next, [...way, path]);
    over.add(path);
  };
  for (const { path } of sources) walk(path, []);
  return found;
}

/** These neither wait nor change anything, or work on what has been opened already. */
const LOOKS =
  /^(existsSync|statSync|lstatSync|fstatSync|statfsSync|realpathSync|readlinkSync|accessSync|constants|closeSync|readSync|writeSync|fsyncSync|fchmodSync|type \w+)$/;

/**
 * Who calls functions of `node:fs` that open, read, list, write or remove by a path, and on what. What lies where agents write (runs,
 * worktrees and their git dirs, the clients' own records) goes through `foreign.ts`: rule 15 of "What holds" in README.md. A file that is not here, or
 * calls something that is not said here, uses that module; only where no agent has any business does it get a line.
 */
const TOUCHING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'foreign places: the modules for them': {
    'machine/foreign.ts':
      'ftruncateSync mkdirSync openSync opendirSync readdirSync renameSync symlinkSync unlinkSync writeFileSync',
    'machine/remove-tree.ts': 'chmodSync openSync readdirSync renameSync rmdirSync',
  },
  'files right in the state dir, each replaced by a rename': {
    'act/launch/registrar.ts': 'openSync rmSync',
    'board/sqlite/backup.ts': 'chmodSync copyFileSync mkdirSync readdirSync renameSync rmSync',
    'machine/sqlite/private.ts': 'mkdirSync openSync',
    'board/sqlite/old.ts': 'mkdirSync openSync',
    'board/sqlite/open.ts': 'readFileSync',
    'machine/caller.ts': 'writeFileSync',
    'machine/killswitch.ts': 'mkdirSync openSync readFileSync renameSync rmSync rmdirSync writeFileSync',
    'notify/ping.ts': 'rmSync',
    'report/brief.ts': 'rmSync',
    'machine/files.ts': 'renameSync rmSync writeFileSync',
    'machine/process.ts': 'linkSync mkdirSync readFileSync rmSync writeFileSync',
    'machine/holder.ts': 'openSync readFileSync rmSync writeFileSync',
    'tick/after.ts': 'rmSync',
    'tick/clock.ts': 'rmSync',
    'tmux/dir.ts': 'mkdirSync',
    'machine/state.ts': 'mkdirSync',
  },
  'files that the person names or owns: configuration, secrets, imports, the page, a crontab': {
    'commands/config-edit.ts': 'readFileSync rmSync writeFileSync',
    'commands/config.ts': 'readFileSync',
    'commands/import-from.ts': 'readFileSync',
    'machine/named-file.ts': 'chmodSync linkSync openSync renameSync rmSync writeFileSync',
    'commands/texts.ts': 'readFileSync',
    'config/add.ts': 'mkdirSync openSync readFileSync rmSync writeFileSync',
    'config/board.ts': 'readFileSync',
    'config/read.ts': 'readFileSync',
    'config/replace.ts': 'chmodSync chownSync renameSync rmSync writeFileSync',
    'doctor/agents.ts': 'openSync',
    'doctor/projects.ts': 'readdirSync',
    'doctor/ssh.ts': 'readdirSync',
    'machine/proxied.ts': 'readFileSync',
    'notify/channels.ts': 'readFileSync',
    'agents/trust.ts': 'renameSync rmSync writeFileSync',
    'schedule/scheduler.ts': 'mkdirSync readFileSync rmSync',
  },
  'the kernel: /proc, /dev, /etc': {
    'machine/processes.ts': 'readdirSync',
    'machine/random.ts': 'openSync',
    'machine/room.ts': 'readFileSync',
    'doctor/disk.ts': 'readFileSync',
    'doctor/server.ts': 'readdirSync',
    'machine/proc.ts': 'readFileSync readdirSync',
    'runs/wrapper.ts': 'openSync',
    'machine/spawn.ts': 'openSync unlinkSync',
  },
  "whole worktrees by name (renamed, an empty one removed, looked through by `clean`), and a repository's configuration by its lock":
    {
      'workspace/aside.ts': 'renameSync',
      'workspace/config-file.ts': 'fchownSync linkSync openSync readdirSync renameSync rmSync writeFileSync',
      'workspace/make.ts': 'rmdirSync',
      'workspace/odd.ts': 'renameSync',
      'workspace/pool.ts': 'rmdirSync',
      'workspace/reconnect.ts': 'mkdirSync rmdirSync',
      'workspace/root.ts': 'mkdirSync rmdirSync',
      'workspace/ignored.ts': 'readdirSync',
      'workspace/slots.ts': 'renameSync',
      'workspace/tree.ts': 'readFileSync readdirSync',
    },
  'a directory of its own, made for that moment': {
    'workspace/merged.ts': 'mkdtempSync rmSync',
  },
  'no call of ours: a place for tests to wait at, and the text of a plugin that OpenCode runs': {
    'machine/failpoint.ts': 'openSync',
    'agents/opencode/plugin.ts': 'readFileSync renameSync utimesSync writeFileSync',
  },
};

const importsOf = new Map(
  sources.map(({ path, imports }) => [path, imports.filter((name) => name.endsWith('.ts'))]),
);

/** `file -> import` for every import of the files under `from` that `allowed` refuses. */
function offences(from: string, allowed: (name: string) => boolean): string[] {
  return sources
    .filter(({ path }) => path.startsWith(from))
    .flatMap(({ path, imports }) =>
      imports.filter((name) => !allowed(name)).map((name) => `${path} -> ${name}`),
    );
}

/** Lines of code (not comments) that match. */
function lines(pattern: RegExp, except: (path: string) => boolean): string[] {
  return sources
    .filter(({ path }) => !except(path))
    .flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line) && pattern.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
}

describe('the architecture', () => {
  it('is read at all', () => {
    expect(sources.length).toBeGreaterThan(10);
    expect(sources.find(({ path }) => path === 'decide/index.ts')?.imports).toContain(
      'decide/reconcile/index.ts',
    );
  });

  it('lets the model import nothing but the model', () => {
    expect(offences('model/', (name) => name.startsWith('model/'))).toEqual([]);
  });

  it('lets the decision import nothing but the model and itself', () => {
    expect(offences('decide/', (name) => /^(model|decide)\//.test(name))).toEqual([]);
  });

  it.each([
    ['board/port', ['board']],
    ['board/sqlite', ['board']],
    ['board/http', ['board']],
    ['workspace', []],
    ['agents', []],
    ['tmux', []],
    ['runs', ['agents', 'tmux']],
  ])('lets %s import nothing but itself, the model, the machine and %j', (folder, lower) => {
    const allowed = [folder, ...lower, 'model', 'machine'];
    const ours = (name: string) => !name.endsWith('.ts') || allowed.includes(name.split('/')[0] ?? '');
    expect(offences(`${folder}/`, ours)).toEqual([]);
  });

  it('lets a kind of board be reached from where boards are opened alone, and one that few have when it is', () => {
    const adapter = /^board\/(?!port\/|open\.ts)/;
    const reaching = sources
      .filter(({ path }) => !adapter.test(path))
      .flatMap(({ path, imports }) => imports.filter((name) => adapter.test(name)).map(() => path));
    expect([...new Set(reaching)]).toEqual(['board/open.ts']);
    const open = sources.find(({ path }) => path === 'board/open.ts')?.text ?? '';
    expect(open).not.toMatch(/from '[^']*http\//);
  });

  it('has no file that imports itself by way of others', () => {
    expect(circles()).toEqual([]);
  });

  it('has a floor for each room, and a stair down from each to what it imports', () => {
    const floors = FLOORS.flat();
    const rooms = new Set(sources.map(({ path }) => roomOf(path)));
    expect([...rooms].sort()).toEqual([...floors].sort());
    const floorOf = (path: string) => FLOORS.findIndex((floor) => floor.includes(roomOf(path)));
    const wrong = [...importsOf].flatMap(([path, imports]) =>
      imports
        .filter((name) => roomOf(name) !== roomOf(path) && floorOf(name) >= floorOf(path))
        .map((name) => `${path} -> ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('lets files be touched by their path only where no agent is expected to write', () => {
    const touching = sources.flatMap(({ path, text }) => {
      const [, list = ''] = /import \{([^}]*)\} from 'node:fs'/.exec(text) ?? [];
      const names = list.split(',').map((one) => one.trim());
      const acting = names.filter((one) => one !== '' && !LOOKS.test(one)).sort();
      return acting.length === 0 ? [] : [`${path}: ${acting.join(' ')}`];
    });
    const allowed = Object.values(TOUCHING).flatMap((files) =>
      Object.entries(files).map(([path, names]) => `${path}: ${names}`),
    );
    expect(touching.sort()).toEqual(allowed.sort());
    // No other door to it.
    expect(lines(/from 'node:fs\/promises'|from 'fs'|BuiltinModule\('node:fs/, () => false)).toEqual([]);
    expect(lines(/import [^{]* from 'node:fs'/, () => false)).toEqual([]);
  });

  it('lets one module read what /proc shows of processes', () => {
    const reads = lines(
      /Sync\([`'"]\/proc\/(\$\{|self\/(stat|environ|exe|cwd|limits))|\bproc\.root\b/,
      (path) => path === 'machine/proc.ts',
    );
    expect(reads).toEqual([]);
  });

  it('lets the protocol of act/ reach the outside through its interface alone', () => {
    const protocol = [
      'index',
      'heal',
      'outcome',
      'busy',
      'nudge',
      'quit',
      'hold',
      'said',
      'launch/dispatch',
      'launch/protocol',
    ];
    // `outside` is the interface; `launch/index` is the door that the first launch of a tick opens.
    const act = [...protocol, 'outside', 'launch/index'].map((path) => `act/${path}.ts`);
    const allowed = (name: string) =>
      act.includes(name) || /^(model|decide|board\/port|machine\/failpoint)/.test(name);
    for (const path of protocol) {
      expect(sources.map((one) => one.path)).toContain(`act/${path}.ts`);
      expect(offences(`act/${path}.ts`, allowed)).toEqual([]);
    }
  });

  it('lets the killswitch import nothing but Node and the model', () => {
    const own = (name: string) => name.startsWith('node:') || name.startsWith('model/');
    expect(sources.map(({ path }) => path)).toContain('machine/killswitch.ts');
    expect(offences('machine/killswitch.ts', own)).toEqual([]);
  });

  it('asks other machines in one place, which knows the way out', () => {
    expect(lines(/\bfetch\((?!\))/, (path) => path === 'machine/outgoing.ts')).toEqual([]);
  });

  it('prints nowhere but in the report', () => {
    expect(lines(/\bconsole\s*\./, (path) => path.startsWith('report/'))).toEqual([]);
  });

  it('draws cases of tests from one seed alone, and sets no test a time of its own', () => {
    const tests = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
      .filter(
        (path) =>
          path.endsWith('.ts') && !/^(agents|bench)\/|^(support\/draws|architecture\.test)\.ts$/.test(path),
      )
      .map((path) => ({ path, text: readFileSync(join(import.meta.dirname, path), 'utf8') }));
    const found = (pattern: RegExp) => tests.filter(({ text }) => pattern.test(text)).map(({ path }) => path);
    expect(found(/from 'fast-check'/)).toEqual([]);
    expect(found(/^\}, [\d_]+\);$|\btest(Timeout|\.setTimeout)\b/m)).toEqual([]);
    expect(found(/expect\(performance\.now\(\)/)).toEqual([]);
  });

  it('knows the unit tests from those that start processes, and npm test names the scripts that are no part of it', () => {
    expect(UNIT).toEqual(
      expect.arrayContaining(['test/architecture.test.ts', 'test/decide/reconcile.test.ts']),
    );
    expect(WHOLE).toEqual(expect.arrayContaining(['test/e2e/tick.test.ts', 'test/workspace/moved.test.ts']));
    const rigs = (paths: readonly string[]) =>
      paths.filter((path) =>
        /support\/(rig|sandbox)\.ts'/.test(readFileSync(resolve(SRC, '..', path), 'utf8')),
      );
    expect(rigs(UNIT)).toEqual([]);
    expect(rigs(WHOLE).length).toBeGreaterThan(30);
    // All files are run by these two; the others are parts of them.
    expect(pkg.scripts).toMatchObject({
      test: 'vitest run --project=!slow',
      'test:slow': 'vitest run --project slow',
    });
    expect(Object.keys(SLOW).filter((path) => !existsSync(resolve(SRC, '..', path)))).toEqual([]);
    expect(Object.keys(SLOW).filter((path) => [...UNIT, ...WHOLE, ...ALONE].includes(path))).toEqual([]);
    const parts = ['test:unit', 'test:http', 'test:example'];
    const scripts = Object.keys(pkg.scripts).filter((name) => /^(test:|bench)/.test(name));
    expect(Object.keys(APART).sort()).toEqual(scripts.filter((name) => !parts.includes(name)).sort());
  });

  it('exits nowhere but in main', () => {
    expect(lines(/\bprocess\s*\.\s*exit\s*\(/, (path) => path === 'main.ts')).toEqual([]);
  });
});
