import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { expect, it } from 'vitest';
import { thirdPartyLicenses } from '../../scripts/licenses.ts';
import { oursAlone } from '../../scripts/source-map.ts';

const pkg = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly version: string;
  readonly man: unknown;
  readonly dependencies: Record<string, string>;
};

/* A package that the bundles carry is a development dependency: as a dependency it would be installed beside its copy (134 MB,
 * 62 of them for charts). better-sqlite3 brings the native module; the other three are bundled, and named here all the same. */
it('installs better-sqlite3, commander, execa and kleur, and nothing else that the bundles carry already', () => {
  expect(Object.keys(pkg.dependencies)).toEqual(['better-sqlite3', 'commander', 'execa', 'kleur']);
});

it('the bundles load nothing from node_modules but better-sqlite3', () => {
  const needed = globSync('dist/*.cjs').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\brequire(?:\.resolve)?\(["'`]([^"'`./][^"'`]*)["'`]\)/g)].map(
      ([, name = '']) => name,
    ),
  );
  const foreign = needed.filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
  expect([...new Set(foreign)]).toEqual(['better-sqlite3/package.json']);
});

it('names its manual page in an array: npm links no other', () => {
  expect(pkg.man).toEqual(['dist/mc-pickup.1']);
  expect(readFileSync('dist/mc-pickup.1', 'utf8')).toContain(`"version ${pkg.version}"`);
});

it('packs the bundles, the licences of what they carry, the manual page and the documents, and no source', () => {
  // Without its scripts: the one before a pack builds `dist/` anew, beside the tests that run it.
  const packed = spawnSync(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts', '--no-update-notifier'],
    { encoding: 'utf8' },
  );
  const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const path of ['bin/mc-pickup.js', 'dist/main.cjs', 'dist/mc-pickup.1', 'docs/config.schema.json'])
    expect(paths).toContain(path);
  expect(paths).toContain('dist/THIRD-PARTY-LICENSES.txt');
  expect(paths.filter((path) => /^(src|test|scripts|node_modules)\//.test(path))).toEqual([]);
});

it('hands on the licence of every package that the source imports', () => {
  const imported = globSync('src/**/*.ts').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?'((?:@[^/']+\/)?[a-z][^/']*)/g)].map(
      ([, name = '']) => name,
    ),
  );
  const types = new Set(['mdast']);
  const packages = [...new Set(imported)].filter((name) => !name.startsWith('node:') && !types.has(name));
  expect(packages).toContain('echarts');
  const licences = readFileSync('dist/THIRD-PARTY-LICENSES.txt', 'utf8');
  for (const name of packages)
    expect(licences).toMatch(new RegExp(`^-{80}\n${name} \\d[^ ]* \\(.+\\)\n\n`, 'm'));
  // What a package asks to be handed on besides, and what it carries itself.
  expect(licences).toContain('This product includes software developed at\nThe Apache Software Foundation');
  expect(licences).toContain('Copyright 2010-2016 Mike Bostock');
});

it('a bundle with a package that has no licence text is no bundle', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mc-licence-'));
  try {
    const one = join(dir, 'node_modules', '@some', 'one');
    mkdirSync(one, { recursive: true });
    writeFileSync(join(one, 'package.json'), '{"name":"@some/one","version":"1.2.3","license":"MIT"}');
    const bundle = (bytesInOutput: number): Metafile => ({
      inputs: {},
      outputs: {
        'dist/x.cjs': {
          bytes: 1,
          inputs: { 'src/main.ts': { bytesInOutput: 9 }, [join(one, 'lib', 'a.js')]: { bytesInOutput } },
          imports: [],
          exports: [],
        },
      },
    });
    expect(() => thirdPartyLicenses([bundle(5)])).toThrow('@some/one: has no licence text');
    expect(thirdPartyLicenses([bundle(0)])).not.toContain('@some/one'); // nothing of it is left in the bundle
    writeFileSync(join(one, 'LICENCE.md'), 'Do what you like.\n');
    expect(thirdPartyLicenses([bundle(5)])).toContain('@some/one 1.2.3 (MIT)\n\nDo what you like.');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

it('maps a stack to our source alone', () => {
  const sources = ['../src/a.ts', '../node_modules/b/b.js'];
  // Columns 0, 2, 4 and 8: ours, the same line once more, theirs, ours again.
  const map = { version: 3, sources, names: ['a'], mappings: 'AAAA,EAAEA,ECAF,IDCA' };
  expect(JSON.parse(oursAlone(JSON.stringify(map)))).toEqual({
    ...map,
    names: [],
    sources: ['../src/a.ts', null],
    mappings: 'AAAA,I,IACA',
  });
});
