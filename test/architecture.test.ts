import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

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
    expect(sources.find(({ path }) => path === 'decide/index.ts')?.imports).toContain('decide/reconcile.ts');
  });

  it('lets the model import nothing but the model', () => {
    expect(offences('model/', (name) => name.startsWith('model/'))).toEqual([]);
  });

  it('lets the decision import nothing but the model and itself', () => {
    expect(offences('decide/', (name) => /^(model|decide)\//.test(name))).toEqual([]);
  });

  it.each(['board', 'runtime', 'workspace'])(
    'keeps %s/ to itself, the model and the small tools of all',
    (own) => {
      const outside = (name: string) => !/\.ts$/.test(name) || name.startsWith('node:');
      const ours = (name: string) =>
        name.startsWith(`${own}/`) ||
        name.startsWith('model/') ||
        ['clock.ts', 'failpoint.ts', 'paths.ts', 'spawn.ts', 'text.ts'].includes(name);
      expect(offences(`${own}/`, (name) => outside(name) || ours(name))).toEqual([]);
    },
  );

  it('lets the protocol of act/ reach the outside through its interface alone', () => {
    for (const path of ['index', 'launch', 'busy', 'nudge'])
      expect(
        offences(`act/${path}.ts`, (name) =>
          /^(model|decide|act|board\/port|report\/sentences|failpoint)/.test(name),
        ),
      ).toEqual([]);
  });

  it('lets the killswitch import nothing but Node and the model', () => {
    const own = (name: string) => name.startsWith('node:') || name.startsWith('model/');
    expect(sources.map(({ path }) => path)).toContain('killswitch.ts');
    expect(offences('killswitch.ts', own)).toEqual([]);
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

  it('exits nowhere but in main', () => {
    expect(lines(/\bprocess\s*\.\s*exit\s*\(/, (path) => path === 'main.ts')).toEqual([]);
  });
});
